//! Memory of idle event streams, counted by the allocator: this binary has one test, because it counts the whole process.

mod support;

use sluice_engine::zone::settings::{Mode, ZonePatch};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use support::{Client, config, start_with};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Streams that are held at once.
const STREAMS: usize = 1_000;
/// Bytes that each may hold while nothing is said.
const STREAM_BYTES_MAX: isize = 1_024;

#[test]
fn an_idle_stream_holds_less_than_a_kilobyte() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    let name = "z".repeat(128);
    let server = start_with(config(|_| ()), vec![(&name, patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let paths: Vec<String> = (0..STREAMS)
        .map(|_| {
            let created = client.call("POST", &format!("/v1/zones/{name}/tokens"));
            created.field("location").unwrap().to_owned()
        })
        .collect();
    let mut readers = Vec::with_capacity(STREAMS);
    let region = Region::new(ALLOCATOR);
    for path in &paths {
        let mut reader = Client::connect(server.local_addrs().http);
        reader.send(format!("GET {path}/events HTTP/1.1\r\nHost: h\r\n\r\n"));
        reader.take_until(b"event: position\n");
        reader.forget();
        readers.push(reader);
    }
    // One more answer, so that the worker has put everything away.
    assert_eq!(client.call("GET", "/healthz").status, 200);
    let change = region.change();
    let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    let each = held / STREAMS as isize;
    assert!(each < STREAM_BYTES_MAX, "{each} bytes a stream");
    // A smaller number would mean that the test holds nothing.
    assert!(each > 100, "{each} bytes a stream");
}
