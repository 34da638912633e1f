//! Kilobytes of pipelines that ask for gigabytes.

use crate::hoarder::{Client, Hoarder, request};
use crate::memory;
use crate::stage::{RESIDENT_MAX, Stage};

/// Bytes that come back: what is left is what the process keeps for the next clients.
const KEPT_BYTES: u64 = 48 << 20;

/// Two connections for each of the long streams: whichever worker serves them, half of the streams are the other one's.
fn hoard(stage: &Stage, pipeline: impl Fn(&str) -> Vec<u8>, http: bool) -> Vec<Hoarder> {
    let at = if http { stage.server.http } else { stage.server.resp };
    let keys = (0..6).map(|stream| format!("long:{stream}"));
    keys.flat_map(|key| [pipeline(&key), pipeline(&key)]).map(|bytes| Hoarder::new(at, bytes)).collect()
}

fn holds(stage: &mut Stage, what: &str, mut hoarders: Vec<Hoarder>) {
    let before = memory::resident(stage.server.id());
    stage.peak();
    stage.rest(&mut hoarders);
    let peak = stage.peak();
    assert!(peak < RESIDENT_MAX, "{what}: {} MB of {} MB", peak >> 20, RESIDENT_MAX >> 20);
    drop(hoarders);
    // Awaited, however long it takes: freed memory goes back to the kernel some time later.
    while memory::resident(stage.server.id()) > before + KEPT_BYTES {
        stage.client.ask(&[b"PING"]);
    }
}

#[test]
fn pipelines_of_long_ranges_that_nobody_reads_stay_within_the_bound() {
    let mut stage = Stage::new();
    let ranges = |key: &str| request(&[b"XRANGE", key.as_bytes(), b"-", b"+"]).repeat(300);
    let hoarders = hoard(&stage, ranges, false);
    holds(&mut stage, "XRANGE", hoarders);
    let transaction = |key: &str| {
        let one = request(&[b"XRANGE", key.as_bytes(), b"-", b"+"]).repeat(200);
        [request(&[b"MULTI"]), one, request(&[b"EXEC"])].concat().repeat(3)
    };
    let hoarders = hoard(&stage, transaction, false);
    holds(&mut stage, "MULTI of XRANGE", hoarders);
    let calls = |key: &str| {
        let call = format!("GET /v1/streams/{key}/events?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        call.repeat(1_000).into_bytes()
    };
    let hoarders = hoard(&stage, calls, true);
    holds(&mut stage, "HTTP", hoarders);
}

#[test]
fn a_transaction_that_asks_for_too_much_is_told_so_and_does_nothing() {
    let mut stage = Stage::new();
    let one = request(&[b"XRANGE", b"long:0", b"-", b"+"]);
    let add = request(&[b"XADD", b"long:0", b"NOMKSTREAM", b"*", b"f", b"v"]);
    stage.client.send(&[request(&[b"MULTI"]), one.repeat(20), add, request(&[b"EXEC"])].concat());
    for _ in 0..22 {
        stage.client.reply();
    }
    let reply = String::from_utf8(stage.client.reply()).expect("text");
    let refused =
        "-ERR the replies of this transaction may take more than 6291456 bytes, nothing was done\r\n";
    assert_eq!(reply, format!("*21\r\n{}", refused.repeat(21)));
    assert_eq!(stage.client.ask(&[b"XLEN", b"long:0"]), b":100\r\n");
    // One that is read is answered, however long it is.
    let mut client = Client::new(stage.server.resp);
    assert!(client.ask(&[b"XRANGE", b"long:0", b"-", b"+"]).len() > 6_000_000);
}
