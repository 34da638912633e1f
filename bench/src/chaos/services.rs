//! The client crate while nodes are killed, stopped, slowed down and cut off: every call ends by its deadline, with success or with an
//! error that says what is known; no join and no append happens twice; what was acknowledged is told, once and in order.
//!
//! ```text
//! thread with a runtime: appenders ─▶ streams ─▶ one follower        trouble, from this thread
//!                        joiners   ─▶ a zone                         kill, stop, stutter, narrow, cut off
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sluice_client::{After, Append, Client, Error, Event, Follower, Join, Zone, ZoneSettings};
use tokio::task::LocalSet;

use super::Arguments;
use super::cluster::{Cluster, pause, server_binary};
use super::host::{BRIDGE, Hosts};
use super::kill::PORTS;
use crate::error::{BenchError, Result};
use crate::random::Random;

const APPENDERS: usize = 40;
const JOINERS: usize = 20;
const ZONE: &str = "chaos-client";
/// What a call is given, and how much later it may end: the client looks at deadlines now and then.
const DEADLINE: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_millis(250);
/// How long each trouble lasts, and the calm behind it.
const TROUBLE: Duration = Duration::from_secs(4);
const CALM: Duration = Duration::from_secs(2);
/// A node that stutters is stopped for so long, again and again.
const STUTTER: Duration = Duration::from_millis(120);
/// What a slow node may send: a fraction of what clients and followers would be told.
const NARROW_BITS_PER_S: u64 = 2_000_000;
/// What was acknowledged is told by then.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// Calls while memory is watched, the tasks that make them, and by how much it may grow.
const WATCHED_CALLS: u64 = 1_000_000;
const WATCHED_TASKS: usize = 1_000;
const GROWN_BYTES_MAX: u64 = 8 << 20;

/// What the clients found; anything in `blamed` is a broken promise.
#[derive(Default)]
struct Found {
    is_over: AtomicBool,
    calls: AtomicU64,
    failed: AtomicU64,
    /// The slowest call, in milliseconds.
    slowest_ms: AtomicU64,
    blamed: Mutex<Vec<String>>,
}

impl Found {
    fn blame(&self, what: String) {
        self.blamed.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Judges one call.
    fn note<T>(&self, what: &str, began: Instant, outcome: &std::result::Result<T, Error>) {
        let took = began.elapsed();
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.slowest_ms.fetch_max(took.as_millis() as u64, Ordering::Relaxed);
        if took > DEADLINE + LATER {
            self.blame(format!("{what} took {took:?}"));
        }
        if let Err(error) = outcome {
            self.failed.fetch_add(1, Ordering::Relaxed);
            if !error.is_passing() {
                self.blame(format!("{what}: {error}"));
            }
        }
    }
}

/// What one appender knows: the numbers it appended, and whether each was acknowledged.
type Appended = Vec<bool>;

/// So many rounds of trouble.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let hosts = Hosts::make(3)?;
    let server = server_binary(arguments.server.as_ref())?;
    let mut cluster = Cluster::start(server, hosts.all(), 3, PORTS)?;
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.resp.to_string()).collect();
    let found = Arc::new(Found::default());
    let clients = {
        let found = Arc::clone(&found);
        thread::spawn(move || in_runtime(clients(addresses, found)))
    };
    // In turn, so that the node which the clients call is soon among them; in eighteen rounds each node has every trouble.
    let first = Random::new(arguments.seed).below(3) as usize;
    for round in 0..rounds as usize {
        let (cycle, kind) = (round / TROUBLES.len(), round % TROUBLES.len());
        trouble(&mut cluster, (first + round + cycle) % 3, TROUBLES[kind])?;
    }
    found.is_over.store(true, Ordering::Relaxed);
    let memory = clients.join().map_err(|_| BenchError::Server("the clients panicked".to_owned()))??;
    let blamed = found.blamed.lock().unwrap_or_else(PoisonError::into_inner);
    blamed.iter().for_each(|what| println!("BROKEN: {what}"));
    println!(
        "client: {} rounds, {} calls, {} failed (typed), slowest {} ms; {WATCHED_CALLS} more calls grew memory by {memory} bytes; {} broken promises",
        rounds,
        found.calls.load(Ordering::Relaxed),
        found.failed.load(Ordering::Relaxed),
        found.slowest_ms.load(Ordering::Relaxed),
        blamed.len()
    );
    Ok(blamed.is_empty())
}

/// What befalls a node.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Killed,
    Stopped,
    /// No other node reaches it; clients do.
    Alone,
    /// Stopped for moments.
    Stuttering,
    /// What it sends passes a narrow link.
    Slow,
    /// No client reaches it; other nodes do.
    Unreachable,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Killed,
    Trouble::Stopped,
    Trouble::Alone,
    Trouble::Stuttering,
    Trouble::Slow,
    Trouble::Unreachable,
];

/// Trouble for a while, and calm behind it.
fn trouble(cluster: &mut Cluster, node: usize, trouble: Trouble) -> Result<()> {
    println!("node {node}: {trouble:?}");
    match trouble {
        Trouble::Killed => {
            cluster.kill(node)?;
            pause(TROUBLE);
            cluster.restart(node)?;
            cluster.wait_ready(node)?;
        }
        Trouble::Stopped => {
            cluster.expect_nothing(node);
            cluster.signal(node, Signal::STOP)?;
            pause(TROUBLE);
            cluster.signal(node, Signal::CONT)?;
            cluster.wait_ready(node)?;
        }
        Trouble::Alone => {
            for other in (0..cluster.nodes.len()).filter(|other| *other != node) {
                cluster.host(node).drop_from(cluster.host(other).address())?;
                cluster.host(other).drop_from(cluster.host(node).address())?;
            }
            pause(TROUBLE);
            (0..cluster.nodes.len()).try_for_each(|node| cluster.host(node).heal())?;
        }
        Trouble::Stuttering => {
            let began = Instant::now();
            while began.elapsed() < TROUBLE {
                cluster.signal(node, Signal::STOP)?;
                pause(STUTTER);
                cluster.signal(node, Signal::CONT)?;
                pause(STUTTER);
            }
        }
        Trouble::Slow => {
            cluster.host(node).narrow(NARROW_BITS_PER_S)?;
            pause(TROUBLE);
            cluster.host(node).widen()?;
        }
        Trouble::Unreachable => {
            cluster.host(node).drop_from(BRIDGE)?;
            pause(TROUBLE);
            cluster.host(node).heal()?;
        }
    }
    pause(CALM);
    Ok(())
}

fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("starting a runtime"))?;
    runtime.block_on(LocalSet::new().run_until(work))
}

fn refused(error: Error) -> BenchError {
    BenchError::Server(error.to_string())
}

async fn clients(addresses: Vec<String>, found: Arc<Found>) -> Result<u64> {
    let client = Client::builder(addresses).call_timeout(DEADLINE).build().map_err(refused)?;
    let zone = client.zone(ZONE);
    let settings = ZoneSettings { limit: Some(60), mode: Some("paused".to_owned()), ..Default::default() };
    zone.set(&settings).await.map_err(refused)?;
    let mut follower = client.follow();
    (0..APPENDERS).try_for_each(|n| follower.add(key(n), After::Oldest)).map_err(refused)?;
    let heard = tokio::task::spawn_local(hear(follower, Arc::clone(&found)));
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|n| tokio::task::spawn_local(append(client.clone(), n, Arc::clone(&found))))
        .collect();
    let joiners: Vec<_> =
        (0..JOINERS).map(|_| tokio::task::spawn_local(join(zone.clone(), Arc::clone(&found)))).collect();
    let mut appended = Vec::new();
    for appender in appenders {
        appended.push(appender.await.map_err(|_| BenchError::Server("an appender panicked".to_owned()))?);
    }
    let (mut tokens, mut unknown) = (Vec::new(), 0);
    for joiner in joiners {
        let (own, unanswered) =
            joiner.await.map_err(|_| BenchError::Server("a joiner panicked".to_owned()))?;
        tokens.extend(own);
        unknown += unanswered;
    }
    judge_joins(&zone, tokens, unknown, &found).await?;
    judge_appends(&appended, heard, &client, &found).await?;
    watch_memory(&zone, &found).await
}

fn key(n: usize) -> String {
    format!("chaos-client:{n}")
}

/// Appends numbers, one after the other.
async fn append(client: Client, n: usize, found: Arc<Found>) -> Appended {
    let (stream, mut appended) = (client.stream(key(n)), Vec::new());
    while !found.is_over.load(Ordering::Relaxed) {
        let (began, number) = (Instant::now(), appended.len().to_string());
        let outcome = stream.append(&[("n", number)], Append::default()).await;
        found.note("an append", began, &outcome);
        appended.push(outcome.is_ok());
    }
    appended
}

/// Joins, polls each place once. The tokens, and how many joins may or may not have been.
async fn join(zone: Zone, found: Arc<Found>) -> (Vec<String>, u64) {
    let (mut tokens, mut unknown) = (Vec::new(), 0);
    while !found.is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let outcome = zone.join(Join::default()).await;
        found.note("a join", began, &outcome);
        let Ok(place) = outcome else {
            unknown += 1;
            continue;
        };
        let began = Instant::now();
        let polled = zone.poll(&place.token).await;
        found.note("a poll", began, &polled);
        tokens.push(place.token);
    }
    (tokens, unknown)
}

async fn judge_joins(zone: &Zone, mut tokens: Vec<String>, unknown: u64, found: &Found) -> Result<()> {
    let acknowledged = tokens.len() as u64;
    tokens.sort_unstable();
    tokens.dedup();
    if tokens.len() as u64 != acknowledged {
        found.blame("two joins were given one token".to_owned());
    }
    let joined = zone.stats().await.map_err(refused)?.joined_total;
    if !(acknowledged..=acknowledged + unknown).contains(&joined) {
        found.blame(format!("{acknowledged} joins acknowledged, {unknown} unknown, {joined} places taken"));
    }
    println!("{acknowledged} joins acknowledged, {unknown} unknown, {joined} places taken");
    Ok(())
}

/// What the follower was told of each stream, in order, until it is told the end.
async fn hear(mut follower: Follower, found: Arc<Found>) -> HashMap<Vec<u8>, Vec<usize>> {
    let (mut told, mut ended) = (HashMap::<Vec<u8>, Vec<usize>>::new(), 0);
    while ended < APPENDERS {
        match follower.next().await {
            Ok(Event::Entry { key, fields, .. }) => {
                let number =
                    fields.first().and_then(|(_, value)| String::from_utf8_lossy(value).parse().ok());
                told.entry(key.to_vec()).or_default().push(number.unwrap_or(usize::MAX));
            }
            Ok(Event::End { .. }) => ended += 1,
            other => found.blame(format!("a follower is told {other:?}")),
        }
    }
    told
}

async fn judge_appends(
    appended: &[Appended],
    heard: tokio::task::JoinHandle<HashMap<Vec<u8>, Vec<usize>>>,
    client: &Client,
    found: &Found,
) -> Result<()> {
    for n in 0..appended.len() {
        client.stream(key(n)).end().await.map_err(refused)?;
    }
    let Ok(told) = tokio::time::timeout(TOLD_WITHIN, heard).await else {
        found.blame("the follower is not told the end of every stream".to_owned());
        return Ok(());
    };
    let told = told.map_err(|_| BenchError::Server("the follower panicked".to_owned()))?;
    for (n, appended) in appended.iter().enumerate() {
        let told = told.get(key(n).as_bytes()).map_or(&[][..], Vec::as_slice);
        if !told.is_sorted_by(|one, next| one < next) {
            found.blame(format!("stream {n}: told twice, or out of order"));
        }
        let missing =
            appended.iter().enumerate().filter(|(number, was)| **was && told.binary_search(number).is_err());
        let missing = missing.count();
        if missing > 0 {
            found.blame(format!("stream {n}: {missing} acknowledged entries were not told"));
        }
    }
    let acknowledged: usize = appended.iter().map(|own| own.iter().filter(|was| **was).count()).sum();
    println!("{acknowledged} appends acknowledged, each told once and in order");
    Ok(())
}

/// By how much a great many calls make the process grow.
async fn watch_memory(zone: &Zone, found: &Found) -> Result<u64> {
    let token = zone.join(Join::default()).await.map_err(refused)?.token;
    let calls = |each: u64| {
        let (zone, token) = (zone.clone(), token.clone());
        async move {
            let tasks = (0..WATCHED_TASKS).map(|_| {
                let (zone, token) = (zone.clone(), token.clone());
                tokio::task::spawn_local(async move {
                    for _ in 0..each {
                        zone.poll(&token).await?;
                    }
                    Ok::<_, Error>(())
                })
            });
            let tasks: Vec<_> = tasks.collect();
            for task in tasks {
                task.await.map_err(|_| BenchError::Server("a task panicked".to_owned()))?.map_err(refused)?;
            }
            Ok::<_, BenchError>(())
        }
    };
    // Buffers are as large as they get.
    calls(WATCHED_CALLS / 10 / WATCHED_TASKS as u64).await?;
    let before = resident_bytes()?;
    calls(WATCHED_CALLS / WATCHED_TASKS as u64).await?;
    let grown = resident_bytes()?.saturating_sub(before);
    if grown > GROWN_BYTES_MAX {
        found.blame(format!("{WATCHED_CALLS} calls made the client grow by {grown} bytes"));
    }
    Ok(grown)
}

/// Resident memory of this process.
fn resident_bytes() -> Result<u64> {
    let text =
        std::fs::read_to_string("/proc/self/statm").map_err(BenchError::io("reading the own memory"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    Ok(pages * rustix::param::page_size() as u64)
}
