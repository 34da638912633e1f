//! Streams whose time is over are removed on a founded server, whose log time is the wall clock's, and everybody who
//! waits for one is told. Time passes by itself here; what is awaited is what the server then says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use redis::{Connection, Value};

use crate::server::Server;

const STREAMS: usize = 2_000;
/// Long enough for the slowest machine, and for every sweep that is due.
const PATIENCE: Duration = Duration::from_secs(30);

fn connect(server: &Server) -> Connection {
    redis::Client::open(format!("redis://{}/", server.resp)).unwrap().get_connection().unwrap()
}

fn ask(connection: &mut Connection, line: &str) -> Value {
    let mut command = redis::Cmd::new();
    line.split(' ').for_each(|word| {
        command.arg(word);
    });
    command.query(connection).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// A figure of `INFO`.
fn info(connection: &mut Connection, section: &str, name: &str) -> Option<u64> {
    let text: String = redis::cmd("INFO").arg(section).query(connection).unwrap();
    let (_, rest) = text.split_once(&format!("{name}=")).or_else(|| text.split_once(&format!("{name}:")))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Asks again until the server says so.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// A connection that sent its request and reads lines.
fn lines(at: SocketAddr, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Reads up to a line that has `what`.
fn read_to(reader: &mut BufReader<TcpStream>, what: &str) {
    let mut seen = String::new();
    while !seen.lines().last().is_some_and(|line| line.contains(what)) {
        let read = reader.read_line(&mut seen).unwrap_or_else(|error| panic!("{what}: {error}; {seen}"));
        assert!(read > 0, "closed before {what}: {seen}");
    }
}

fn fill(connection: &mut Connection, name: &str, expire: &str) {
    let mut pipeline = redis::pipe();
    for index in 0..STREAMS {
        let key = format!("{name}:{index}");
        pipeline.cmd("XADD").arg(&key).arg("*").arg("field").arg("x".repeat(1_000)).ignore();
        pipeline.cmd("PEXPIRE").arg(&key).arg(expire).ignore();
    }
    pipeline.query::<()>(connection).unwrap();
}

#[test]
fn what_expires_is_removed_and_its_memory_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["--workers", "2"]);
    for round in ["first", "second"] {
        let mut connection = connect(&server);
        let before = info(&mut connection, "memory", "used_memory").unwrap();
        fill(&mut connection, round, "1");
        // INFO counts what is held, whether or not its time has come.
        until("every key is swept", || info(&mut connection, "keyspace", "keys").unwrap_or(0) == 0);
        let full = (STREAMS * 1_000) as u64;
        until("their memory is free", || {
            info(&mut connection, "memory", "used_memory").unwrap() < before + full / 20
        });
        // And after a restart, with what is due meanwhile.
        fill(&mut connection, "again", "300");
        drop(connection);
        server.stop();
        server = Server::start(folder.path(), &["--workers", "1"]);
        let mut connection = connect(&server);
        until("swept after a restart", || info(&mut connection, "keyspace", "keys").unwrap_or(0) == 0);
    }
    server.stop();
}

#[test]
fn who_waits_for_a_stream_that_expires_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    let mut connection = connect(&server);
    for key in ["one", "two", "three"] {
        ask(&mut connection, &format!("XADD {key} * field value"));
        ask(&mut connection, &format!("XGROUP CREATE {key} workers $"));
        let mut group =
            lines(server.resp, &format!("XREADGROUP GROUP workers me BLOCK 0 STREAMS {key} >\r\n"));
        let mut follower = lines(server.resp, &format!("HELLO 3\r\nX.SUB {key} AFTER 0\r\n"));
        let head = "host: localhost\r\naccept: text/event-stream";
        let mut events =
            lines(server.http, &format!("GET /v1/streams/{key}/events HTTP/1.1\r\n{head}\r\n\r\n"));
        read_to(&mut follower, "x.entry");
        read_to(&mut events, "data:");
        until("the reader of the group waits", || {
            info(&mut connection, "clients", "blocked_clients").unwrap() == 1
        });
        ask(&mut connection, &format!("PEXPIRE {key} 1"));
        read_to(&mut group, "NOGROUP");
        read_to(&mut follower, "x.reset");
        read_to(&mut events, "event: reset");
    }
    server.stop();
}

#[test]
fn a_namespace_with_a_ttl_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "2"]);
    let mut connection = connect(&server);
    ask(&mut connection, "X.NAMESPACE SET job: TTL_MS 1 MEMORY_BYTES 600000");
    for round in 0..5 {
        for index in 0..100 {
            let add = format!("XADD job:{round}:{index} * field {}", "x".repeat(1_000));
            let mut command = redis::Cmd::new();
            add.split(' ').for_each(|word| {
                command.arg(word);
            });
            // Full while the ones before are on their way out.
            until("there is room", || command.query::<Value>(&mut connection).is_ok());
        }
    }
    server.stop();
}
