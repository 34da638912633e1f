//! How the nodes of a cluster talk.
//!
//! Reading order: [`message`], [`transport`], [`handshake`], [`frame`], [`network`]; [`limit`] has every bound.
//!
//! Nothing here is trusted before the handshake, and afterwards only to come from a node of the cluster: every length is
//! checked, every queue is bounded, and whatever cannot be read ends the connection.

pub mod frame;
pub mod handshake;
pub mod limit;
pub mod message;
pub mod network;
pub mod transport;

pub use handshake::{Denial, Identity, Local};
pub use message::{Adoption, Cast, Refusal, Request, Response};
pub use network::{Networks, SnapshotSource};
pub use transport::{CallError, Called, Lane, Service, Transport};
