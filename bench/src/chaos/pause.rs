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
use std::thread;
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// Streams, enough that every group has one.
const KEYS: u32 = 12;
/// A change is refused for this long at most, an election included.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest pause, and how old what a node answers may be, with some room.
const PAUSE_MS_MAX: u64 = 4_000;
const OLD: Duration = Duration::from_millis(500);

/// What one node said of one stream: how long it is, or why that cannot be said.
type Said = std::result::Result<i64, ClientError>;

/// So many pauses; false where one was followed by an answer from before.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let server = server_binary(arguments.server.as_ref())?;
    let cluster = Cluster::start(server, vec![Host::Loopback; NODES], NODES, PORTS)?;
    let mut random = Random::new(arguments.seed);
    let mut wrong = 0;
    for round in 1..=rounds {
        let node = (random.draw() % NODES as u64) as usize;
        let other = cluster.nodes[(node + 1) % NODES].resp;
        let mut connections =
            (0..KEYS).map(|_| Connection::connect_within(cluster.nodes[node].resp, ANSWER_WITHIN));
        let connections = connections.by_ref().collect::<std::result::Result<Vec<_>, _>>()?;
        cluster.signal(node, Signal::STOP)?;
        let askers: Vec<_> =
            connections.into_iter().zip(0..).map(|(connection, key)| ask(connection, key)).collect();
        (0..KEYS).try_for_each(|key| append(other, key))?;
        pause(OLD + Duration::from_millis(random.draw() % PAUSE_MS_MAX));
        cluster.signal(node, Signal::CONT)?;
        let said: Vec<Said> = askers.into_iter().map(|asker| asker.join().expect("it asked")).collect();
        let refused = said.iter().filter(|said| said.is_err()).count();
        let old = said.iter().filter(|said| said.as_ref().is_ok_and(|len| *len < i64::from(round))).count();
        println!("round {round}: node {node} went on, {refused} of {KEYS} refused, {old} from before");
        wrong += old;
    }
    println!("pause: {wrong} answers from before a pause");
    Ok(wrong == 0)
}

fn name(key: u32) -> String {
    format!("paused-{key}")
}

/// Asks now; the answer comes when the node goes on.
fn ask(mut connection: Connection, key: u32) -> thread::JoinHandle<Said> {
    thread::spawn(move || {
        connection.call(&[b"XLEN", name(key).as_bytes()], |value| Ok(value.integer().unwrap_or(-1)))
    })
}

/// Appends one entry, as soon as somebody leads.
fn append(address: SocketAddr, key: u32) -> Result<()> {
    let started = Instant::now();
    loop {
        let done = Connection::connect_within(address, ANSWER_WITHIN).and_then(|mut connection| {
            connection.call(&[b"XADD", name(key).as_bytes(), b"*", b"f", b"v"], |_| Ok(()))
        });
        match done {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > PATIENCE => return Err(BenchError::Server(error.to_string())),
            Err(_) => pause(Duration::from_millis(50)),
        }
    }
}
