//! How the nodes of a cluster talk.
//!
//! ```text
//! openraft ──▶ network ──▶ Transport ══════ three lanes a peer ══════▶ Service ──▶ groups of the other node
//!              appends      tcp: frames, TLS, proofs, handshake, bounds
//!              snapshots    (tests: a network that loses, delays, repeats and reorders)
//! ```
//! Reading order: [`message`], [`transport`], [`handshake`], [`proof`], [`frame`], [`network`], [`receive`], [`plausible`], [`tcp`], [`tls`]; [`limit`] has every bound.
//!
//! Nothing here is trusted before the handshake, and afterwards only to come from a node of the cluster: every length is
//! checked, every queue is bounded, and whatever cannot be read ends the connection.

pub mod frame;
pub mod handshake;
pub mod limit;
pub mod message;
pub mod network;
pub mod plausible;
pub mod proof;
pub mod receive;
pub mod tcp;
pub mod tls;
pub mod transport;

pub use handshake::{Denial, Identity, Local};
pub use message::{Adoption, Cast, Contact, Refusal, Request, Response};
pub use network::{Networks, SnapshotSource};
pub use receive::{Arrived, Transfers};
pub use tcp::{Channel, Tcp, accept, dial, listen, serve};
pub use tls::{Tls, TlsError, TlsFiles};
pub use transport::{CallError, Called, Lane, Service, Transport};
