//! Nodes that come, get a vote, and leave for good.

use crate::nodes::{Nodes, eventually};

fn refusal(nodes: &Nodes, arguments: &[&str]) -> String {
    let output = nodes.try_cluster(0, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_learner_answers_polls_and_can_be_promoted_and_removed() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    nodes.insist(0, &["join", "shop"]);
    let token = nodes.wait_in(0, "shop");
    let fourth = nodes.add();
    let peer = nodes.all[fourth].peer.clone();
    let added = eventually("the fourth node", || {
        let output = nodes.try_cluster(0, &["add-learner", &peer]);
        output.status.success().then_some(output)
    });
    assert!(String::from_utf8_lossy(&added.stdout).contains('4'), "{added:?}");
    nodes.wait_ready(fourth);
    nodes.everywhere("shop", &token, 1);
    let part = |nodes: &Nodes, id: u64| {
        let status = nodes.status(0);
        let of = status["nodes"].as_array().unwrap().iter().find(|node| node["id"] == id);
        of.map(|node| node["part"].as_str().unwrap().to_owned())
    };
    assert_eq!(part(&nodes, 4).as_deref(), Some("learner"));
    eventually("a promotion", || nodes.try_cluster(0, &["promote", "4"]).status.success().then_some(()));
    assert_eq!(part(&nodes, 4).as_deref(), Some("voter"));
    nodes.cluster(0, &["remove", "4"]);
    assert_eq!(part(&nodes, 4), None);
    nodes.wait_in(1, "shop");
}

#[test]
fn a_dead_node_is_replaced_by_a_fresh_one() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    nodes.insist(0, &["join", "shop"]);
    let token = nodes.wait_in(0, "shop");
    let dead = nodes.id(2);
    nodes.kill(2);
    let fresh = nodes.add();
    let peer = nodes.all[fresh].peer.clone();
    eventually("the replacement", || {
        nodes.try_cluster(0, &["replace", &dead.to_string(), &peer]).status.success().then_some(())
    });
    nodes.wait_ready(fresh);
    nodes.everywhere("shop", &token, 1);
    let status = nodes.status(0);
    let ids: Vec<u64> =
        status["nodes"].as_array().unwrap().iter().filter_map(|node| node["id"].as_u64()).collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(!ids.contains(&dead), "{ids:?}");
}

#[test]
fn leaders_move_off_a_node_and_the_leader_of_a_group_can_be_removed() {
    let nodes = Nodes::form(3);
    let target = nodes.id(1).to_string();
    eventually("the transfer", || {
        nodes.try_cluster(0, &["transfer", &target]).status.success().then_some(())
    });
    eventually("leaders at one node", || {
        let status = nodes.status(0);
        let groups = status["groups"].as_array().unwrap();
        groups.iter().all(|group| group["leader"].as_u64() == Some(nodes.id(1))).then_some(())
    });
    nodes.cluster(0, &["remove", &target]);
    nodes.insist(0, &["set", "shop", "--limit", "5"]);
}

#[test]
fn what_would_cost_the_quorum_is_refused() {
    let mut nodes = Nodes::form(3);
    assert!(refusal(&nodes, &["promote", "9"]).contains("UNKNOWN"));
    let ids: Vec<String> = (0..3).map(|node| nodes.id(node).to_string()).collect();
    nodes.kill(2);
    eventually("node 2 to be missed", || {
        let down = nodes.status(0)["nodes"].as_array().unwrap().iter().any(|node| node["reachable"] == false);
        down.then_some(())
    });
    let line = refusal(&nodes, &["remove", &ids[1]]);
    assert!(line.contains("QUORUM") && line.contains("would lose quorum"), "{line}");
}

#[test]
fn a_removed_node_is_told_ends_and_says_so_again() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &["set", "shop", "--limit", "5"]);
    let running = nodes.id(2).to_string();
    nodes.cluster(0, &["remove", &running]);
    let line = nodes.gives_up(2);
    assert!(line.contains(&format!("node {running} was removed")) && line.contains("--join"), "{line}");
    nodes.clear_log(2);
    nodes.start(2, None);
    assert_eq!(nodes.gives_up(2), line, "at the next start, too");
    let again = nodes.cluster(0, &["remove", &running]);
    assert!(again.contains("was removed before"), "{again}");
}

#[test]
fn a_node_that_was_away_when_it_was_replaced_learns_it_when_it_comes_back() {
    let mut nodes = Nodes::form(3);
    let away = nodes.id(2).to_string();
    nodes.kill(2);
    let fresh = nodes.add();
    let peer = nodes.all[fresh].peer.clone();
    eventually("the replacement", || {
        nodes.try_cluster(0, &["replace", &away, &peer]).status.success().then_some(())
    });
    let again = nodes.cluster(1, &["replace", &away, &peer]);
    assert!(again.contains("took the place"), "{again}");
    nodes.clear_log(2);
    nodes.start(2, None);
    let line = nodes.gives_up(2);
    assert!(line.contains(&format!("node {away} was removed")), "{line}");
}

#[test]
fn init_of_a_complete_cluster_and_adding_again_are_successes() {
    let mut nodes = Nodes::form(3);
    let said = nodes.cluster(1, &["init"]);
    assert!(said.contains("3 voters"), "{said}");
    let fourth = nodes.add();
    let peer = nodes.all[fourth].peer.clone();
    let add = |nodes: &Nodes| {
        eventually("the fourth node", || {
            let output = nodes.try_cluster(0, &["add-learner", &peer]);
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        })
    };
    let first = add(&nodes);
    assert_eq!(add(&nodes), first, "added once");
    nodes.wait_ready(fourth);
}
