//! Three nodes of sluice on the core of the servers.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use sluice_client::Connection;

use crate::chaos::cluster::{Cluster, pause};
use crate::chaos::host::Host;
use crate::compare::host::{Programs, cpu_seconds};
use crate::compare::server::{SERVER_CORE, loopback};
use crate::error::{BenchError, Result};
use crate::limit::{PORT_TRIES_MAX, READY_MS_MAX, READY_RETRY_MS};

/// How many nodes there are.
pub(crate) const NODES: usize = 3;

/// From one node's first port to the next one's, as the cluster numbers them.
const PORTS_A_NODE: u16 = 10;

/// Ports of a node: RESP, HTTP, admin, peer.
const PORTS_USED: u16 = 4;

/// The nodes, with every group led and the leaders spread.
#[derive(Debug)]
pub(crate) struct Trio {
    cluster: Cluster,
    /// How many groups each node led when the cluster was ready.
    leads: [usize; NODES],
}

/// What is read of `cluster status --json`.
#[derive(Debug, Deserialize)]
struct Status {
    nodes: Vec<Member>,
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Member {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct Group {
    id: u16,
    leader: Option<u64>,
}

impl Trio {
    /// Starts the nodes, makes them one cluster, and has each lead its share of the groups.
    pub(crate) fn start(programs: &Programs) -> Result<Self> {
        let server =
            std::fs::canonicalize(&programs.sluice).map_err(BenchError::io("looking for the server"))?;
        let cluster = Cluster::start(server, vec![Host::Core(SERVER_CORE); NODES], NODES, free_base()?)?;
        let mut trio = Self { cluster, leads: [0; NODES] };
        trio.leads = trio.spread()?;
        Ok(trio)
    }

    /// Asks for transfers once, then waits until no node leads two groups more than another. Where that does not come
    /// in time the nodes are measured as they are; a group without a leader is an error.
    fn spread(&self) -> Result<[usize; NODES]> {
        let started = Instant::now();
        let mut is_asked = false;
        loop {
            let status = self.status()?;
            let late = started.elapsed() > Duration::from_millis(READY_MS_MAX);
            let leads = leads(&status);
            match leads {
                Some(leads) if late || is_even(&leads) => return Ok(leads),
                None if late => {
                    return Err(BenchError::Server("a group of the cluster has no leader".to_owned()));
                }
                Some(_) if !is_asked => {
                    is_asked = true;
                    self.transfer(&status)?;
                }
                _ => pause(Duration::from_millis(READY_RETRY_MS)),
            }
        }
    }

    fn status(&self) -> Result<Status> {
        let text = self.cluster.operate(0, &["status", "--json"])?.map_err(BenchError::Server)?;
        let parsed = serde_json::from_str(&text);
        parsed.map_err(|error| BenchError::Server(format!("the cluster's status cannot be read: {error}")))
    }

    /// Group n goes to node n mod 3. A refusal is no failure: the cluster may be moving leaders by itself.
    fn transfer(&self, status: &Status) -> Result<()> {
        for (group, node) in status.groups.iter().zip(status.nodes.iter().cycle()) {
            if group.leader != Some(node.id) {
                let (to, group) = (node.id.to_string(), group.id.to_string());
                let _ = self.cluster.operate(0, &["transfer", &to, "--group", &group])?;
            }
        }
        Ok(())
    }

    /// Where the nodes speak RESP.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.cluster.nodes.iter().map(|node| node.resp).collect()
    }

    /// The logs of the nodes.
    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        (0..NODES).map(|node| log_of(&self.cluster.data(node))).collect()
    }

    /// CPU time that all nodes have used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        self.cluster.processes().map(cpu_seconds).sum()
    }

    /// How many groups each node leads, as 2/2/2.
    pub(crate) fn leads(&self) -> String {
        self.leads.map(|count| count.to_string()).join("/")
    }

    /// Waits until every node knows `zone`: a node that follows hears of it a moment after the leader.
    pub(crate) fn wait_for_zone(&self, zone: &str) -> Result<()> {
        for address in self.addresses() {
            let started = Instant::now();
            let mut connection = Connection::connect(address)?;
            while let Err(error) = connection.stats(zone) {
                if started.elapsed() > Duration::from_millis(READY_MS_MAX) {
                    return Err(error.into());
                }
                pause(Duration::from_millis(READY_RETRY_MS));
            }
        }
        Ok(())
    }
}

/// The log within a node's data folder.
pub(crate) fn log_of(data: &Path) -> PathBuf {
    data.join("log")
}

/// How many groups each node leads; `None` while one has no leader.
fn leads(status: &Status) -> Option<[usize; NODES]> {
    let mut counts = [0; NODES];
    for group in &status.groups {
        let leader = group.leader?;
        let at = status.nodes.iter().position(|node| node.id == leader)?;
        *counts.get_mut(at)? += 1;
    }
    Some(counts)
}

fn is_even(leads: &[usize; NODES]) -> bool {
    let (least, most) = (leads.iter().min(), leads.iter().max());
    least.zip(most).is_some_and(|(least, most)| most - least <= 1)
}

/// A port from which all that the nodes need were free a moment ago.
fn free_base() -> Result<u16> {
    for _ in 0..PORT_TRIES_MAX {
        let held = TcpListener::bind(loopback(0)).and_then(|listener| listener.local_addr());
        let base = held.map_err(BenchError::io("looking for free ports"))?.port();
        let is_free = |port: Option<u16>| port.is_some_and(|port| TcpListener::bind(loopback(port)).is_ok());
        let node = |node| (0..PORTS_USED).map(move |port| base.checked_add(node * PORTS_A_NODE + port));
        if (0..NODES as u16).flat_map(node).all(is_free) {
            return Ok(base);
        }
    }
    Err(BenchError::Argument(format!(
        "no {NODES} times {PORTS_USED} consecutive free ports in {PORT_TRIES_MAX} tries"
    )))
}

#[cfg(test)]
mod tests {
    use super::{Status, is_even, leads};

    fn status(leaders: &str) -> Status {
        let text = format!(
            r#"{{"cluster":"00","nodes":[{{"id":1}},{{"id":2}},{{"id":4}}],
                "groups":[{{"id":0,"leader":{leaders}}},{{"id":1,"leader":4,"term":7}}]}}"#
        );
        serde_json::from_str(&text).expect("is a status")
    }

    #[test]
    fn leaders_are_counted_by_node() {
        assert_eq!(leads(&status("1")), Some([1, 0, 1]));
        assert_eq!(leads(&status("4")), Some([0, 0, 2]));
        assert_eq!(leads(&status("null")), None, "a group without a leader takes no writes");
        assert_eq!(leads(&status("3")), None, "a leader that is no node is not understood");
    }

    #[test]
    fn one_group_more_is_even() {
        assert!(is_even(&[2, 2, 2]) && is_even(&[3, 2, 2]));
        assert!(!is_even(&[3, 2, 1]) && !is_even(&[6, 0, 0]));
    }
}
