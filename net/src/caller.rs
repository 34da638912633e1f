//! Who chose an id: equal ids of two callers are two ids.
//!
//! ```text
//! RESP user name │ writer of HTTP, by its token's digest │ network of an anonymous HTTP call
//! ```
//! Ids that strangers choose so never meet those that gateways choose: who knows a stranger's id learns nothing by it, and moves
//! nobody. Nor do strangers, however many ids they choose, have those of gateways forgotten. What is remembered is a keyed hash, of the address as of the id.

use crate::auth::SecretDigest;
use sluice_engine::directory::Directory;
use sluice_engine::id::RequestHash;
use std::net::IpAddr;

/// The network that a client comes from, which counts as one of them: an IPv4 address, or the first 64 bits of an IPv6 one, as one
/// household has them. A caller that comes back over another connection is in it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ClientNetwork(u64);

/// Before an IPv4 address: no host has an IPv6 address that begins so (it would be a multicast one).
const IPV4: u64 = 0xffff_ffff_0000_0000;

impl ClientNetwork {
    /// The network of an address.
    ///
    /// ```
    /// use sluice_net::caller::ClientNetwork;
    /// let of = |text: &str| ClientNetwork::of(text.parse().unwrap());
    /// assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
    /// assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    /// assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    /// assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    /// ```
    #[must_use]
    pub fn of(address: IpAddr) -> ClientNetwork {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientNetwork(IPV4 | u64::from(address.to_bits())),
            IpAddr::V6(address) => ClientNetwork((address.to_bits() >> 64) as u64),
        }
    }
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller<'a> {
    /// A RESP connection that logged in as this user, or as nobody: then `default`.
    User(&'a [u8]),
    /// An HTTP call with a writer token.
    Writer(SecretDigest),
    /// An HTTP call without.
    Anonymous(ClientNetwork),
}

/// The id of a request, by which a repeat of it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestId<'a> {
    /// Who chose it.
    pub caller: Caller<'a>,
    /// For whom, where that was said: the same id for another user is another request.
    pub user: Option<&'a [u8]>,
    /// What was chosen.
    pub id: &'a [u8],
}

impl RequestId<'_> {
    /// What is remembered of it within this zone, or this stream.
    #[must_use]
    pub fn hash(&self, directory: &Directory, name: &[u8]) -> RequestHash {
        let network;
        let (kind, caller): (&[u8], &[u8]) = match &self.caller {
            Caller::User(name) => (b"user", name),
            Caller::Writer(digest) => (b"writer", digest),
            Caller::Anonymous(ClientNetwork(bits)) => {
                network = bits.to_be_bytes();
                (b"anonymous", &network)
            }
        };
        let hash = match self.user {
            Some(user) => directory.request_hash(name, &[kind, caller, self.id, user]),
            None => directory.request_hash(name, &[kind, caller, self.id]),
        };
        hash.chosen_by_stranger(matches!(self.caller, Caller::Anonymous(_)))
    }
}
