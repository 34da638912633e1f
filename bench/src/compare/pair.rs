//! Redis as careful as it can be: what it acknowledges is on its disk and at a replica.
//!
//! The primary appends every write to its file and syncs it before it answers (`appendfsync always`; all clients that one turn
//! of its event loop served share a sync). Each join is followed by `WAIT 1 0`, which answers when the replica has
//! received the write. The replica keeps no file, which is the cheaper of the two ways to run one: a replica that appends
//! and syncs as well shares the disk and the core with the primary and can only slow it down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use sluice_client::{ClientError, Connection};

use crate::compare::host::Programs;
use crate::compare::server::Server;
use crate::error::{BenchError, Result};
use crate::limit::{READY_MS_MAX, READY_RETRY_MS};

/// What the other side does, for the report.
pub(crate) const DOES: &str =
    "theirs: primary with appendfsync always, one replica without a file, each EVALSHA followed by WAIT 1 0";

/// A primary and its replica.
#[derive(Debug)]
pub(crate) struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    /// Starts both and waits until the replica has caught up.
    ///
    /// # Errors
    /// A program that cannot do one of these: append and sync, replicate, `WAIT`. The text says which.
    pub(crate) fn start(programs: &Programs) -> Result<Self> {
        // No rewrites of the file: they would cost the primary CPU time within some rounds and not in others.
        let appends =
            ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];
        let streams = ["--repl-diskless-sync-delay", "0"];
        let primary = Server::redis_with(programs, &[&appends[..], &streams[..]].concat())?;
        let (host, port) = (primary.address.ip().to_string(), primary.address.port().to_string());
        let replica = Server::redis_with(programs, &["--appendonly", "no", "--replicaof", &host, &port])?;
        let pair = Self { primary, replica };
        let lacks = |what: String| BenchError::Peer { name: programs.redis_name(), reason: what };
        pair.check_file().map_err(lacks)?;
        pair.wait_for_replica().map_err(lacks)?;
        Ok(pair)
    }

    fn check_file(&self) -> std::result::Result<(), String> {
        let policy = ask(self.address(), &[b"CONFIG", b"GET", b"appendfsync"], |value| {
            value.field(b"appendfsync").and_then(|value| value.bytes()).map(<[u8]>::to_vec)
        })?;
        let persistence = info(self.address(), b"persistence")?;
        if policy.as_deref() == Some(b"always") && persistence.contains("aof_enabled:1") {
            return Ok(());
        }
        Err("does not sync every write to a file, though it was started with appendonly yes and appendfsync always".to_owned())
    }

    /// `WAIT` itself says when the replica follows; a timeout of its own keeps it from waiting for ever.
    fn wait_for_replica(&self) -> std::result::Result<(), String> {
        let started = Instant::now();
        loop {
            ask(self.address(), &[b"SET", b"sluice-bench:probe", b"1"], |_| Some(()))?;
            let reached = ask(self.address(), &[b"WAIT", b"1", b"1000"], |value| value.integer())?;
            if reached.is_some_and(|replicas| replicas >= 1) {
                return Ok(());
            }
            if started.elapsed() > Duration::from_millis(READY_MS_MAX) {
                let seen = info(self.address(), b"replication")?;
                let seen: Vec<&str> = seen.lines().filter(|line| line.contains("slave")).collect();
                return Err(format!("no replica follows it after {READY_MS_MAX} ms ({})", seen.join(", ")));
            }
            thread::sleep(Duration::from_millis(READY_RETRY_MS));
        }
    }

    /// Where the primary speaks RESP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.primary.address
    }

    /// Where the primary's file lies.
    pub(crate) fn file_folder(&self) -> PathBuf {
        self.primary.folder().join("appendonlydir")
    }

    /// CPU time that both have used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        Ok(self.primary.cpu_seconds()? + self.replica.cpu_seconds()?)
    }
}

type Value<'a> = sluice_client::Value<'a>;

/// One command, and what `read` finds in its reply; an error text where the program does not know it.
fn ask<T>(
    address: SocketAddr,
    words: &[&[u8]],
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> std::result::Result<Option<T>, String> {
    let said = |error: ClientError| {
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        format!("{}: {error}", words.join(" "))
    };
    Connection::connect(address)
        .and_then(|mut connection| connection.call(words, |value| Ok(read(value))))
        .map_err(said)
}

fn info(address: SocketAddr, section: &[u8]) -> std::result::Result<String, String> {
    let text = ask(address, &[b"INFO", section], |value| match value {
        Value::Verbatim { text, .. } => Some(String::from_utf8_lossy(text).into_owned()),
        other => other.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
    })?;
    Ok(text.unwrap_or_default())
}
