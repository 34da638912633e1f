//! One stream, many readers: how fast each of them has what is appended.
//!
//! ```text
//! publisher ── append ─▶ server ─▶ event stream ─▶ reader 0 … readers − 1 (one thread, epoll)
//!     ▲                                                 │
//!     └────────── all of them have it: the next ◀───────┘
//! ```
//! A message is appended when every reader has the one before, so deliveries a second are readers by the time of a round. The time
//! of a delivery is from the moment that the append was sent.

mod peer;
mod reader;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::error::{BenchError, Result};
use crate::limit::{DRAIN_MS_MAX, EVENTS_MAX, LATENCY_NS_MAX, LATENCY_NS_MIN, MESSAGES_MAX, READERS_MAX};
use peer::Publisher;
use reader::Reader;

/// Who serves the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// sluice: appended by `XADD`, read from `/v1/streams/{key}/events`.
    Sluice,
    /// Nchan: appended by a POST, read as an EventSource.
    Nchan,
}

impl Peer {
    /// As the command line has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Nchan => "nchan",
        }
    }
}

/// Appends to one stream and has many readers follow it; prints deliveries a second and their latencies.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Whose wire.
    #[arg(long, value_enum, default_value = "sluice")]
    pub peer: Peer,
    /// Where readers connect.
    #[arg(long)]
    pub address: SocketAddr,
    /// Where appends go: RESP of sluice, HTTP of Nchan.
    #[arg(long)]
    pub publish: SocketAddr,
    /// How many readers.
    #[arg(long, default_value_t = 15_000)]
    pub readers: u64,
    /// For so many seconds.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Readers.
    pub readers: u64,
    /// Messages that all of them had.
    pub messages: u64,
    /// Deliveries a second.
    pub deliveries_per_s: f64,
    /// From the append to half of the deliveries, in microseconds.
    pub p50_us: f64,
    /// The same for 99 of 100.
    pub p99_us: f64,
    /// Deliveries that never came.
    pub missing: u64,
}

impl Report {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialise")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} readers, {} messages", self.readers, self.messages)?;
        writeln!(
            out,
            "{:.0} deliveries/s, P50 {:.0} us, P99 {:.0} us",
            self.deliveries_per_s, self.p50_us, self.p99_us
        )?;
        write!(out, "{} missing", self.missing)
    }
}

/// Connections that wait for a stream's first entry.
pub(crate) struct Idle {
    _readers: Vec<Reader>,
}

impl Idle {
    /// Opens them, and waits until each was answered.
    pub(crate) fn open(peer: Peer, address: SocketAddr, count: u64) -> Result<Idle> {
        let request = peer::read_request(peer, address);
        let mut readers = Vec::with_capacity(count as usize);
        for _ in 0..count {
            readers.push(Reader::answered(address, &request)?);
        }
        Ok(Idle { _readers: readers })
    }
}

/// Runs it.
///
/// # Errors
/// Readers that cannot connect, a server that closes on them, or arguments out of bounds.
pub fn run(arguments: &Arguments) -> Result<Report> {
    if !(1..=READERS_MAX).contains(&arguments.readers) {
        return Err(BenchError::Argument(format!("--readers must lie between 1 and {READERS_MAX}")));
    }
    let mut fanout = Fanout::connect(arguments)?;
    // The first round also waits until everybody listens.
    fanout.round(0)?;
    let started = Instant::now();
    let mut number = 1;
    fanout.latencies.reset();
    while started.elapsed() < Duration::from_secs(arguments.seconds) && number < MESSAGES_MAX {
        fanout.round(number)?;
        number += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (messages, histogram) = (number - 1, &fanout.latencies);
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Report {
        readers: arguments.readers,
        messages,
        deliveries_per_s: (messages * arguments.readers - fanout.missing) as f64 / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
        missing: fanout.missing,
    })
}

struct Fanout {
    poll: Poll,
    readers: Vec<Reader>,
    publisher: Publisher,
    latencies: Histogram<u64>,
    buffer: Vec<u8>,
    missing: u64,
}

impl Fanout {
    fn connect(arguments: &Arguments) -> Result<Fanout> {
        let poll = Poll::new().map_err(BenchError::io("opening epoll"))?;
        let request = peer::read_request(arguments.peer, arguments.address);
        let mut readers = Vec::with_capacity(arguments.readers as usize);
        for number in 0..arguments.readers {
            let mut reader = Reader::connect(arguments.address, &request)?;
            reader.register(poll.registry(), Token(number as usize))?;
            readers.push(reader);
        }
        let latencies = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3);
        Ok(Fanout {
            poll,
            readers,
            publisher: Publisher::connect(arguments.peer, arguments.publish)?,
            latencies: latencies.expect("fixed bounds are valid"),
            buffer: vec![0; 64 << 10],
            missing: 0,
        })
    }

    /// Appends one message, and waits until every reader has it.
    fn round(&mut self, number: u64) -> Result<()> {
        let marker = format!("#{number:08}#");
        let started = Instant::now();
        self.publisher.append(&marker)?;
        let mut left = self.readers.len();
        let mut events = Events::with_capacity(EVENTS_MAX);
        while left > 0 {
            if started.elapsed() > Duration::from_millis(DRAIN_MS_MAX) {
                self.missing += left as u64;
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(BenchError::io("waiting for events")(error));
                }
                _ => {}
            }
            for event in &events {
                let reader = &mut self.readers[event.token().0];
                if reader.read(&mut self.buffer, number, marker.as_bytes())? {
                    left -= 1;
                    let ns = started.elapsed().as_nanos() as u64;
                    self.latencies.saturating_record(ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX));
                }
            }
        }
        self.publisher.settle()
    }
}
