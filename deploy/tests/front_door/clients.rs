//! Clients that others wrote connect with their defaults and use the room: redis-py, ioredis and redis-rs.
//!
//! Python and Node come from `deploy/test.sh tools`; where they are missing these tests fail, they do not skip.

use std::path::{Path, PathBuf};
use std::process::Command;

use redis::{Client, FromRedisValue as _, ProtocolVersion, Value};

use crate::server::Server;

fn tool(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(path);
    assert!(path.exists(), "{} is missing: run `deploy/test.sh tools` first", path.display());
    path
}

/// Runs a script that speaks to a fresh server and judges the answers itself.
fn check(mut interpreter: Command, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_door").join(script);
    let output =
        interpreter.arg(script).arg(server.resp.port().to_string()).output().expect("the client runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
    assert_eq!(said(&output.stdout).trim(), "checked", "the script came to its end");
    server.stop();
}

#[test]
fn redis_py_joins_polls_and_leaves() {
    check(Command::new(tool("venv/bin/python")), "client.py");
}

#[test]
fn ioredis_joins_polls_and_leaves() {
    let mut node = Command::new("node");
    node.env("NODE_PATH", tool("node/node_modules"));
    check(node, "client.js");
}

#[test]
fn redis_rs_joins_polls_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for protocol in ["resp2", "resp3"] {
        let url = format!("redis://{}/?protocol={protocol}", server.resp);
        let client = Client::open(url).unwrap();
        let expected = if protocol == "resp3" { ProtocolVersion::RESP3 } else { ProtocolVersion::RESP2 };
        assert_eq!(client.get_connection_info().redis_settings().protocol(), expected);
        let mut connection = client.get_connection().unwrap();
        let mut ask = |words: &[&str]| -> Value {
            let mut command = redis::cmd(words[0]);
            words[1..].iter().for_each(|word| {
                command.arg(word);
            });
            command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
        };
        assert_eq!(ask(&["Q.ZONE", "SET", protocol, "LIMIT", "1"]), Value::Okay);
        assert_eq!(text(&field(ask(&["Q.JOIN", protocol]), "state")), "admitted");
        let token = text(&field(ask(&["Q.JOIN", protocol]), "token"));
        assert_eq!(field(ask(&["Q.POLL", protocol, &token]), "position"), Value::Int(1));
        assert_eq!(ask(&["Q.LEAVE", protocol, &token]), Value::Int(1));
        let error =
            redis::cmd("Q.POLL").arg(protocol).arg(&token).query::<Value>(&mut connection).unwrap_err();
        assert_eq!(error.code(), Some("GONE"));
    }
    server.stop();
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
