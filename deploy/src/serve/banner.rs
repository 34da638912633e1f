//! What a newcomer sees first: where the server is, and one thing to try.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use sluice_net::cluster::Addresses;

/// Printed once, on standard output, when the server is ready; the addresses are the bound ones.
pub(crate) struct Banner {
    pub(crate) resp: SocketAddr,
    pub(crate) http: SocketAddr,
    /// As others use it.
    pub(crate) admin: String,
    /// As others use it; `None` while it is closed.
    pub(crate) peer: Option<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) workers: usize,
    /// A zone to try things on.
    pub(crate) zone: String,
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resp, http, admin, peer, data_dir, workers, zone } = self;
        let (resp_at, http_at) = (reachable(*resp), reachable(*http));
        writeln!(f, "sluice {} is ready", env!("BUILD_VERSION"))?;
        writeln!(f, "  RESP  {resp}")?;
        writeln!(f, "  HTTP  {http}")?;
        writeln!(f, "  admin {admin}")?;
        match peer {
            Some(peer) => writeln!(f, "  peer  {peer}")?,
            None => writeln!(f, "  peer  closed: it takes --peer to let other nodes in")?,
        }
        writeln!(f, "  data  {}", data_dir.display())?;
        writeln!(f, "  {workers} workers")?;
        writeln!(f, "\nTry:")?;
        writeln!(f, "  redis-cli -h {} -p {} Q.JOIN {zone}", resp_at.ip(), resp_at.port())?;
        write!(f, "  curl -s http://{http_at}/traffic/wait -H 'content-type: application/json' ")?;
        writeln!(f, "-d '{{\"zoneId\":\"{zone}\"}}'")
    }
}

/// Printed by a node that does not belong to a cluster yet.
pub(crate) struct Waiting<'a> {
    pub(crate) at: &'a Addresses,
    /// Whom it tells that it is there.
    pub(crate) cluster: &'a str,
}

impl fmt::Display for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, cluster } = self;
        writeln!(f, "sluice {} waits to be added to the cluster of {cluster}", env!("BUILD_VERSION"))?;
        writeln!(f, "  admin {}", at.admin)?;
        writeln!(f, "  peer  {}", at.peer)?;
        writeln!(
            f,
            "Take in all that wait with `sluice cluster init`, against the admin port of a node that belongs to it."
        )
    }
}

/// "Every interface" is no address to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::Banner;

    #[test]
    fn the_lines_to_try_can_be_pasted() {
        let banner = Banner {
            resp: "0.0.0.0:7379".parse().unwrap(),
            http: "[::]:7380".parse().unwrap(),
            admin: "127.0.0.1:7381".to_owned(),
            peer: None,
            data_dir: "sluice-data".into(),
            workers: 2,
            zone: "demo".to_owned(),
        };
        let text = banner.to_string();
        assert!(text.contains("\n  RESP  0.0.0.0:7379\n"), "{text}");
        assert!(text.contains("\n  peer  closed: "), "{text}");
        assert!(text.contains("\n  redis-cli -h 127.0.0.1 -p 7379 Q.JOIN demo\n"), "{text}");
        assert!(text.contains("curl -s http://[::1]:7380/traffic/wait "), "{text}");
        assert!(text.ends_with("-d '{\"zoneId\":\"demo\"}'\n"), "{text}");
    }
}
