//! Where a node runs: this machine's loopback, a core of this machine, or a host of its own, which is a network namespace behind a bridge.
//!
//! Rules that drop packets are set in a node's own namespace, so a cut is one-way when only one side drops.

use super::cluster::mortal;
use crate::error::{BenchError, Result};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bridge's and the namespaces' common name; two runs at once would share them.
const NAME: &str = "slchaos";

/// This machine's address on the bridge: that of the clients.
pub(super) const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 99, 7, 254);

/// What shows a process another wall clock (Debian's `faketime`).
pub(super) const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Where relays listen.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Where a node runs.
#[derive(Clone, Debug)]
pub(crate) enum Host {
    /// On 127.0.0.1.
    Loopback,
    /// On 127.0.0.1, and reached by other nodes at the same ports of [`FAR`].
    Far,
    /// On 127.0.0.1, and on this core alone.
    Core(&'static str),
    /// On 127.0.0.1, with a wall clock that this file sets: how far it is from the right time.
    Clock(PathBuf),
    /// In namespace so-and-so of the bridge.
    Namespace(u8),
}

impl Host {
    pub(super) fn address(&self) -> Ipv4Addr {
        match self {
            Host::Loopback | Host::Far | Host::Core(_) | Host::Clock(_) => Ipv4Addr::LOCALHOST,
            Host::Namespace(n) => Ipv4Addr::new(10, 99, 7, n + 1),
        }
    }

    fn name(&self) -> Option<String> {
        match self {
            Host::Loopback | Host::Far | Host::Core(_) | Host::Clock(_) => None,
            Host::Namespace(n) => Some(format!("{NAME}{n}")),
        }
    }

    /// A program on this host, which dies with this one.
    pub(super) fn command(&self, program: &Path) -> Command {
        let prefix: Vec<String> = match (self, self.name()) {
            (Host::Core(core), _) => ["taskset", "-c", core].map(str::to_owned).to_vec(),
            (_, Some(name)) => ["ip", "netns", "exec", &name].map(str::to_owned).to_vec(),
            (_, None) => Vec::new(),
        };
        let mut command = mortal(program, &prefix);
        match self {
            Host::Far => drop(command.env("SLUICE_NODE_ADVERTISE", FAR.to_string())),
            Host::Clock(file) => {
                command.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", file);
                command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            }
            Host::Loopback | Host::Core(_) | Host::Namespace(_) => {}
        }
        command
    }

    /// Flags that bind a server to this host.
    pub(super) fn flags(&self, port: u16) -> Vec<String> {
        let Host::Namespace(_) = self else { return Vec::new() };
        let at = |offset| format!("{}:{}", self.address(), port + offset);
        [("--resp", 0), ("--http", 1), ("--admin", 2), ("--peer", 3)]
            .into_iter()
            .flat_map(|(flag, offset)| [flag.to_owned(), at(offset)])
            .collect()
    }

    /// Drops what comes from this address; what this host sends still arrives there.
    pub(super) fn drop_from(&self, address: Ipv4Addr) -> Result<()> {
        self.inside(&["iptables", "-A", "INPUT", "-s", &address.to_string(), "-j", "DROP"])
    }

    /// What this host sends waits for its turn on a link of this rate, for half a second at most; what would wait longer is lost.
    pub(super) fn narrow(&self, bits_per_s: u64) -> Result<()> {
        let rate = format!("{bits_per_s}bit");
        let link = ["rate", &rate, "burst", "16kb", "latency", "500ms"];
        self.inside(&[&["tc", "qdisc", "add", "dev", "eth0", "root", "tbf"][..], &link].concat())
    }

    /// Nothing waits any longer.
    pub(super) fn widen(&self) -> Result<()> {
        self.inside(&["tc", "qdisc", "del", "dev", "eth0", "root"])
    }

    /// Everything arrives again.
    pub(super) fn heal(&self) -> Result<()> {
        self.inside(&["iptables", "-F", "INPUT"])
    }

    fn inside(&self, words: &[&str]) -> Result<()> {
        let Some(name) = self.name() else {
            return Err(BenchError::Argument("only hosts of their own can be cut off".to_owned()));
        };
        let mut all = vec!["ip", "netns", "exec", &name];
        all.extend(words);
        shell(&all)
    }
}

/// Namespaces behind a bridge, gone with the value.
#[derive(Debug)]
pub(super) struct Hosts(u8);

impl Hosts {
    /// So many hosts; this machine is at [`BRIDGE`].
    pub(super) fn make(count: u8) -> Result<Hosts> {
        Hosts(count).unmake();
        let hosts = Hosts(count);
        shell(&["ip", "link", "add", NAME, "type", "bridge"])?;
        shell(&["ip", "addr", "add", &format!("{BRIDGE}/24"), "dev", NAME])?;
        shell(&["ip", "link", "set", NAME, "up"])?;
        for host in hosts.all() {
            let name = host.name().unwrap_or_default();
            let outer = outer(&name);
            shell(&["ip", "netns", "add", &name])?;
            shell(&["ip", "link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
            shell(&["ip", "link", "set", &outer, "master", NAME, "up"])?;
            let address = format!("{}/24", host.address());
            host.inside(&["ip", "addr", "add", &address, "dev", "eth0"])?;
            host.inside(&["ip", "link", "set", "eth0", "up"])?;
            host.inside(&["ip", "link", "set", "lo", "up"])?;
        }
        Ok(hosts)
    }

    pub(super) fn all(&self) -> Vec<Host> {
        (0..self.0).map(Host::Namespace).collect()
    }

    fn unmake(&self) {
        for host in self.all() {
            let name = host.name().unwrap_or_default();
            // A namespace goes later than it is told to, and its link with it: not before the next run, perhaps.
            let _ = shell(&["ip", "link", "del", &outer(&name)]);
            let _ = shell(&["ip", "netns", "del", &name]);
        }
        let _ = shell(&["ip", "link", "del", NAME]);
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.unmake();
    }
}

/// The bridge's end of a host's link.
fn outer(name: &str) -> String {
    format!("{name}v")
}

fn shell(words: &[&str]) -> Result<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(BenchError::io(format!("running {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Peer { name: words.join(" "), reason })
}
