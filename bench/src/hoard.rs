//! What a client notices of others who ask for much and read nothing.
//!
//! ```text
//! hoarders ── pipelines of XRANGE over long streams, and MULTI of them, and HTTP ranges ─▶ server     nothing is read
//! witness  ── PING, one after the other ─▶ server                                                      latencies
//! ```
//! The server is one that was started for this, with `memory_max` as small as is of interest: streams `hoard:*` are left on it.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use sluice_client::{Reply, decode, encode_command};

use crate::error::{BenchError, Result};
use crate::limit::READ_BYTES;

/// Streams, so that some are of every worker's groups; entries of each, and bytes of an entry.
const STREAMS: usize = 6;
const ENTRIES: usize = 100;
const VALUE_BYTES: usize = 60_000;
/// Requests of a pipeline.
const PIPELINE: usize = 300;
/// What a witness may wait at the 99th percentile.
const P99_MAX: Duration = Duration::from_millis(100);

/// Asks for much without reading, and measures PING meanwhile; exit code 1 where its 99th percentile is 100 ms or more.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// RESP of the server.
    #[arg(long)]
    pub address: SocketAddr,
    /// HTTP of the server, where ranges are asked for there too.
    #[arg(long)]
    pub http: Option<SocketAddr>,
    /// Connections that do not read, of each kind.
    #[arg(long, default_value_t = 50)]
    pub connections: usize,
    /// For so long.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    latencies_us: Histogram<u64>,
}

impl Report {
    /// Whether the witness was served in time.
    pub fn is_met(&self) -> bool {
        !self.latencies_us.is_empty()
            && self.latencies_us.value_at_quantile(0.99) < P99_MAX.as_micros() as u64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |quantile| self.latencies_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let (count, most) = (self.latencies_us.len(), self.latencies_us.max() as f64 / 1_000.0);
        write!(out, "{count} PING: median {:.2} ms, P99 {:.2} ms, most {most:.2} ms", at(0.5), at(0.99))
    }
}

/// Runs it.
///
/// # Errors
/// A server that cannot be reached, or says something else than is asked.
pub fn run(arguments: &Arguments) -> Result<Report> {
    let mut witness = Witness::connect(arguments.address)?;
    witness.fill()?;
    let mut hoarders = Vec::new();
    for number in 0..arguments.connections {
        let key = format!("hoard:{}", number % STREAMS);
        hoarders.push(Hoarder::connect(arguments.address, ranges(&key))?);
        hoarders.push(Hoarder::connect(arguments.address, transactions(&key))?);
        if let Some(http) = arguments.http {
            hoarders.push(Hoarder::connect(http, calls(&key))?);
        }
    }
    let mut report = Report { latencies_us: Histogram::new(3).expect("three digits are few") };
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    while Instant::now() < until {
        hoarders.iter_mut().for_each(Hoarder::push);
        let asked = Instant::now();
        witness.ask(&[b"PING"])?;
        report.latencies_us.saturating_record(asked.elapsed().as_micros() as u64);
    }
    Ok(report)
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, words);
    bytes
}

fn ranges(key: &str) -> Vec<u8> {
    command(&[b"XRANGE", key.as_bytes(), b"-", b"+"]).repeat(PIPELINE)
}

fn transactions(key: &str) -> Vec<u8> {
    [command(&[b"MULTI"]), ranges(key), command(&[b"EXEC"])].concat()
}

fn calls(key: &str) -> Vec<u8> {
    format!("GET /v1/streams/{key}/events?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .repeat(PIPELINE)
        .into_bytes()
}

/// A connection whose pipeline is written as far as it is taken, and never read.
struct Hoarder {
    socket: TcpStream,
    rest: Vec<u8>,
}

impl Hoarder {
    fn connect(address: SocketAddr, rest: Vec<u8>) -> Result<Hoarder> {
        let socket = TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
        socket.set_nonblocking(true).map_err(BenchError::io("making a socket that does not block"))?;
        Ok(Hoarder { socket, rest })
    }

    fn push(&mut self) {
        // A server may close who does not read: then there is nothing more to do.
        let written = self.socket.write(&self.rest).unwrap_or(0);
        self.rest.drain(..written);
    }
}

/// The client that is served meanwhile.
struct Witness {
    socket: TcpStream,
    address: SocketAddr,
    held: Vec<u8>,
    answered: u64,
}

impl Witness {
    fn connect(address: SocketAddr) -> Result<Witness> {
        let socket = TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
        socket.set_nodelay(true).map_err(BenchError::io("setting a socket up"))?;
        Ok(Witness { socket, address, held: Vec::new(), answered: 0 })
    }

    fn fill(&mut self) -> Result<()> {
        let value = vec![b'v'; VALUE_BYTES];
        for number in 0..STREAMS * ENTRIES {
            let key = format!("hoard:{}", number % STREAMS);
            self.ask(&[b"XADD", key.as_bytes(), b"MAXLEN", b"100", b"*", b"f", &value])?;
        }
        Ok(())
    }

    fn ask(&mut self, words: &[&[u8]]) -> Result<()> {
        let failed = || BenchError::io("asking");
        self.socket.write_all(&command(words)).map_err(failed())?;
        let mut chunk = vec![0; READ_BYTES];
        loop {
            match decode(&self.held) {
                Ok(Reply::Value { consumed, .. }) => {
                    self.held.drain(..consumed);
                    self.answered += 1;
                    return Ok(());
                }
                Ok(Reply::Incomplete { .. }) => {}
                Err(error) => return Err(BenchError::Server(error.to_string())),
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(BenchError::Closed { address: self.address, answered: self.answered }),
                Ok(read) => self.held.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed()(error)),
            }
        }
    }
}
