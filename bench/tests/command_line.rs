//! The program as scripts see it: exit codes and what it says on its error output.

use std::process::{Command, Output};

fn run(words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } =
        Command::new(env!("CARGO_BIN_EXE_sluice-bench")).args(words).output().expect("the program starts");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn fails(words: &[&str], expected: &[&str]) {
    let (code, text) = run(words);
    assert_eq!(code, Some(2), "{text}");
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_comparison_names_every_missing_program_and_its_package() {
    fails(
        &["compare", "--sluice", "/nonexistent/sluice", "--redis", "/nonexistent/redis-server"],
        &[
            "/nonexistent/sluice (cargo build",
            "/nonexistent/redis-server (Debian package redis-server)",
            "--only",
        ],
    );
}

#[test]
fn a_row_without_redis_does_not_ask_for_it() {
    let (code, text) = run(&["compare", "--only", "big-zone", "--sluice", "/nonexistent/sluice"]);
    assert_eq!(code, Some(2));
    assert!(!text.contains("redis"), "{text}");
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    let load = ["load", "--operation", "ping", "--address", "127.0.0.1:1"];
    let with = |more: &[&'static str]| [load.as_slice(), more].concat();
    fails(&with(&["--connections", "0"]), &["--connections 0", "between 1 and"]);
    fails(&with(&["--pipeline", "9999"]), &["--pipeline 9999"]);
    fails(&with(&["--rate", "10", "--requests", "10"]), &["exclude each other"]);
    fails(&with(&["--rate", "fast"]), &["--rate", "fast"]);
    fails(&["load", "--operation", "dance", "--address", "127.0.0.1:1"], &["dance", "poll"]);
    fails(&["load", "--operation", "ping", "--address", "here"], &["--address", "here"]);
    fails(&["load", "--operation", "poll", "--address", "127.0.0.1:1"], &["--tokens"]);
    fails(&["compare", "--only", "dance"], &["dance", "resp-poll-p16"]);
    fails(&["compare", "--only", "generator", "--rounds", "0"], &["--rounds 0"]);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    // A privileged port that no service uses; a free one could be taken by a neighbour between finding and asking.
    let address = "127.0.0.1:1";
    fails(&["load", "--operation", "ping", "--address", address], &["cannot connect to", address]);
    fails(&["fill", "--address", address, "--tokens", "/nonexistent/x"], &["connection failed"]);
}
