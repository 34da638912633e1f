//! Which of the cluster's secrets this node proves and accepts: as the first group's log says, and durable before they are used.

use openraft::alias::MutexOf;
use openraft::async_runtime::{AsyncRuntime, Mutex as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::config::{Draw, NodeConfig};
use super::limit::RETRY_MS;
use super::neighbours::Holding;
use super::{Identity, IdentityError, Inner};
use crate::cluster::{Belonging, Metadata};
use crate::peer::{self, Local};
use crate::secret::{ClusterSecret, MemberSecrets};
use crate::types::{NodeId, Types};

/// What this node holds.
pub(super) struct Secrets<R: AsyncRuntime> {
    /// As the folder has it. By whoever holds `saving`.
    held: Mutex<MemberSecrets>,
    saving: MutexOf<Types<R>, ()>,
    local: Arc<Local>,
    draw: Draw,
}

impl<R: AsyncRuntime> Secrets<R> {
    /// From now on this node is known to others as whom the folder says.
    pub(super) fn begin(identity: &Identity, config: &NodeConfig) -> Secrets<R> {
        config.local.trust(&identity.members.all());
        config.local.set(peer::Identity { cluster: identity.cluster, node: identity.node });
        Secrets {
            held: Mutex::new(identity.members),
            saving: MutexOf::<Types<R>, _>::new(()),
            local: Arc::clone(&config.local),
            draw: Arc::clone(&config.drawn.later),
        }
    }

    /// What the folder holds.
    pub(super) fn held(&self) -> MemberSecrets {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one; `None` while the system gives no randomness.
    pub(super) fn draw(&self) -> Option<ClusterSecret> {
        (self.draw)().map(ClusterSecret::new)
    }

    /// Whether it is proven that a node holds the newest secret that this one holds.
    pub(super) fn is_held(&self, by: NodeId, holding: &Holding) -> bool {
        let held = self.held();
        holding.number == held.number && held.newest.is_held_by(by, &holding.proof)
    }

    fn set(&self, held: MemberSecrets) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.local.trust(&held.all());
    }
}

/// Follows what the log says, as long as the node is there.
pub(super) async fn follow_rotations<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut has_failed = false;
    loop {
        R::sleep(Duration::from_millis(RETRY_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        match inner.follow_rotation().await {
            Ok(()) => has_failed = false,
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::error!(%error, "the cluster's new secret cannot be written down, and is not used here until it is");
            }
            Err(_) => {}
        }
    }
}

impl<R: AsyncRuntime> Inner<R> {
    async fn follow_rotation(&self) -> Result<(), IdentityError> {
        let rotation = self.groups.first().and_then(|group| group.shared.rotation());
        let Some(rotation) = rotation else { return Ok(()) };
        if rotation.follows(&self.secrets.held()).is_none() {
            return Ok(());
        }
        let _saving = self.secrets.saving.lock().await;
        if self.belonging() == Belonging::Left {
            // What was written down of that must stay.
            return Ok(());
        }
        let Some(members) = rotation.follows(&self.secrets.held()) else { return Ok(()) };
        Identity { members, ..self.identity.clone() }.save(&*self.disk).await?;
        self.secrets.set(members);
        let before = if members.before.is_some() { "accepted" } else { "not accepted any more" };
        tracing::info!(
            number = members.number,
            "the cluster's secret is another one; the one before it is {before}"
        );
        Ok(())
    }

    /// Writes down that this node was removed.
    pub(super) async fn save_removed(&self) -> Result<(), IdentityError> {
        let _saving = self.secrets.saving.lock().await;
        let members = self.secrets.held();
        let saved = Identity { members, is_removed: true, ..self.identity.clone() }.save(&*self.disk).await;
        self.belief.set(Belonging::Left);
        saved
    }

    /// What this node says of the newest secret.
    pub(super) fn holding(&self) -> Holding {
        let held = self.secrets.held();
        Holding { number: held.number, proof: held.newest.held_by(self.identity.node) }
    }

    /// Nodes that are not known to hold the secret of the rotation under way; none where there is no rotation. Those that were given an
    /// id may have taken it, with the secret of before.
    pub(super) fn without_newest_secret(&self, metadata: &Metadata) -> Vec<NodeId> {
        let Some(rotation) = metadata.rotating() else { return Vec::new() };
        let holds = |node: NodeId| match node == self.identity.node {
            true => self.secrets.held().number >= rotation.number,
            false => self.neighbours.is_holder(node, rotation.number),
        };
        metadata.nodes.keys().copied().filter(|node| !holds(*node)).collect()
    }
}
