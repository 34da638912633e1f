//! Several visitors at once, over redis-cli, HTTP and redis-py, are let in by the zone's rules.

use super::foreign::{check, program, python};
use crate::server::Server;

fn check_with_visitors(script: &str) {
    program("redis-cli");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    check(python(), script, &[&server.resp.port().to_string(), &server.http.port().to_string()]);
    server.stop();
}

#[test]
fn who_joined_first_enters_first_whoever_asks_first() {
    check_with_visitors("in_order.py");
}

#[test]
fn a_crowd_is_let_in_under_both_caps() {
    check_with_visitors("under_caps.py");
}
