//! One node, one voter, on a real disk: what was acknowledged is there after a start.

use crate::server::{Nodes, free_port};
use sluice_engine::owner::Owner;
use sluice_raft::cluster::AdminRequest;

#[test]
fn what_was_acknowledged_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = Nodes::new();
    nodes.start(folder.path(), free_port());
    nodes.create_zone(0);
    let tokens: Vec<String> = (0..100).map(|_| nodes.take_place(0)).collect();
    let run = nodes.up.pop().unwrap();
    let before: Vec<(u64, u64)> =
        run.owners.iter().map(|owner| (owner.applied(), owner.state_hash())).collect();
    run.server.stop();

    nodes.start(folder.path(), free_port());
    nodes.drive("recovery", |nodes| nodes.up[0].server.node().is_ready());
    let again: Vec<u64> = nodes.up[0].owners.iter().map(Owner::applied).collect();
    for (index, (applied, hash)) in before.iter().enumerate() {
        assert!(again[index] >= *applied, "I3: {again:?} after {before:?}");
        if again[index] == *applied {
            assert_eq!(nodes.up[0].owners[index].state_hash(), *hash, "I9");
        }
    }
    nodes.assert_known(0, &tokens);
    nodes.take_place(0);
    nodes.up.pop().unwrap().server.stop();
}

#[test]
fn a_start_goes_on_from_a_snapshot_and_the_log_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut nodes = Nodes::new();
    nodes.start(folder.path(), free_port());
    nodes.create_zone(0);
    let mut tokens: Vec<String> = (0..80).map(|_| nodes.take_place(0)).collect();
    nodes.administer(0, AdminRequest::Snapshot { group: None }).unwrap();
    tokens.extend((0..20).map(|_| nodes.take_place(0)));
    nodes.up.pop().unwrap().server.stop();

    nodes.start(folder.path(), free_port());
    nodes.settle();
    let status = nodes.up[0].server.node().status();
    let group = usize::from(nodes.up[0].directory.group_of(crate::server::ZONE).0);
    let (snapshot, applied) = (status.groups[group].snapshot.unwrap_or(0), status.groups[group].applied);
    assert!(snapshot > 40 && snapshot < applied, "a snapshot at {snapshot}, {applied} applied");
    nodes.assert_known(0, &tokens);
    nodes.take_place(0);
    nodes.up.pop().unwrap().server.stop();
}
