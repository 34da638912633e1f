//! wrk as the load generator of HTTP, the same for every server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::compare::host::Programs;
use crate::compare::server::LOAD_CORE;
use crate::error::{BenchError, Result};
use crate::limit::WRK_PATHS_MAX;
use crate::load::Tokens;
use crate::random::Random;

const SCRIPT: &str = include_str!("../../lua/wrk.lua");

/// wrk's script and the paths it requests.
#[derive(Debug)]
pub(crate) struct Wrk {
    program: PathBuf,
    taskset: PathBuf,
    script: PathBuf,
    paths: PathBuf,
}

/// What one run found; the script prints it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct WrkReport {
    pub(crate) requests: u64,
    pub(crate) duration_us: u64,
    pub(crate) status_errors: u64,
    pub(crate) socket_errors: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

impl Wrk {
    /// Writes the script and a random choice of polls into `folder`.
    pub(crate) fn new(programs: &Programs, tokens: &Tokens, seed: u64, folder: &Path) -> Result<Self> {
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        Random::new(seed).shuffle(&mut order);
        let chosen = order.into_iter().take(WRK_PATHS_MAX).filter_map(|at| tokens.get(at));
        let lines: String = chosen.map(|(zone, token)| path(zone, token) + "\n").collect();
        let (script, paths) = (folder.join("wrk.lua"), folder.join("wrk.paths"));
        for (file, text) in [(&script, SCRIPT), (&paths, lines.as_str())] {
            fs::write(file, text).map_err(BenchError::io(format!("writing {}", file.display())))?;
        }
        Ok(Self { program: programs.wrk.clone(), taskset: programs.taskset.clone(), script, paths })
    }

    /// Loads `address` over 50 connections for `seconds`.
    pub(crate) fn run(&self, address: SocketAddr, seconds: u64) -> Result<WrkReport> {
        let mut command = Command::new(&self.taskset);
        command.args(["-c", LOAD_CORE]).arg(&self.program).args(["-t", "1", "-c", "50", "--timeout", "10s"]);
        command.args(["-d", &format!("{seconds}s"), "-s"]).arg(&self.script);
        command.arg(format!("http://{address}")).arg("--").arg(&self.paths);
        let output = command.output().map_err(BenchError::io("running wrk"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
        report.ok_or_else(|| BenchError::Peer {
            name: "wrk".to_owned(),
            reason: format!("{} {}", text.trim(), String::from_utf8_lossy(&output.stderr).trim()),
        })
    }
}

/// The path of a poll.
pub(crate) fn path(zone: &str, token: &str) -> String {
    format!("/v1/zones/{zone}/tokens/{token}")
}

impl WrkReport {
    /// Requests answered each second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / (self.duration_us.max(1)) as f64
    }

    /// Why the rate must not be quoted, where that is so.
    pub(crate) fn fault(&self) -> Option<String> {
        match (self.status_errors, self.socket_errors) {
            (0, 0) => None,
            (status, socket) => {
                Some(format!("{status} replies with an error status, {socket} socket errors"))
            }
        }
    }
}
