//! The typed calls against a scripted server: what is sent, and what is made of the replies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use sluice_client::{ClientError, Connection, State, ZoneSettings, encode_command};

const HELLO: &str = "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";

/// Expects `commands` in one connection, each answered by its reply in pieces of one byte.
fn scripted(commands: Vec<(&'static [&'static str], &'static str)>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        stream.set_nodelay(true).expect("is a socket");
        let mut expect = |bytes: &[u8], reply: &str| {
            let mut received = vec![0; bytes.len()];
            stream.read_exact(&mut received).expect("the client sends");
            assert_eq!(received.escape_ascii().to_string(), bytes.escape_ascii().to_string());
            for byte in reply.as_bytes() {
                stream.write_all(&[*byte]).expect("the client reads");
            }
        };
        expect(HELLO.as_bytes(), "%1\r\n+proto\r\n:3\r\n");
        for (command, reply) in commands {
            let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            let mut bytes = Vec::new();
            encode_command(&mut bytes, &words);
            expect(&bytes, reply);
        }
    });
    (address, server)
}

const WAITING: &str = "%5\r\n+state\r\n+waiting\r\n+token\r\n+abc\r\n+position\r\n:2\r\n+eta_ms\r\n:60000\r\n\
                       +poll_ms\r\n:3000\r\n";
const ADMITTED: &str = "%7\r\n+state\r\n+admitted\r\n+token\r\n+abc\r\n+position\r\n:0\r\n+eta_ms\r\n:0\r\n\
                        +poll_ms\r\n:3000\r\n+pass\r\n+p.q.r\r\n+admitted_at\r\n:99\r\n";

#[test]
fn a_visit_from_joining_to_leaving() {
    let (address, server) = scripted(vec![
        (&["Q.ZONE", "SET", "shop", "LIMIT", "60", "POLL_MS", "3000"], "+OK\r\n"),
        (&["Q.JOIN", "shop"], WAITING),
        (&["Q.POLL", "shop", "abc"], ADMITTED),
        (&["Q.LEAVE", "shop", "abc"], ":1\r\n"),
        (&["Q.LEAVE", "shop", "abc"], ":0\r\n"),
    ]);
    let mut connection = Connection::connect(address).expect("connects");
    let settings = ZoneSettings { limit: Some(60), poll_ms: Some(3_000), ..Default::default() };
    connection.zone_set("shop", &settings).expect("is set");
    let place = connection.join("shop").expect("joins");
    assert_eq!((place.state, place.position, place.eta_ms), (State::Waiting, 2, Some(60_000)));
    let place = connection.poll("shop", &place.token).expect("polls");
    assert_eq!(
        (place.state, place.pass.as_deref(), place.admitted_at_ms),
        (State::Admitted, Some("p.q.r"), Some(99))
    );
    assert!(connection.leave("shop", "abc").expect("leaves"));
    assert!(!connection.leave("shop", "abc").expect("is gone already"));
    server.join().expect("the script was followed");
}

#[test]
fn a_refusal_names_its_code_and_the_connection_goes_on() {
    let (address, server) = scripted(vec![
        (&["Q.JOIN", "nowhere"], "-NOZONE no such zone\r\n"),
        (&["Q.ZONE", "DEL", "nowhere"], ":0\r\n"),
    ]);
    let mut connection = Connection::connect(address).expect("connects");
    let error = connection.join("nowhere").expect_err("is refused");
    assert_eq!((error.code(), error.to_string().as_str()), (Some("NOZONE"), "refused: NOZONE no such zone"));
    assert!(!connection.zone_del("nowhere").expect("answers"));
    server.join().expect("the script was followed");
}

#[test]
fn pushes_between_replies_are_passed_over() {
    let push = ">2\r\n+x.entry\r\n+key\r\n:1\r\n";
    let (address, server) = scripted(vec![(&["Q.LEAVE", "shop", "abc"], push)]);
    let mut connection = Connection::connect(address).expect("connects");
    assert!(connection.leave("shop", "abc").expect("leaves"));
    server.join().expect("the script was followed");
}

#[test]
fn a_server_that_closes_or_lies_is_told_apart() {
    let (address, server) = scripted(Vec::new());
    let mut connection = Connection::connect(address).expect("connects");
    server.join().expect("has closed");
    assert!(matches!(connection.join("shop"), Err(ClientError::Closed | ClientError::Io(_))));

    let (address, server) =
        scripted(vec![(&["Q.LEAVE", "a", "b"], "+OK\r\n"), (&["Q.LEAVE", "a", "b"], "?\r\n")]);
    let mut connection = Connection::connect(address).expect("connects");
    assert!(matches!(connection.leave("a", "b"), Err(ClientError::Unexpected(_))));
    assert!(matches!(connection.leave("a", "b"), Err(ClientError::Malformed(_))));
    server.join().expect("the script was followed");
}
