//! Who may have how many connections: each port has a share that the other cannot use up, and so has each address.
//!
//! ```text
//! connections_max │ kept for RESP │ whoever comes first │ kept for HTTP │
//! ```
//! Counts by address are kept in a fixed table, so strangers cannot make it grow. Two addresses may share a cell: then they
//! share what one may have.

use crate::caller::ClientNetwork;
use crate::config::NetConfig;
use crate::limit;
use crate::network::Network;
use crate::protocol::Protocol;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// What a connection holds until it is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) protocol: Protocol,
    /// A listed proxy speaks for others.
    pub(crate) is_proxy: bool,
    /// Of the table; `None`: the address may have as many as there are.
    cell: Option<u16>,
}

/// The counts of a server.
#[derive(Debug)]
pub(crate) struct Shares {
    total: AtomicUsize,
    resp: AtomicUsize,
    http: AtomicUsize,
    /// What all together may have.
    total_max: usize,
    /// What each port may have.
    port_max: usize,
    address_max: u32,
    proxies: Vec<Network>,
    hasher: RandomState,
    by_address: Box<[AtomicU32]>,
}

impl Shares {
    /// As configured.
    pub(crate) fn new(config: &NetConfig) -> Shares {
        let kept = config.connections_max / limit::PORT_SHARE_PARTS;
        Shares {
            total: AtomicUsize::new(0),
            resp: AtomicUsize::new(0),
            http: AtomicUsize::new(0),
            total_max: config.connections_max,
            port_max: config.connections_max - kept,
            address_max: u32::try_from(config.address_connections_max).unwrap_or(u32::MAX),
            proxies: config.trusted_proxies.clone(),
            hasher: RandomState::new(),
            by_address: (0..limit::ADDRESS_CELLS).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn of(&self, protocol: Protocol) -> &AtomicUsize {
        match protocol {
            Protocol::Resp => &self.resp,
            Protocol::Http => &self.http,
        }
    }

    /// A connection came; `None`: its address has too many.
    pub(crate) fn enter(&self, protocol: Protocol, address: IpAddr) -> Option<Share> {
        let address = address.to_canonical();
        let is_proxy = self.proxies.iter().any(|network| network.contains(address));
        // This machine and listed proxies speak for many.
        let cell = (!is_proxy && !address.is_loopback()).then(|| self.cell(address));
        if let Some(count) = cell.and_then(|cell| self.by_address.get(usize::from(cell)))
            && count.fetch_add(1, Ordering::AcqRel) >= self.address_max
        {
            count.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        self.of(protocol).fetch_add(1, Ordering::AcqRel);
        self.total.fetch_add(1, Ordering::AcqRel);
        Some(Share { protocol, is_proxy, cell })
    }

    /// It is closed; how many are left.
    pub(crate) fn leave(&self, share: Share) -> usize {
        if let Some(count) = share.cell.and_then(|cell| self.by_address.get(usize::from(cell))) {
            count.fetch_sub(1, Ordering::AcqRel);
        }
        self.of(share.protocol).fetch_sub(1, Ordering::AcqRel);
        self.total.fetch_sub(1, Ordering::AcqRel) - 1
    }

    fn cell(&self, address: IpAddr) -> u16 {
        (self.hasher.hash_one(ClientNetwork::of(address)) as usize % limit::ADDRESS_CELLS) as u16
    }

    /// Whether a port has more than its share, the latest included.
    pub(crate) fn is_over_share(&self, protocol: Protocol) -> bool {
        self.of(protocol).load(Ordering::Acquire) > self.port_max
    }

    /// Whether all together have too many.
    pub(crate) fn is_over_all(&self) -> bool {
        self.total() > self.total_max
    }

    /// Whether little of a port's share is left: then who says nothing goes sooner.
    pub(crate) fn is_short(&self, protocol: Protocol) -> bool {
        let few = self.port_max / limit::PORT_SHARE_PARTS;
        self.of(protocol).load(Ordering::Acquire) + few >= self.port_max
    }

    /// Connections now, both protocols.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;
    use crate::clock::Clock;
    use crate::config::NetConfig;
    use crate::network::Network;
    use crate::protocol::Protocol;
    use std::net::IpAddr;

    fn shares(connections_max: usize, address_connections_max: usize) -> Shares {
        let trusted_proxies = vec![Network::parse("10.9.0.0/16").unwrap()];
        let config = NetConfig::loopback(Clock::start());
        Shares::new(&NetConfig { connections_max, address_connections_max, trusted_proxies, ..config })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_leaves_the_other_its_share() {
        let shares = shares(16, 16);
        let home = address("127.0.0.1");
        let held: Vec<_> = (0..14).filter_map(|_| shares.enter(Protocol::Http, home)).collect();
        assert!(!shares.is_over_share(Protocol::Http) && shares.is_short(Protocol::Http));
        let more = shares.enter(Protocol::Http, home).unwrap();
        assert!(shares.is_over_share(Protocol::Http) && !shares.is_over_share(Protocol::Resp));
        shares.leave(more);
        assert!(!shares.is_over_share(Protocol::Http));
        for _ in 0..2 {
            assert!(shares.enter(Protocol::Resp, home).is_some() && !shares.is_over_share(Protocol::Resp));
        }
        held.into_iter().for_each(|share| assert!(shares.leave(share) > 1));
        assert_eq!(shares.total(), 2);
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let shares = shares(1_000, 2);
        let enter = |text| shares.enter(Protocol::Http, address(text));
        let first = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_some() && enter("192.0.2.1").is_none());
        shares.leave(first);
        assert!(enter("192.0.2.1").is_some());
        for many in ["127.0.0.1", "::1", "10.9.1.1"] {
            assert!((0..10).all(|_| enter(many).is_some()), "{many}");
        }
    }
}
