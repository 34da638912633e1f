//! redis-rs, in RESP2 and RESP3.

use redis::{Client, Connection, FromRedisValue as _, ProtocolVersion, Value};

use crate::server::Server;

fn connect(server: &Server, query: &str) -> Connection {
    let client = Client::open(format!("redis://{}/{query}", server.resp)).unwrap();
    client.get_connection().unwrap()
}

fn command(words: &[&str]) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(word);
    });
    command
}

fn ask(connection: &mut Connection, words: &[&str]) -> Value {
    command(words).query(connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// The code of the error that a command is answered with.
fn code(connection: &mut Connection, words: &[&str]) -> String {
    let error = command(words).query::<Value>(connection).expect_err("refused");
    error.code().expect("a code").to_owned()
}

/// A field of a map, or of the flat array that RESP2 has for one.
fn field(reply: Value, name: &str) -> Value {
    let pairs = reply.into_map_iter().unwrap_or_else(|reply| panic!("no map: {reply:?}"));
    let found = pairs.into_iter().find(|(key, _)| text(key) == name);
    found.unwrap_or_else(|| panic!("no field {name}")).1
}

fn text(value: &Value) -> String {
    String::from_redis_value_ref(value).expect("text")
}

fn use_the_room(connection: &mut Connection, zone: &str) {
    assert_eq!(ask(connection, &["PING"]), Value::SimpleString("PONG".to_owned()));
    assert_eq!(ask(connection, &["Q.ZONE", "SET", zone, "LIMIT", "1"]), Value::Okay);
    assert_eq!(text(&field(ask(connection, &["Q.JOIN", zone]), "state")), "admitted");
    let token = text(&field(ask(connection, &["Q.JOIN", zone]), "token"));
    let mut pipeline = redis::pipe();
    for _ in 0..100 {
        pipeline.add_command(command(&["Q.POLL", zone, &token]));
    }
    let polls: Vec<Value> = pipeline.query(connection).expect("a hundred answers");
    assert_eq!(polls.len(), 100);
    for poll in polls {
        assert_eq!(field(poll, "position"), Value::Int(1));
    }
    assert_eq!(field(ask(connection, &["Q.STATS", zone]), "waiting"), Value::Int(1));
    assert_eq!(ask(connection, &["Q.LEAVE", zone, &token]), Value::Int(1));
    assert_eq!(code(connection, &["Q.POLL", zone, &token]), "GONE");
    assert_eq!(code(connection, &["Q.POLL", zone, "forged"]), "BADTOKEN");
    assert_eq!(code(connection, &["Q.JOIN", "nowhere"]), "NOZONE");
}

#[test]
fn redis_rs_uses_the_room() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    use_the_room(&mut connect(&server, ""), "default");
    let versions = [("resp2", ProtocolVersion::RESP2), ("resp3", ProtocolVersion::RESP3)];
    for (protocol, version) in versions {
        let query = format!("?protocol={protocol}");
        let client = Client::open(format!("redis://{}/{query}", server.resp)).unwrap();
        assert_eq!(client.get_connection_info().redis_settings().protocol(), version);
        let mut connection = connect(&server, &query);
        use_the_room(&mut connection, protocol);
        let is_map = matches!(ask(&mut connection, &["Q.STATS", protocol]), Value::Map(_));
        assert_eq!(is_map, version == ProtocolVersion::RESP3);
    }
    server.stop();
}

#[test]
fn redis_rs_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = super::roles::guarded(folder.path());
    for protocol in ["resp2", "resp3"] {
        let open = |login: &str| {
            let url = format!("redis://{login}{}/?protocol={protocol}", server.resp);
            Client::open(url).unwrap().get_connection()
        };
        let mut app = open("app:letmein@").expect("the right password");
        assert_eq!(code(&mut app, &["Q.ZONE", "SET", "shop", "LIMIT", "9"]), "NOPERM");
        assert_eq!(text(&field(ask(&mut app, &["Q.JOIN", "shop"]), "state")), "admitted");
        assert!(open("app:guess@").is_err(), "another password");
    }
    server.stop();
}
