//! Operations on the cluster.
//!
//! ```text
//!  any node ── operation ──▶ leader of the first group: change ── step ──▶ leader of each group: step
//!                              │ marks the change in its log                  │ openraft's membership, transfer, snapshot; token keys
//! ```
//! One change at a time: the mark is replicated, so it holds also where the node that carries a change out is lost. Then the
//! mark stays until an operator finishes the change, or asks for the same again. What a change decides about members is written
//! into the first group's log before it is done, so that whoever leads that group later brings it about (`heal`).

mod add;
mod change;
mod heal;
mod rotate;
mod step;
mod waiting;

pub(super) use heal::heal;
pub(super) use waiting::Waiting;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Inner;
use super::limit::{ADMIN_CALL_MS, ADMIN_WAIT_MS, ANNOUNCE_MS, ASK_AROUND_TRIES, LOOK_CALL_MS, RETRY_MS};
use crate::cluster::{AdminCode, AdminError, AdminRequest, Administered};
use crate::codec;
use crate::group::Lead;
use crate::peer::{CallError, Called, Lane, Refusal, Request, Response};
use crate::types::{Member, NodeId};
use step::{Act, Step, Stepped};

/// Told the outcome of an operation, once.
pub type Tell = Box<dyn FnOnce(Administered) + Send>;

/// What nodes say to each other about operations.
#[derive(Serialize, Deserialize)]
enum Message {
    /// To the leader of the first group.
    Operation(AdminRequest),
    /// To the leader of a group.
    Step(Step),
    /// A node waits to be added; to the leader of the first group.
    Waiting(Member, u64),
    /// A node asks whether it belongs to the cluster.
    Belong {
        /// The one that asks.
        node: NodeId,
        /// Where it is reached.
        member: Member,
        /// To the leader of the first group, by another node.
        is_passed_on: bool,
    },
}

impl Message {
    /// Whether also one that is no member may say this: it asks what became of itself, or goes. `goes`: the change under way removes
    /// it, and it may be the one that carries that out.
    fn is_about_its_sender(&self, from: NodeId, goes: bool) -> bool {
        match self {
            Message::Belong { node, is_passed_on: false, .. } => *node == from,
            Message::Step(Step { act: Act::Remove(node), .. }) => goes && *node == from,
            Message::Operation(AdminRequest::Finish) => goes,
            Message::Belong { .. } | Message::Operation(_) | Message::Step(_) | Message::Waiting(..) => false,
        }
    }
}

/// The question of a node whether it belongs to the cluster, on its way to any node, or passed on to the leader of the first group.
pub(super) fn question(node: NodeId, member: Member, is_passed_on: bool) -> Bytes {
    codec::encode(&Message::Belong { node, member, is_passed_on })
}

/// The group whose leader carries changes out.
pub(super) const FIRST: GroupId = GroupId(0);

/// Carries out what operators ask for at this node.
pub(super) async fn administer<R: AsyncRuntime>(inner: Weak<Inner<R>>, requests: Arc<super::AdminQueue>) {
    while let Some((request, tell)) = requests.next().await {
        let Some(inner) = inner.upgrade() else { return };
        drop(R::spawn(async move { tell(inner.administer(request).await) }));
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Carries an operation out, here or where that is possible.
    async fn administer(self: Arc<Self>, request: AdminRequest) -> Administered {
        if let AdminRequest::Snapshot { group } = request {
            return self.snapshot(group).await;
        }
        let _carried = change::Carried::begin(&self);
        for _ in 0..ADMIN_WAIT_MS / RETRY_MS {
            match self.leader(FIRST) {
                Some((leader, _)) if leader == self.identity.node => {
                    return Arc::clone(&self).change(request).await;
                }
                Some((leader, member)) => {
                    let message = codec::encode(&Message::Operation(request.clone()));
                    match self.tell(leader, &member, message).await {
                        Ok(Response::Admin(bytes)) => return read(&bytes),
                        // It was not carried out there.
                        Ok(Response::Refused(Refusal::NoGroup | Refusal::Stopped)) => {}
                        Ok(_) => return Err(lost()),
                        Err(
                            CallError::Unreachable(_)
                            | CallError::Denied(_)
                            | CallError::Busy
                            | CallError::Frame(_),
                        ) => {}
                        Err(_) => return Err(lost()),
                    }
                }
                None => {}
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        Err(no_leader(FIRST))
    }

    /// Answers another node's message. One that is no member, or no more, is told only what became of itself.
    pub(super) async fn administered(
        self: &Arc<Self>,
        from: NodeId,
        bytes: &[u8],
    ) -> Result<Response<R>, Refusal> {
        let message: Message = codec::decode(bytes).map_err(|error| Refusal::Other(error.to_string()))?;
        let operation = self.metadata().operation;
        let goes = operation.is_some_and(|operation| operation.removes(from));
        if !message.is_about_its_sender(from, goes) {
            if self.has_left(from) {
                return Err(Refusal::NotMember);
            }
            if !self.may_be_member(from) {
                return Err(self.not_member(from));
            }
        }
        let answer = match message {
            Message::Operation(_) if !self.leads(FIRST) => return Err(Refusal::NoGroup),
            Message::Operation(request) => {
                // To its end, whoever still listens.
                let inner = Arc::clone(self);
                let outcome = R::spawn(async move { inner.change(request).await }).await;
                codec::encode(&outcome.map_err(|error| Refusal::Other(error.to_string()))?)
            }
            Message::Step(step) => codec::encode(&self.step(step).await),
            Message::Belong { node, member, is_passed_on } => {
                codec::encode(&self.whether_it_belongs(node, member, is_passed_on).await)
            }
            Message::Waiting(member, nonce) => {
                self.waiting.note(member, nonce, (self.clock)());
                Bytes::new()
            }
        };
        Ok(Response::Admin(answer))
    }

    /// A node waits: the one that adds nodes has to know.
    pub(super) fn note_waiting(self: &Arc<Self>, member: Member, nonce: u64) {
        let peer = member.peer.clone();
        if !self.waiting.note(member.clone(), nonce, (self.clock)()) {
            return;
        }
        if let Some((leader, at)) = self.leader(FIRST).filter(|(leader, _)| *leader != self.identity.node)
            && self.waiting.begin_to_tell(&peer)
        {
            let message = Request::Admin(codec::encode(&Message::Waiting(member, nonce)));
            let inner = Arc::clone(self);
            drop(R::spawn(async move {
                let within = Duration::from_millis(ANNOUNCE_MS);
                // It announces itself again.
                let _ = inner.transport.call(leader, &at, Lane::Bulk, message, within).await;
                inner.waiting.end_telling(&peer);
            }));
        }
    }

    /// Who leads the group, and how it is reached.
    pub(super) fn leader(&self, group: GroupId) -> Option<(NodeId, Member)> {
        let group = self.groups.get(usize::from(group.0))?;
        let leader = match group.shared.roles.lead() {
            Lead::Here(_) => self.identity.node,
            Lead::There(leader, _) => leader,
            Lead::Nobody => return None,
        };
        let metrics = group.raft.get()?.server_metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&leader)?.clone();
        Some((leader, member))
    }

    fn leads(&self, group: GroupId) -> bool {
        self.leader(group).is_some_and(|(leader, _)| leader == self.identity.node)
    }

    pub(super) async fn tell(&self, to: NodeId, member: &Member, message: Bytes) -> Called<R> {
        let within = Duration::from_millis(ADMIN_CALL_MS);
        self.transport.call(to, member, Lane::Bulk, Request::Admin(message), within).await
    }

    /// Who of the first group's nodes says that it leads this group. A node that was taken out of a group is told no more who
    /// leads that, and may still be the one that carries changes out.
    async fn ask_around(&self, group: GroupId) -> Option<(NodeId, Member)> {
        let look = codec::encode(&Message::Step(Step { group: group.0, act: Act::Look }));
        let within = Duration::from_millis(LOOK_CALL_MS);
        let mut asked: FuturesUnordered<_> = FuturesUnordered::new();
        for (node, member) in self.others() {
            let look = Request::Admin(look.clone());
            let answer = self.transport.call(node, &member, Lane::Bulk, look, within);
            asked.push(async move { (node, member, answer.await) });
        }
        while let Some((node, member, answer)) = asked.next().await {
            if let Ok(Response::Admin(bytes)) = answer
                && let Ok(Stepped::Done(_)) = codec::decode(&bytes)
            {
                return Some((node, member));
            }
        }
        None
    }

    /// The other nodes of the first group.
    pub(super) fn others(&self) -> Vec<(NodeId, Member)> {
        let first = self.groups.first().and_then(|group| group.raft.get());
        let Some(raft) = first else { return Vec::new() };
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.identity.node);
        others.map(|(id, member)| (*id, member.clone())).collect()
    }

    /// Has a step done by the leader of its group, whoever that is by then.
    async fn lead_step(&self, step: &Step) -> Result<step::Report, AdminError> {
        for tries in 0..ADMIN_WAIT_MS / RETRY_MS {
            let leader = match self.leader(step.group()) {
                None if tries % ASK_AROUND_TRIES == 0 => self.ask_around(step.group()).await,
                known => known,
            };
            let stepped = match leader {
                Some((leader, _)) if leader == self.identity.node => self.step(step.clone()).await,
                Some((leader, member)) => {
                    match self.tell(leader, &member, codec::encode(&Message::Step(step.clone()))).await {
                        Ok(Response::Admin(bytes)) => codec::decode(&bytes).unwrap_or(Stepped::Again),
                        _ => Stepped::Again,
                    }
                }
                None => Stepped::Again,
            };
            match stepped {
                Stepped::Done(report) => return Ok(report),
                Stepped::Failed(why) => {
                    let message = format!("group {}: {why}", step.group().0);
                    return Err(AdminError::new(AdminCode::Failed, message));
                }
                Stepped::Again => R::sleep(Duration::from_millis(RETRY_MS)).await,
            }
        }
        Err(no_leader(step.group()))
    }
}

fn read(bytes: &[u8]) -> Administered {
    codec::decode(bytes).unwrap_or_else(|_| Err(lost()))
}

fn lost() -> AdminError {
    let message =
        "the way to the node that carries changes out broke: look at the status before trying again";
    AdminError::new(AdminCode::Failed, message)
}

fn no_leader(group: GroupId) -> AdminError {
    let message =
        format!("group {} has no leader that can be reached: start its nodes, or try again", group.0);
    AdminError::new(AdminCode::NoLeader, message)
}

#[cfg(test)]
mod tests {
    use super::{Act, AdminRequest, FIRST, Message, Step};
    use crate::types::Member;

    #[test]
    fn who_is_no_member_may_ask_about_itself_and_nothing_else() {
        let belong = |node, is_passed_on| Message::Belong { node, member: Member::default(), is_passed_on };
        assert!(belong(4, false).is_about_its_sender(4, false));
        let step = |act| Message::Step(Step { group: FIRST.0, act });
        let all = [
            belong(5, false),
            belong(4, true),
            Message::Operation(AdminRequest::Remove { node: 4 }),
            Message::Operation(AdminRequest::Finish),
            step(Act::Look),
            step(Act::Transfer(4)),
            step(Act::Remove(1)),
            step(Act::Remove(4)),
            Message::Waiting(Member::default(), 4),
        ];
        assert!(!all.iter().any(|message| message.is_about_its_sender(4, false)));
        let allowed = |message: &&Message| message.is_about_its_sender(4, true);
        assert_eq!(all.iter().filter(allowed).count(), 2, "it goes: that is carried out, and ended");
    }
}
