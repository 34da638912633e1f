//! One gateway connection that follows thousands of streams, while they are appended to and come and go.
//!
//! ```text
//! publisher (a thread) ── XADD, at a rate ─▶ server ── x.entry ─▶ gateway: next number of each key expected
//!                                               ▲                    │
//!                                               └ X.UNSUB, X.SUB … AFTER the last number seen
//! ```
//! Numbers of a stream are dense and only the publisher appends, so each key must have been told every number up to as many as
//! were appended: nothing lost, nothing twice, also of keys that were not followed for a while.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use sluice_client::{Reply, Value, decode, encode_command};

use crate::error::{BenchError, Result};
use crate::limit::{READ_BYTES, ZONES_MAX};
use crate::random::Random;

/// Keys of one command.
const KEYS_A_COMMAND: usize = 256;
/// Appends that one write of the publisher carries, at most.
const APPENDS_A_WRITE: u64 = 256;
/// The rest has to come within this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Follows many streams over one connection; exit code 1 where something was lost or told twice.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// RESP of the server.
    #[arg(long)]
    pub address: SocketAddr,
    /// Where appends go, if not there.
    #[arg(long)]
    pub publish: Option<SocketAddr>,
    /// Streams.
    #[arg(long, default_value_t = 10_000)]
    pub keys: u64,
    /// Appends a second, over all of them.
    #[arg(long, default_value_t = 50_000)]
    pub rate: u64,
    /// For so long.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Streams that are left and followed again each second.
    #[arg(long, default_value_t = 500)]
    pub churn: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Entries appended.
    pub appended: u64,
    /// Entries told.
    pub told: u64,
    /// Of these, within the seconds of the run, each second.
    pub told_per_s: f64,
    /// Numbers that were skipped without a word, or never came.
    pub lost: u64,
    /// Numbers told again.
    pub twice: u64,
    /// Places that were said to be lost.
    pub resets: u64,
    /// Streams left and followed again.
    pub churned: u64,
}

impl Report {
    /// Whether each entry was told once.
    pub fn is_whole(&self) -> bool {
        self.lost + self.twice + self.resets == 0 && self.told == self.appended
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} appended, {} told, {:.0} a second", self.appended, self.told, self.told_per_s)?;
        writeln!(out, "{} streams left and followed again", self.churned)?;
        write!(out, "{} lost, {} twice, {} resets", self.lost, self.twice, self.resets)
    }
}

/// Runs it.
///
/// # Errors
/// A server that cannot be reached, or says something else than is asked.
pub fn run(arguments: &Arguments) -> Result<Report> {
    if !(1..=ZONES_MAX).contains(&arguments.keys) {
        return Err(BenchError::Argument(format!("--keys must lie between 1 and {ZONES_MAX}")));
    }
    let appended: Arc<Vec<AtomicU64>> = Arc::new((0..arguments.keys).map(|_| AtomicU64::new(0)).collect());
    let done = Arc::new(AtomicBool::new(false));
    let prefix = format!("gateway:{:x}", std::process::id());
    let mut gateway = Gateway::connect(arguments, &prefix)?;
    gateway.follow((0..arguments.keys).collect())?;
    let publisher = {
        let (arguments, appended, done) = (arguments.clone(), Arc::clone(&appended), Arc::clone(&done));
        thread::spawn(move || {
            let published = publish(&arguments, &prefix, &appended);
            done.store(true, Ordering::Release);
            published
        })
    };
    gateway.serve(arguments, &done)?;
    publisher.join().map_err(|_| BenchError::Server("the publisher has panicked".to_owned()))??;
    gateway.finish(&appended)?;
    Ok(gateway.report)
}

/// Appends at the rate, and counts what was acknowledged.
fn publish(arguments: &Arguments, prefix: &str, appended: &[AtomicU64]) -> Result<()> {
    let address = arguments.publish.unwrap_or(arguments.address);
    let mut socket = TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
    let failed = || BenchError::io("appending");
    socket.set_nodelay(true).map_err(failed())?;
    let (mut random, started, mut sent) = (Random::new(1), Instant::now(), 0u64);
    let (mut output, mut input, mut buffer) = (Vec::new(), Vec::new(), vec![0; READ_BYTES]);
    while started.elapsed() < Duration::from_secs(arguments.seconds) {
        let due = (started.elapsed().as_secs_f64() * arguments.rate as f64) as u64;
        let count = due.saturating_sub(sent).min(APPENDS_A_WRITE);
        if count == 0 {
            // The rate is kept by what is due, not by how long this takes.
            thread::sleep(Duration::from_micros(500));
            continue;
        }
        output.clear();
        let keys: Vec<u64> = (0..count).map(|_| random.below(arguments.keys)).collect();
        for key in &keys {
            let name = format!("{prefix}:{key}");
            encode_command(&mut output, &[b"XADD", name.as_bytes(), b"MAXLEN", b"1000", b"*", b"n", b"1"]);
        }
        socket.write_all(&output).map_err(failed())?;
        sent += count;
        for key in keys {
            let is_added = loop {
                match decode(&input).map_err(|error| BenchError::Server(error.to_string()))? {
                    Reply::Value { value, consumed } => {
                        let is_added = matches!(value, Value::Bulk(_));
                        input.drain(..consumed);
                        break is_added;
                    }
                    Reply::Incomplete { .. } => {
                        let read = socket.read(&mut buffer).map_err(failed())?;
                        if read == 0 {
                            return Err(BenchError::Closed { address, answered: sent });
                        }
                        input.extend_from_slice(&buffer[..read]);
                    }
                }
            };
            if !is_added {
                return Err(BenchError::Server("an append was refused".to_owned()));
            }
            appended[key as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

struct Gateway {
    address: SocketAddr,
    prefix: String,
    socket: TcpStream,
    input: Vec<u8>,
    buffer: Vec<u8>,
    /// Epoch and last number of each key.
    seen: Vec<(u64, u64)>,
    report: Report,
    random: Random,
}

impl Gateway {
    fn connect(arguments: &Arguments, prefix: &str) -> Result<Gateway> {
        let address = arguments.address;
        let mut socket =
            TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
        let failed = || BenchError::io("preparing the gateway");
        socket.set_nodelay(true).map_err(failed())?;
        socket.set_read_timeout(Some(Duration::from_millis(20))).map_err(failed())?;
        socket.write_all(b"HELLO 3\r\n").map_err(failed())?;
        Ok(Gateway {
            address,
            prefix: prefix.to_owned(),
            socket,
            input: Vec::new(),
            buffer: vec![0; READ_BYTES],
            seen: vec![(0, 0); arguments.keys as usize],
            report: Report::default(),
            random: Random::new(7),
        })
    }

    fn follow(&mut self, keys: Vec<u64>) -> Result<()> {
        for keys in keys.chunks(KEYS_A_COMMAND) {
            let mut words: Vec<Vec<u8>> = vec![b"X.SUB".to_vec()];
            for key in keys {
                words.push(format!("{}:{key}", self.prefix).into_bytes());
                let (epoch, number) = self.seen[*key as usize];
                if epoch > 0 {
                    words.push(b"AFTER".to_vec());
                    words.push(format!("{epoch}.{number}").into_bytes());
                }
            }
            self.send(&words)?;
        }
        Ok(())
    }

    fn leave(&mut self, keys: &[u64]) -> Result<()> {
        let mut words: Vec<Vec<u8>> = vec![b"X.UNSUB".to_vec()];
        words.extend(keys.iter().map(|key| format!("{}:{key}", self.prefix).into_bytes()));
        self.send(&words)
    }

    fn send(&mut self, words: &[Vec<u8>]) -> Result<()> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut output = Vec::new();
        encode_command(&mut output, &words);
        self.socket.write_all(&output).map_err(BenchError::io("asking for streams"))
    }

    /// Takes what comes; leaves some streams now and then, and follows them again a little later.
    fn serve(&mut self, arguments: &Arguments, done: &AtomicBool) -> Result<()> {
        let started = Instant::now();
        let mut left: Vec<u64> = Vec::new();
        let mut turns = 0u64;
        while !done.load(Ordering::Acquire) {
            self.take()?;
            let due = (started.elapsed().as_secs_f64() * 10.0) as u64;
            if due > turns && arguments.churn > 0 {
                turns = due;
                self.follow(std::mem::take(&mut left))?;
                let count = (arguments.churn / 10).clamp(1, KEYS_A_COMMAND as u64);
                left = (0..count).map(|_| self.random.below(arguments.keys)).collect();
                left.sort_unstable();
                left.dedup();
                self.leave(&left)?;
                self.report.churned += left.len() as u64;
            }
        }
        self.report.told_per_s = self.report.told as f64 / started.elapsed().as_secs_f64();
        self.follow(left)
    }

    /// Waits for the rest, and counts what never came.
    fn finish(&mut self, appended: &[AtomicU64]) -> Result<()> {
        let total: u64 = appended.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let started = Instant::now();
        while self.report.told < total && started.elapsed() < PATIENCE {
            self.take()?;
        }
        self.report.appended = total;
        for (seen, appended) in self.seen.iter().zip(appended) {
            self.report.lost += appended.load(Ordering::Relaxed).saturating_sub(seen.1);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<()> {
        match self.socket.read(&mut self.buffer) {
            Ok(0) => return Err(BenchError::Closed { address: self.address, answered: self.report.told }),
            Ok(read) => self.input.extend_from_slice(&self.buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(BenchError::io("following streams")(error)),
        }
        let input = std::mem::take(&mut self.input);
        let mut at = 0;
        while let Reply::Value { value, consumed } =
            decode(&input[at..]).map_err(|error| BenchError::Server(error.to_string()))?
        {
            self.note(&value)?;
            at += consumed;
        }
        self.input = input;
        self.input.drain(..at);
        Ok(())
    }

    fn note(&mut self, value: &Value<'_>) -> Result<()> {
        let parts = match value {
            Value::Push(parts) => parts,
            Value::Error(text) => return Err(BenchError::Server(String::from_utf8_lossy(text).into_owned())),
            _ => return Ok(()),
        };
        let text = |at: usize| parts.get(at).and_then(Value::bytes).map(String::from_utf8_lossy);
        match text(0).as_deref() {
            Some("x.entry") => {}
            Some("x.reset") => {
                self.report.resets += 1;
                return Ok(());
            }
            _ => return Ok(()),
        }
        let key = text(1).and_then(|key| key.rsplit(':').next()?.parse::<usize>().ok());
        let cursor = text(2).and_then(|cursor| {
            let (epoch, number) = cursor.split_once('.')?;
            Some((epoch.parse::<u64>().ok()?, number.parse::<u64>().ok()?))
        });
        let (Some(key), Some((epoch, number))) = (key, cursor) else {
            return Err(BenchError::Server(format!("not an entry: {value:?}")));
        };
        let seen = &mut self.seen[key];
        if number <= seen.1 {
            self.report.twice += 1;
            return Ok(());
        }
        self.report.lost += number - seen.1 - 1;
        self.report.told += 1;
        *seen = (epoch, number);
        Ok(())
    }
}
