//! Publish and subscribe: with the clients of others, and byte by byte beside Redis itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};

use redis::TypedCommands as _;

use super::foreign::{await_start, check, node, python, server};
use crate::server::Server;

#[test]
fn redis_py_publishes_and_subscribes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    check(python(), "pubsub.py", &[&server.resp.port().to_string()]);
    server.stop();
}

#[test]
fn ioredis_and_node_redis_publish_and_subscribe() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    check(node(), "pubsub.js", &[&server.resp.port().to_string()]);
    server.stop();
}

#[test]
fn redis_rs_publishes_and_subscribes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    let open = |query: &str| redis::Client::open(format!("redis://{}/{query}", server.resp)).unwrap();
    for query in ["", "?protocol=resp3"] {
        let (mut listener, mut publisher) =
            (open(query).get_connection().unwrap(), open("").get_connection().unwrap());
        let mut heard = listener.as_pubsub();
        heard.subscribe("news").unwrap();
        heard.psubscribe("n*").unwrap();
        for number in 0..100 {
            assert_eq!(publisher.publish("news", number).unwrap(), 2);
        }
        for number in 0..100 {
            for pattern in [None, Some("n*".to_owned())] {
                let message = heard.get_message().unwrap();
                assert_eq!(message.get_channel_name(), "news");
                assert_eq!(message.get_pattern::<Option<String>>().unwrap(), pattern);
                assert_eq!(message.get_payload::<u32>().unwrap(), number);
            }
        }
        heard.unsubscribe("news").unwrap();
        heard.punsubscribe("n*").unwrap();
        drop(heard);
        assert_eq!(listener.publish("news", "x").unwrap(), 0, "it may ask anything again");
    }
    server.stop();
}

/// Redis on a socket in a folder, killed when dropped.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn redis(socket: &Path) -> Redis {
    let mut command = server("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(socket).stdout(Stdio::null());
    let redis = Redis(command.spawn().expect("redis-server starts"));
    await_start("redis-server", || UnixStream::connect(socket).is_ok());
    redis
}

/// What a server says to a line, up to its echo of a word that nothing else says.
fn said(stream: &mut (impl Read + Write), line: &str, word: &str) -> String {
    write!(stream, "{line}\r\nPING {word}\r\n").expect("the line is taken");
    let end = format!("${}\r\n{word}\r\n", word.len());
    let mut said = Vec::new();
    let mut chunk = [0; 4_096];
    while !said.ends_with(end.as_bytes()) {
        let read = stream.read(&mut chunk).expect("an answer");
        assert!(read > 0, "closed after {line}: {}", said.escape_ascii());
        said.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(said).expect("text")
}

/// Connections by number, and what each says. Where several channels would be left at once Redis has no order, so there is one.
const STORY: &[(usize, &str)] = &[
    (0, "UNSUBSCRIBE"),
    (0, "UNSUBSCRIBE a b"),
    (0, "PUNSUBSCRIBE"),
    (0, "SUBSCRIBE a a b"),
    (0, "PSUBSCRIBE x* [a-c]"),
    (0, "PING"),
    (0, "PING a b"),
    (0, "ECHO a"),
    (0, "CLIENT LIST"),
    (0, "PUBSUB NUMPAT"),
    (0, "PUBLISH a b"),
    (0, "HELLO 3"),
    (0, "NOSUCH a"),
    (0, "SUBSCRIBE"),
    (1, "PUBLISH a one"),
    (1, "PUBLISH B two"),
    (1, "PUBLISH x \"\""),
    (1, "PUBSUB NUMSUB a b c a"),
    (1, "PUBSUB NUMSUB"),
    (1, "PUBSUB NUMPAT"),
    (1, "PUBSUB CHANNELS A"),
    (1, "PUBSUB CHANNELS a"),
    (1, "PUBSUB CHANNELS x y"),
    (1, "PUBSUB NOSUCH"),
    (1, "PUBSUB"),
    (1, "PUBLISH a"),
    (0, "UNSUBSCRIBE a"),
    (0, "UNSUBSCRIBE q"),
    (0, "UNSUBSCRIBE"),
    (0, "UNSUBSCRIBE"),
    (0, "PUNSUBSCRIBE x* q"),
    (0, "PUNSUBSCRIBE"),
    (0, "ECHO free"),
    (0, "SUBSCRIBE c\r\nRESET\r\nECHO d\r\nUNSUBSCRIBE"),
    (1, "PUBLISH c x"),
];

/// The same with a listener in RESP3, which may publish.
const STORY_IN_RESP3: &[(usize, &str)] = &[
    (0, "SUBSCRIBE a b"),
    (0, "PSUBSCRIBE a*"),
    (0, "PUBLISH a x"),
    (0, "PUBLISH a x\r\nPUBLISH b y\r\nPING\r\nPUBLISH a z"),
    (1, "PUBLISH b y\r\nPUBLISH ab y"),
    (0, "PING"),
    (0, "PUBSUB CHANNELS a"),
    (0, "UNSUBSCRIBE a b\r\nUNSUBSCRIBE"),
    (0, "PUNSUBSCRIBE"),
    (0, "PUNSUBSCRIBE"),
    (0, "SUBSCRIBE z"),
    (0, "RESET\r\nUNSUBSCRIBE"),
];

#[test]
fn every_byte_is_that_of_redis() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis");
    let _redis = redis(&socket);
    // One worker, so that a message is there before its publisher hears of it, as with Redis.
    let server = Server::start(&folder.path().join("data"), &["--workers", "1"]);
    for (greeting, story) in [("PING", STORY), ("HELLO 3", STORY_IN_RESP3)] {
        let mut theirs: Vec<_> = (0..2).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        let mut ours: Vec<_> = (0..2).map(|_| TcpStream::connect(server.resp).unwrap()).collect();
        said(&mut theirs[0], greeting, "greeted");
        said(&mut ours[0], greeting, "greeted");
        for (number, (connection, line)) in story.iter().enumerate() {
            let word = format!("step-{number}");
            let expected = said(&mut theirs[*connection], line, &word);
            assert_eq!(said(&mut ours[*connection], line, &word), expected, "{line}");
        }
    }
    server.stop();
}
