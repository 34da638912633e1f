//! Every change of the members, and of the secret, interrupted by the loss of a node at one moment after another, and then asked for again: it is carried
//! out, or was, nobody is ready who does not have what there was before, nothing is lost, and whoever is left out is told.

use crate::cluster::client::{SETTLED_MS, ZONES, ZoneRules, pause};
use crate::cluster::door::{Request, Told};
use crate::cluster::members::{Members, condemn};
use crate::cluster::process::Process;
use crate::cluster::runtime::{Runtime, panicked};
use crate::cluster::site::{FOUNDERS, GROUPS, LATER, Site};
use crate::cluster::world::World;
use crate::cluster::writer::STREAMS;
use openraft::async_runtime::AsyncRuntime;
use sluice_engine::error::Refusal;
use sluice_engine::id::KeyGen;
use sluice_engine::reply::Standing;
use sluice_engine::token::UnverifiedToken;
use sluice_raft::cluster::{AdminCode, AdminRequest, Administered, Part};
use sluice_raft::node::Identity;
use sluice_raft::secret::ClusterSecret;
use sluice_raft::types::NodeId;
use std::time::Duration;

/// Entries of each stream before the change.
const ENTRIES: u64 = 5;
/// How long the lost node is down, ms.
const DOWN_MS: u64 = 300;
/// After that everything is over within this, ms.
const OVER_MS: u64 = 60_000;
const LOOK_MS: u64 = 20;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    Init,
    Add,
    Promote,
    Remove,
    RemoveLeader,
    Replace,
    Transfer,
    Finish,
    Rotate,
}

/// All of them.
pub(crate) const PLANS: [Plan; 9] = [
    Plan::Init,
    Plan::Add,
    Plan::Promote,
    Plan::Remove,
    Plan::RemoveLeader,
    Plan::Replace,
    Plan::Transfer,
    Plan::Finish,
    Plan::Rotate,
];

/// Who is lost meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Victim {
    /// Whoever carries the change out.
    Leader,
    /// Whoever was asked for it.
    Asked,
    /// Whoever comes.
    Newcomer,
}

pub(crate) const VICTIMS: [Victim; 3] = [Victim::Leader, Victim::Asked, Victim::Newcomer];

/// A cluster before the change.
struct Scene {
    world: World,
    request: AdminRequest,
    leader: NodeId,
    asked: NodeId,
    /// The node that comes, once it has an id.
    newcomer: Option<String>,
    /// What every node had of each group before.
    applied: Vec<u64>,
    /// An admission to each zone.
    tokens: Vec<Vec<u8>>,
    /// Before they were made, ms.
    joined_ms: u64,
}

/// Plays one change, with this node lost so long after it was asked for.
pub(crate) fn run(plan: Plan, victim: Victim, after: Duration) {
    Runtime::with_seed(after.as_micros() as u64).block_on(play(plan, victim, after));
}

async fn play(plan: Plan, victim: Victim, after: Duration) {
    let mut scene = Scene::set(plan).await;
    if victim == Victim::Newcomer && scene.newcomer.is_none() {
        return;
    }
    let asked = scene.asked;
    let _nobody_listens = scene.world.running[&asked].administer(scene.request.clone());
    condemn(&mut scene.world, &scene.request);
    Runtime::sleep(after).await;
    scene.lose(victim).await;
    scene.insist().await;
    while plan == Plan::Init && !scene.world.newcomers.is_empty() {
        // Nobody waited when it was asked again.
        scene.steps(LOOK_MS).await;
        scene.insist().await;
    }
    if let (Plan::Finish, Some(peer)) = (plan, scene.newcomer.clone()) {
        // What was given up is asked for again.
        scene.request = AdminRequest::AddLearner { node: None, peer };
        scene.insist().await;
    }
    scene.settle().await;
    scene.check_whole().await;
}

/// How long whoever asks waits for a node that was added and has died, ms.
const SILENT_MS: u64 = 20_000;

/// A node dies so long after it was asked to take the place of a lost one, and stays away; whether the answer says so. Whatever it
/// says comes in time, and the change, asked for again once the node is back, is carried out.
pub(crate) fn dies_while_it_is_added(after: Duration) -> bool {
    Runtime::with_seed(after.as_micros() as u64).block_on(async {
        let mut scene = Scene::set(Plan::Replace).await;
        let mut answer = scene.world.running[&scene.asked].administer(scene.request.clone());
        condemn(&mut scene.world, &scene.request);
        for _ in 0..after.as_millis() {
            Runtime::sleep(Duration::from_millis(1)).await;
            scene.world.welcome();
        }
        let waits = scene.world.lose_newcomers().await;
        let newcomer = scene.world.nodes().into_iter().find(|node| *node > FOUNDERS);
        newcomer.into_iter().for_each(|node| scene.world.crash(node, true));
        let until = scene.world.town.now() + SILENT_MS;
        let said = loop {
            if let Ok(said) = answer.try_recv() {
                break said;
            }
            assert!(scene.world.town.now() < until, "nothing is said about a node that died");
            scene.step().await;
        };
        waits.into_iter().for_each(|site| scene.world.come_back(site));
        if let Some(node) = newcomer.filter(|node| scene.world.may_start(*node)) {
            scene.world.start(node).await;
        }
        scene.insist().await;
        scene.settle().await;
        scene.check_whole().await;
        said.is_err_and(|error| error.code == AdminCode::NotCaughtUp)
    })
}

/// Enters a zone: the token.
async fn join(world: &World, node: NodeId, zone: &'static str, request: &str) -> Vec<u8> {
    let request = Request::Join { zone, request: request.to_owned() };
    loop {
        if let Some(Ok(Told::Place { token, .. })) = world.town.ask(node, request.clone()).await {
            return token;
        }
        pause(LOOK_MS).await;
    }
}

impl Scene {
    async fn set(plan: Plan) -> Scene {
        let mut world = World::found(plan as u64).await;
        for key in STREAMS {
            for entry in 0..ENTRIES {
                let request = Request::Append { key, text: format!("{key}-{entry}") };
                while !matches!(world.town.ask(1, request.clone()).await, Some(Ok(Told::Added { .. }))) {
                    pause(LOOK_MS).await;
                }
            }
        }
        let joined_ms = world.town.now();
        let mut tokens = Vec::new();
        for zone in ZONES {
            tokens.push(join(&world, 1, zone, "before").await);
        }
        world.agree().await;
        let status = world.running[&1].status();
        let applied = status.groups.iter().map(|group| group.applied).collect();
        let leader = status.groups[0].leader.expect("nothing is broken");
        let mut others = world.nodes().into_iter().filter(|node| *node != leader);
        let (asked, third) = (others.next().expect("three nodes"), others.next().expect("three nodes"));
        let request = AdminRequest::Transfer { group: None, node: third };
        let mut scene = Scene { world, request, leader, asked, newcomer: None, applied, tokens, joined_ms };
        scene.request = scene.prepare(plan, third).await;
        scene
    }

    async fn prepare(&mut self, plan: Plan, third: NodeId) -> AdminRequest {
        match plan {
            Plan::Transfer => AdminRequest::Transfer { group: None, node: third },
            Plan::Rotate => AdminRequest::RotateSecret { number: Some(2) },
            Plan::Remove => AdminRequest::Remove { node: third },
            Plan::RemoveLeader => AdminRequest::Remove { node: self.leader },
            Plan::Init => {
                self.comes().await;
                AdminRequest::Init
            }
            Plan::Add => AdminRequest::AddLearner { node: None, peer: self.comes().await },
            Plan::Replace => {
                // The newcomer asks one that stays.
                self.world.town.nodes.lock().expect("no panic").remove(&third);
                let peer = self.comes().await;
                self.world.crash(third, true);
                AdminRequest::Replace { node: third, peer }
            }
            Plan::Promote => {
                let peer = self.comes().await;
                let added = self.ask(self.asked, &AdminRequest::AddLearner { node: None, peer }).await;
                let node = added.and_then(|outcome| outcome.ok()).and_then(|reply| reply.node);
                AdminRequest::Promote { node: node.expect("nothing is broken") }
            }
            Plan::Finish => {
                let peer = self.comes().await;
                let request = AdminRequest::AddLearner { node: None, peer };
                drop(self.world.running[&self.leader].administer(request));
                Runtime::sleep(Duration::from_millis(4)).await;
                self.lose(Victim::Leader).await;
                AdminRequest::Finish
            }
        }
    }

    /// A node comes and waits; its address.
    async fn comes(&mut self) -> String {
        let peer = self.world.invite();
        let is_known = |scene: &Scene| {
            let status = scene.world.running[&scene.leader].status();
            status.nodes.iter().any(|node| node.part == Part::Waiting && node.member.peer == peer)
        };
        while !is_known(self) {
            self.step().await;
        }
        self.newcomer = Some(peer.clone());
        peer
    }

    /// The power of one node fails, and comes back.
    async fn lose(&mut self, victim: Victim) {
        self.world.welcome();
        let mut waits: Vec<Site> = Vec::new();
        let lost = match victim {
            Victim::Leader => Some(self.leader),
            Victim::Asked => Some(self.asked),
            Victim::Newcomer => {
                waits = self.world.lose_newcomers().await;
                let at = |site: &&Site| Some(&site.address) == self.newcomer.as_ref();
                self.world.sites.values().find(at).map(|site| site.node)
            }
        };
        lost.into_iter().for_each(|node| self.world.crash(node, true));
        self.steps(DOWN_MS).await;
        waits.into_iter().for_each(|site| self.world.come_back(site));
        if let Some(node) = lost.filter(|node| self.world.may_start(*node)) {
            self.world.start(node).await;
        }
    }

    /// Asks again, as an operator would, until the answer is a success.
    async fn insist(&mut self) {
        let until = self.world.town.now() + OVER_MS;
        let mut said = None;
        loop {
            assert!(self.world.town.now() < until, "{}: not in {OVER_MS} ms: {said:?}", self.request);
            let gone = match &self.request {
                AdminRequest::Remove { node } | AdminRequest::Replace { node, .. } => *node,
                _ => 0,
            };
            let node = self.world.running.keys().copied().find(|node| *node != gone).expect("somebody runs");
            let request = self.request.clone();
            said = self.ask(node, &request).await;
            match &said {
                Some(Ok(_)) => return,
                Some(Err(error)) if error.code == AdminCode::Busy => {
                    self.ask(node, &AdminRequest::Finish).await;
                }
                _ => self.steps(LOOK_MS).await,
            }
        }
    }

    async fn ask(&mut self, node: NodeId, request: &AdminRequest) -> Option<Administered> {
        let mut answer = self.world.running.get(&node)?.administer(request.clone());
        condemn(&mut self.world, request);
        loop {
            match answer.try_recv() {
                Ok(outcome) => return Some(outcome),
                Err(tokio::sync::oneshot::error::TryRecvError::Closed) => return None,
                Err(_) => self.step().await,
            }
        }
    }

    async fn steps(&mut self, ms: u64) {
        for _ in 0..ms / LOOK_MS {
            self.step().await;
        }
    }

    async fn step(&mut self) {
        pause(LOOK_MS).await;
        assert!(!panicked(), "see above");
        self.world.welcome();
        self.world.dismiss_removed();
        // One that was there before has what it knew to be committed, as after any restart.
        let is_new_and_ready =
            |(node, process): &(&NodeId, &Process)| **node > FOUNDERS && process.is_ready();
        for (node, process) in self.world.running.iter().filter(is_new_and_ready) {
            let status = process.status();
            let has_all =
                status.groups.iter().zip(&self.applied).all(|(group, before)| group.applied >= *before);
            assert!(has_all, "node {node} is ready without what there was: {status:?}");
        }
    }

    /// Whoever was replaced comes back after all; whoever is left out is told; all others are in every group.
    async fn settle(&mut self) {
        if let AdminRequest::Replace { node, .. } = self.request
            && self.world.may_start(node)
        {
            self.world.start(node).await;
        }
        let until = self.world.town.now() + OVER_MS;
        while !self.is_settled() {
            let statuses = self.world.running.values().map(|process| process.status());
            let said = || statuses.map(|status| format!("{status:?}")).collect::<Vec<_>>().join("\n");
            assert!(self.world.town.now() < until, "the members do not settle:\n{}", said());
            self.step().await;
        }
    }

    fn is_settled(&self) -> bool {
        let Some(members) = Members::of(&self.world) else { return false };
        let is_over = self.world.running.values().all(|process| process.status().operation.is_none());
        let are_ready = self.world.running.values().all(|process| process.is_ready());
        let nodes = self.world.nodes();
        let are_in = nodes.iter().all(|node| members.is_everywhere(*node));
        let waits = |process: &Process| !process.status().secret.waits_for.is_empty();
        let is_over = is_over && !self.world.running.values().any(waits);
        is_over && are_ready && are_in && members.count() == nodes.len() && self.world.newcomers.is_empty()
    }

    /// Every node has the new secret on its disk, and only that one.
    async fn check_secret(&mut self) {
        let until = self.world.town.now() + OVER_MS;
        for node in self.world.nodes() {
            loop {
                let loaded = Identity::load(&self.world.sites[&node].disk).await;
                let held = loaded.expect("it can be read").expect("there is one").members;
                if (held.number, held.before) == (2, None) {
                    assert_eq!(held.newest, ClusterSecret::new(LATER), "as it was drawn");
                    break;
                }
                assert!(self.world.town.now() < until, "node {node} does not follow: {held:?}");
                self.step().await;
            }
        }
        for process in self.world.running.values() {
            let secret = process.status().secret;
            assert_eq!((secret.number, secret.waits_for), (2, Vec::new()));
        }
        for zone in ZONES {
            let token = UnverifiedToken::decode(&join(&self.world, 1, zone, "after").await).expect("a token");
            assert_eq!(token.key(), KeyGen(2), "what is minted now in {zone}");
        }
    }

    /// Who was let in before is let in still, at every node.
    async fn check_tokens(&self) {
        for node in self.world.nodes() {
            for (zone, token) in ZONES.into_iter().zip(&self.tokens) {
                let request = Request::Poll { zone, token: token.clone() };
                let valid_until = self.joined_ms + ZoneRules::of(zone).pass_ms - SETTLED_MS;
                let standing = loop {
                    match self.world.town.ask(node, request.clone()).await {
                        Some(Ok(Told::Place { standing, .. })) => break standing,
                        Some(Err(Refusal::NoLeader { .. } | Refusal::Busy { .. })) | None => {
                            pause(LOOK_MS).await
                        }
                        // A change that was long interrupted outlasts a pass.
                        Some(Err(Refusal::Gone)) if self.world.town.now() >= valid_until => return,
                        other => panic!("the token of {zone} at node {node}: {other:?}"),
                    }
                };
                assert!(matches!(standing, Standing::Admitted(_)), "{zone} at node {node}: {standing:?}");
            }
        }
    }

    async fn check_whole(mut self) {
        if let AdminRequest::RotateSecret { .. } = self.request {
            self.check_secret().await;
        }
        self.check_tokens().await;
        let was_removed = |node: NodeId| !self.world.sites.contains_key(&node);
        match self.request {
            AdminRequest::Remove { node } | AdminRequest::Replace { node, .. } => assert!(was_removed(node)),
            _ => assert_eq!(self.world.sites.len(), 3 + usize::from(self.newcomer.is_some())),
        }
        self.world.agree().await;
        for node in self.world.nodes() {
            for key in STREAMS {
                let until = self.world.town.now() + OVER_MS;
                let count = loop {
                    if let Some((_, count)) = crate::cluster::writer::read(&self.world.town, node, key).await
                    {
                        break count;
                    }
                    assert!(self.world.town.now() < until, "node {node} does not tell of {key}");
                    pause(LOOK_MS).await;
                };
                assert_eq!(count, ENTRIES, "{key} at node {node}");
            }
        }
        self.world.end().await;
    }
}

const _: () = assert!(GROUPS > 1, "a change may be half-way between groups");
