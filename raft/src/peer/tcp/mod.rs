//! The [`Transport`] of a running server: TCP, always with TLS.
//!
//! ```text
//! call ─▶ link (one a peer and lane): bounded queue ─▶ connection: writer ─┐        ┌─ serve: reader ─▶ Service
//!                                     waiting calls ◀─ reader ◀────────────┴─ TCP ──┴─ answers ◀──────────┘
//! ```
//! A connection is made when there is something to send, and again after it broke, with growing pauses. Calls made during a
//! pause fail at once: a peer that is gone costs nothing but the attempt.

mod connection;
mod link;
mod names;
mod order;
mod reserve;
mod secure;
mod serve;
mod socket;
mod stream;

use futures_util::future::BoxFuture;
use openraft::async_runtime::AsyncRuntime;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::frame::{self, FrameError, Kind};
use super::handshake::Local;
use super::limit::{CALL_MS_MAX, CAST_BYTES_MAX, CASTS_BYTES_MAX, PUBLISH_CASTS_BYTES_MAX};
use super::message::{Cast, Request};
use super::transport::{CallError, Called, Lane, Transport};
use crate::types::{Member, NodeId};
use link::{Link, Target};
use names::Names;
pub use secure::{Channel, accept, dial};
pub use serve::serve;
pub use socket::listen;
pub use stream::Socket;

/// Calls other nodes by TCP. Made and used within a tokio runtime.
pub struct Tcp<R: AsyncRuntime> {
    local: Arc<Local>,
    names: Arc<Names>,
    links: Mutex<HashMap<Target, Arc<Link<R>>>>,
}

impl<R: AsyncRuntime> Tcp<R> {
    /// Calls made in the name of `local`.
    pub fn new(local: Arc<Local>) -> Tcp<R> {
        Tcp { local, names: Names::of_system(), links: Mutex::new(HashMap::new()) }
    }

    fn link(&self, to: NodeId, member: &Member, lane: Lane) -> Arc<Link<R>> {
        let target = Target { node: to, address: member.peer.clone(), lane };
        let mut links = self.links.lock().unwrap_or_else(|broken| broken.into_inner());
        if let Some(link) = links.get(&target).filter(|link| !link.has_ended()) {
            return Arc::clone(link);
        }
        links.retain(|_, link| !link.has_ended());
        let link = Link::open(target.clone(), Arc::clone(&self.local), &self.names);
        links.insert(target, Arc::clone(&link));
        link
    }
}

/// What casts may fill of a lane.
fn casts_bytes_max(lane: Lane) -> usize {
    if lane == Lane::Bulk { PUBLISH_CASTS_BYTES_MAX } else { CASTS_BYTES_MAX }
}

impl<R: AsyncRuntime> Transport<R> for Tcp<R> {
    fn call(
        &self,
        to: NodeId,
        member: &Member,
        lane: Lane,
        request: Request<R>,
        within: Duration,
    ) -> BoxFuture<'static, Called<R>> {
        let within = within.min(Duration::from_millis(CALL_MS_MAX));
        self.link(to, member, lane).call(&request, within)
    }

    fn cast(&self, to: NodeId, member: &Member, cast: Cast) {
        let bytes = cast.bytes();
        let sent = if bytes > CAST_BYTES_MAX {
            Err(CallError::Frame(FrameError::Oversize { bytes, bytes_max: CAST_BYTES_MAX }))
        } else {
            frame::encode(Kind::Cast, &cast).map_err(CallError::Frame).and_then(|frame| {
                self.link(to, member, cast.lane()).cast(frame, casts_bytes_max(cast.lane()))
            })
        };
        if let Err(error) = sent {
            tracing::debug!(node = to, %error, "a cast was not sent");
        }
    }
}
