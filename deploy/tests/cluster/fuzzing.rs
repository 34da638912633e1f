//! Bytes of every kind at the peer ports of three nodes, from strangers and from nodes that were removed: no process ends, no vote
//! and no term changes, and memory stays bounded.
//!
//! Ten seconds from one seed; `SLUICE_FUZZ_SECONDS` and `SLUICE_FUZZ_SEED` make it longer, or another one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::StoredMembership;
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft_rt_tokio::TokioRuntime;
use serde::Serialize;
use sluice_engine::id::GroupId;
use sluice_raft::log::{LogId, Vote};
use sluice_raft::node::Identity;
use sluice_raft::peer::frame::{self, Kind};
use sluice_raft::peer::handshake::Hello;
use sluice_raft::peer::proof::{Claim, Proven};
use sluice_raft::peer::{Adoption, Cast, Identity as Name, Lane, Request, Response};
use sluice_raft::secret::{ClusterSecret, JoinSecret, MemberSecrets};
use sluice_raft::snapshot::SnapshotMeta;
use sluice_raft::types::{Member, Types};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::caller::{Caller, identity};
use crate::nodes::{Nodes, eventually};

type R = TokioRuntime;

const GROUPS: u16 = 6;
const SECONDS: u64 = 10;
/// Resident bytes that a node may gain.
const GAIN_BYTES_MAX: u64 = 256 << 20;
/// A node that does not answer within this has said nothing.
const ANSWER: Duration = Duration::from_millis(50);

/// Who speaks.
#[derive(Clone, Copy, Debug)]
enum Guise {
    /// Without TLS.
    Plain,
    /// With TLS and nothing else.
    Silent,
    /// Knows the join secret.
    Newcomer,
    /// Knows the cluster's secret, and was removed.
    Removed,
    /// The same, in the name of a member: only what no member can have said counts as strange then.
    Member,
}

const GUISES: [Guise; 5] = [Guise::Plain, Guise::Silent, Guise::Newcomer, Guise::Removed, Guise::Member];

struct Fuzzer {
    dice: Dice,
    known: Identity,
    peers: Vec<String>,
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn bytes(&mut self, max: usize) -> Bytes {
        let len = self.below(max);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A number that is near an end more often than not.
    fn number(&mut self) -> u64 {
        let drawn = self.next();
        self.pick(&[0, 1, drawn % 100, u64::MAX, u64::MAX - 1, 1 << 62, u64::from(u32::MAX), drawn])
    }
}

fn encode<T: Serialize>(kind: Kind, value: &T) -> Vec<u8> {
    frame::encode(kind, value).expect("fits").to_vec()
}

impl Fuzzer {
    fn group(&mut self) -> GroupId {
        GroupId(self.dice.below(usize::from(GROUPS) + 1) as u16)
    }

    fn log_id(&mut self) -> Option<LogId> {
        let (term, index) = (self.dice.number(), self.dice.number());
        (self.dice.below(4) > 0).then(|| LogId { leader_id: term.into(), index })
    }

    /// A message of Raft that no member can send: absurd terms, or in another's name.
    fn absurd(&mut self) -> Request<R> {
        let group = self.group();
        let term = self.dice.pick(&[u64::MAX, u64::MAX - 1, (1 << 62) + 1, 1 << 40]);
        let node = self.dice.pick(&[0, 1, 2, 3, 4, u64::MAX]);
        let (last, commit) = (self.log_id(), self.log_id());
        match self.dice.below(5) {
            0 => Request::Vote { group, vote: VoteRequest::<Types<R>>::new(Vote::new(term, node), last) },
            1 => Request::PreVote { group, vote: VoteRequest::<Types<R>>::new(Vote::new(term, node), last) },
            2 => {
                let append = AppendEntriesRequest {
                    vote: Vote::new_committed(term, node),
                    prev_log_id: last,
                    entries: Vec::new(),
                    leader_commit: commit,
                };
                Request::Append { group, append }
            }
            3 => Request::TransferLeader {
                group,
                from_leader: Vote::new_committed(term, node),
                to: self.dice.number(),
                last_log_id: last,
            },
            _ => {
                let meta = SnapshotMeta { last_log_id: last, last_membership: StoredMembership::default() };
                let vote = Vote::new_committed(term, node);
                Request::SnapshotBegin { group, vote, meta, bytes: self.dice.number() }
            }
        }
    }

    fn request(&mut self) -> Request<R> {
        let group = self.group();
        let (transfer, number) = (self.dice.number(), self.dice.number());
        match self.dice.below(9) {
            0 => Request::SnapshotChunk { group, transfer, offset: number, bytes: self.dice.bytes(2_000) },
            1 => Request::SnapshotFinish { group, transfer, bytes: number },
            2 => Request::Forward { group, bytes: self.dice.bytes(300) },
            3 => Request::Admin(self.dice.bytes(100)),
            4 => Request::Adopt(Adoption {
                cluster: self.known.cluster,
                node: number,
                groups: GROUPS,
                nonce: transfer,
                secret: ClusterSecret::new([0; 16]),
                members: MemberSecrets::founding(ClusterSecret::new([0; 16])),
                epoch: 1,
                contacts: Vec::new(),
            }),
            5 => Request::Waiting { member: Member::default(), nonce: number },
            _ => self.absurd(),
        }
    }

    /// Of any number of proofs.
    fn claim(&mut self) -> Claim {
        let proves = self.dice.pick(&[Proven::Membership, Proven::Joining]);
        Claim { proves, proofs: vec![[7; 32]; self.dice.below(6)] }
    }

    fn cast(&mut self) -> Cast {
        let (group, bytes) = (self.group(), self.dice.bytes(300));
        match self.dice.below(3) {
            0 => Cast::Presence { group, bytes },
            1 => Cast::Pulse { group, bytes },
            _ => Cast::Publish { bytes },
        }
    }

    /// Any frame, whole.
    fn frame(&mut self) -> Vec<u8> {
        let (id, within) = (self.dice.number(), self.dice.pick(&[0, 50, u64::MAX]));
        match self.dice.below(8) {
            0 => encode(Kind::Cast, &self.cast()),
            1 => encode(Kind::Response, &(id, Response::<R>::Noted)),
            2 => encode(Kind::Hello, &self.hello(2, 1)),
            3 => encode(Kind::Proof, &self.claim()),
            4 => encode(Kind::Welcome, &self.dice.bytes(60).to_vec()),
            _ => encode(Kind::Request, &(id, within, self.request())),
        }
    }

    /// The same, often damaged, with the checksum put right more often than not: what lies behind it is looked for.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = self.frame();
        for _ in 0..self.dice.pick(&[0, 0, 1, 3]) {
            let at = self.dice.below(bytes.len());
            bytes[at] = self.dice.next() as u8;
        }
        if self.dice.below(4) > 0 && bytes.len() >= 16 {
            let body = bytes[16..].to_vec();
            bytes[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
            let checksum = crc32fast::hash(&[&bytes[..12], &body[..]].concat());
            bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        } else {
            bytes.truncate(self.dice.below(bytes.len() + 1));
        }
        bytes
    }

    fn hello(&mut self, from: u64, to: u64) -> Hello {
        let lane = self.dice.pick(&[Lane::Vote, Lane::Append, Lane::Bulk]);
        Hello::new(Name { cluster: self.known.cluster, node: from }, to, lane)
    }

    /// One conversation, as long as the node listens. What ends it is the node's affair.
    async fn talk(&mut self, guise: Guise, node: usize) -> Option<()> {
        let peer = self.peers[node].clone();
        let to = node as u64 + 1;
        if let Guise::Plain = guise {
            let mut stream = TcpStream::connect(&peer).await.ok()?;
            for _ in 0..self.dice.below(4) {
                stream.write_all(&self.bytes()).await.ok()?;
            }
            return Some(());
        }
        let mut caller = Caller::connect(&peer).await?;
        let secret = self.known.secret.peer_key();
        match guise {
            Guise::Newcomer => {
                let join = JoinSecret::parse(JOIN_SECRET).expect("one").key();
                caller.prove(&join, Proven::Joining).await?.ok()?;
                caller.greet(&Hello::new(Name::default(), 0, Lane::Bulk)).await?.ok()?;
            }
            Guise::Removed => {
                caller.prove(&secret, Proven::Membership).await?.ok()?;
                caller.greet(&self.hello(4, to)).await?.ok()?;
            }
            Guise::Member => {
                caller.prove(&secret, Proven::Membership).await?.ok()?;
                caller.greet(&self.hello(to % 3 + 1, to)).await?.ok()?;
            }
            Guise::Plain | Guise::Silent => {}
        }
        for _ in 0..=self.dice.below(12) {
            let bytes = match guise {
                // What a member may say, this one may; it says what a member cannot.
                Guise::Member => {
                    let message = (self.dice.number(), 50_u64, self.absurd());
                    encode(Kind::Request, &message)
                }
                _ => self.bytes(),
            };
            caller.write(&bytes).await?;
        }
        let _ = timeout(ANSWER, caller.next()).await;
        Some(())
    }
}

const JOIN_SECRET: &str = "a-join-secret-that-all-nodes-know";

fn terms(nodes: &Nodes) -> Vec<Vec<u64>> {
    let of = |node| -> Vec<u64> {
        let status = nodes.status(node);
        status["groups"].as_array().unwrap().iter().map(|group| group["term"].as_u64().unwrap()).collect()
    };
    (0..3).map(of).collect()
}

fn resident_bytes(nodes: &Nodes, node: usize) -> u64 {
    let statm =
        std::fs::read_to_string(format!("/proc/{}/statm", nodes.pid(node))).expect("the process runs");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4_096
}

fn variable(name: &str, unset: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(unset)
}

#[test]
fn nothing_that_a_peer_port_is_sent_ends_a_node_or_changes_a_term() {
    let seed = variable("SLUICE_FUZZ_SEED", 13);
    let seconds = variable("SLUICE_FUZZ_SECONDS", SECONDS);
    let mut nodes = Nodes::form(3);
    let fourth = nodes.add();
    let peer = nodes.all[fourth].peer.clone();
    eventually("a fourth node", || {
        nodes.try_cluster(0, &["add-learner", &peer]).status.success().then_some(())
    });
    nodes.cluster(0, &["remove", "4"]);
    nodes.kill(fourth);
    eventually("equal terms", || {
        let all = terms(&nodes);
        (all[0] == all[1] && all[1] == all[2]).then_some(())
    });
    let (before, begun) = (terms(&nodes), Instant::now());
    let resident: Vec<u64> = (0..3).map(|node| resident_bytes(&nodes, node)).collect();
    let peers = (0..3).map(|node| nodes.all[node].peer.clone()).collect();
    let mut fuzzer = Fuzzer { dice: Dice(seed), known: identity(&nodes.all[0].data), peers };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut talks = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let (guise, node) = (fuzzer.dice.pick(&GUISES), fuzzer.dice.below(3));
        runtime.block_on(fuzzer.talk(guise, node));
        talks += 1;
        if talks % 500 == 0 {
            (0..3).for_each(|node| nodes.wait_ready(node));
        }
    }
    let why = format!("after {talks} conversations of seed {seed}");
    (0..3).for_each(|node| nodes.wait_writable(node));
    let after = terms(&nodes);
    // An election of the nodes' own raises a term by one; what a stranger could do is told from it by far.
    for (before, after) in before.iter().flatten().zip(after.iter().flatten()) {
        assert!(after - before < 1_000, "a term went from {before} to {after} {why}");
    }
    for (node, before) in resident.into_iter().enumerate() {
        let gained = resident_bytes(&nodes, node).saturating_sub(before);
        assert!(gained < GAIN_BYTES_MAX, "node {node} gained {gained} bytes {why}");
        let log = nodes.logged(node);
        assert!(!log.contains("panicked"), "{why}: {log}");
    }
    eprintln!("{talks} conversations, seed {seed}; terms before {before:?}, after {after:?}");
}
