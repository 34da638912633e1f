//! The recipes of `deploy/recipes`, as they stand there.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::foreign::{k6, node, printed, program, python};
use crate::server::Server;

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(name)
}

#[test]
fn k6_sends_users_who_wait_and_enter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let pace = ["--limit", "50", "--window-ms", "1000", "--slice-ms", "500", "--poll-ms", "200"];
    server.zone(&[&["set", "shop"], &pace[..]].concat());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/examples/k6/room.js");
    let url = format!("SLUICE=http://{}", server.http);
    let mut k6 = k6();
    k6.args(["run", "--quiet", "-e", &url, "-e", "ZONE=shop", "-e", "USERS=200"]).arg(script);
    let said = printed(&mut k6);
    let stats = server.zone(&["stats", "shop"]);
    assert_eq!((&stats["joined_total"], &stats["admitted_total"]), (&200.into(), &200.into()), "{said}");
    assert!(said.contains("the position never rises"), "nobody had to wait: {said}");
    server.stop();
}

#[test]
fn each_waits_for_its_turn_and_enters() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let pace = ["--limit", "1", "--window-ms", "1000", "--slice-ms", "1000", "--poll-ms", "100"];
    let host = server.resp.ip().to_string();
    let (port, url) = (server.resp.port().to_string(), format!("http://{}", server.http));
    let over_resp = [&host, &port, &url, "shop"];
    let over_http = [&url, "shop"];
    let of = |mut command: Command, name: &str, arguments: &[&str]| {
        command.arg(recipe(name)).args(arguments);
        command
    };
    // Imports look beside the module and not where NODE_PATH says.
    let near = folder.path().join("module");
    std::fs::create_dir(&near).unwrap();
    std::fs::copy(recipe("room.mjs"), near.join("room.mjs")).unwrap();
    std::os::unix::fs::symlink(super::foreign::node_modules(), near.join("node_modules")).unwrap();
    let mut module = node();
    module.arg(near.join("room.mjs")).args(over_resp);
    for mut command in [
        of(python(), "room.py", &over_resp),
        module,
        of(program("java"), "Room.java", &over_http),
        of(program("sh"), "room.sh", &over_http),
    ] {
        server.zone(&[&["set", "shop"], &pace[..]].concat());
        assert_eq!(server.zone(&["join", "shop"])["state"], "admitted", "the window is taken");
        let said = printed(&mut command);
        assert_eq!(said.lines().last(), Some("entered shop"), "{command:?}: {said}");
        server.zone(&["del", "shop"]);
    }
    server.stop();
}
