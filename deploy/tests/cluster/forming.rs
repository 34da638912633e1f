//! Three nodes become one cluster, and each serves every zone.

use serde_json::Value;

use crate::nodes::{Nodes, eventually};

fn parts(status: &Value) -> Vec<&str> {
    let nodes = status["nodes"].as_array().expect("a list");
    nodes.iter().filter_map(|node| node["part"].as_str()).collect()
}

#[test]
fn a_node_alone_shows_a_cluster_of_one() {
    let nodes = Nodes::form(1);
    let status = nodes.status(0);
    assert_eq!((parts(&status), &status["node"]), (vec!["voter"], &1.into()));
    let led = status["groups"].as_array().unwrap().iter().filter(|group| group["leader"] == 1).count();
    assert_eq!(led, 6);
    let drawn = nodes.cluster(0, &["status"]);
    assert!(drawn.contains("1 voter, 6 groups") && drawn.contains("\n1 *   voter"), "{drawn}");
    let refused = nodes.try_cluster(0, &["promote", "7"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn nobody_at_the_admin_port_is_an_exit_code_of_its_own() {
    let nodes = Nodes::form(1);
    let status = nodes.try_cluster(0, &["status", "--admin", &nodes.all[0].peer]).status;
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_waiting_node_is_alive_and_says_that_it_waits() {
    let mut nodes = Nodes::form(1);
    let waiting = nodes.add();
    eventually("the admin plane", || nodes.health(waiting, "/healthz").filter(|status| *status == 200));
    assert_eq!(nodes.health(waiting, "/readyz"), Some(503));
    assert!(nodes.cluster(waiting, &["status"]).starts_with("this node waits to be added"));
    eventually("its announcement", || parts(&nodes.status(0)).contains(&"waiting").then_some(()));
    nodes.signal(waiting, rustix::process::Signal::TERM);
    assert_eq!(nodes.ended(waiting).code(), Some(0), "it has nothing to save");
}

#[test]
fn three_nodes_serve_every_zone_from_each() {
    let nodes = Nodes::form(3);
    for node in 0..3 {
        nodes.wait_writable(node);
        let status = nodes.status(node);
        assert_eq!(parts(&status), ["voter"; 3], "as node {node} sees it");
    }
    nodes.insist(1, &["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    assert_eq!(nodes.insist(2, &["join", "shop"])["state"], "admitted");
    for (node, position) in [(0, 1), (1, 2), (2, 3)] {
        let token = nodes.wait_in(node, "shop");
        nodes.everywhere("shop", &token, position);
    }
    assert_eq!(nodes.status(0)["cluster"], nodes.status(2)["cluster"]);
}
