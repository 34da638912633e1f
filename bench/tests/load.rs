//! Whole runs against servers that behave, stall, lie and leave. No test depends on how fast anything is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sluice_bench::error::BenchError;
use sluice_bench::load::{self, Arguments, LoadReport, Operation};
use sluice_bench::sink::Sink;

/// Starts a server that gives each connection to `serve`, in a thread that ends with the tests.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Reads once; says how many requests began, or `None` at the end.
fn requests(stream: &mut TcpStream, mark: u8) -> Option<usize> {
    let mut buffer = [0; 65_536];
    let read = stream.read(&mut buffer).unwrap_or(0);
    (read > 0).then(|| buffer[..read].iter().filter(|byte| **byte == mark).count())
}

fn pings(address: SocketAddr) -> Arguments {
    Arguments { connections: 1, seconds: 1, warmup_seconds: 0, ..Arguments::new(Operation::Ping, address) }
}

fn run(arguments: &Arguments) -> LoadReport {
    load::run(arguments).expect("the server behaves")
}

#[test]
fn exactly_the_asked_number_of_requests_is_made_and_counted() {
    let sink = Sink::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = sink.address().expect("is bound");
    thread::spawn(|| sink.run());
    for (connections, pipeline, count) in [(1, 1, 1), (3, 16, 1_000), (50, 7, 20_011)] {
        let arguments = Arguments { connections, pipeline, requests: Some(count), ..pings(address) };
        let report = run(&arguments);
        assert_eq!((report.replies, report.errors, report.unanswered), (count, 0, 0));
    }
}

/// Answers every command at once.
fn echo(mut stream: TcpStream) {
    while let Some(count) = requests(&mut stream, b'*') {
        if stream.write_all(&b"+OK\r\n".repeat(count)).is_err() {
            break;
        }
    }
}

#[test]
fn every_server_gets_its_share() {
    let counters: [Arc<AtomicU64>; 3] = Default::default();
    let addresses = counters.clone().map(|counter| {
        server(move |stream| {
            counter.fetch_add(1, Ordering::Relaxed);
            echo(stream);
        })
    });
    let arguments = Arguments { addresses: addresses.to_vec(), connections: 7, ..pings(addresses[0]) };
    let report = run(&Arguments { requests: Some(700), ..arguments });
    assert_eq!((report.replies, report.errors, report.unanswered), (700, 0, 0));
    assert_eq!(counters.map(|counter| counter.load(Ordering::Relaxed)), [3, 2, 2]);
}

/// A join and its wait are two commands and two replies, but one request.
#[test]
fn a_join_that_waits_is_one_request() {
    let address = server(|mut stream| {
        let mut seen = Vec::new();
        let mut buffer = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..read]);
            // What is cut off is left for the next read.
            while let Some((end, reply)) = next_command(&seen) {
                seen.drain(..end);
                if stream.write_all(reply).is_err() {
                    return;
                }
            }
        }
    });
    let joins = Arguments { connections: 2, pipeline: 4, ..Arguments::new(Operation::LuaJoinWait, address) };
    let report = run(&Arguments { requests: Some(100), ..joins });
    assert_eq!((report.replies, report.errors, report.unanswered), (100, 0, 0));
}

/// Where the first whole command of `bytes` ends, and what Redis would say to it.
fn next_command(bytes: &[u8]) -> Option<(usize, &'static [u8])> {
    let mut rest = bytes;
    let words = number(&mut rest)?;
    let mut name: &[u8] = b"";
    for word in 0..words {
        let length = number(&mut rest)?;
        let text = rest.get(..length)?;
        rest = rest.get(length + 2..)?;
        if word == 0 {
            name = text;
        }
    }
    let reply: &[u8] = match name {
        b"WAIT" => b":1\r\n",
        b"SCRIPT" => b"$4\r\n5c1e\r\n",
        b"EVALSHA" => b"*3\r\n:0\r\n:1\r\n:60\r\n",
        _ => b"%0\r\n",
    };
    Some((bytes.len() - rest.len(), reply))
}

/// The number behind a type byte; `rest` begins behind its line then.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let digits = std::str::from_utf8(rest.get(1..end)?).ok()?;
    *rest = &rest[end + 1..];
    digits.trim_end().parse().ok()
}

/// The first reply leaves the server only when a hundred requests have come, and they come one a millisecond:
/// request n has waited at least 99 - n ms then, however fast the rest is.
#[test]
fn a_stalled_server_shows_in_the_percentiles_of_a_fixed_rate() {
    const STALLED: usize = 100;
    let address = server(|mut stream| {
        let mut pending = 0;
        let mut is_open = false;
        while let Some(count) = requests(&mut stream, b'*') {
            pending += count;
            is_open |= pending >= STALLED;
            if is_open {
                let written = stream.write_all(&b"+PONG\r\n".repeat(std::mem::take(&mut pending)));
                written.expect("the generator reads");
            }
        }
    });
    let report = run(&Arguments { rate: Some(1_000), pipeline: 128, ..pings(address) });
    assert_eq!((report.errors, report.unanswered), (0, 0));
    assert!(report.replies >= 900, "{report}");
    assert!(report.latency.max_us >= 98_900.0, "{report}");
    // Ten of a thousand requests waited 90 ms or more.
    assert!(report.latency.p99_us >= 88_000.0, "{report}");
}

/// Pipeline 1: all but the first of a hundred arrivals are still unsent when the server answers, and must count
/// from when they were due. The server answers after the last of them was due, which it learns from a second
/// connection that is not held up.
#[test]
fn arrivals_that_could_not_be_sent_count_from_when_they_were_due() {
    use std::sync::{Arc, Condvar, Mutex};
    let answered = Arc::new((Mutex::new(0_usize), Condvar::new()));
    let first = Arc::new(Mutex::new(true));
    let address = server(move |mut stream| {
        let is_held = std::mem::replace(&mut *first.lock().expect("no panic"), false);
        while let Some(count) = requests(&mut stream, b'*') {
            let (total, changed) = &*answered;
            let mut total = total.lock().expect("no panic");
            if is_held {
                // Fifty arrivals on the free connection are fifty on this one, 2 ms apart.
                total = changed.wait_while(total, |total| *total < 50).expect("no panic");
            } else {
                *total += count;
                changed.notify_all();
            }
            drop(total);
            stream.write_all(&b"+PONG\r\n".repeat(count)).expect("the generator reads");
        }
    });
    let report = run(&Arguments { rate: Some(1_000), connections: 2, ..pings(address) });
    assert_eq!((report.errors, report.unanswered), (0, 0));
    // Fifty of a thousand waited, evenly from about 98 ms down: the slowest ten of them 78 ms or more.
    assert!(report.latency.p99_us >= 75_000.0, "{report}");
}

#[test]
fn error_replies_are_counted_and_the_first_is_kept() {
    let address = server(|mut stream| {
        while let Some(count) = requests(&mut stream, b'*') {
            stream.write_all(&b"-GONE join again\r\n".repeat(count)).expect("the generator reads");
        }
    });
    let report = run(&Arguments { requests: Some(10), ..pings(address) });
    assert_eq!((report.errors, report.first_error.as_deref()), (10, Some("GONE join again")));
    assert_eq!(report.fault().as_deref(), Some("10 error replies, the first: GONE join again"));
}

#[test]
fn http_replies_are_counted() {
    let address = server(|mut stream| {
        while let Some(count) = requests(&mut stream, b'{') {
            let reply = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
            stream.write_all(&reply.repeat(count)).expect("the generator reads");
        }
    });
    let report =
        run(&Arguments { requests: Some(500), pipeline: 4, ..Arguments::new(Operation::HttpJoin, address) });
    assert_eq!((report.replies, report.errors), (500, 0));
}

#[test]
fn a_server_that_leaves_ends_the_run() {
    let address = server(|mut stream| {
        let _ = requests(&mut stream, b'*');
    });
    let error = load::run(&pings(address)).expect_err("the connection closes");
    assert!(matches!(error, BenchError::Closed { answered: 0, .. }), "{error}");
}

#[test]
fn bytes_of_another_protocol_end_the_run() {
    let address = server(|mut stream| {
        let _ = requests(&mut stream, b'*');
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = requests(&mut stream, b'*');
    });
    let error = load::run(&pings(address)).expect_err("not RESP");
    assert!(matches!(error, BenchError::Framing(_)), "{error}");
}

#[test]
fn more_replies_than_requests_end_the_run() {
    let address = server(|mut stream| {
        let _ = requests(&mut stream, b'*');
        let _ = stream.write_all(b"+PONG\r\n+PONG\r\n");
        let _ = requests(&mut stream, b'*');
    });
    let error = load::run(&pings(address)).expect_err("one reply too many");
    assert!(error.to_string().contains("more replies than requests"), "{error}");
}

#[test]
fn a_missing_server_is_named() {
    // A privileged port that no service uses; a free one could be taken by a neighbour between finding and asking.
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let error = load::run(&pings(address)).expect_err("nobody is there");
    assert!(matches!(error, BenchError::Connect { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
