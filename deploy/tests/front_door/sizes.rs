//! Nothing that a client sends makes a record that the log cannot take: every command that changes something, with names and
//! fields at their bounds, in pipelines; and the server, and the next one on its data, go on.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use sluice_net::resp::command::COMMANDS;
use sluice_net::resp::command::spec::CommandSpec;
use sluice_net::resp::encode::{Proto, Writer};
use sluice_net::resp::reply::{Reply, Value, decode};

use crate::server::Server;

/// Bytes of a name or a value near the bound of an argument.
const LARGE: usize = 60_000;
/// Requests of one row: with names at their bound a multiple of what one batch may have.
const ROW: usize = 40;

/// A change each; `{n}` is the number of the request, `{L}` a large text of its own.
const CHANGES: &[(&str, &str)] = &[
    ("xadd", "XADD {s}a * {L} v"),
    ("xadd", "XADD {L} * f {n}"),
    ("xadd", "XADD {s}b * f {L}"),
    ("xgroup|create", "XGROUP CREATE {s}a {L} $ MKSTREAM"),
    ("xgroup|create", "XGROUP CREATE {L} g 0 MKSTREAM"),
    ("xgroup|createconsumer", "XGROUP CREATECONSUMER {s}a {1} {L}"),
    ("xreadgroup", "XREADGROUP GROUP {1} {L} COUNT 1 STREAMS {s}a >"),
    ("xreadgroup", "XREADGROUP GROUP {L} c COUNT 1 STREAMS {s}a >"),
    ("xclaim", "XCLAIM {s}a {1} {L} 0 1-1 FORCE"),
    ("xautoclaim", "XAUTOCLAIM {s}a {1} {L} 0 0 COUNT 1"),
    ("xack", "XACK {s}a {L} 1-1 2-2"),
    ("xgroup|setid", "XGROUP SETID {s}a {L} 0"),
    ("xgroup|delconsumer", "XGROUP DELCONSUMER {s}a {1} {L}"),
    ("xgroup|destroy", "XGROUP DESTROY {s}a {L}"),
    ("xdel", "XDEL {L} 1-1"),
    ("xtrim", "XTRIM {L} MAXLEN 5"),
    ("xsetid", "XSETID {L} 99999999999999-0"),
    ("x.end", "X.END {L}"),
    ("expire", "EXPIRE {L} 1000"),
    ("pexpire", "PEXPIRE {L} 1000000"),
    ("expireat", "EXPIREAT {L} 9999999999"),
    ("pexpireat", "PEXPIREAT {L} 9999999999999"),
    ("persist", "PERSIST {L}"),
    ("del", "DEL {L} {L}"),
    ("unlink", "UNLINK {L}"),
    ("x.namespace|set", "X.NAMESPACE SET {L} MAXLEN 5"),
    ("x.namespace|del", "X.NAMESPACE DEL {L}"),
    ("q.zone|set", "Q.ZONE SET z{n} LIMIT 5 {T}"),
    ("q.join", "Q.JOIN demo USER {L}"),
    ("q.join", "Q.JOIN {L}"),
    ("q.poll", "Q.POLL demo {L}"),
    ("q.leave", "Q.LEAVE demo {L}"),
    ("q.zone|del", "Q.ZONE DEL z{n}"),
    ("q.key|install", "Q.KEY INSTALL {L}"),
    ("q.key|activate", "Q.KEY ACTIVATE {L}"),
    ("q.key|revoke", "Q.KEY REVOKE {L}"),
    ("q.pass|revoke", "Q.PASS REVOKE {L}"),
    ("flushdb", "FLUSHDB"),
    ("flushall", "FLUSHALL"),
];

#[test]
fn every_change_with_names_and_values_at_their_bounds_is_answered_and_outlived() {
    let told: BTreeSet<&str> = CHANGES.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = changes().into_iter().filter(|name| !told.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no row tries {missing:?}");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    for (name, words) in CHANGES {
        let requests: Vec<_> = (0..ROW).map(|nth| request(words, nth)).collect();
        pipeline(&server, requests.clone(), name);
        let transaction = [vec![b"MULTI".to_vec()], requests[0].clone(), vec![b"EXEC".to_vec()]];
        pipeline(&server, transaction.to_vec(), name);
    }
    let requests = (0..ROW).map(|nth| request("XADD {s}a * {L} v", nth)).collect();
    pipeline(&server, requests, "xadd, last");
    server.stop();
    let second = Server::start(folder.path(), &["--workers", "1"]);
    pipeline(&second, vec![vec![b"XLEN".to_vec(), b"{s}a".to_vec()]], "xlen");
    second.stop();
}

#[test]
fn many_groups_with_long_names_in_one_pipeline_stop_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "1"]);
    let requests = (0..1_200).map(|nth| request("XGROUP CREATE {s}a {L} $ MKSTREAM", nth));
    pipeline(&server, requests.collect(), "xgroup|create");
    server.stop();
    let second = Server::start(folder.path(), &["--workers", "1"]);
    pipeline(&second, vec![vec![b"XLEN".to_vec(), b"{s}a".to_vec()]], "xlen");
    second.stop();
}

/// Names of the commands that change something, by what the server says of them.
fn changes() -> Vec<String> {
    fn all(spec: &'static CommandSpec) -> Vec<&'static CommandSpec> {
        spec.subcommands.iter().copied().flat_map(all).chain([spec]).collect()
    }
    let specs = COMMANDS.iter().copied().flat_map(all);
    specs.filter(|spec| spec.flags.contains(&"write")).map(|spec| spec.name.to_lowercase()).collect()
}

fn request(words: &str, nth: usize) -> Vec<Vec<u8>> {
    let large = |nth: usize| format!("{{s}}{nth:04}{}", "x".repeat(LARGE));
    let mut request = Vec::new();
    for word in words.split(' ') {
        if word == "{T}" {
            for language in ["en", "de", "fr", "es", "it", "pt"] {
                let text = format!("{language}={}", "t".repeat(2_000));
                request.extend([b"TITLE".to_vec(), text.clone().into(), b"MESSAGE".to_vec(), text.into()]);
            }
            continue;
        }
        let word =
            word.replace("{n}", &nth.to_string()).replace("{1}", &large(0)).replace("{L}", &large(nth));
        request.push(word.into_bytes());
    }
    request
}

/// Sends all of it and reads as many replies, whatever they say; then the same connection is served on.
fn pipeline(server: &Server, mut requests: Vec<Vec<Vec<u8>>>, what: &str) {
    requests.push(vec![b"ECHO".to_vec(), b"served".to_vec()]);
    let count = requests.len();
    let mut stream = TcpStream::connect(server.resp).expect("RESP is served");
    let mut sending = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let mut bytes = Vec::new();
        for request in requests {
            let mut writer = Writer::new(&mut bytes, Proto::Resp2);
            writer.array(request.len());
            request.iter().for_each(|word| writer.bulk(word));
        }
        sending.write_all(&bytes)
    });
    let (mut input, mut replies, mut piece) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        let mut at = 0;
        while let Reply::Value { value, consumed } = decode(&input[at..]).expect("RESP") {
            at += consumed;
            replies += 1;
            if replies == count {
                assert_eq!(value, Value::Bulk(b"served"), "{what}: the last reply is not the last one's");
                return sender.join().unwrap().expect("everything was read");
            }
            if at == input.len() {
                break;
            }
        }
        input.drain(..at);
        let read = stream.read(&mut piece).expect("replies");
        assert!(read > 0, "{what}: closed after {replies} of {count} replies: {}", input.escape_ascii());
        input.extend_from_slice(&piece[..read]);
    }
}
