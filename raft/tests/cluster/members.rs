//! Changes of the members while anything breaks, by the requests that operators have, and how they are brought to an end.

use crate::cluster::client::pause;
use crate::cluster::runtime::{Runtime, panicked};
use crate::cluster::site::{GROUPS, SITES_MAX};
use crate::cluster::world::World;
use openraft::async_runtime::AsyncRuntime;
use sluice_raft::cluster::{AdminRequest, Administered, ClusterStatus, Part};
use sluice_raft::types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::oneshot;

/// Of 1,000 steps in which no change is under way, so many begin one.
const NEW_OF_1000: u16 = 30;
/// An operator waits so long for an answer before thinking that there will be none, ms.
const PATIENCE_MS: u64 = 3_000;
/// What is still under way when everything has healed ends within this, or never, ms.
const GRACE_MS: u64 = 6_000;
/// After everything has healed, changes have to be over and members alike in all groups within this, ms.
const SETTLE_MS: u64 = 30_000;
/// And stay so for this long: a change whose asker has given up may still be on its way, ms.
const QUIET_MS: u64 = 2_000;
const LOOK_MS: u64 = 50;

/// A change that was asked for.
struct UnderWay {
    request: AdminRequest,
    answer: oneshot::Receiver<Administered>,
    since: u64,
}

/// Who wants what of the cluster.
#[derive(Default)]
pub(crate) struct Changes {
    under_way: Option<UnderWay>,
    /// The last one failed: it may be half-way.
    is_half_way: bool,
}

impl Changes {
    /// Begins a change now and then, and hears what became of it.
    pub(crate) async fn step(&mut self, world: &mut World) {
        world.welcome();
        world.dismiss_removed();
        self.hear(world).await;
        if self.under_way.is_none() && world.rng.u16(..1_000) < NEW_OF_1000 {
            self.begin(world);
        }
    }

    /// Brings everything to an end, when nothing is broken any more.
    ///
    /// # Panics
    /// Where that is not possible.
    pub(crate) async fn settle(&mut self, world: &mut World) {
        self.let_end(world).await;
        let until = world.town.now() + SETTLE_MS;
        let mut settling = Settling { is_finished: false, promotes: world.rng.bool(), since: None };
        loop {
            assert!(!panicked(), "see above");
            assert!(world.town.now() < until, "liveness: the members do not settle: {}", said(world));
            world.dismiss_removed();
            let request = Members::of(world).and_then(|members| settling.next(world, &members));
            match request {
                Some(request) if ask(world, &request).await => settling.is_done(&request),
                Some(_) => {}
                None if settling.since.is_some_and(|since| since + QUIET_MS <= world.town.now()) => return,
                None => pause(LOOK_MS).await,
            }
        }
    }

    /// Waits for what may still be carried out.
    async fn let_end(&mut self, world: &mut World) {
        let grace = world.town.now() + GRACE_MS;
        while self.under_way.is_some() || (is_marked(world) && world.town.now() < grace) {
            pause(LOOK_MS).await;
            world.welcome();
            world.dismiss_removed();
            self.hear(world).await;
        }
        let _never_came = world.lose_newcomers().await;
        for node in world.nodes() {
            if world.may_start(node) {
                world.start(node).await;
            }
        }
    }

    fn begin(&mut self, world: &mut World) {
        let Some(request) = self.draw(world) else { return };
        let asked = world.town.any_node(&mut world.rng);
        let Some(process) = world.running.get(&asked) else { return };
        let answer = process.administer(request.clone());
        condemn(world, &request);
        world.note(format_args!("node {asked} is asked to {request}"));
        world.town.judge().tally.changes += 1;
        self.under_way = Some(UnderWay { request, answer, since: world.town.now() });
    }

    fn draw(&mut self, world: &mut World) -> Option<AdminRequest> {
        if self.is_half_way && world.rng.u8(..3) > 0 {
            return Some(AdminRequest::Finish);
        }
        let node = world.town.any_node(&mut world.rng);
        let has_room = world.sites.len() + world.newcomers.len() < SITES_MAX;
        Some(match world.rng.u8(..10) {
            0..3 if has_room => AdminRequest::AddLearner { node: None, peer: world.invite() },
            3..5 => AdminRequest::Promote { node },
            5 => AdminRequest::Remove { node },
            6..8 if has_room => {
                // It is lost for good, as far as its operator knows.
                world.crash(node, true);
                world.lost.insert(node);
                AdminRequest::Replace { node, peer: world.invite() }
            }
            8 => AdminRequest::Transfer { group: None, node },
            9 => AdminRequest::Transfer { group: Some(world.rng.u16(..GROUPS)), node },
            _ => return None,
        })
    }

    /// Takes the answer, or gives up waiting for one.
    async fn hear(&mut self, world: &mut World) {
        let Some(change) = &mut self.under_way else { return };
        let outcome = match change.answer.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) if world.town.now() < change.since + PATIENCE_MS => {
                return;
            }
            Err(_) => None,
        };
        let Some(UnderWay { request, .. }) = self.under_way.take() else { return };
        world.note(format_args!("{request}: {outcome:?}"));
        let is_done = matches!(outcome, Some(Ok(_)));
        self.is_half_way = !is_done;
        if let (AdminRequest::AddLearner { peer, .. } | AdminRequest::Replace { peer, .. }, Some(Ok(reply))) =
            (&request, &outcome)
        {
            world.town.judge().ids.given(reply.node.expect("it has an id"), peer);
        }
        conclude(world, &request, is_done);
        for node in std::mem::take(&mut world.lost) {
            // It was not lost after all.
            if world.may_start(node) {
                world.start(node).await;
            }
        }
    }
}

/// Who may learn of its removal from now on.
pub(crate) fn condemn(world: &mut World, request: &AdminRequest) {
    if let AdminRequest::Remove { node } | AdminRequest::Replace { node, .. } = request {
        world.condemned.insert(*node);
    }
}

/// What follows from a change that was carried out.
fn conclude(world: &mut World, request: &AdminRequest, is_done: bool) {
    world.town.judge().tally.changed += u64::from(is_done);
    if let (AdminRequest::Remove { node } | AdminRequest::Replace { node, .. }, true) = (request, is_done) {
        world.retire(*node);
    }
}

/// Asks any node, and waits for the answer. True where it was carried out.
async fn ask(world: &mut World, request: &AdminRequest) -> bool {
    let asked = world.town.any_node(&mut world.rng);
    let answer = world.running[&asked].administer(request.clone());
    condemn(world, request);
    let answer = Runtime::timeout(Duration::from_millis(PATIENCE_MS), answer).await;
    world.note(format_args!("node {asked}: {request}: {answer:?}"));
    let is_done = matches!(answer, Ok(Ok(Ok(_))));
    conclude(world, request, is_done);
    is_done
}

/// Whether a change is said to be under way, and may be.
fn is_marked(world: &World) -> bool {
    world.running.values().any(|process| process.status().operation.is_some())
}

fn said(world: &World) -> String {
    let statuses = world.running.values().map(|process| format!("{:?}", process.status()));
    statuses.collect::<Vec<_>>().join("\n")
}

/// What has to be done until the members are alike in all groups.
struct Settling {
    is_finished: bool,
    /// One learner gets a vote, too.
    promotes: bool,
    /// Since when nothing is left to be done.
    since: Option<u64>,
}

impl Settling {
    fn next(&mut self, world: &mut World, members: &Members) -> Option<AdminRequest> {
        let learner = members.learner.filter(|_| self.promotes);
        let request = match members.odd(world) {
            _ if !self.is_finished || members.is_half_way => AdminRequest::Finish,
            Some(node) => AdminRequest::Remove { node },
            None => match learner {
                Some(node) => AdminRequest::Promote { node },
                // These are taken in, or told that they do not belong to the cluster.
                None if members.has_others(world) => {
                    self.since = None;
                    return None;
                }
                None => {
                    self.since.get_or_insert(world.town.now());
                    return None;
                }
            },
        };
        self.since = None;
        Some(request)
    }

    fn is_done(&mut self, request: &AdminRequest) {
        self.is_finished |= *request == AdminRequest::Finish;
        self.promotes &= !matches!(request, AdminRequest::Promote { .. });
    }
}

/// Who belongs to which group, as the leaders know.
pub(crate) struct Members {
    groups: Vec<BTreeSet<NodeId>>,
    learner: Option<NodeId>,
    is_half_way: bool,
}

impl Members {
    /// None while a group has no leader.
    pub(crate) fn of(world: &World) -> Option<Members> {
        let statuses: Vec<ClusterStatus> = world.running.values().map(|process| process.status()).collect();
        let mut groups: BTreeMap<u16, (u64, BTreeSet<NodeId>)> = BTreeMap::new();
        let mut is_half_way = false;
        let mut learner = None;
        for status in &statuses {
            for group in status.groups.iter().filter(|group| group.leader == Some(status.node)) {
                let members = group.matched.iter().map(|(node, _)| *node).collect();
                let known = groups.entry(group.id).or_default();
                *known = (group.term, members).max(std::mem::take(known));
                is_half_way |= !group.joint.is_empty();
                if group.id == 0 {
                    is_half_way |= status.operation.is_some();
                    let mut nodes = status.nodes.iter();
                    learner = nodes.find(|node| node.part == Part::Learner).map(|node| node.id);
                }
            }
        }
        let has_all = groups.len() == usize::from(GROUPS);
        let groups = groups.into_values().map(|(_, members)| members).collect();
        has_all.then_some(Members { groups, learner, is_half_way })
    }

    pub(crate) fn is_everywhere(&self, node: NodeId) -> bool {
        self.groups.iter().all(|group| group.contains(&node))
    }

    /// Somebody who does not belong to all groups, or of whom nothing is left but the name.
    fn odd(&self, world: &World) -> Option<NodeId> {
        let mut named = self.groups.iter().flatten();
        named.find(|node| !self.is_everywhere(**node) || !world.sites.contains_key(node)).copied()
    }

    /// Nodes that any group names.
    pub(crate) fn count(&self) -> usize {
        self.groups.iter().flatten().collect::<BTreeSet<_>>().len()
    }

    /// Nodes that run and are not in every group.
    fn has_others(&self, world: &World) -> bool {
        world.nodes().into_iter().any(|node| !self.is_everywhere(node))
    }
}
