//! Ranges of addresses, such as `10.0.0.0/8`.

use std::net::{IpAddr, Ipv6Addr};

/// All addresses that begin with the same bits.
///
/// ```
/// use sluice_net::network::Network;
/// let network = Network::parse("10.1.0.0/16").expect("a range");
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// assert_eq!(Network::parse("::1").map(|one| one.contains("::1".parse().unwrap())), Some(true));
/// assert!(Network::parse("10.0.0.0/33").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Its first address, as one of IPv6.
    first: u128,
    /// Bits that all have in common.
    bits: u32,
}

impl Network {
    /// Reads an address, or one with how many of its bits count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(at, bits)| (at, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let (most, mapped) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
            None => most,
        };
        let bits = bits + mapped;
        Some(Network { first: number(address) & mask(bits), bits })
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & mask(self.bits) == self.first
    }
}

fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (u128::BITS - bits) }
}

/// Addresses of IPv4 as they are written in IPv6.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn odd_ranges_are_none() {
        for text in ["", "/", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "::/129", "host"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("1.2.3.4".parse().unwrap()));
        assert!(!Network::parse("0.0.0.0/0").unwrap().contains("::1".parse().unwrap()));
    }
}
