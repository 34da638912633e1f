//! Stories of what a node acknowledged and does not have, or seems not to have: a start that was cut short, a loss that its operator
//! gives up, a term that nobody can have voted in, a change of the members that a voter slept through.

use crate::cluster::client::{ZONES, pause};
use crate::cluster::door::Request;
use crate::cluster::members::condemn;
use crate::cluster::process::Process;
use crate::cluster::runtime::{Host, Runtime, panicked};
use crate::cluster::site::Site;
use crate::cluster::world::World;
use crate::disk::FaultyDisk;
use futures_util::future::{BoxFuture, Either, select};
use openraft::async_runtime::AsyncRuntime;
use sluice_raft::cluster::AdminRequest;
use sluice_raft::codec;
use sluice_raft::disk::Disk as _;
use sluice_raft::log::{LogId, Mark, Promised};
use sluice_raft::peer::{self, Cast, Lane, Response, Service, Transport};
use sluice_raft::types::{Member, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What has to come does within this, ms.
const WITHIN_MS: u64 = 20_000;
/// After this, everybody has told everybody how it is, and written it down, ms.
const TOLD_MS: u64 = 2_500;
/// A first start is cut short within this, ms: also where it has only begun to serve.
const CUT_WITHIN_MS: u64 = 3_000;
/// Power cuts at each moment, each of which leaves something else.
const POWER_CUTS: u64 = 3;

/// The first start of a node is cut short at each change of its disk in turn, by a crash or by a disk that is full; the next one
/// starts, and leads.
pub(crate) fn cut_short() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        let mut changes = 0;
        while Runtime::with_seed(changes).block_on(cut_after(changes, kind)) {
            changes += 1;
        }
        assert!(changes > 20, "a first start changes more than {changes} times");
    }
}

/// False where the disk did not change so often.
async fn cut_after(changes: u64, kind: ErrorKind) -> bool {
    let mut site = Site { join: None, ..Site::empty(0, changes, 1_000_000, "") };
    let world = World::nobody(changes);
    site.disk.fail_after(changes, kind);
    let host = Host::new();
    let clock = world.clock(&site);
    {
        let begun = Process::start(Arc::clone(&host), &site, &world.net, &world.town.judge, clock);
        match select(std::pin::pin!(begun), std::pin::pin!(pause(CUT_WITHIN_MS))).await {
            Either::Left((Ok(process), _)) => {
                pause(CUT_WITHIN_MS).await;
                process.crash(&world.net);
            }
            Either::Left((Err(_), _)) => {}
            Either::Right(_) => {
                world.net.crash(site.node);
                host.kill();
            }
        }
    }
    assert!(!panicked(), "see above");
    if !site.disk.has_failed() {
        return false;
    }
    let whole = site.disk.copy();
    let cut = (0..POWER_CUTS).map(|_| site.disk.crash()).collect::<Vec<_>>();
    for disk in std::iter::once(whole).chain(cut) {
        disk.set_room(u64::MAX);
        site.disk = disk;
        let started = world.try_start(&site).await;
        let process = started.unwrap_or_else(|error| panic!("cut after {changes} changes, {kind}: {error}"));
        let until = world.town.now() + WITHIN_MS;
        while !leads_all(&process) {
            assert!(world.town.now() < until, "cut after {changes} changes, {kind}: it leads nothing");
            pause(20).await;
        }
        process.crash(&world.net);
        pause(1).await;
    }
    true
}

fn leads_all(process: &Process) -> bool {
    let leads = |group: &sluice_raft::cluster::GroupStatus| group.leader == Some(process.id());
    process.is_ready() && process.status().groups.iter().all(leads)
}

/// A founder that lost its ledger and its log, which its operator gives up, founds no second cluster: not then, and not at its next start.
pub(crate) fn founder_that_lost_all() {
    Runtime::with_seed(5).block_on(async {
        let world = World::nobody(5);
        let site = Site { join: None, ..Site::empty(0, 5, 1_000_000, "") };
        let process = world.try_start(&site).await.unwrap_or_else(|error| panic!("{error}"));
        while !leads_all(&process) {
            pause(20).await;
        }
        pause(TOLD_MS).await;
        process.crash(&world.net);
        lose(&site.disk, "log", "");
        lose(&site.disk, "node", "ledger");
        give_up_losses(&site.disk).await;
        for start in ["with the word", "after it"] {
            let process = world.try_start(&site).await.unwrap_or_else(|error| panic!("{start}: {error}"));
            pause(TOLD_MS * 2).await;
            assert!(!process.is_ready() && process.failed().is_none(), "{start}");
            let leaders: Vec<_> = process.status().groups.iter().map(|group| group.leader).collect();
            assert!(leaders.iter().all(Option::is_none), "{start}: {leaders:?}");
            process.crash(&world.net);
        }
    });
}

fn lose(disk: &FaultyDisk<Runtime>, folder: &str, named: &str) {
    let names = disk.names(folder).into_iter().filter(|name| name.starts_with(named));
    names.for_each(|name| disk.lose(&format!("{folder}/{name}")));
}

async fn give_up_losses(disk: &FaultyDisk<Runtime>) {
    disk.create("node/accept-loss", 0).await.expect("there is room");
    disk.sync_folder("node").await.expect("it works");
}

/// One of three is lost for good, and one has less than it acknowledged, which its operator gives up: the third, which remembers, and
/// that one go on at once.
pub(crate) fn loss_that_is_given_up() {
    Runtime::with_seed(4).block_on(async {
        let mut world = World::found(4).await;
        pause(TOLD_MS).await;
        let older = world.sites[&3].disk.copy();
        join(&world, 3, "later").await;
        world.agree().await;
        pause(TOLD_MS).await;
        (1..=3).for_each(|node| world.crash(node, false));
        put_back(&mut world, 3, &older);
        world.start(2).await;
        world.start(3).await;
        pause(TOLD_MS * 2).await;
        assert!(!world.running[&3].is_ready(), "the others know what it acknowledged");
        world.crash(3, false);
        put_back(&mut world, 3, &older);
        give_up_losses(&world.sites[&3].disk).await;
        world.start(3).await;
        join(&world, 3, "given up").await;
        join(&world, 2, "given up, too").await;
    });
}

fn put_back(world: &mut World, node: NodeId, disk: &FaultyDisk<Runtime>) {
    world.sites.get_mut(&node).expect("it is there").disk = disk.copy();
}

/// Joins are taken at a node in the end, in every group.
async fn join(world: &World, node: NodeId, request: &str) {
    let until = world.town.now() + WITHIN_MS;
    for zone in ZONES {
        let request = Request::Join { zone, request: format!("{request} {zone}") };
        while !matches!(world.town.ask(node, request.clone()).await, Some(Ok(_))) {
            assert!(!panicked(), "see above");
            assert!(world.town.now() < until, "no join in {zone} at node {node}");
            pause(20).await;
        }
    }
}

/// A voter was down while another one was replaced. Then the third is lost: the newcomer leads with the vote of the one that never
/// heard of it.
pub(crate) fn change_that_a_voter_slept_through() {
    Runtime::with_seed(3).block_on(async {
        let mut world = World::found(3).await;
        pause(TOLD_MS).await;
        world.crash(3, false);
        let sleeps = world.sites.remove(&3).expect("it is there");
        // The newcomer asks one that stays.
        world.town.nodes.lock().expect("no panic").retain(|node| *node == 1);
        let peer = world.invite();
        carry_out(&mut world, AdminRequest::Replace { node: 2, peer }).await;
        let until = world.town.now() + WITHIN_MS;
        while world.sites.contains_key(&2) {
            assert!(world.town.now() < until, "node 2 does not hear that it was replaced");
            step(&mut world).await;
        }
        let newcomer = *world.running.keys().find(|node| **node != 1).expect("it was added");
        carry_out(&mut world, AdminRequest::Transfer { group: None, node: 1 }).await;
        world.crash(1, false);
        world.sites.insert(3, sleeps);
        world.start(3).await;
        join(&world, newcomer, "without the old").await;
        join(&world, 3, "awake").await;
    });
}

async fn carry_out(world: &mut World, request: AdminRequest) {
    let until = world.town.now() + WITHIN_MS;
    loop {
        condemn(world, &request);
        let mut answer = world.running[&1].administer(request.clone());
        let outcome = loop {
            match answer.try_recv() {
                Ok(outcome) => break outcome,
                Err(_) => step(world).await,
            }
        };
        match outcome {
            Ok(_) => return,
            Err(error) => assert!(world.town.now() < until, "{request}: {error}"),
        }
        step(world).await;
    }
}

async fn step(world: &mut World) {
    pause(20).await;
    assert!(!panicked(), "see above");
    world.welcome();
    world.dismiss_removed();
}

/// What a node says of itself, as it is on the wire: boot, number, is full, is behind, accepts loss, promised, yours, leads, is a twin,
/// and which secret it holds.
type Statement = (
    u64,
    u64,
    bool,
    bool,
    bool,
    Vec<Promised>,
    Vec<Promised>,
    Vec<Option<(u64, Option<LogId>)>>,
    bool,
    (u64, [u8; 32]),
);

/// A page of the ledger: number, mark, promised, members, voters, others, is new.
type Page = (
    u64,
    Option<Mark>,
    Vec<Promised>,
    BTreeMap<NodeId, Member>,
    BTreeSet<NodeId>,
    BTreeMap<NodeId, Vec<Promised>>,
    bool,
);

/// A node wrote down a vote that no election leads to, and told others of it, before the vote was repaired: it votes all the same, and
/// spreads that term no further.
pub(crate) fn absurd_promise() {
    Runtime::with_seed(2).block_on(async {
        let mut world = World::found(2).await;
        join(&world, 3, "before").await;
        pause(TOLD_MS).await;
        world.crash(3, false);
        let voice = speak_as(&world, 3);
        for node in 1..=2 {
            let known = tell(&world, &voice, node, 1, None).await;
            let absurd = known.into_iter().map(|known| Promised { term: u64::MAX, ..known }).collect();
            let absurd = tell(&world, &voice, node, 2, Some(absurd)).await;
            assert!(absurd.iter().all(|known| known.term == u64::MAX), "node {node} heard of it: {absurd:?}");
        }
        world.net.crash(3);
        let disk = &world.sites[&3].disk;
        (0..2).for_each(|turn| make_absurd(disk, &format!("node/ledger-{}", turn + 1)));
        world.start(3).await;
        world.crash(1, false);
        join(&world, 3, "after").await;
        join(&world, 2, "after that").await;
        let statuses = [2, 3].map(|node| world.running[&node].status());
        for group in statuses.iter().flat_map(|status| &status.groups) {
            assert!(group.term < 1 << 20, "no election led to term {}", group.term);
        }
    });
}

/// Says something of itself in the name of a node, or nothing; what the other one knows that it promised.
async fn tell(
    world: &World,
    voice: &Arc<dyn Transport<Runtime>>,
    to: NodeId,
    number: u64,
    promised: Option<Vec<Promised>>,
) -> Vec<Promised> {
    let groups = usize::from(crate::cluster::site::GROUPS);
    let nothing = vec![Promised::default(); groups];
    let promised = promised.unwrap_or_else(|| nothing.clone());
    let holds = (0, [0; 32]);
    let statement: Statement =
        (9, number, false, false, false, promised, nothing, vec![None; groups], false, holds);
    let member = Member { peer: world.sites[&to].address.clone(), ..Member::default() };
    let request = peer::Request::Tell(codec::encode(&statement));
    let told = voice.call(to, &member, Lane::Vote, request, Duration::from_secs(5)).await;
    let Ok(Response::Told(bytes)) = told else { panic!("node {to} answers: {told:?}") };
    codec::decode::<Statement>(&bytes).expect("a statement").6
}

/// A way into the network in the name of a node that is down.
fn speak_as(world: &World, node: NodeId) -> Arc<dyn Transport<Runtime>> {
    let voice = Mutex::new(None);
    world.net.start(node, &world.sites[&node].address, |transport| {
        *voice.lock().expect("no panic") = Some(transport);
        Arc::new(Deaf)
    });
    voice.into_inner().expect("no panic").expect("it was given")
}

struct Deaf;

impl Service<Runtime> for Deaf {
    fn call(self: Arc<Self>, _: NodeId, _: peer::Request<Runtime>) -> BoxFuture<'static, Response<Runtime>> {
        Box::pin(async { Response::Refused(peer::Refusal::NoGroup) })
    }

    fn cast(&self, _: NodeId, _: Cast) {}
}

/// Every term that the page says was voted in, or heard of, is the highest there is.
fn make_absurd(disk: &FaultyDisk<Runtime>, path: &str) {
    const HEAD: usize = 14;
    let bytes = disk.read(path);
    let (mut page, _) = postcard::take_from_bytes::<Page>(&bytes[HEAD..]).expect("a page");
    let all = page.2.iter_mut().chain(page.5.values_mut().flatten());
    all.for_each(|promised| promised.term = u64::MAX);
    let body = postcard::to_stdvec(&page).expect("it was read");
    let mut absurd = bytes[..HEAD - 4].to_vec();
    absurd.extend((body.len() as u32).to_le_bytes());
    absurd.extend(body);
    let checksum = crc32fast::hash(&absurd);
    absurd.extend(checksum.to_le_bytes());
    disk.replace(path, absurd);
}
