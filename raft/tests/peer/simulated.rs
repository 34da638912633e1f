//! The simulated network does what it says, and the same again for the same seed.

use crate::net::{Faults, Net};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft_rt_sim::{SimInstant, SimRuntime};
use sluice_engine::id::GroupId;
use sluice_raft::peer::{CallError, Called, Cast, Lane, Request, Response, Service, Transport};
use sluice_raft::types::{Member, NodeId};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type R = SimRuntime;

const WITHIN: Duration = Duration::from_secs(5);
/// Group whose requests are never answered.
const SILENT: GroupId = GroupId(1);

/// Writes down what arrives, and when.
struct Diary {
    since: SimInstant,
    lines: Mutex<Vec<(Duration, NodeId, Bytes)>>,
}

impl Diary {
    fn new() -> Diary {
        Diary { since: SimInstant::now(), lines: Mutex::default() }
    }

    fn write(&self, from: NodeId, bytes: Bytes) {
        let at = SimInstant::now() - self.since;
        self.lines.lock().expect("no panic").push((at, from, bytes));
    }

    fn lines(&self) -> Vec<(Duration, NodeId, Bytes)> {
        self.lines.lock().expect("no panic").clone()
    }

    fn arrived(&self) -> Vec<Bytes> {
        self.lines().into_iter().map(|(_, _, bytes)| bytes).collect()
    }
}

impl Service<R> for Diary {
    fn call(self: Arc<Self>, from: NodeId, request: Request<R>) -> BoxFuture<'static, Response<R>> {
        let Request::Forward { group, bytes } = request else { panic!("only forwards are sent") };
        self.write(from, bytes.clone());
        if group == SILENT {
            std::future::pending().boxed()
        } else {
            std::future::ready(Response::Forward(bytes)).boxed()
        }
    }

    fn cast(&self, from: NodeId, cast: Cast) {
        let Cast::Presence { bytes, .. } = cast else { panic!("only presence is cast") };
        self.write(from, bytes);
    }
}

/// Two nodes.
struct Pair {
    net: Arc<Net>,
    ways: Vec<Arc<dyn Transport<R>>>,
    diaries: Vec<Arc<Diary>>,
}

fn address(node: NodeId) -> Member {
    Member { peer: format!("node-{node}:1"), ..Member::default() }
}

fn start_node(net: &Arc<Net>, node: NodeId) -> (Arc<dyn Transport<R>>, Arc<Diary>) {
    let diary = Arc::new(Diary::new());
    let mut way = None;
    net.start(node, &address(node).peer, |transport| {
        way = Some(transport);
        Arc::clone(&diary) as _
    });
    (way.expect("given at once"), diary)
}

impl Pair {
    fn new(seed: u64, faults: Faults) -> Pair {
        let net = Net::new(seed, faults);
        let (ways, diaries) = [1, 2].map(|node| start_node(&net, node)).into_iter().unzip();
        Pair { net, ways, diaries }
    }

    fn call(&self, from: NodeId, group: GroupId, number: u32) -> BoxFuture<'static, Called<R>> {
        let bytes = Bytes::from(number.to_string());
        let to = 3 - from;
        let request = Request::Forward { group, bytes };
        self.ways[from as usize - 1].call(to, &address(to), Lane::Append, request, WITHIN)
    }

    async fn call_many(&self, count: u32) -> Vec<Called<R>> {
        join_all((0..count).map(|number| self.call(1, GroupId(0), number))).await
    }

    fn arrived(&self) -> Vec<Bytes> {
        self.diaries[1].arrived()
    }
}

fn simulate<T>(seed: u64, story: impl Future<Output = T>) -> T {
    SimRuntime::with_seed(seed).block_on(story)
}

/// Virtual time goes by.
async fn pass(time: Duration) {
    SimRuntime::sleep_until(SimInstant::now() + time).await;
}

fn numbers(count: u32) -> Vec<Bytes> {
    (0..count).map(|number| Bytes::from(number.to_string())).collect()
}

const ROUGH: Faults = Faults {
    delay_us: 100..=20_000,
    lost: 100,
    broken: 50,
    repeated: 100,
    reordered: 200,
    detour_us: 500_000,
};

#[test]
fn a_good_network_keeps_order_and_answers_all() {
    simulate(1, async {
        let pair = Pair::new(1, Faults { delay_us: 50..=5_000, ..Faults::NONE });
        let answers = pair.call_many(200).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(pair.arrived(), numbers(200));
    });
}

#[test]
fn a_rough_network_loses_repeats_and_reorders() {
    simulate(2, async {
        let pair = Pair::new(2, ROUGH);
        let answers = pair.call_many(1_000).await;
        pass(WITHIN).await;
        let arrived = pair.arrived();
        let mut once = arrived.clone();
        once.sort();
        once.dedup();
        assert!(once.len() < 1_000, "some are lost");
        assert!(arrived.len() > once.len(), "some are repeated");
        assert_ne!(once, arrived, "some are overtaken");
        let count = |wanted: CallError| {
            answers.iter().filter(|called| called.as_ref().err() == Some(&wanted)).count()
        };
        assert!(count(CallError::Timeout) > 0 && count(CallError::Lost) > 0);
        assert!(answers.iter().any(Result::is_ok));
    });
}

#[test]
fn one_seed_has_one_course() {
    let course = |seed| {
        simulate(seed, async move {
            let pair = Pair::new(seed, ROUGH);
            let answers = pair.call_many(300).await;
            pass(WITHIN).await;
            (format!("{answers:?}"), pair.diaries[1].lines())
        })
    };
    assert_eq!(course(3), course(3));
    assert_ne!(course(3), course(4));
}

#[test]
fn a_way_that_is_cut_is_cut_in_one_direction() {
    simulate(5, async {
        let pair = Pair::new(5, Faults::NONE);
        pair.net.cut(1, 2);
        assert_eq!(pair.call(1, GroupId(0), 1).await.err(), Some(CallError::Timeout));
        assert_eq!(pair.arrived(), numbers(0));
        // The request gets through; its answer does not.
        assert_eq!(pair.call(2, GroupId(0), 2).await.err(), Some(CallError::Timeout));
        assert_eq!(pair.diaries[0].arrived(), [Bytes::from("2")]);
        pair.net.heal();
        assert!(pair.call(1, GroupId(0), 3).await.is_ok());
    });
}

#[test]
fn a_crash_ends_what_is_served_and_what_is_sent() {
    simulate(6, async {
        let pair = Pair::new(6, Faults::NONE);
        let silent = pair.call(1, SILENT, 0);
        assert!(pair.call(1, GroupId(0), 1).await.is_ok());
        pair.net.crash(2);
        assert_eq!(silent.await.err(), Some(CallError::Lost));
        assert!(matches!(pair.call(1, GroupId(0), 2).await, Err(CallError::Unreachable(_))));
        assert!(matches!(pair.call(2, GroupId(0), 3).await, Err(CallError::Unreachable(_))), "a ghost");
        let (way, _) = start_node(&pair.net, 2);
        assert!(pair.call(1, GroupId(0), 4).await.is_ok());
        assert!(matches!(pair.call(2, GroupId(0), 5).await, Err(CallError::Unreachable(_))), "still a ghost");
        let request = Request::Forward { group: GroupId(0), bytes: Bytes::from("6") };
        assert!(way.call(1, &address(1), Lane::Bulk, request, WITHIN).await.is_ok());
    });
}

#[test]
fn a_node_without_an_id_is_found_by_its_address() {
    simulate(7, async {
        let pair = Pair::new(7, Faults::NONE);
        let request = || Request::Forward { group: GroupId(0), bytes: Bytes::from("7") };
        assert!(pair.ways[0].call(0, &address(2), Lane::Bulk, request(), WITHIN).await.is_ok());
        let elsewhere = pair.ways[0].call(2, &address(9), Lane::Bulk, request(), WITHIN).await;
        assert!(matches!(elsewhere, Err(CallError::Unreachable(_))));
    });
}

#[test]
fn casts_are_lost_like_anything_else() {
    simulate(8, async {
        let pair = Pair::new(8, Faults::NONE);
        let cast = |text: &'static str| Cast::Presence { group: GroupId(0), bytes: text.into() };
        pair.ways[0].cast(2, &address(2), cast("heard"));
        pair.net.set_faults(Faults { lost: 1_000, ..Faults::NONE });
        pair.ways[0].cast(2, &address(2), cast("lost"));
        pass(WITHIN).await;
        assert_eq!(pair.arrived(), [Bytes::from("heard")]);
    });
}
