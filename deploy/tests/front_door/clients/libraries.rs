//! Libraries of other languages, each through a script of its own.

use std::process::Command;

use super::foreign::{check, node, python};
use crate::server::Server;

fn check_against_a_fresh_server(interpreter: Command, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    check(interpreter, script, &[&server.resp.port().to_string()]);
    server.stop();
}

#[test]
fn redis_py_uses_the_room() {
    check_against_a_fresh_server(python(), "redis_py.py");
}

#[test]
fn redis_py_uses_the_room_asynchronously() {
    check_against_a_fresh_server(python(), "redis_asyncio.py");
}

#[test]
fn ioredis_uses_the_room() {
    check_against_a_fresh_server(node(), "ioredis.js");
}

#[test]
fn node_redis_uses_the_room() {
    check_against_a_fresh_server(node(), "node_redis.js");
}
