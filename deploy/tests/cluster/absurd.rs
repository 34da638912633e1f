//! A vote that no election can have led to.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use openraft::storage::RaftLogStorage as _;
use openraft_rt_tokio::TokioRuntime;
use rustix::process::Signal;
use sluice_engine::id::GroupId;
use sluice_raft::disk::Folder;
use sluice_raft::log::{Log, LogOptions, Vote};
use sluice_raft::node::Identity;

use crate::nodes::{Nodes, sluice};

/// Writes a vote of the largest term there is, as builds did that took it from anybody.
fn poison(data: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let disk = Arc::new(Folder::open(data).unwrap());
        let identity = Identity::load(&*disk).await.unwrap().expect("a node's folder");
        let options = LogOptions::new(identity.node, identity.cluster, 7);
        let log = Log::<TokioRuntime>::open(disk, options).await.unwrap();
        let writer = tokio::spawn(log.writer());
        log.group(GroupId(2)).save_vote(&Vote::new(u64::MAX, 3)).await.unwrap();
        log.close();
        writer.await.unwrap();
    });
}

fn repair(data: &Path) -> Output {
    sluice(&["cluster", "repair-vote", "--data"]).arg(data).output().expect("sluice runs")
}

#[test]
fn an_absurd_vote_stops_the_start_with_a_line_and_can_be_repaired() {
    let mut nodes = Nodes::form(1);
    nodes.insist(0, &["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    nodes.insist(0, &["join", "shop"]);
    let token = nodes.wait_in(0, "shop");
    let data = nodes.all[0].data.clone();
    let in_use = repair(&data);
    assert_eq!(in_use.status.code(), Some(1), "{in_use:?}");
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("in use"), "{in_use:?}");
    nodes.signal(0, Signal::TERM);
    nodes.ended(0);
    poison(&data);

    nodes.clear_log(0);
    nodes.start(0, None);
    let line = nodes.gives_up(0);
    assert!(line.contains("group 2") && line.contains("sluice cluster repair-vote"), "{line}");

    let repaired = repair(&data);
    assert!(repaired.status.success(), "{repaired:?}");
    assert!(String::from_utf8_lossy(&repaired.stdout).contains("group 2"), "{repaired:?}");
    let again = repair(&data);
    assert_eq!(again.status.code(), Some(1), "a vote that is sane stays: {again:?}");
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing is changed"), "{again:?}");

    nodes.start(0, None);
    nodes.wait_writable(0);
    nodes.everywhere("shop", &token, 1);
}

#[test]
fn one_of_three_whose_vote_was_repaired_votes() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    nodes.insist(0, &["join", "shop"]);
    let token = nodes.wait_in(0, "shop");
    nodes.signal(2, Signal::TERM);
    nodes.ended(2);
    let data = nodes.all[2].data.clone();
    poison(&data);
    let repaired = repair(&data);
    assert!(repaired.status.success(), "{repaired:?}");
    nodes.start(2, None);
    nodes.wait_ready(2);
    nodes.kill(0);
    (1..3).for_each(|node| nodes.wait_writable(node));
    nodes.everywhere("shop", &token, 1);
    assert!(!nodes.logged(2).contains("acknowledged"), "nothing is lost: {}", nodes.logged(2));
}
