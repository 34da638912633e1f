//! One stream, many readers: how fast each of them has what is appended.
//!
//! ```text
//! publisher 0 … ── append ─▶ server ─▶ event stream ─▶ reader 0 … readers − 1 (one thread, epoll)
//!     ▲                                                     │
//!     └──────────── all of them have its message ◀──────────┘
//! ```
//! Each publisher has a connection of its own, and appends its next message when every reader has the one before. With one, a
//! delivery is a send of its own at any server, and deliveries a second are readers by the time of a pass over them; with
//! several, events come faster than passes end, as they do where a fan-out is at its limit. The time of a delivery is from the
//! moment that the append was sent.

mod flight;
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
use crate::limit::{EVENTS_MAX, LATENCY_NS_MAX, LATENCY_NS_MIN, MESSAGES_MAX, PUBLISHERS_MAX, READERS_MAX};
use flight::Flight;
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
    /// How many publishers, each with one message under way.
    #[arg(long, default_value_t = 1)]
    pub publishers: u64,
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
    /// Messages that they were told, or should have been.
    pub messages: u64,
    /// Deliveries a second.
    pub deliveries_per_s: f64,
    /// From the append to half of the deliveries, in microseconds.
    pub p50_us: f64,
    /// The same for 99 of 100.
    pub p99_us: f64,
    /// Deliveries that never came.
    pub missing: u64,
    /// Deliveries that came again.
    pub repeated: u64,
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
        write!(out, "{} missing, {} repeated", self.missing, self.repeated)
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
    if !(1..=PUBLISHERS_MAX).contains(&arguments.publishers) {
        return Err(BenchError::Argument(format!("--publishers must lie between 1 and {PUBLISHERS_MAX}")));
    }
    let mut fanout = Fanout::connect(arguments)?;
    // The first message also waits until everybody listens.
    fanout.run(1, Duration::from_secs(arguments.seconds))?;
    fanout.latencies.reset();
    (fanout.missing, fanout.repeated) = (0, 0);
    let started = Instant::now();
    let delivered = fanout.run(fanout.publishers.len(), Duration::from_secs(arguments.seconds))?;
    let (seconds, histogram) = (started.elapsed().as_secs_f64(), &fanout.latencies);
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Report {
        readers: arguments.readers,
        messages: (delivered + fanout.missing) / arguments.readers,
        deliveries_per_s: delivered as f64 / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
        missing: fanout.missing,
        repeated: fanout.repeated,
    })
}

struct Fanout {
    poll: Poll,
    readers: Vec<Reader>,
    publishers: Vec<Publisher>,
    latencies: Histogram<u64>,
    buffer: Vec<u8>,
    /// Number of the next message.
    next: u64,
    missing: u64,
    repeated: u64,
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
        let publisher = |_| Publisher::connect(arguments.peer, arguments.publish);
        let latencies = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3);
        Ok(Fanout {
            poll,
            readers,
            publishers: (0..arguments.publishers).map(publisher).collect::<Result<_>>()?,
            latencies: latencies.expect("fixed bounds are valid"),
            buffer: vec![0; 64 << 10],
            next: 0,
            missing: 0,
            repeated: 0,
        })
    }

    /// Has so many of the publishers append for this long, and waits for the last of their messages: at least one message, and the
    /// only one where `publishers` is 1 and none was before. Returns how often readers were told.
    fn run(&mut self, publishers: usize, time: Duration) -> Result<u64> {
        let is_first = self.next == 0;
        let (started, mut delivered) = (Instant::now(), 0);
        let mut flights: Vec<Flight> = Vec::with_capacity(publishers);
        for publisher in 0..publishers {
            flights.push(self.append(publisher)?);
        }
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !flights.is_empty() {
            delivered += self.listen(&mut flights, &mut events)?;
            let mut at = 0;
            while let Some(flight) = flights.get(at) {
                if flight.left > 0 && !flight.is_lost() {
                    at += 1;
                    continue;
                }
                self.missing += flight.left;
                self.publishers[flight.publisher].settle()?;
                if is_first || started.elapsed() >= time || self.next >= MESSAGES_MAX {
                    flights.remove(at);
                } else {
                    flights[at] = self.append(flight.publisher)?;
                }
            }
        }
        Ok(delivered)
    }

    fn append(&mut self, publisher: usize) -> Result<Flight> {
        let flight = Flight::begin(publisher, self.next, self.readers.len() as u64);
        self.next += 1;
        self.publishers[publisher].append(flight.number)?;
        Ok(flight)
    }

    /// Takes what has come to readers.
    fn listen(&mut self, flights: &mut [Flight], events: &mut Events) -> Result<u64> {
        match self.poll.poll(events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(BenchError::io("waiting for events")(error));
            }
            _ => {}
        }
        let mut delivered = 0;
        for event in &*events {
            let number = event.token().0;
            self.readers[number].read(&mut self.buffer, |message| {
                let flight = flights.iter_mut().find(|flight| flight.number == message);
                let Some(ns) = flight.and_then(|flight| flight.arrive(number)) else {
                    self.repeated += 1;
                    return;
                };
                delivered += 1;
                self.latencies.saturating_record(ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX));
            })?;
        }
        Ok(delivered)
    }
}
