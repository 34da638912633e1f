//! A server that stays at its address: killed as a crash kills it, and started again on its data.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::clients::foreign::{await_start, server};
use crate::server::Server;

#[derive(Clone, Copy, Debug)]
pub(super) enum Brand {
    Redis,
    Sluice,
}

enum Running {
    Redis(Child),
    Sluice(#[allow(dead_code, reason = "held until it is dropped")] Server),
    Nothing,
}

pub(super) struct Stage {
    folder: TempDir,
    brand: Brand,
    at: SocketAddr,
    running: Running,
}

impl Stage {
    pub(super) fn start(brand: Brand) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Stage { folder, brand, at: free_address(), running: Running::Nothing };
        stage.running = stage.run();
        stage
    }

    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }

    /// Kills it; what it had acknowledged is there when it is back.
    pub(super) fn restart(&mut self) {
        self.end();
        self.running = self.run();
    }

    fn run(&self) -> Running {
        match self.brand {
            Brand::Redis => Running::Redis(redis(self.at, self.folder.path())),
            Brand::Sluice => {
                Running::Sluice(Server::start(self.folder.path(), &["--resp", &self.at.to_string()]))
            }
        }
    }

    fn end(&mut self) {
        // A server of ours is killed when it is dropped.
        if let Running::Redis(mut child) = std::mem::replace(&mut self.running, Running::Nothing) {
            child.kill().expect("it runs");
            child.wait().expect("it can be awaited");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end();
    }
}

/// Redis that syncs each write, as we do; returns when it answers.
fn redis(at: SocketAddr, folder: &Path) -> Child {
    let mut command = server("redis-server");
    command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--bind", "127.0.0.1"]);
    command.args(["--port", &at.port().to_string(), "--dir"]).arg(folder);
    let child = command.stdout(Stdio::null()).spawn().expect("redis-server starts");
    // It refuses what comes while it loads.
    await_start("redis-server", || answers(at));
    child
}

fn answers(at: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(at) else { return false };
    let mut said = [0; 7];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut said).is_ok() && said == *b"+PONG\r\n"
}

/// An address that nobody listens at, below the ports that the system gives to connections.
fn free_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = std::process::id() * 64 + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + (number % 20_000) as u16));
        if TcpListener::bind(at).is_ok() {
            return at;
        }
    }
}
