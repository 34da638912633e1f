//! Three nodes over real sockets: formed by their operator, joined through any of them, one lost.

use crate::server::{GROUPS, Nodes, free_port};
use sluice_raft::cluster::{AdminCode, AdminRequest, Part};
use std::collections::BTreeSet;
use tempfile::TempDir;

/// Three voters. The first has the zone.
fn three(folders: &[TempDir; 3]) -> Nodes {
    let first = free_port();
    let mut nodes = Nodes::new();
    nodes.start(folders[0].path(), first);
    nodes.create_zone(0);
    nodes.join(folders[1].path(), free_port(), first);
    nodes.join(folders[2].path(), free_port(), first);
    nodes.drive("two that wait", |nodes| {
        let status = nodes.up[0].server.node().status();
        status.nodes.iter().filter(|node| node.part == Part::Waiting).count() == 2
    });
    nodes.administer(0, AdminRequest::Init).unwrap();
    nodes.drive("three nodes", |nodes| nodes.up.len() == 3);
    nodes.settle();
    nodes
}

fn folders() -> [TempDir; 3] {
    [(); 3].map(|()| tempfile::tempdir().unwrap())
}

#[test]
fn places_taken_anywhere_are_known_everywhere_also_without_the_leader() {
    let folders = folders();
    let mut nodes = three(&folders);
    let tokens: Vec<String> = (0..9).map(|turn| nodes.take_place(turn % 3)).collect();
    nodes.drive("equal states", |nodes| {
        let hashes = |group: usize| -> BTreeSet<u64> {
            nodes.up.iter().map(|run| run.owners[group].state_hash()).collect()
        };
        (0..usize::from(GROUPS)).all(|group| hashes(group).len() == 1)
    });
    (0..3).for_each(|at| nodes.assert_known(at, &tokens));

    let lost = nodes.up.remove(0);
    lost.server.stop();
    let later = nodes.take_place(1);
    nodes.assert_known(1, &[tokens, vec![later]].concat());
}

#[test]
fn ids_are_never_given_twice_and_a_lost_majority_is_refused() {
    let folders = folders();
    let mut nodes = three(&folders);
    let refused = nodes.administer(1, AdminRequest::AddLearner { node: Some(2), peer: "x:1".to_owned() });
    assert_eq!(refused.unwrap_err().code, AdminCode::UsedId);
    let beyond = AdminRequest::AddLearner { node: Some(u64::MAX), peer: "x:1".to_owned() };
    let refused = nodes.administer(1, beyond).unwrap_err();
    assert!(refused.code == AdminCode::UsedId && refused.message.contains("smaller"), "{refused:?}");
    let nobody = AdminRequest::AddLearner { node: None, peer: format!("127.0.0.1:{}", free_port()) };
    assert_eq!(nodes.administer(1, nobody).unwrap_err().code, AdminCode::NotWaiting);
    assert_eq!(nodes.administer(2, AdminRequest::Promote { node: 9 }).unwrap_err().code, AdminCode::Unknown);
    let transfer = nodes.administer(2, AdminRequest::Transfer { group: None, node: 2 }).unwrap();
    assert_eq!(transfer.node, None, "it gives no id");
    assert!(nodes.up.iter().all(|run| {
        let status = run.server.node().status();
        status.groups.iter().all(|group| group.leader.is_none_or(|leader| leader == 2))
    }));
    let place = nodes.take_place(2);
    assert_eq!(nodes.administer(0, AdminRequest::Remove { node: 2 }).unwrap().node, None);
    let again = nodes.take_place(2);
    nodes.assert_known(2, &[place, again]);

    // Of two voters one is down: without the other nobody is left to decide.
    let down = nodes.up.iter().position(|run| run.server.node().identity().node == 3).unwrap();
    nodes.up.remove(down).server.stop();
    let refused = nodes.administer(0, AdminRequest::Remove { node: 1 });
    assert!(matches!(refused.unwrap_err().code, AdminCode::Quorum | AdminCode::NoLeader));
}
