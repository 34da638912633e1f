//! A poll allocates nothing, from the socket to the socket, over RESP and over HTTP.
//!
//! The counting allocator sees the whole process, so this binary has one test, and its client reads and
//! writes through buffers that are there already. What it also sees is the owner's tick, which publishes what
//! changed about 20 times a second whether anybody polls or not. So polls are counted in short stretches: one
//! without any allocation shows that polls make none, and in the others at most the tick's few may appear.

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Client, config, start, value_of};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests in one packet.
const PIPELINE: usize = 16;

/// Packets in a stretch; few, so that most stretches fall between two ticks.
const ROUNDS: usize = 5;
/// Stretches that are counted.
const STRETCHES: usize = 200;

/// Sends the packet again and again, reading an answer of the same length each time; returns how many
/// allocations that took.
fn allocations(mut stream: &TcpStream, packet: &[u8], answer: &mut [u8], rounds: usize) -> usize {
    let region = Region::new(ALLOCATOR);
    for _ in 0..rounds {
        stream.write_all(packet).unwrap();
        stream.read_exact(answer).unwrap();
    }
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn a_poll_allocates_nothing() {
    // Nobody enters a zone whose window is full, so every answer has the same length.
    let server = start(config(|_| ()), &[("shop", 1)]);
    let at = server.local_addrs();
    let mut resp = Client::connect(at.resp);
    resp.ask("Q.JOIN shop");
    let token = value_of(&resp.ask("Q.JOIN shop"), "token");

    let command = format!("*3\r\n$6\r\nQ.POLL\r\n$4\r\nshop\r\n${}\r\n{token}\r\n", token.len());
    let body = format!(r#"{{"zoneId":"shop","token":"{token}","clientAgent":"WEB"}}"#);
    let entry = format!(
        "POST /traffic/entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = format!("GET /v1/zones/shop/tokens/{token} HTTP/1.1\r\nHost: h\r\n\r\n");
    for (protocol, request) in [(at.resp, command), (at.http, entry), (at.http, get)] {
        let packet = request.repeat(PIPELINE);
        let mut client = Client::connect(protocol);
        client.send(&packet);
        let len = answer_len(&mut client, protocol == at.resp);
        let mut answer = vec![0; len];
        // The first rounds fill the worker's buffers.
        allocations(client.stream(), packet.as_bytes(), &mut answer, 100);
        let counts: [usize; STRETCHES] =
            std::array::from_fn(|_| allocations(client.stream(), packet.as_bytes(), &mut answer, ROUNDS));
        let shown = request.escape_debug();
        assert_eq!(counts.iter().min(), Some(&0), "every stretch of {shown} allocates: {counts:?}");
        let few = ROUNDS * PIPELINE / 2;
        assert!(counts.iter().all(|count| *count < few), "polls by {shown} allocate: {counts:?}");
    }
}

/// Bytes of the answers to one packet.
fn answer_len(client: &mut Client, resp: bool) -> usize {
    (0..PIPELINE)
        .map(|_| {
            if resp {
                return client.reply().len();
            }
            let response = client.response();
            assert_eq!(response.status, 200);
            response.head.len() + response.body.len()
        })
        .sum()
}
