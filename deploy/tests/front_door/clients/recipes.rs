//! The recipes of `deploy/recipes`, as they stand there.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::foreign::{node, printed, program, python};
use crate::server::Server;

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(name)
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
