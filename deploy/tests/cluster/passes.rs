//! Passes and the keys that sign them are part of the state: the same at every node, also at one that came by them with a snapshot.

use redis::Value;
use rustix::process::Signal;

use crate::nodes::{Nodes, eventually};

/// Rounds, unless `SLUICE_PASS_ROUNDS` says more.
const ROUNDS: usize = 3;
/// Keys that are left when one more is rotated away: some passes lose theirs, the newest keep it.
const KEYS_KEPT: usize = 3;

/// What a node answers; asked again while it has no leader.
fn ask(nodes: &Nodes, node: usize, words: &[&str]) -> Value {
    eventually(&format!("{words:?} at node {node}"), || {
        let client = redis::Client::open(format!("redis://{}", nodes.all[node].resp)).expect("an address");
        let mut connection = client.get_connection().ok()?;
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| _ = command.arg(word));
        match command.query(&mut connection) {
            Ok(value) => Some(value),
            Err(error) if ["NOLEADER", "BUSY"].contains(&error.code().unwrap_or("NOLEADER")) => None,
            Err(error) => panic!("{words:?}: {error}"),
        }
    })
}

fn text(value: &Value) -> String {
    redis::from_redis_value_ref(value).expect("text")
}

/// A field of a flat map.
fn field(map: &Value, name: &str) -> String {
    let parts = map.as_sequence().expect("a map");
    let at = parts.chunks(2).find(|pair| text(&pair[0]) == name);
    text(&at.unwrap_or_else(|| panic!("no {name} in {map:?}"))[1])
}

/// Ids of the keys that verify, the oldest first, and of those one that signs.
fn keys(nodes: &Nodes, node: usize) -> Vec<(String, String)> {
    let list = ask(nodes, node, &["Q.KEY", "LIST"]);
    let keys = list.as_sequence().expect("keys").iter();
    keys.map(|key| (field(key, "id"), field(key, "state"))).collect()
}

/// An admission, and the pass that it was given at first.
struct Admitted {
    /// Which node it was given by.
    at: usize,
    token: String,
    pass: String,
}

struct Story {
    nodes: Nodes,
    admitted: Vec<Admitted>,
}

impl Story {
    fn new(nodes: Nodes) -> Story {
        let settings = ["--limit", "100000", "--pass-ttl-ms", "86400000"];
        nodes.insist(0, &[&["set", "shop"], &settings[..]].concat());
        // Somebody who waited is let in at a stamp that the state keeps, not the token.
        nodes.insist(0, &["set", "shop", "--mode", "paused"]);
        let token = nodes.wait_in(0, "shop");
        nodes.insist(0, &["set", "shop", "--mode", "open"]);
        let pass = eventually("the turn", || {
            let place = nodes.insist(0, &["poll", "shop", &token]);
            place["pass"].as_str().map(str::to_owned)
        });
        Story { nodes, admitted: vec![Admitted { at: 0, token, pass }] }
    }

    fn admit(&mut self, node: usize) {
        let place = self.nodes.insist(node, &["join", "shop"]);
        let of = |name: &str| place[name].as_str().unwrap_or_else(|| panic!("{name} in {place}")).to_owned();
        self.admitted.push(Admitted { at: node, token: of("token"), pass: of("pass") });
    }

    /// A new key signs, and the oldest of many is revoked.
    fn rotate(&self, node: usize) {
        let id = text(&ask(&self.nodes, node, &["Q.KEY", "INSTALL"]));
        assert_eq!(ask(&self.nodes, node, &["Q.KEY", "ACTIVATE", &id]), Value::Okay);
        let keys = keys(&self.nodes, node);
        if keys.len() > KEYS_KEPT {
            assert_eq!(ask(&self.nodes, node, &["Q.KEY", "REVOKE", &keys[0].0]), Value::Okay);
        }
    }

    /// All nodes know the same keys and give the same passes; those whose key is there are given as at first. Whose
    /// key is gone is signed by the one that signs now, each time another does.
    fn agree(&self) {
        let nodes = &self.nodes;
        let known = keys(nodes, 0);
        let active = |keys: &[(String, String)]| keys.iter().filter(|key| key.1 == "active").count();
        for node in 0..nodes.all.len() {
            // A node behind its leader learns of the last change a moment later.
            eventually("the same keys at each node", || (keys(nodes, node) == known).then_some(()));
            assert_eq!(active(&known), 1, "{known:?}");
        }
        for admitted in &self.admitted {
            let polled = |node| field(&ask(nodes, node, &["Q.POLL", "shop", &admitted.token]), "pass");
            let pass = polled(0);
            (1..nodes.all.len()).for_each(|node| assert_eq!(polled(node), pass, "at node {node}"));
            if known.iter().any(|(id, _)| signs(id, &admitted.pass)) {
                assert_eq!(
                    pass, admitted.pass,
                    "node {} gave it, its key is known still: {known:?}",
                    admitted.at
                );
            }
        }
    }

    /// The nodes end and start again, from their newest snapshots.
    fn restart(&mut self, nodes: &[usize], by_force: bool) {
        self.nodes.cluster(nodes[0], &["snapshot"]);
        for node in nodes {
            let signal = if by_force { Signal::KILL } else { Signal::TERM };
            self.nodes.signal(*node, signal);
        }
        for node in nodes {
            self.nodes.ended(*node);
        }
        nodes.iter().for_each(|node| self.nodes.start(*node, None));
        (0..self.nodes.all.len()).for_each(|node| self.nodes.wait_writable(node));
    }
}

/// Whether a pass was signed by that key.
fn signs(id: &str, pass: &str) -> bool {
    use base64::Engine as _;
    let head = pass.split('.').next().expect("a head");
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head).expect("base64url");
    String::from_utf8(head).expect("JSON").contains(id)
}

#[test]
fn keys_and_passes_outlive_a_restart_from_a_snapshot() {
    let mut story = Story::new(Nodes::form(1));
    for _ in 0..2 {
        story.rotate(0);
        story.admit(0);
        story.restart(&[0], true);
        story.agree();
    }
    let known = keys(&story.nodes, 0);
    assert_eq!(known.len(), 3, "two rotations: {known:?}");
}

#[test]
fn keys_and_passes_are_the_same_at_every_node_whatever_restarts() {
    let rounds = std::env::var("SLUICE_PASS_ROUNDS").ok().map(|text| text.parse().expect("a number"));
    let mut story = Story::new(Nodes::form(3));
    for round in 0..rounds.unwrap_or(ROUNDS) {
        story.rotate(round % story.nodes.all.len());
        story.admit((round + 1) % story.nodes.all.len());
        // One after the other; each third time all of them, so that log time stands still for a while.
        let all: Vec<usize> = (0..story.nodes.all.len()).collect();
        let down = if round % 3 == 2 { all } else { vec![round % all.len()] };
        story.restart(&down, round % 2 == 0);
        if round == 0 {
            add_learner(&mut story.nodes);
        }
        story.agree();
    }
}

/// A node that has the state from a snapshot alone: what it holds is gone from the log.
fn add_learner(nodes: &mut Nodes) {
    nodes.cluster(0, &["snapshot"]);
    let learner = nodes.add();
    let peer = nodes.all[learner].peer.clone();
    eventually("the learner", || {
        nodes.try_cluster(0, &["add-learner", &peer]).status.success().then_some(())
    });
    nodes.wait_ready(learner);
}
