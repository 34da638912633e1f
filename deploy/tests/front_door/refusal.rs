//! What stops a start is one line on standard error that says which and what to do; and the door stays shut to strangers.

use std::net::TcpListener;
use std::path::Path;

use crate::server::{Server, run, sluice};

/// The one line with which `serve` refuses these arguments.
fn refusal(arguments: &[&str]) -> String {
    let output = run(&[&["serve"], arguments].concat());
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(output.stdout, b"", "nothing is promised before everything is there");
    line
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, key) in [
        ("--resp", "listen.resp"),
        ("--http", "listen.http"),
        ("--admin", "listen.admin"),
        ("--peer", "listen.peer"),
    ] {
        let line = refusal(&["--ports", "0", flag, &address, "--data", text(folder.path())]);
        assert!(line.contains(&address) && line.contains(key) && line.contains("in use"), "{line}");
    }
}

#[test]
fn a_data_folder_serves_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path(), &[]);
    let line = refusal(&["--ports", "0", "--data", text(folder.path())]);
    assert!(line.contains("in use by another process"), "{line}");
    first.stop();
    Server::start(folder.path(), &[]).stop();
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let line = refusal(&["--ports", "0", "--data", "/dev/null/here"]);
    assert!(line.starts_with("sluice: data folder") && line.contains("/dev/null/here"), "{line}");
}

#[test]
fn a_damaged_log_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for _ in 0..20 {
        server.zone(&["join", "demo"]);
    }
    server.stop();
    let logs = std::fs::read_dir(folder.path().join("log")).expect("a stop leaves a log");
    let segment = logs.map(|entry| entry.unwrap().path()).min().expect("a segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[1_000] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let line = refusal(&["--ports", "0", "--data", text(folder.path())]);
    assert!(line.contains("log") && line.contains("restore this node from its peers"), "{line}");
    assert!(line.contains("a node without peers: put the whole data folder back from a backup"), "{line}");
}

#[test]
fn what_an_older_build_left_is_not_taken_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), b"sluice\r\n\x01\0\0\0").unwrap();
    let line = refusal(&["--ports", "0", "--data", text(folder.path())]);
    assert!(line.contains("build without a log") && line.contains("move it away"), "{line}");
}

#[test]
fn a_configuration_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::write(&file, "[limits]\nconections = 5\n").unwrap();
    let line = refusal(&["--config", text(&file)]);
    assert!(line.contains("sluice.toml:2: unknown key `limits.conections`"), "{line}");
    let check = run(&["config", "check", text(&file)]);
    assert_eq!(String::from_utf8(check.stderr).unwrap(), line, "`config check` says the same");
    std::fs::write(&file, "[limits]\nconnections = 5\n").unwrap();
    assert!(run(&["config", "check", text(&file)]).status.success());
    std::fs::write(&file, "memory_max = \"99999TiB\"\n").unwrap();
    let check = run(&["config", "check", text(&file)]);
    let warning = String::from_utf8(check.stderr).unwrap();
    assert!(check.status.success() && warning.contains("sluice.toml: warning: `memory_max` is"), "{warning}");
}

#[test]
fn a_variable_is_refused_by_its_name() {
    let output = sluice(&["serve"]).env("SLUICE_WORKERS", "many").output().unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line, "sluice: SLUICE_WORKERS: `workers` must be a whole number from 1 to 64\n");
}

#[test]
fn other_machines_need_credentials() {
    let line = refusal(&["--resp", "0.0.0.0:0"]);
    assert!(line.contains("`listen.resp` = 0.0.0.0:0") && line.contains("--insecure"), "{line}");
}

#[test]
fn a_stranger_cannot_fetch_the_place_of_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let body = "{\"zoneId\":\"demo\",\"userId\":\"ann\"}";
    let token = |server: &Server| {
        let (status, answer) = server.http("POST", "/traffic/wait", body);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    };
    let local = Server::start(folder.path(), &[]);
    assert_eq!(token(&local), token(&local), "on this machine everybody may name users");
    local.stop();
    // Every interface, without credentials: zone calls are served, names of users count for nothing.
    let open = Server::start(folder.path(), &["--http", "0.0.0.0:0"]);
    assert_ne!(token(&open), token(&open));
    let (status, _) = open.http("GET", "/v1/zones/demo", "");
    assert_eq!(status, 200);
    drop(open);
}

#[test]
fn users_log_in_and_roles_hold() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    // SHA-256 of "letmein" and of "boss".
    let hashes = [
        "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032",
        "a5e7c002443743c5836758c7d1cd8ddefd9fcf2061daa0efaac683fb99966057",
    ];
    std::fs::write(&users, format!("app client {}\nboss admin {}\n", hashes[0], hashes[1])).unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::write(&file, format!("auth.resp_users = {users:?}\n[[zone]]\nname = \"shop\"\nlimit = 5\n"))
        .unwrap();
    let server = Server::start(folder.path(), &["--config", text(&file)]);
    let said = |arguments: &[&str]| {
        let output = server.try_zone(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        errors.trim_start_matches("sluice: ").split(' ').next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(said(&["list"]), "NOAUTH");
    assert_eq!(said(&["list", "--user", "app", "--password", "guess"]), "WRONGPASS");
    assert_eq!(said(&["join", "shop", "--user", "app", "--password", "letmein"]), "");
    assert_eq!(said(&["set", "shop", "--limit", "9", "--user", "app", "--password", "letmein"]), "NOPERM");
    assert_eq!(said(&["set", "shop", "--limit", "9", "--user", "boss", "--password", "boss"]), "");
    server.stop();
}
