//! The cluster's secret is rotated: who waits goes on waiting, and whoever took the old secret along is shut out.

use std::time::Duration;

use rustix::process::Signal;
use sluice_raft::peer::handshake::Hello;
use sluice_raft::peer::proof::Proven;
use sluice_raft::peer::{Denial, Identity as Name, Lane};
use sluice_raft::secret::ClusterSecret;

use crate::caller::{Caller, identity};
use crate::nodes::{Nodes, eventually};

/// Nobody enters, and nobody is out because a story takes long.
const PAUSED: [&str; 10] =
    ["set", "shop", "--limit", "1", "--mode", "paused", "--poll-ms", "60000", "--abandon-ms", "600000"];
/// Whoever waits so long for a connection to end has found a defect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who took a secret of this cluster along, and says that he is one of its nodes.
struct Thief {
    cluster: u128,
    secret: ClusterSecret,
}

impl Thief {
    /// What a folder tells.
    fn of(nodes: &Nodes, node: usize) -> Thief {
        let known = identity(&nodes.all[node].data);
        Thief { cluster: known.cluster, secret: known.members.newest }
    }

    /// Calls a node in the name of the one after it.
    async fn call(&self, nodes: &Nodes, node: usize) -> Result<Caller, Denial> {
        let me = node as u64 + 1;
        let mut caller = Caller::connect(&nodes.all[node].peer).await.expect("a node listens");
        let proven = caller.prove(&self.secret.peer_key(), Proven::Membership).await.expect("an answer");
        proven?;
        let hello = Hello::new(Name { cluster: self.cluster, node: me % 3 + 1 }, me, Lane::Bulk);
        caller.greet(&hello).await.expect("an answer").map(|_| caller)
    }

    fn is_let_in(&self, nodes: &Nodes, node: usize) -> bool {
        match runtime().block_on(self.call(nodes, node)) {
            Ok(_) => true,
            Err(denial) => {
                assert_eq!(denial, Denial::Unproven, "one reason for everything");
                false
            }
        }
    }

    /// Waits until no node knows the secret any more.
    fn is_shut_out(&self, nodes: &Nodes) {
        for node in 0..3 {
            eventually("the old secret to be refused", || (!self.is_let_in(nodes, node)).then_some(()));
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Number of the secret, and who is not known to hold it, as a node sees it.
fn secret(nodes: &Nodes, node: usize) -> (u64, Vec<u64>) {
    let status = nodes.status(node);
    let waits_for = status["secret"]["waits_for"].as_array().expect("a list");
    let waits_for = waits_for.iter().map(|node| node.as_u64().expect("an id")).collect();
    (status["secret"]["number"].as_u64().expect("a number"), waits_for)
}

#[test]
fn a_rotation_disturbs_nobody_who_waits_and_shuts_out_who_took_the_secret_along() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PAUSED);
    let token = nodes.wait_in(0, "shop");
    let fourth = nodes.add();
    let peer = nodes.all[fourth].peer.clone();
    eventually("a fourth node", || {
        nodes.try_cluster(0, &["add-learner", &peer]).status.success().then_some(())
    });
    nodes.wait_ready(fourth);
    let thief = Thief::of(&nodes, fourth);
    nodes.cluster(0, &["remove", "4"]);
    nodes.gives_up(fourth);
    let runtime = runtime();
    let mut open = runtime.block_on(thief.call(&nodes, 0)).expect("a member, as far as anybody can tell");

    let said = nodes.cluster(1, &["rotate-secret"]);
    assert!(said.contains("secret 2 is in force, and no other is accepted"), "{said}");
    assert_eq!(secret(&nodes, 1), (2, Vec::new()));
    thief.is_shut_out(&nodes);
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, open.next()).await });
    assert!(ended.expect("an end").is_none(), "what was open is closed");
    nodes.everywhere("shop", &token, 1);
    let later = nodes.wait_in(2, "shop");
    nodes.everywhere("shop", &later, 2);

    for node in 0..3 {
        nodes.signal(node, Signal::TERM);
        nodes.ended(node);
    }
    (0..3).for_each(|node| nodes.start(node, None));
    (0..3).for_each(|node| nodes.wait_writable(node));
    nodes.everywhere("shop", &token, 1);
    thief.is_shut_out(&nodes);

    let fifth = nodes.add();
    let peer = nodes.all[fifth].peer.clone();
    eventually("a fifth node", || {
        nodes.try_cluster(0, &["add-learner", &peer]).status.success().then_some(())
    });
    nodes.wait_ready(fifth);
    nodes.everywhere("shop", &later, 2);
    let given = identity(&nodes.all[fifth].data).members;
    assert!(given.newest != thief.secret && given.before.is_none(), "{given:?}");

    let said = nodes.cluster(0, &["rotate-secret"]);
    assert!(said.contains("secret 3 is in force"), "{said}");
    nodes.everywhere("shop", &later, 2);
    let refused = nodes.zone(0, &["poll", "shop", &token]).expect_err("two rotations later");
    assert!(refused.contains("BADTOKEN"), "{refused}");
}

#[test]
fn a_lone_node_rotates_too_and_starts_again_from_a_snapshot() {
    let mut nodes = Nodes::form(1);
    nodes.insist(0, &PAUSED);
    let token = nodes.wait_in(0, "shop");
    let before = identity(&nodes.all[0].data);
    let said = nodes.cluster(0, &["rotate-secret"]);
    assert!(said.contains("secret 2 is in force, and no other is accepted"), "{said}");
    nodes.cluster(0, &["snapshot"]);
    nodes.kill(0);
    nodes.start(0, None);
    nodes.wait_writable(0);
    assert_eq!(secret(&nodes, 0), (2, Vec::new()));
    nodes.everywhere("shop", &token, 1);
    let later = nodes.wait_in(0, "shop");
    nodes.everywhere("shop", &later, 2);
    let after = identity(&nodes.all[0].data);
    assert_eq!((after.members.number, after.members.before), (2, None));
    assert!(after.secret == before.secret && after.members.newest != before.secret);
}

#[test]
fn a_node_that_was_down_is_waited_for_and_catches_up() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PAUSED);
    let token = nodes.wait_in(0, "shop");
    let thief = Thief::of(&nodes, 2);
    nodes.kill(2);
    (0..2).for_each(|node| nodes.wait_writable(node));
    let said = eventually("the rotation", || {
        let output = nodes.try_cluster(0, &["rotate-secret"]);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    assert!(said.contains("secret 2 is in force") && said.contains("waits for node 3"), "{said}");
    assert_eq!(secret(&nodes, 0), (2, vec![3]));
    let status = nodes.cluster(1, &["status"]);
    assert!(status.contains("the rotation to secret 2 waits for node 3"), "{status}");
    assert!(thief.is_let_in(&nodes, 0), "node 3 knows no other");
    let again = nodes.cluster(0, &["rotate-secret"]);
    assert_eq!(again, said, "it is the same rotation still");
    nodes.everywhere("shop", &token, 1);

    nodes.start(2, None);
    nodes.wait_ready(2);
    eventually("the rotation to be over", || {
        (0..3).all(|node| secret(&nodes, node) == (2, Vec::new())).then_some(())
    });
    thief.is_shut_out(&nodes);
    (0..3).for_each(|node| nodes.wait_writable(node));
    nodes.everywhere("shop", &token, 1);
    let later = nodes.wait_in(2, "shop");
    nodes.everywhere("shop", &later, 2);
}
