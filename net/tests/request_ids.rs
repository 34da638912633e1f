//! A request id is its caller's: nobody meets another's request by it, and everybody meets the own one again.

mod support;

use sluice_engine::zone::settings::{Mode, ZonePatch};
use sluice_net::auth::{AuthTable, digest};
use sluice_net::resp::server::Role;
use sluice_net::server::Server;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use support::{Client, config, start_with, value_of};

/// A server whose zone lets nobody in, with two gateways and two writers.
fn guarded() -> Server {
    let mut auth = AuthTable::open();
    for (user, secret) in [("ann", b"a"), ("bob", b"b")] {
        auth.add_user(user, digest(secret), Role::Client);
    }
    [b"v", b"w"].iter().for_each(|secret| auth.add_writer(digest(*secret)));
    serve(auth)
}

fn serve(auth: AuthTable) -> Server {
    let paused = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    start_with(config(|config| config.auth = auth), vec![("shop", paused)])
}

/// A connection from this address of the loopback network.
fn from(address: [u8; 4], to: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(address), 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    Client::over(socket.into())
}

/// The token of an HTTP join.
fn join(client: &mut Client, fields: &str, body: &str) -> String {
    let (traffic, resource) = ("/traffic/wait", "/v1/zones/shop/tokens");
    let path = if body.contains("zoneId") { traffic } else { resource };
    let len = body.len();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {len}\r\n\r\n{body}"));
    client.response().json()["token"].as_str().expect("a token").to_owned()
}

fn gateway(server: &Server, login: &str) -> Client {
    let mut client = Client::connect(server.local_addrs().resp);
    assert_eq!(client.ask(login), "+OK\r\n");
    client
}

/// Every one of them is another's.
fn assert_distinct(tokens: &[(&str, String)]) {
    for (at, (name, token)) in tokens.iter().enumerate() {
        for (other, same) in &tokens[at + 1..] {
            assert_ne!(token, same, "{name} and {other}");
        }
    }
}

#[test]
fn a_request_id_of_a_join_is_known_again_to_its_caller_and_to_nobody_else() {
    let server = guarded();
    let http = server.local_addrs().http;
    let all = || {
        let anonymous = r#"{"requestId":"r"}"#;
        let named = r#"{"requestId":"r","userId":"u"}"#;
        let [writer, other_writer] = ["w", "v"].map(|token| format!("Authorization: Bearer {token}\r\n"));
        let (mut near, mut far) = (from([127, 0, 0, 1], http), from([127, 0, 0, 2], http));
        let mut tokens = vec![
            ("a stranger", join(&mut near, "", anonymous)),
            ("a stranger elsewhere", join(&mut far, "", anonymous)),
            ("a writer", join(&mut near, &writer, anonymous)),
            ("a writer for a user", join(&mut near, &writer, named)),
            ("another writer", join(&mut near, &other_writer, anonymous)),
        ];
        for (name, login) in [("ann", "AUTH ann a"), ("bob", "AUTH bob b")] {
            let mut client = gateway(&server, login);
            tokens.push((name, value_of(&client.ask("Q.JOIN shop REQUEST r"), "token")));
        }
        let mut ann = gateway(&server, "AUTH ann a");
        tokens.push(("ann for a user", value_of(&ann.ask("Q.JOIN shop REQUEST r USER x"), "token")));
        tokens.push(("ann for another", value_of(&ann.ask("Q.JOIN shop USER y REQUEST r"), "token")));
        tokens
    };
    let tokens = all();
    assert_distinct(&tokens);
    assert_eq!(all(), tokens, "over other connections everybody is known again");
    // What a stranger says of a user does not count: it is the same request.
    let mut near = from([127, 0, 0, 1], http);
    assert_eq!(join(&mut near, "", r#"{"requestId":"r","userId":"u"}"#), tokens[0].1);
    assert_eq!(
        join(&mut near, "", r#"{"zoneId":"shop","requestId":"r","clientIp":"127.0.0.2"}"#),
        tokens[0].1
    );
}

#[test]
fn without_credentials_http_and_resp_do_not_meet_either() {
    let server = serve(AuthTable::open());
    let mut gateway = Client::connect(server.local_addrs().resp);
    let mut stranger = Client::connect(server.local_addrs().http);
    let theirs = value_of(&gateway.ask("Q.JOIN shop USER victim REQUEST r"), "token");
    assert_ne!(join(&mut stranger, "", r#"{"requestId":"r"}"#), theirs);
    let ours = join(&mut stranger, "", r#"{"requestId":"s"}"#);
    assert_ne!(value_of(&gateway.ask("Q.JOIN shop USER victim REQUEST s"), "token"), ours);
    assert_eq!(value_of(&gateway.ask("Q.JOIN shop USER victim REQUEST r"), "token"), theirs);
}

#[test]
fn a_request_id_of_an_append_is_its_callers() {
    let server = guarded();
    let mut ids = Vec::new();
    for round in 0..2 {
        for login in ["AUTH ann a", "AUTH bob b"] {
            ids.push((login, gateway(&server, login).ask("XADD orders REQUEST r * a 1")));
        }
        for writer in ["v", "w"] {
            let mut client = Client::connect(server.local_addrs().http);
            let fields = format!("Authorization: Bearer {writer}\r\nIdempotency-Key: r\r\n");
            let body = r#"{"a":1}"#;
            client.send(format!(
                "POST /v1/streams/orders/events HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            ids.push((writer, client.response().json()["seq"].to_string()));
        }
        assert_distinct(&ids[..4]);
        assert_eq!(ids[4 * round..], ids[..4], "round {round}");
    }
    assert_eq!(gateway(&server, "AUTH ann a").ask("XLEN orders"), ":4\r\n");
}
