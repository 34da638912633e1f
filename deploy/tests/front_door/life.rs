//! From the first line it prints to the last connection it closes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use crate::server::{Server, run, sluice};

#[test]
fn what_the_banner_says_to_try_works_as_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let tries: Vec<&str> = server.banner.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let line = |tool: &str| *tries.iter().find(|line| line.starts_with(tool)).expect("a line to try");
    for (tool, expected) in [("redis-cli", "admitted"), ("curl", "\"canEnter\":true")] {
        let output = Command::new("sh").args(["-c", line(tool)]).output().expect("sh runs");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains(expected), "{}: {answer:?} {:?}", line(tool), output.stderr);
    }
    server.stop();
}

#[test]
fn a_room_fills_and_a_place_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.zone(&["set", "shop", "--limit", "1"]), "OK");
    assert_eq!(server.zone(&["join", "shop"])["state"], "admitted");
    let waiting = server.zone(&["join", "shop"]);
    assert_eq!((&waiting["state"], &waiting["position"]), (&"waiting".into(), &1.into()));
    let token = waiting["token"].as_str().expect("a token");
    assert_eq!(server.zone(&["poll", "shop", token])["position"], 1);
    let body = format!("{{\"zoneId\":\"shop\",\"token\":\"{token}\"}}");
    let (status, answer) = server.http("POST", "/traffic/entry", &body);
    assert!(status == 200 && answer.contains("\"canEnter\":false"), "{status} {answer}");
    assert_eq!(server.zone(&["leave", "shop", token]), 1);
    let gone = server.try_zone(&["poll", "shop", token]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).starts_with("sluice: GONE "), "{gone:?}");
    assert_eq!(server.zone(&["stats", "shop"])["left_total"], 1);
    server.stop();
}

#[test]
fn a_draining_server_still_serves_but_is_no_longer_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sluice(&["serve", "--ports", "0", "--data"]);
    let mut server = Server::spawn({
        command.arg(folder.path()).env("SLUICE_DRAIN_DELAY", "10m");
        command
    });
    assert_eq!(server.ready_status(), 200);
    server.signal(Signal::TERM);
    // The signal is on its way; each try is a whole connection.
    let turned = (0..100_000).any(|_| server.ready_status() == 503);
    assert!(turned, "still ready after SIGTERM");
    assert_eq!(server.zone(&["join", "demo"])["state"], "admitted");
    assert_eq!(server.http("GET", "/healthz", "").0, 200);
    assert_eq!(server.insist(Signal::TERM).code(), Some(130), "a second signal ends it at once");
}

#[test]
fn the_last_connection_is_closed_and_then_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    let mut idle = TcpStream::connect(server.resp).unwrap();
    idle.write_all(b"PING\r\n").unwrap();
    let mut pong = [0; 7];
    idle.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
    server.signal(Signal::INT);
    server.signal(Signal::INT);
    assert_eq!(idle.read(&mut pong).unwrap(), 0, "closed in order");
    assert_eq!(server.wait().code(), Some(0), "an echo of the signal does not hurry it");
}

/// A pipe that is full, and its end to read from.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("writes that do not wait");
    while (&writer).write(&[b'.'; 4_096]).is_ok() {}
    while (&writer).write(b".").is_ok() {}
    // The server's writes wait, as any program's do.
    fcntl_setfl(&writer, flags).expect("writes that wait");
    (reader, writer)
}

#[test]
fn a_server_whose_log_nobody_reads_serves_on_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (mut unread, full) = full_pipe();
    let mut command = sluice(&["serve", "--ports", "0", "--data"]);
    // Each step of each group makes a line.
    command.arg(folder.path()).env("SLUICE_LOG_LEVEL", "debug").stderr(full);
    let mut server = Server::spawn(command);
    for entry in 0..20 {
        let field = format!("number={entry}");
        assert!(server.stream(&["append", "news", &field]).is_string());
    }
    assert_eq!(server.ready_status(), 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    drop(server);
    let mut read = Vec::new();
    unread.read_to_end(&mut read).expect("the pipe was full");
    assert!(read.iter().all(|byte| *byte == b'.'), "a line came between: the pipe was not full");
}

#[test]
fn the_version_is_told() {
    let output = run(&["--version"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.starts_with(concat!("sluice ", env!("CARGO_PKG_VERSION"))),
        "{text}"
    );
}
