//! redis-cli and redis-benchmark, in RESP2 and RESP3.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use super::foreign::{check, outcome, printed, program, python, text};
use crate::server::Server;

/// What one run of redis-cli prints. An error of the server fails it (`-e`).
fn ask(server: &Server, protocol: &str, words: &[&str]) -> String {
    let port = server.resp.port().to_string();
    printed(program("redis-cli").args(["-e", protocol, "-p", &port]).args(words))
}

/// The error that a command is answered with, as redis-cli prints it.
fn refusal(server: &Server, words: &[&str]) -> String {
    let port = server.resp.port().to_string();
    let output = outcome(program("redis-cli").args(["-e", "-p", &port]).args(words));
    assert!(!output.status.success(), "{words:?} is not refused: {output:?}");
    text(&output.stdout) + &text(&output.stderr)
}

/// The pairs of a reply: a flat list of lines in RESP2, and lines of two words where RESP3 has a map.
fn pairs(protocol: &str, printed: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = printed.lines().collect();
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    match protocol {
        "-2" => lines.chunks_exact(2).map(|pair| owned((pair[0], pair[1]))).collect(),
        _ => lines.iter().map(|line| owned(line.split_once(' ').expect("a key and a value"))).collect(),
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    &found.unwrap_or_else(|| panic!("no {name} in {pairs:?}")).1
}

fn names(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_room_is_made_used_and_removed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for protocol in ["-2", "-3"] {
        let ask = |words: &[&str]| ask(&server, protocol, words);
        let map = |words: &[&str]| pairs(protocol, &ask(words));
        assert_eq!(ask(&["Q.ZONE", "SET", "shop", "LIMIT", "1"]), "OK\n");
        let admitted = map(&["Q.JOIN", "shop"]);
        assert_eq!(
            names(&admitted),
            ["state", "token", "position", "eta_ms", "poll_ms", "admitted_at", "pass"]
        );
        assert_eq!((value(&admitted, "state"), value(&admitted, "position")), ("admitted", "0"));
        assert_eq!(map(&["Q.POLL", "shop", value(&admitted, "token")]), admitted, "the answer stays");

        let waiting = map(&["Q.JOIN", "shop", "USER", "u1", "IP", "127.0.0.1", "AGENT", "WEB"]);
        assert_eq!(names(&waiting), ["state", "token", "position", "eta_ms", "poll_ms"]);
        assert_eq!((value(&waiting, "state"), value(&waiting, "position")), ("waiting", "1"));
        let token = value(&waiting, "token");
        assert_eq!(value(&map(&["Q.JOIN", "shop", "USER", "u1"]), "token"), token, "known by user");
        assert_eq!(value(&map(&["Q.POLL", "shop", token]), "position"), "1");

        let stats = map(&["Q.STATS", "shop"]);
        for (name, count) in [("waiting", "1"), ("present", "1"), ("admitted_60s", "1"), ("limit", "1")] {
            assert_eq!(value(&stats, name), count, "{name}");
        }
        assert_eq!(ask(&["Q.LEAVE", "shop", token]), "1\n");
        assert_eq!(ask(&["Q.LEAVE", "shop", token]), "0\n", "gone already");
        assert!(refusal(&server, &["Q.POLL", "shop", token]).starts_with("GONE "));
        assert_eq!(value(&map(&["Q.STATS", "shop"]), "left_total"), "1");
        let settings = ask(&["Q.ZONE", "GET", "shop"]);
        assert!(settings.contains("poll_ms") && settings.contains("3000"), "{settings}");
        assert_eq!(ask(&["Q.ZONE", "LIST"]), "demo\nshop\n");
        assert_eq!(ask(&["Q.ZONE", "DEL", "shop"]), "1\n");
        assert_eq!(ask(&["Q.ZONE", "DEL", "shop"]), "0\n");
        assert!(refusal(&server, &["Q.JOIN", "shop"]).starts_with("NOZONE "));
    }
    server.stop();
}

#[test]
fn the_estimate_of_a_full_zone_is_told_before_anybody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    ask(&server, "-3", &["Q.ZONE", "SET", "shop", "LIMIT", "1"]);
    let estimate = || -> i64 {
        let stats = pairs("-3", &ask(&server, "-3", &["Q.STATS", "shop"]));
        value(&stats, "eta_ms").parse().expect("a number")
    };
    assert_eq!(estimate(), 0, "a joiner enters at once");
    ask(&server, "-3", &["Q.JOIN", "shop"]);
    // The permit was used a moment ago; the next one frees when a minute has gone by since.
    let told = estimate();
    assert!((1..=60_000).contains(&told), "{told}");
    server.stop();
}

#[test]
fn what_is_wrong_is_said_in_words_that_clients_know() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["Q.JOIN"], "ERR wrong number of arguments for 'q.join' command"),
        (&["Q.JOIN", "nowhere"], "NOZONE "),
        (&["Q.ZONE", "SET", "no name", "LIMIT", "1"], "ERR "),
        (&["Q.POLL", "demo", "forged"], "BADTOKEN "),
        (&["Q.ZONE", "SET", "demo", "LIMIT", "0"], "ERR "),
        (&["Q.ZONE", "SET", "demo", "LIMIT", "many"], "ERR value is not an integer or out of range"),
        (&["Q.ZONE", "SET", "demo", "COLOUR", "red"], "ERR syntax error"),
        (&["Q.ZONE", "PAINT"], "ERR unknown subcommand 'PAINT'"),
        (&["NOPE", "x"], "ERR unknown command 'NOPE', with args beginning with: 'x' "),
        (&["MONITOR"], "ERR unknown command 'MONITOR'"),
        (&["SELECT", "1"], "ERR DB index is out of range"),
    ];
    for (words, expected) in cases {
        let said = refusal(&server, words);
        assert!(said.starts_with(expected), "{words:?}: {said:?}");
    }
    let port = server.resp.port().to_string();
    let backup = outcome(program("redis-cli").args(["-p", &port, "--rdb", "/dev/null"]));
    let complaint = text(&backup.stderr);
    assert!(!backup.status.success() && complaint.contains("ERR unknown command 'SYNC'"), "{complaint}");
    assert_eq!(ask(&server, "-2", &["PING"]), "PONG\n", "and nobody else is harmed");
    server.stop();
}

#[test]
fn the_server_describes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for protocol in ["-2", "-3"] {
        let info = ask(&server, protocol, &["INFO"]);
        let port = format!("tcp_port:{}\r\n", server.resp.port());
        for line in ["# Server\r\n", "redis_version:", "\r\nloading:0\r\n", "\r\nrole:master\r\n", &port] {
            assert!(info.contains(line), "no {line:?} in {info}");
        }
    }
    let docs = ask(&server, "--json", &["COMMAND", "DOCS", "Q.JOIN"]);
    let docs: Value = serde_json::from_str(&docs).expect("JSON");
    let join = &docs["q.join"];
    assert!(join["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{join}");
    let arguments = join["arguments"].as_array().expect("arguments");
    let shown: Vec<(Option<&str>, &str)> = arguments
        .iter()
        .map(|argument| (argument["token"].as_str(), argument["name"].as_str().unwrap_or_default()))
        .collect();
    let (user, ip) = ((Some("USER"), "id"), (Some("IP"), "addr"));
    assert_eq!(shown, [(None, "zone"), user, ip, (Some("AGENT"), "text"), (Some("REQUEST"), "id")]);
    server.stop();
}

#[test]
fn a_terminal_shows_hints_and_help() {
    program("redis-cli");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    check(python(), "hints.py", &[&server.resp.port().to_string()]);
    server.stop();
}

#[test]
fn a_pipe_of_commands_is_answered_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let port = server.resp.port().to_string();
    let mut pipe = program("redis-cli")
        .args(["-p", &port, "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli starts");
    let mut commands = b"*4\r\n$6\r\nQ.ZONE\r\n$3\r\nSET\r\n$4\r\nbulk\r\n$5\r\nLIMIT\r\n".to_vec();
    commands.extend(b"*2\r\n$6\r\nQ.JOIN\r\n$4\r\ndemo\r\n".repeat(1_000));
    pipe.stdin.take().expect("piped").write_all(&commands).expect("the pipe is read");
    let output = pipe.wait_with_output().expect("redis-cli ends");
    let said = text(&output.stdout);
    assert!(said.contains("errors: 1, replies: 1001"), "the setting without a value is an error: {said}");
    server.stop();
}

#[test]
fn a_person_with_a_plain_connection_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let mut plain = TcpStream::connect(server.resp).unwrap();
    plain.write_all(b"PING\r\n\r\nECHO \"two words\"\nQ.ZONE LIST\r\nNOPE\r\nQUIT\r\n").unwrap();
    let mut answers = String::new();
    plain.read_to_string(&mut answers).expect("QUIT closes");
    let expected = "+PONG\r\n$9\r\ntwo words\r\n*1\r\n$4\r\ndemo\r\n\
                    -ERR unknown command 'NOPE', with args beginning with: \r\n+OK\r\n";
    assert_eq!(answers, expected);
    server.stop();
}

#[test]
fn redis_benchmark_runs_to_its_end() {
    const REQUESTS: &str = "2000";
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    ask(&server, "-2", &["Q.ZONE", "SET", "shop", "LIMIT", "1"]);
    ask(&server, "-2", &["Q.JOIN", "shop"]);
    let token = value(&pairs("-2", &ask(&server, "-2", &["Q.JOIN", "shop"])), "token").to_owned();
    let port = server.resp.port().to_string();
    let common = ["-e", "-q", "-p", &port, "-c", "10", "-n", REQUESTS];
    let counted = |name: &str| -> u64 {
        let info = ask(&server, "-2", &["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {info}")).parse().expect("a number")
    };
    let errors = counted("total_error_replies");
    for arguments in [&["-t", "ping"][..], &["-3", "-t", "ping"], &["-P", "16", "-t", "ping"]] {
        let said = printed(program("redis-benchmark").args(common).args(arguments));
        assert!(said.contains("PING_INLINE: ") && said.contains("PING_MBULK: "), "{said}");
    }
    for arguments in [&["-P", "1"][..], &["-P", "16"], &["-3", "--threads", "2"]] {
        let (before, poll) = (counted("total_polls"), ["Q.POLL", "shop", &token]);
        let said = printed(program("redis-benchmark").args(common).args(arguments).args(poll));
        assert!(said.contains("requests per second"), "{said}");
        assert!(counted("total_polls") >= before + 2_000, "every request was a poll");
    }
    assert_eq!(counted("total_error_replies"), errors, "and none was refused");
    server.stop();
}
