//! People who join, poll and go, through any node, and repeat what got no answer.

use crate::cluster::door::{Answer, Door, Request, Told};
use crate::cluster::judge::{Judge, Look, TokenText};
use crate::cluster::runtime::Runtime;
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft_rt_sim::SimInstant;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;
use sluice_engine::zone::settings::ZonePatch;
use sluice_raft::types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Answers this far apart may not contradict each other, ms.
pub(crate) const SETTLED_MS: u64 = 250;
/// A client waits so long for an answer, ms, before it turns to another node.
const PATIENCE_MS: u64 = 700;
/// A join is repeated for so long, ms, before its asker gives up.
const JOIN_MS: u64 = 8_000;

/// The zones, one in each group.
pub(crate) const ZONES: [&str; 2] = ["a", "shop"];

/// Settings of a zone as the oracle knows them, ms.
pub(crate) struct ZoneRules {
    pub(crate) limit: u64,
    pub(crate) window_ms: u64,
    pub(crate) slice_ms: u64,
    pub(crate) poll_ms: u64,
    pub(crate) abandon_ms: u64,
    pub(crate) pass_ms: u64,
}

impl ZoneRules {
    pub(crate) fn of(zone: &str) -> ZoneRules {
        let common = ZoneRules {
            limit: 8,
            window_ms: 3_000,
            slice_ms: 600,
            poll_ms: 400,
            abandon_ms: 5_000,
            pass_ms: 12_000,
        };
        if zone == ZONES[0] { common } else { ZoneRules { limit: 3, slice_ms: 1_500, ..common } }
    }

    pub(crate) fn slice_share(&self) -> u64 {
        (self.limit * self.slice_ms).div_ceil(self.window_ms)
    }

    fn patch(&self) -> ZonePatch {
        ZonePatch {
            limit: Some(self.limit as u32),
            window_ms: Some(self.window_ms as u32),
            slice_ms: Some(self.slice_ms as u32),
            poll_ms: Some(self.poll_ms as u32),
            abandon_ms: Some(self.abandon_ms as u32),
            pass_ttl_ms: Some(self.pass_ms as u32),
            ..ZonePatch::default()
        }
    }
}

/// The ways to the nodes, what clients were told, and whether they should go on.
pub(crate) struct Town {
    /// Whom clients know of, up or down.
    pub(crate) nodes: Mutex<BTreeSet<NodeId>>,
    pub(crate) doors: Mutex<BTreeMap<NodeId, Arc<Door>>>,
    pub(crate) judge: Arc<Mutex<Judge>>,
    pub(crate) is_closing: AtomicBool,
    pub(crate) began: SimInstant,
}

impl Town {
    pub(crate) fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    pub(crate) fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().expect("the judge is silent")
    }

    /// Any node but those that are gone for good.
    pub(crate) fn any_node(&self, rng: &mut fastrand::Rng) -> NodeId {
        let nodes = self.nodes.lock().expect("no panic");
        let chosen = rng.usize(..nodes.len());
        *nodes.iter().nth(chosen).expect("chosen among them")
    }

    fn knows(&self, node: NodeId) -> bool {
        self.nodes.lock().expect("no panic").contains(&node)
    }

    /// Asks a node; None where no answer comes.
    pub(crate) async fn ask(&self, node: NodeId, request: Request) -> Option<Answer> {
        let door = self.doors.lock().expect("no panic").get(&node).cloned()?;
        let answer = door.ask(request);
        let answer = Runtime::timeout(Duration::from_millis(PATIENCE_MS), answer).await;
        let answer = answer.ok().and_then(Result::ok);
        self.judge().tally.unanswered += u64::from(answer.is_none());
        answer
    }

    /// Creates the zones, as soon as somebody does it.
    pub(crate) async fn create_zones(&self) {
        for zone in ZONES {
            let patch = Box::new(ZoneRules::of(zone).patch());
            let request = Request::ZoneSet { zone, patch };
            while !matches!(self.ask(1, request.clone()).await, Some(Ok(_))) {
                pause(50).await;
            }
        }
    }
}

pub(crate) async fn pause(ms: u64) {
    Runtime::sleep(Duration::from_millis(ms)).await;
}

/// What sort of person somebody is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Polls when told to.
    Obeys,
    /// Falls silent after some polls.
    Quits,
    /// Gives the place up after some polls.
    Leaves,
}

pub(crate) struct Client {
    town: Arc<Town>,
    number: u64,
    joins: u64,
    rng: fastrand::Rng,
    zone: &'static str,
    /// Whom it asks first: somebody near it.
    home: NodeId,
}

impl Client {
    pub(crate) fn new(town: Arc<Town>, number: u64, seed: u64) -> Client {
        let mut rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let zone = ZONES[rng.usize(..ZONES.len())];
        let home = town.any_node(&mut rng);
        Client { town, number, joins: 0, rng, zone, home }
    }

    pub(crate) async fn live(mut self) {
        while !self.town.is_closing.load(Ordering::Relaxed) {
            let habit = [Habit::Obeys, Habit::Obeys, Habit::Quits, Habit::Leaves][self.rng.usize(..4)];
            if let Some(token) = self.join().await {
                self.wait(token, habit).await;
            }
            let rest_ms = self.rng.u64(10..1_500);
            pause(rest_ms).await;
        }
    }

    /// Takes a place; None where it has given up.
    async fn join(&mut self) -> Option<TokenText> {
        self.joins += 1;
        let request = format!("{}-{}", self.number, self.joins);
        let began = self.town.now();
        while self.town.now() < began + JOIN_MS {
            if let Some(token) = self.try_join(&request, began).await {
                // Sometimes its answer is lost on the way: it asks once more.
                if self.rng.u8(..8) == 0 {
                    self.try_join(&request, began).await;
                }
                return Some(token);
            }
            let wait_ms = self.rng.u64(20..300);
            pause(wait_ms).await;
        }
        None
    }

    async fn try_join(&mut self, request: &str, began: u64) -> Option<TokenText> {
        let node = self.node();
        let sent = self.town.now();
        let answer =
            self.town.ask(node, Request::Join { zone: self.zone, request: request.to_owned() }).await?;
        let answered = self.town.now();
        match answer {
            Ok(Told::Place { token, standing }) => {
                let look = Look { zone: self.zone, token: &token, sent, answered, answer: Ok(standing) };
                self.town.judge().joined(request, began, &look);
                Some(token)
            }
            Err(Refusal::NoZone) => panic!("I3: node {node} denies zone {} at {answered}", self.zone),
            _ => None,
        }
    }

    async fn wait(&mut self, token: TokenText, habit: Habit) {
        let mut left = self.rng.u32(1..8);
        // The admitted look again now and then.
        let mut looks = self.rng.u32(1..5);
        let mut wait_ms = ZoneRules::of(self.zone).poll_ms;
        while !self.town.is_closing.load(Ordering::Relaxed) {
            pause(wait_ms).await;
            match self.poll(&token).await {
                None => wait_ms = 10,
                Some(Ok(Standing::Waiting(waiting))) => wait_ms = u64::from(waiting.poll_ms).max(1),
                Some(Ok(Standing::Admitted(_))) if looks == 0 => return,
                Some(Ok(Standing::Admitted(_))) => {
                    looks -= 1;
                    wait_ms = self.rng.u64(1..3_000);
                    continue;
                }
                Some(Err(_)) => return,
            }
            left -= u32::from(left > 0 && left < u32::MAX);
            match habit {
                // And comes back when it is too late, or just not.
                Habit::Quits if left == 0 => {
                    left = u32::MAX;
                    wait_ms = ZoneRules::of(self.zone).abandon_ms + self.rng.u64(..6_000);
                }
                Habit::Leaves if left == 0 => return self.leave(token).await,
                _ => {}
            }
        }
    }

    async fn poll(&mut self, token: &TokenText) -> Option<Result<Standing, Refusal>> {
        let node = self.node();
        let sent = self.town.now();
        let request = Request::Poll { zone: self.zone, token: token.clone() };
        let answer = match self.town.ask(node, request).await? {
            Ok(Told::Place { standing, .. }) => Ok(standing),
            Ok(_) => panic!("a poll of node {node} is answered without a place"),
            Err(Refusal::Busy { .. } | Refusal::NoLeader { .. }) => return None,
            Err(refusal) => Err(refusal),
        };
        let answered = self.town.now();
        self.town.judge().looked(&Look { zone: self.zone, token, sent, answered, answer });
        Some(answer)
    }

    async fn leave(&mut self, token: TokenText) {
        self.town.judge().leaves(&token);
        let node = self.node();
        self.town.ask(node, Request::Leave { zone: self.zone, token }).await;
    }

    /// Mostly the nearest one.
    fn node(&mut self) -> NodeId {
        if self.rng.u8(..3) == 0 || !self.town.knows(self.home) {
            self.home = self.town.any_node(&mut self.rng);
        }
        self.home
    }
}
