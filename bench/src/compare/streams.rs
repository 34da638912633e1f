//! Streams: appends against Redis, readers against Nchan, and what both cost in memory.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::compare::outcome::{Measure, Outcome, Rounds, Sample};
use crate::compare::rounds::{alternate, load, measure};
use crate::compare::row::{Row, Target};
use crate::compare::server::{LOAD_CORE, Server};
use crate::compare::stage::Stage;
use crate::error::{BenchError, Result};
use crate::fanout::{self, Idle, Peer};
use crate::load::{Arguments, Operation, STREAM_EVENT_BYTES};

/// Entries that a stream keeps.
const ENTRIES: u64 = 50;
/// Streams whose memory is measured, for each that is there before: a huge page more or less is nothing among so many.
const ADDED_PARTS: u64 = 3;
/// Publishers of a fan-out at its limit.
const PUBLISHERS: u64 = 4;
/// Appends to each stream where memory is measured: every entry was replaced once.
const APPENDS_A_STREAM: u64 = 100;

/// Fields and values of an entry, and 16 bytes, half as much again, and 256 bytes: what a stream may take.
pub(crate) fn stream_bytes_max() -> f64 {
    1.5 * (ENTRIES * (STREAM_EVENT_BYTES as u64 + 16)) as f64 + 256.0
}

impl Stage<'_> {
    /// Every row about streams.
    pub(crate) fn streams(&self, rows: &[Row], done: &mut dyn FnMut(Outcome)) -> Result<()> {
        for row in rows {
            match row {
                Row::StreamAdd => done(self.stream_add()?),
                Row::StreamMemory => done(self.stream_memory()?),
                Row::FanOut => self.fan_out(Row::FanOut, PUBLISHERS, Target::AtMost(0.5), done)?,
                Row::FanOutAlone => self.fan_out(Row::FanOutAlone, 1, Target::None, done)?,
                _ => done(self.idle_readers()?),
            }
        }
        Ok(())
    }

    fn appends(&self, address: SocketAddr) -> Arguments {
        Arguments { zones: self.scale.streams, ..self.arguments(Operation::StreamAdd, address, 16, None) }
    }

    fn stream_add(&self) -> Result<Outcome> {
        let (ours, redis) = (Server::sluice(self.programs)?, Server::redis(self.programs)?);
        let rounds = alternate(
            self.scale.rounds,
            |_| measure(self.programs, &ours, &self.appends(ours.address)),
            |_| measure(self.programs, &redis, &self.appends(redis.address)),
        )?;
        let row = Row::StreamAdd;
        Ok(Outcome::new(row, &self.programs.redis_name(), Measure::RatePerS, row.target(), &rounds))
    }

    /// Resident memory that each stream adds where there are some already, filled to the end of its MAXLEN twice. The first
    /// ones also pay for what any load does: buffers, a log's cache.
    fn stream_memory(&self) -> Result<Outcome> {
        let (first, added) = (self.scale.streams, ADDED_PARTS * self.scale.streams);
        let side = |server: &Server| -> Result<Sample> {
            let fill = |zone: &str, zones: u64| {
                let requests = Some(zones * APPENDS_A_STREAM);
                let appends = self.appends(server.address);
                load(self.programs, &Arguments { requests, zones, zone: zone.to_owned(), ..appends })
            };
            fill("first", first)?;
            let before = server.resident_bytes()?;
            let filled = fill("bench", added)?;
            let grown = server.resident_bytes()?.saturating_sub(before);
            Ok(Sample { fault: filled.fault(), ..Sample::of_memory(grown, added) })
        };
        let (ours, redis) = (Server::sluice(self.programs)?, Server::redis(self.programs)?);
        let rounds = Rounds { ours: vec![side(&ours)?], theirs: vec![side(&redis)?] };
        let row = Row::StreamMemory;
        let note = "what streams add to a third as many; what a first load takes once is left out at both";
        let outcome =
            Outcome::new(row, &self.programs.redis_name(), Measure::BytesPerWaiter, row.target(), &rounds);
        Ok(outcome.noted(note))
    }

    fn fan_out(&self, row: Row, publishers: u64, p99: Target, done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let (ours, nchan) = (Server::sluice(self.programs)?, Server::nchan(self.programs)?);
        let rounds = alternate(
            self.scale.rounds,
            |_| self.fan_out_once(Peer::Sluice, &ours, publishers),
            |_| self.fan_out_once(Peer::Nchan, &nchan, publishers),
        )?;
        done(Outcome::new(row, "nchan", Measure::RatePerS, row.target(), &rounds));
        done(Outcome::new(row, "nchan", Measure::P99Us, p99, &rounds));
        Ok(())
    }

    /// In a process of its own, on the core of the generators.
    fn fan_out_once(&self, peer: Peer, server: &Server, publishers: u64) -> Result<Sample> {
        let own = std::env::current_exe().map_err(BenchError::io("asking for the own path"))?;
        let before = server.cpu_seconds()?;
        let mut command = Command::new(&self.programs.taskset);
        command.args(["-c", LOAD_CORE]).arg(own).args(["fanout", "--json", "--peer", peer.word()]);
        command.args(["--address", &server.http.to_string(), "--publish", &server.address.to_string()]);
        command.args(["--readers", &self.scale.readers.to_string()]);
        command.args(["--publishers", &publishers.to_string()]);
        command.args(["--seconds", &self.scale.seconds.to_string()]);
        let output = command.stdin(Stdio::null()).output().map_err(BenchError::io("running a fan-out"))?;
        let report: fanout::Report =
            serde_json::from_slice(&output.stdout).map_err(|_| BenchError::Peer {
                name: format!("fan-out of {peer:?}"),
                reason: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })?;
        let fault = match (report.missing, report.repeated) {
            (0, 0) => None,
            (missing, repeated) => Some(format!("{missing} deliveries never came, {repeated} came again")),
        };
        let deliveries = (report.messages * report.readers).max(1);
        Ok(Sample {
            rate_per_s: report.deliveries_per_s,
            p50_us: report.p50_us,
            p99_us: report.p99_us,
            cpu_us: Some((server.cpu_seconds()? - before) * 1e6 / deliveries as f64),
            fault,
            ..Sample::default()
        })
    }

    /// Resident memory of a connection that waits for the first entry of a stream.
    fn idle_readers(&self) -> Result<Outcome> {
        let side = |peer, server: &Server| -> Result<(Sample, u64)> {
            let (before, kernel_before) = (server.resident_bytes()?, kernel_bytes()?);
            let idle = Idle::open(peer, server.http, self.scale.readers)?;
            let grown = server.resident_bytes()?.saturating_sub(before);
            let kernel = kernel_bytes()?.saturating_sub(kernel_before);
            drop(idle);
            Ok((Sample::of_memory(grown, self.scale.readers), kernel / self.scale.readers))
        };
        let (ours, nchan) = (Server::sluice(self.programs)?, Server::nchan(self.programs)?);
        let (ours, our_kernel) = side(Peer::Sluice, &ours)?;
        let (theirs, their_kernel) = side(Peer::Nchan, &nchan)?;
        let rounds = Rounds { ours: vec![ours], theirs: vec![theirs] };
        let row = Row::IdleReader;
        let note = format!(
            "resident memory of the processes; the kernel's for a connection, both of its ends, on top: {our_kernel} \
             beside {their_kernel} bytes"
        );
        Ok(Outcome::new(row, "nchan", Measure::BytesPerWaiter, row.target(), &rounds).noted(note))
    }
}

/// What the kernel holds: its caches of objects, and pages of sockets. Of the whole machine, so a difference over many
/// connections says something, and one over few does not.
fn kernel_bytes() -> Result<u64> {
    const PAGE_BYTES: u64 = 4_096;
    let read = |path| fs::read_to_string(path).map_err(BenchError::io("reading what the kernel holds"));
    let number = |text: &str| text.split_whitespace().find_map(|word| word.parse::<u64>().ok());
    let (objects, sockets) = (read("/proc/meminfo")?, read("/proc/net/sockstat")?);
    let kilobytes = objects.lines().find_map(|line| number(line.strip_prefix("Slab:")?));
    let pages = sockets.lines().find_map(|line| number(line.strip_prefix("TCP:")?.split("mem").nth(1)?));
    Ok(kilobytes.unwrap_or(0) * 1_024 + pages.unwrap_or(0) * PAGE_BYTES)
}

/// nginx with Nchan in one process.
pub(crate) fn nchan_configuration(port: u16) -> Result<String> {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
    if fs::metadata(MODULE).is_err() {
        return Err(BenchError::Missing(vec![format!("{MODULE} (Debian package libnginx-mod-nchan)")]));
    }
    Ok(format!(
        "load_module {MODULE};
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ /sub/(\\w+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; nchan_message_buffer_length 50; }}
    location ~ /pub/(\\w+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 50; }}
  }}
}}
"
    ))
}
