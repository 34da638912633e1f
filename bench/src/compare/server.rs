//! Servers started for a comparison and ended with it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::compare::host::{Programs, cpu_seconds, resident_bytes};
use crate::compare::streams::nchan_configuration;
use crate::error::{BenchError, Result};
use crate::limit::{READY_MS_MAX, READY_RETRY_MS};

/// The core of all servers; they never run under load at the same time.
pub(crate) const SERVER_CORE: &str = "0";

/// The core of all load generators.
pub(crate) const LOAD_CORE: &str = "1";

/// A running server. It is killed when the value goes, and its folder with it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it speaks RESP; of nginx, HTTP.
    pub(crate) address: SocketAddr,
    /// Where it speaks HTTP.
    pub(crate) http: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// sluice with one worker and a data folder of its own.
    pub(crate) fn sluice(programs: &Programs) -> Result<Self> {
        let folder = folder()?;
        let ports = free_ports()?;
        let [resp, http, admin, peer] = ports.map(|port| loopback(port).to_string());
        let data = folder.path().join("data").display().to_string();
        let flags = ["serve", "--resp", &resp, "--http", &http, "--admin", &admin, "--peer", &peer];
        let mut arguments = strings(&flags);
        arguments.extend(strings(&["--data", &data, "--workers", "1"]));
        let addresses = (loopback(ports[0]), loopback(ports[1]));
        Self::start(programs, &programs.sluice.display().to_string(), &arguments, addresses, folder)
    }

    /// Redis, or whatever stands in for it, without any persistence.
    pub(crate) fn redis(programs: &Programs) -> Result<Self> {
        Self::redis_with(programs, &["--appendonly", "no"])
    }

    /// Redis without snapshots, set up as `flags` say.
    pub(crate) fn redis_with(programs: &Programs, flags: &[&str]) -> Result<Self> {
        let folder = folder()?;
        let [port, ..] = free_ports()?;
        let (program, given) = programs.redis.split_first().expect("the program is always named");
        let mut arguments = given.to_vec();
        let (port_text, dir) = (port.to_string(), folder.path().display().to_string());
        arguments.extend(strings(&["--port", &port_text, "--bind", "127.0.0.1", "--save", ""]));
        arguments.extend(strings(&["--daemonize", "no", "--dir", &dir]));
        arguments.extend(strings(flags));
        Self::start(programs, program, &arguments, (loopback(port), loopback(port)), folder)
    }

    /// nginx in one process, which answers every request with `body`.
    pub(crate) fn nginx(programs: &Programs, body: &str) -> Result<Self> {
        let folder = folder()?;
        let [port, ..] = free_ports()?;
        let file = folder.path().join("nginx.conf");
        let text = nginx_configuration(port, body)?;
        fs::write(&file, text).map_err(BenchError::io(format!("writing {}", file.display())))?;
        let (prefix, file) = (folder.path().display().to_string(), file.display().to_string());
        let arguments = strings(&["-p", &prefix, "-c", &file, "-e", "stderr"]);
        let nginx = programs.nginx.display().to_string();
        Self::start(programs, &nginx, &arguments, (loopback(port), loopback(port)), folder)
    }

    /// nginx with Nchan in one process.
    pub(crate) fn nchan(programs: &Programs) -> Result<Self> {
        let folder = folder()?;
        let [port, ..] = free_ports()?;
        let file = folder.path().join("nginx.conf");
        let text = nchan_configuration(port)?;
        fs::write(&file, text).map_err(BenchError::io(format!("writing {}", file.display())))?;
        let (prefix, file) = (folder.path().display().to_string(), file.display().to_string());
        let arguments = strings(&["-p", &prefix, "-c", &file, "-e", "stderr"]);
        let nginx = programs.nginx.display().to_string();
        Self::start(programs, &nginx, &arguments, (loopback(port), loopback(port)), folder)
    }

    /// The sink of this program.
    pub(crate) fn sink(programs: &Programs) -> Result<Self> {
        let folder = folder()?;
        let [port, ..] = free_ports()?;
        let own = std::env::current_exe().map_err(BenchError::io("asking for the own path"))?;
        let arguments = strings(&["sink", "--address", &loopback(port).to_string()]);
        let addresses = (loopback(port), loopback(port));
        Self::start(programs, &own.display().to_string(), &arguments, addresses, folder)
    }

    fn start(
        programs: &Programs,
        program: &str,
        arguments: &[String],
        (address, http): (SocketAddr, SocketAddr),
        folder: TempDir,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let failed = |error| BenchError::io(format!("starting {program}"))(error);
        let output = File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        // Each program replaces itself by the next, so the child's id is the server's. A comparison that is killed
        // takes its servers along.
        let mut command = Command::new(&programs.setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(&programs.taskset);
        command.args(["-c", SERVER_CORE, program]).args(arguments).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().map_err(failed)?;
        let mut server = Self { child, address, http, folder };
        server.wait_until_ready(program, &log)?;
        Ok(server)
    }

    /// A foreign program tells nobody when it listens, so it is asked until it answers.
    fn wait_until_ready(&mut self, program: &str, log: &Path) -> Result<()> {
        let started = Instant::now();
        let is_open = |address| TcpStream::connect(address).is_ok();
        while !(is_open(self.address) && is_open(self.http)) {
            let ended = self.child.try_wait().map_err(BenchError::io(format!("watching {program}")))?;
            let reason = match ended {
                Some(status) => format!("ended at once ({status}): {}", last_words(log)),
                None if started.elapsed() > Duration::from_millis(READY_MS_MAX) => {
                    format!("does not listen after {READY_MS_MAX} ms: {}", last_words(log))
                }
                None => {
                    thread::sleep(Duration::from_millis(READY_RETRY_MS));
                    continue;
                }
            };
            return Err(BenchError::Peer { name: program.to_owned(), reason });
        }
        Ok(())
    }

    /// The folder that it runs in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// CPU time used so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Memory in RAM now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is kept, so nothing is gained by letting it end in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nginx_configuration(port: u16, body: &str) -> Result<String> {
    if body.contains(['\'', '$', '\\']) {
        return Err(BenchError::Server(format!("a poll's body that nginx cannot quote: {body}")));
    }
    Ok(format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location / {{ return 200 '{body}'; }}
  }}
}}
"
    ))
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("sluice-bench-").tempdir().map_err(BenchError::io("making a folder"))
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Ports that were free a moment ago, all different because all are held at once.
fn free_ports() -> Result<[u16; 4]> {
    let mut held = Vec::new();
    let mut ports = [0; 4];
    for port in &mut ports {
        let listener = TcpListener::bind(loopback(0)).map_err(BenchError::io("looking for a free port"))?;
        *port = listener.local_addr().map_err(BenchError::io("looking for a free port"))?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::nginx_configuration;

    #[test]
    fn a_body_that_would_break_out_of_its_quotes_is_refused() {
        let text = nginx_configuration(8080, "{\"position\":1}").expect("plain JSON");
        assert!(text.contains("return 200 '{\"position\":1}';"), "{text}");
        for body in ["it's", "$host", "a\\b"] {
            nginx_configuration(8080, body).expect_err(body);
        }
    }
}
