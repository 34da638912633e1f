//! The pages in a real browser: Chromium, driven by playwright, against the shipped binary.
//!
//! ```text
//! room.js     waiting, reload, pause, turn, target, loss of the stream, a lapsed place, Korean, no script
//! demo.js     an event stream that repeats, skips, forgets and ends, answered by the script itself
//! failures.js the same page through haproxy, while servers are killed, a cluster fails over, and the way is cut
//! strangers.js what pages of other sites, and names that lead here, can do: nothing
//! services.js  the examples of the client crate as services, while a node is killed under them
//! processes.js servers and haproxy as processes of a script
//! browser.js  starts Chromium; fails on whatever a page complains about
//! ```
//! `failures.js` was seen to fail with a step that is appended twice, with one that is left out, and with a server that has
//! no range to repair a gap from.
//!
//! A script judges what it sees, waits for what the page shows and never for time, and prints `checked` at its end.

#[path = "../front_door/server.rs"]
#[allow(dead_code, reason = "the stories of the front door use the rest")]
mod server;

use server::Server;
use std::path::Path;
use std::process::Command;

/// Seconds after which a browser that hangs is ended, and its test fails.
const PATIENCE_S: &str = "100";

const HAPROXY: &str = "/usr/sbin/haproxy";

/// Runs a script of this folder against the server.
fn check(script: &str, server: &Server) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let usual = || folder.join("../target/tools/node/node_modules");
    let modules = std::env::var_os("SLUICE_TEST_NODE_PATH").map_or_else(usual, Into::into);
    for needed in
        [modules.join("playwright-core"), modules.join("ioredis"), "/usr/bin/chromium".into(), HAPROXY.into()]
    {
        assert!(needed.exists(), "{} is missing: run `deploy/test.sh tools` first", needed.display());
    }
    let output = Command::new("timeout")
        .args(["--kill-after=10", PATIENCE_S, "node"])
        .arg(folder.join("tests/browser").join(script))
        .args([&server.http.to_string(), &server.resp.to_string(), env!("CARGO_BIN_EXE_sluice")])
        .arg(server.admin().to_string())
        .env("NODE_PATH", modules)
        .output()
        .expect("node starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim() == "checked",
        "{script} {}: {said}{complaints}",
        output.status
    );
}

#[test]
fn visitors_wait_and_enter() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    check("room.js", &server);
    server.stop();
}

#[test]
fn pages_of_strangers_do_nothing_to_a_server_on_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    check("strangers.js", &server);
    server.stop();
}

#[test]
fn the_demonstration_shows_each_entry_once_and_every_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    check("demo.js", &server);
    server.stop();
}

#[test]
fn the_demonstration_survives_what_happens_to_servers_and_to_the_way_there() {
    // Its servers are its own, to be killed.
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    check("failures.js", &server);
    server.stop();
}

#[test]
fn services_of_the_client_crate_survive_a_node_that_is_killed() {
    // Their nodes are their own, to be killed.
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    check("services.js", &server);
    server.stop();
}
