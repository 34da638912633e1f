//! Answers other nodes before there is a node to ask, and lets a node that waits be added.

use futures_util::future::BoxFuture;
use openraft::async_runtime::{AsyncRuntime, Select2};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Inner;
use super::config::{NodeConfig, StartError};
use super::identity::Identity;
use super::limit::ANNOUNCE_MS;
use crate::peer::{Adoption, Cast, Lane, Refusal, Request, Response, Service, Transport};
use crate::queue::Queue;
use crate::types::{Member, NodeId};

/// The service of a node, from before its start to its end.
pub struct Front<R: AsyncRuntime> {
    inner: OnceLock<Arc<Inner<R>>>,
    adoptions: Queue<(Adoption, Arc<Queue<bool>>)>,
}

impl<R: AsyncRuntime> Front<R> {
    /// Of a node that is about to start.
    #[must_use]
    pub fn new() -> Arc<Front<R>> {
        Arc::new(Front { inner: OnceLock::new(), adoptions: Queue::new() })
    }

    /// From now on the node answers.
    pub(super) fn open(&self, inner: Arc<Inner<R>>) {
        assert!(self.inner.set(inner).is_ok(), "a node starts once");
    }

    /// Announces this node at `at` until somebody of that cluster adds it; returns who it is then, which is durable.
    pub(super) async fn join(
        &self,
        config: &NodeConfig,
        transport: &Arc<dyn Transport<R>>,
        at: &str,
    ) -> Result<Identity, StartError> {
        let nonce = config.drawn.process;
        loop {
            let announced = announce(&**transport, at, &config.member, nonce);
            let Select2::First(Some((adoption, answer))) = R::select2(self.adoptions.next(), announced).await
            else {
                continue;
            };
            if adoption.nonce != nonce {
                // Meant for whoever waited at this address before.
                answer.push(false);
                continue;
            }
            let identity = Identity {
                cluster: adoption.cluster,
                node: adoption.node,
                groups: adoption.groups,
                secret: adoption.secret,
                members: adoption.members,
                epoch: adoption.epoch,
                is_founder: false,
                contacts: adoption.contacts,
                is_removed: false,
            };
            if !identity.can_be() {
                // It would be written down for ever.
                tracing::error!(
                    node = identity.node,
                    groups = identity.groups,
                    "an offer that no cluster makes was refused"
                );
                answer.push(false);
                continue;
            }
            identity.save(&*config.disk).await?;
            answer.push(true);
            return Ok(identity);
        }
    }

    async fn adopt(&self, adoption: Adoption) -> Response<R> {
        let answer = Arc::new(Queue::new());
        self.adoptions.push((adoption, Arc::clone(&answer)));
        match answer.next().await {
            Some(true) => Response::Adopted,
            _ => Response::Refused(Refusal::NotAllowed),
        }
    }
}

/// Says once that this node waits, and then takes a moment.
async fn announce<R: AsyncRuntime>(transport: &dyn Transport<R>, at: &str, member: &Member, nonce: u64) {
    let to = Member { peer: at.to_owned(), ..Member::default() };
    let pause = Duration::from_millis(ANNOUNCE_MS);
    let request = Request::Waiting { member: member.clone(), nonce };
    if let Err(error) = transport.call(0, &to, Lane::Bulk, request, pause).await {
        tracing::info!(at, %error, "waiting to be added; the cluster is not reached");
    }
    R::sleep(pause).await;
}

impl<R: AsyncRuntime> Service<R> for Front<R> {
    fn call(self: Arc<Self>, from: NodeId, request: Request<R>) -> BoxFuture<'static, Response<R>> {
        if let Some(inner) = self.inner.get() {
            return Arc::clone(inner).call(from, request);
        }
        Box::pin(async move {
            match request {
                Request::Adopt(adoption) => self.adopt(adoption).await,
                _ => Response::Refused(Refusal::NoGroup),
            }
        })
    }

    fn cast(&self, from: NodeId, cast: Cast) {
        if let Some(inner) = self.inner.get() {
            inner.cast(from, cast);
        }
    }
}
