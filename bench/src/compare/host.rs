//! Programs that a comparison needs, and what it runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::compare::row::Row;
use crate::error::{BenchError, Result};

/// Kernel ticks in a second, the unit of CPU times under /proc; fixed on Linux for all its programs.
const TICKS_PER_S: f64 = 100.0;

/// A program that must be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Setpriv,
    Taskset,
    Redis,
    Nginx,
    Wrk,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Setpriv => "setpriv",
            Self::Taskset => "taskset",
            Self::Redis => "redis-server",
            Self::Nginx => "nginx",
            Self::Wrk => "wrk",
        }
    }

    fn debian_package(self) -> &'static str {
        match self {
            Self::Setpriv | Self::Taskset => "util-linux",
            other => other.name(),
        }
    }
}

/// Where each program lies.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) sluice: PathBuf,
    pub(crate) setpriv: PathBuf,
    pub(crate) taskset: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) wrk: PathBuf,
    /// The peer and the arguments that belong to it.
    pub(crate) redis: Vec<String>,
}

/// Finds what `rows` need, or says everything that is missing at once.
pub(crate) fn find(rows: &[Row], sluice: Option<&Path>, redis: &[String]) -> Result<Programs> {
    let mut missing = Vec::new();
    let mut locate = |program: Program| {
        let is_needed = rows.iter().any(|row| row.programs().contains(&program));
        let wanted = match (program, redis.first()) {
            (Program::Redis, Some(given)) => given.as_str(),
            _ => program.name(),
        };
        search(wanted).unwrap_or_else(|| {
            if is_needed {
                missing.push(format!("{wanted} (Debian package {})", program.debian_package()));
            }
            PathBuf::from(wanted)
        })
    };
    let (setpriv, taskset) = (locate(Program::Setpriv), locate(Program::Taskset));
    let (nginx, wrk) = (locate(Program::Nginx), locate(Program::Wrk));
    let mut command = vec![locate(Program::Redis).display().to_string()];
    command.extend(redis.iter().skip(1).cloned());
    let sluice = sluice.map_or_else(beside_this_program, Path::to_owned);
    if rows.iter().any(|row| *row != Row::Generator) && !sluice.is_file() {
        missing.push(format!("{} (cargo build --release, or --sluice BIN)", sluice.display()));
    }
    if missing.is_empty() {
        Ok(Programs { sluice, setpriv, taskset, nginx, wrk, redis: command })
    } else {
        Err(BenchError::Missing(missing))
    }
}

impl Programs {
    /// The peer's name without its folder.
    pub(crate) fn redis_name(&self) -> String {
        let program = self.redis.first().map(Path::new).and_then(Path::file_name);
        program.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn beside_this_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("sluice")
}

/// `name` itself where it is a path, else the first match on PATH; daemons also live in the sbin folders.
fn search(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What the figures depend on besides the programs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Host {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
}

impl Host {
    pub(crate) fn read() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model.map(|(_, name)| name.to_owned()).unwrap_or_default(),
            cores: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

/// The first line that `program flag` prints, on either stream.
pub(crate) fn version(program: &Path, flag: &str) -> String {
    let Ok(output) = Command::new(program).arg(flag).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// User and system CPU time that process `pid` has used with all its threads, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    cpu_ticks(&stat)
        .map(|ticks| ticks as f64 / TICKS_PER_S)
        .ok_or_else(|| BenchError::Server(format!("{path} is not as proc(5) describes it")))
}

/// Memory of process `pid` that is in RAM, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most that was ever in RAM of process `pid`, in bytes.
pub(crate) fn resident_bytes_max(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1_024)
        .ok_or_else(|| BenchError::Server(format!("{path} is not as proc(5) describes it")))
}

/// Fields 14 and 15 of proc(5). The name before them may hold spaces and parentheses, hence the search from
/// the right.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::{cpu_ticks, find, resident_bytes};
    use crate::compare::row::Row;

    #[test]
    fn cpu_ticks_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 3 0 250 41 0 0 20 0 4 0 99 1 2";
        assert_eq!(cpu_ticks(stat), Some(291));
        assert_eq!(cpu_ticks("7 (x) S 1"), None);
    }

    #[test]
    fn a_process_sees_its_own_memory_grow() {
        let before = resident_bytes(std::process::id()).expect("proc is mounted");
        let touched = vec![1_u8; 64 << 20];
        let after = resident_bytes(std::process::id()).expect("proc is mounted");
        assert!(after >= before + (48 << 20), "{before} {after}");
        assert_eq!(touched[1 << 20], 1);
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let (none, redis) = ("/nonexistent/sluice".as_ref(), ["/nonexistent/redis".to_owned()]);
        let error = find(&[Row::RespPollP16], Some(none), &redis).expect_err("nothing is there").to_string();
        assert!(error.contains("/nonexistent/redis (Debian package redis-server)"), "{error}");
        assert!(error.contains("/nonexistent/sluice"), "{error}");
        assert!(error.contains("--only"), "{error}");
    }

    #[test]
    fn a_row_asks_only_for_what_it_needs() {
        let redis = ["/nonexistent/redis".to_owned()];
        find(&[Row::Generator], Some("/nonexistent/sluice".as_ref()), &redis).expect("needs neither");
    }
}
