//! Event streams with the clients of others and their defaults, beside Redis: a worker appends, readers follow, groups share
//! out, the server is killed and started again. Each script tells what it sees; both servers must make it tell the same.
//!
//! ```text
//! stage      a server that can be killed and started again at its address, ours or Redis
//! redis_rs   the same in Rust
//! streams.py redis-py, blocking and on asyncio        streams.js ioredis, node-redis
//! ```
//! Seen to fail: with a server that does not notice the end of a connection that waits, and where keys of two groups are
//! appended to in one transaction, of which a reader of ours may see the second first.

mod redis_rs;
mod stage;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::foreign::{node, python, script, text};
use stage::{Brand, Stage};

/// What a script tells of one server.
fn told(mut interpreter: Command, name: &str, kind: &str, brand: Brand) -> String {
    let mut stage = Stage::start(brand);
    interpreter.arg(script(&format!("streams/{name}"))).args([&stage.port().to_string(), kind]);
    interpreter.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = interpreter.spawn().expect("the interpreter starts");
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.expect("text");
        if line == "restart" {
            stage.restart();
            let answer = child.stdin.as_mut().expect("piped").write_all(b"done\n");
            answer.expect("the script waits for this");
        }
        told += &line;
        told.push('\n');
    }
    let output = child.wait_with_output().expect("it ends");
    let complaints = text(&output.stderr);
    assert!(output.status.success(), "{name} {kind} with {brand:?} {}: {told}{complaints}", output.status);
    told
}

/// Both servers make the script tell the same, to its end.
fn compare(interpreter: fn() -> Command, name: &str, kind: &str) {
    let [theirs, ours] = std::thread::scope(|scope| {
        [Brand::Redis, Brand::Sluice]
            .map(|brand| scope.spawn(move || told(interpreter(), name, kind, brand)))
            .map(|story| story.join().expect("told"))
    });
    assert!(theirs.contains("\nrestart\n") && theirs.ends_with("\nchecked\n"), "half-way: {theirs}");
    assert_eq!(ours, theirs, "{name} {kind}");
}

#[test]
fn redis_py_sees_what_it_sees_with_redis() {
    compare(python, "streams.py", "sync");
}

#[test]
fn redis_py_on_asyncio_sees_what_it_sees_with_redis() {
    compare(python, "streams.py", "asyncio");
}

#[test]
fn ioredis_sees_what_it_sees_with_redis() {
    compare(node, "streams.js", "ioredis");
}

#[test]
fn node_redis_sees_what_it_sees_with_redis() {
    compare(node, "streams.js", "node-redis");
}

#[test]
fn redis_rs_sees_what_it_sees_with_redis() {
    for protocol in ["", "?protocol=resp3"] {
        let [theirs, ours] =
            [Brand::Redis, Brand::Sluice].map(|brand| redis_rs::told(Stage::start(brand), protocol));
        assert_eq!(ours, theirs, "{protocol}");
    }
}
