//! A thousand readers that do not read, one that reads a byte at a time, and one that keeps up: the first cost a bounded
//! amount, and are told what they missed when they read again. A binary of its own: it watches the memory of its process.
//!
//! Seen to fail: with connections that take news however much they have not sent yet.

mod support;

use sluice_net::limit::OUTPUT_BYTES_SOFT;
use sluice_net::server::Server;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use support::{Client, config, resident_bytes, start};

const READERS: usize = 1_000;
const ENTRIES: u64 = 300;
const VALUE_BYTES: usize = 8 * 1024;
const KEPT: u64 = 20;
/// What the server may hold for them: to the bound, and what was told when it was passed; buffers have twice as much room.
const GROWTH_MAX_BYTES: u64 = (READERS * 2 * (OUTPUT_BYTES_SOFT + 2 * VALUE_BYTES) + (32 << 20)) as u64;

/// A connection whose system takes in very little for who does not read.
fn narrow(at: SocketAddr) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&at.into()).unwrap();
    Client::over(TcpStream::from(socket))
}

/// A reader of the stream, behind the head of the response and the first advice.
fn follow(mut client: Client) -> Client {
    client.send("GET /v1/streams/job/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    client.take_until(b"\n\n");
    client
}

/// Number of the next entry, or why the place was lost and where the stream goes on.
fn next(client: &mut Client) -> Result<u64, (String, u64)> {
    let dense = |cursor: &str| cursor.split_once('.').expect("a cursor").1.parse().expect("a number");
    loop {
        let frame = String::from_utf8(client.take_until(b"\n\n")).unwrap();
        if let Some(id) = frame.strip_prefix("id: ") {
            return Ok(dense(id.lines().next().expect("a line")));
        }
        if let Some(data) = frame.strip_prefix("event: reset\ndata: ") {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            let oldest = dense(data["oldest"].as_str().expect("a cursor"));
            return Err((data["reason"].as_str().expect("a reason").to_owned(), oldest));
        }
    }
}

/// Reads to the last entry: dense, but for what it is told that it missed. How often that was.
fn catch_up(reader: &mut Client) -> usize {
    let (mut last, mut resets) = (0, 0);
    while last < ENTRIES {
        match next(reader) {
            Ok(dense) => {
                assert_eq!(dense, last + 1, "dense");
                last = dense;
            }
            Err((reason, oldest)) => {
                assert!(reason == "trimmed" && oldest > last + 1, "{reason} {oldest} behind {last}");
                last = oldest - 1;
                resets += 1;
            }
        }
    }
    resets
}

fn append(server: &Server, mut each: impl FnMut(u64)) {
    let mut writer = Client::connect(server.local_addrs().resp);
    let value = "x".repeat(VALUE_BYTES);
    for number in 1..=ENTRIES {
        let reply = writer.ask(&format!("XADD job MAXLEN = {KEPT} * n {number} v {value}"));
        assert!(reply.starts_with('$'), "{reply}");
        each(number);
    }
}

#[test]
fn readers_that_do_not_read_cost_a_bounded_amount_and_learn_what_they_missed() {
    // Both ends are this process's.
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: limits.maximum, ..limits };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted).unwrap();
    // Room for what they all may have unsent: else those who take nothing would be closed.
    let server = start(config(|config| config.memory_max_bytes = 8 << 30), &[]);
    let at = server.local_addrs().http;
    let mut stalled: Vec<Client> = (0..READERS).map(|_| follow(narrow(at))).collect();
    let mut slow = follow(narrow(at));
    let mut witness = follow(Client::connect(at));
    let before = resident_bytes();
    append(&server, |number| {
        assert_eq!(next(&mut witness), Ok(number), "who reads misses nothing");
        slow.pull(1);
    });
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more");
    assert_eq!(catch_up(&mut slow), 1);
    for reader in stalled.iter_mut().step_by(100) {
        assert_eq!(catch_up(reader), 1, "it missed something, and was told so once");
    }
}
