//! Nodes that go away: killed, or asked to stop.

use rustix::process::Signal;

use crate::nodes::Nodes;

const PATIENT: [&str; 8] = ["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"];

#[test]
fn a_killed_leader_costs_nobody_a_place() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PATIENT);
    nodes.insist(0, &["join", "shop"]);
    let tokens: Vec<String> = (0..3).map(|node| nodes.wait_in(node, "shop")).collect();
    let group = group_of_shop(&nodes);
    let leader = nodes.leader(0, group);
    nodes.kill(leader);
    let left: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    // Polls need no leader.
    for token in &tokens {
        for node in &left {
            nodes.zone(*node, &["poll", "shop", token]).expect("polls are answered");
        }
    }
    let fourth = nodes.wait_in(left[0], "shop");
    nodes.everywhere("shop", &fourth, 4);
    nodes.start(leader, None);
    nodes.wait_ready(leader);
    for (token, position) in tokens.iter().zip(1..) {
        nodes.everywhere("shop", token, position);
    }
}

#[test]
fn all_killed_at_once_know_everything_afterwards() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PATIENT);
    nodes.insist(0, &["join", "shop"]);
    let tokens: Vec<String> = (0..3).map(|node| nodes.wait_in(node, "shop")).collect();
    (0..3).for_each(|node| nodes.kill(node));
    (0..3).for_each(|node| nodes.start(node, None));
    (0..3).for_each(|node| nodes.wait_writable(node));
    for (token, position) in tokens.iter().zip(1..) {
        nodes.everywhere("shop", token, position);
    }
}

#[test]
fn a_node_that_is_asked_to_stop_hands_over() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PATIENT);
    let leader = nodes.leader(0, group_of_shop(&nodes));
    nodes.signal(leader, Signal::TERM);
    assert_eq!(nodes.ended(leader).code(), Some(0));
    let other = (leader + 1) % 3;
    nodes.insist(other, &["join", "shop"]);
    nodes.start(leader, None);
    nodes.wait_ready(leader);
    let token = nodes.wait_in(leader, "shop");
    nodes.everywhere("shop", &token, 1);
}

/// Which of the six groups has the zone, by its slot.
fn group_of_shop(nodes: &Nodes) -> usize {
    let groups = nodes.status(0)["groups"].as_array().expect("a list").len();
    usize::from(sluice_engine::slot::slot_of(b"shop")) * groups / usize::from(sluice_engine::slot::SLOTS)
}
