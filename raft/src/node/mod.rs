//! All groups of a node, put together.
//!
//! ```text
//! config    how it is set up                 identity  who it is, written once
//! start     from a folder to running groups  threads   the same, on threads of its own
//! ```
//! [`Node::start`] gives a [`Port`](crate::group::Port) for each group. The owners of the shards start empty and are driven from
//! the first moment: snapshots and the log reach them as events, also at a start.

mod config;
mod handover;
mod housekeeping;
mod identity;
pub mod limit;
mod service;
mod start;
mod threads;

pub use config::{Drawn, Drive, NodeConfig, StartError, Timing};
pub use identity::{Identity, IdentityError};
pub use threads::{Server, ServerConfig, Started};

use crate::group::{Lead, Raft, Shared, Waker};
use crate::log::Log;
use crate::peer::{Service, Transfers};
use openraft::async_runtime::AsyncRuntime;
use sluice_engine::id::GroupId;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A running node. Clones are handles of the same one, usable from any thread.
pub struct Node<R: AsyncRuntime> {
    inner: Arc<Inner<R>>,
}

impl<R: AsyncRuntime> Clone for Node<R> {
    fn clone(&self) -> Self {
        Node { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<R: AsyncRuntime> {
    identity: Identity,
    log: Log<R>,
    /// Snapshots that arrive.
    transfers: Transfers<R>,
    groups: Vec<Group<R>>,
    failure: Mutex<Option<String>>,
    on_failure: Box<dyn Fn(&str) + Send + Sync>,
}

/// One group of the node.
struct Group<R: AsyncRuntime> {
    shared: Arc<Shared>,
    /// Set once openraft has found what the log holds.
    raft: OnceLock<Raft<R>>,
}

impl<R: AsyncRuntime> Node<R> {
    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// `waker` is called, from any thread, whenever something waits for the owner of the group's shard.
    pub fn set_waker(&self, group: GroupId, waker: Waker) {
        if let Some(group) = self.inner.groups.get(usize::from(group.0)) {
            group.shared.lane.set_waker(waker);
        }
    }

    /// Whether every group's owner has all that was known to be committed when the node started.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.groups.iter().all(|group| group.shared.is_ready())
    }

    /// Whether every group has a leader that can be reached.
    #[must_use]
    pub fn can_write(&self) -> bool {
        let leads = |group: &Group<R>| !matches!(group.shared.roles.told(), Lead::Nobody);
        !self.inner.log.is_full() && self.inner.groups.iter().all(leads)
    }

    /// Why the node cannot go on; the process has to stop then.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What answers other nodes.
    #[must_use]
    pub fn service(&self) -> Arc<dyn Service<R>> {
        Arc::clone(&self.inner) as Arc<dyn Service<R>>
    }

    /// Hands its groups over to other nodes where that is possible, then stops all groups, then the log. Nothing is committed any
    /// more when this returns.
    pub async fn shutdown(&self) {
        self.inner.hand_over().await;
        for raft in self.inner.groups.iter().filter_map(|group| group.raft.get()) {
            // A group that has failed has stopped already.
            let _ = raft.shutdown().await;
        }
        self.inner.log.close();
    }
}

impl<R: AsyncRuntime> Inner<R> {
    fn fail(&self, reason: &str) {
        let first = {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let first = failure.is_none();
            failure.get_or_insert_with(|| reason.to_owned());
            first
        };
        if first {
            (self.on_failure)(reason);
        }
    }
}
