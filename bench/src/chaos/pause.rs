//! Nodes that are stopped and go on: what waits in their sockets at that moment is not answered from before.

use super::Arguments;
use super::cluster::{ANSWER_WITHIN, Cluster, pause, server_binary};
use super::host::Host;
use super::kill::PORTS;
use crate::error::{BenchError, Result};
use crate::random::Random;
use rustix::process::Signal;
use sluice_client::{ClientError, Connection};
use std::net::SocketAddr;
use std::ops::Range;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// Streams, enough that every group has one.
const KEYS: u32 = 12;
/// A change is refused for this long at most, an election included; and what is asked of a node that went on.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every other pause is shorter than a lease, so that the node goes on as what it was; the others are longer.
const BRIEF_MS: Range<u64> = 100..490;
const LONG_MS: Range<u64> = 500..4_500;
/// How old what a node answers may be, with some room.
const OLD: Duration = Duration::from_millis(300);
/// Every so many-th pause, the leaders that are not paused give their groups away meanwhile.
const TRANSFER_EVERY: u32 = 3;
/// Of 100 questions that wait in the sockets of paused nodes at least so many are answered: who refuses all says nothing from before.
const ANSWERED_OF_100: usize = 20;

/// What one node said of one stream: how long it is, or why that cannot be said.
type Said = std::result::Result<i64, ClientError>;

/// A stream, and when each of its entries was acknowledged.
struct Stream {
    appended: Vec<Instant>,
    /// Its next entry, on its way.
    appending: Option<JoinHandle<Result<Instant>>>,
}

impl Stream {
    /// Begins to append, where nothing is on its way.
    fn append(&mut self, to: SocketAddr, key: u32) {
        self.appending.get_or_insert_with(|| thread::spawn(move || append(to, key)));
    }

    fn settle(&mut self) -> Result<()> {
        if let Some(appending) = self.appending.take() {
            self.appended.push(appending.join().expect("it appended")?);
        }
        Ok(())
    }

    /// How long it was known to be at that moment.
    fn len_at(&self, moment: Instant) -> i64 {
        self.appended.iter().filter(|appended| **appended <= moment).count() as i64
    }
}

/// What became of questions.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    asked: usize,
    answered: usize,
    from_before: usize,
}

/// So many pauses; false where one was followed by an answer from before, or where hardly anything was answered.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let server = server_binary(arguments.server.as_ref())?;
    let cluster = Cluster::start(server, vec![Host::Loopback; NODES], NODES, PORTS)?;
    let mut random = Random::new(arguments.seed);
    let mut streams: Vec<Stream> =
        (0..KEYS).map(|_| Stream { appended: Vec::new(), appending: None }).collect();
    let (mut total, mut wrong) = (Tally::default(), 0);
    for round in 1..=rounds {
        let node = (random.draw() % NODES as u64) as usize;
        let range = if round % 2 == 0 { BRIEF_MS } else { LONG_MS };
        let pause_ms = range.start + random.draw() % (range.end - range.start);
        let gives = round % TRANSFER_EVERY == 0;
        let tally = one(&cluster, &mut streams, node, Duration::from_millis(pause_ms), gives)?;
        let again = insist(&cluster, &streams, node)?;
        let kind = if gives { ", groups given away meanwhile" } else { "" };
        println!(
            "round {round}: node {node} went on after {pause_ms} ms{kind}: {tally:?}, {again} later ones"
        );
        total.asked += tally.asked;
        total.answered += tally.answered;
        wrong += tally.from_before + again;
    }
    let answers = total.answered * 100 >= total.asked * ANSWERED_OF_100;
    println!("pause: {wrong} answers from before a pause; {} of {} answered", total.answered, total.asked);
    Ok(wrong == 0 && answers)
}

/// One pause, with a question about each stream in the node's sockets, and an entry for each at another node.
fn one(
    cluster: &Cluster,
    streams: &mut [Stream],
    node: usize,
    lasts: Duration,
    gives: bool,
) -> Result<Tally> {
    let (other, third) = ((node + 1) % NODES, (node + 2) % NODES);
    let heir = gives.then(|| cluster.id(third)).transpose()?;
    let connections = (0..KEYS).map(|_| Connection::connect_within(cluster.nodes[node].resp, ANSWER_WITHIN));
    let connections = connections.collect::<std::result::Result<Vec<_>, _>>()?;
    cluster.signal(node, Signal::STOP)?;
    let paused = Instant::now();
    let askers: Vec<_> =
        connections.into_iter().zip(0..).map(|(connection, key)| ask(connection, key)).collect();
    // Of the groups that the paused node leads nobody else can give any away: that is refused.
    let giving = heir.map(|id| cluster.begin(other, &["transfer", &id.to_string()])).transpose()?;
    for (stream, key) in streams.iter_mut().zip(0..) {
        stream.append(cluster.nodes[other].resp, key);
    }
    pause(lasts.saturating_sub(paused.elapsed()));
    cluster.signal(node, Signal::CONT)?;
    let went_on = Instant::now();
    let said: Vec<Said> = askers.into_iter().map(|asker| asker.join().expect("it asked")).collect();
    streams.iter_mut().try_for_each(Stream::settle)?;
    if let Some(mut giving) = giving {
        giving.wait().map_err(BenchError::io("waiting for sluice cluster"))?;
    }
    let mut tally = Tally { asked: said.len(), ..Tally::default() };
    for (said, stream) in said.into_iter().zip(streams) {
        let Ok(len) = said else { continue };
        tally.answered += 1;
        tally.from_before += usize::from(len < stream.len_at(went_on - OLD));
    }
    Ok(tally)
}

/// The node answers about every stream, soon. How many answers are from before.
fn insist(cluster: &Cluster, streams: &[Stream], node: usize) -> Result<usize> {
    let began = Instant::now();
    let mut from_before = 0;
    for (stream, key) in streams.iter().zip(0..) {
        loop {
            let known = stream.len_at(Instant::now() - OLD);
            let said = Connection::connect_within(cluster.nodes[node].resp, ANSWER_WITHIN)
                .and_then(|mut connection| length(&mut connection, key));
            match said {
                Ok(len) => {
                    from_before += usize::from(len < known);
                    break;
                }
                Err(error) if began.elapsed() > PATIENCE => {
                    return Err(BenchError::Server(error.to_string()));
                }
                Err(_) => pause(Duration::from_millis(50)),
            }
        }
    }
    Ok(from_before)
}

fn name(key: u32) -> String {
    format!("paused-{key}")
}

fn length(connection: &mut Connection, key: u32) -> Said {
    connection.call(&[b"XLEN", name(key).as_bytes()], |value| Ok(value.integer().unwrap_or(-1)))
}

/// Asks now; the answer comes when the node goes on.
fn ask(mut connection: Connection, key: u32) -> JoinHandle<Said> {
    thread::spawn(move || length(&mut connection, key))
}

/// Appends one entry, as soon as somebody leads; when that was acknowledged.
fn append(address: SocketAddr, key: u32) -> Result<Instant> {
    let started = Instant::now();
    loop {
        let done = Connection::connect_within(address, ANSWER_WITHIN).and_then(|mut connection| {
            connection.call(&[b"XADD", name(key).as_bytes(), b"*", b"f", b"v"], |_| Ok(()))
        });
        match done {
            Ok(()) => return Ok(Instant::now()),
            Err(error) if started.elapsed() > PATIENCE => return Err(BenchError::Server(error.to_string())),
            Err(_) => pause(Duration::from_millis(50)),
        }
    }
}
