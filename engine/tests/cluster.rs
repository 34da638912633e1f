//! Stories of one group on three nodes: who decides, who answers, and what a node says that is behind or alone.
//!
//! Broken once and seen to fail: deadlines that do not wait for reports; reports that are not counted as polls; a follower that
//! trusts its state without proof; a fresh process that reports only what it heard itself. A new leader that counts the silence before its time is not caught here: the old leader
//! reports everybody it ever heard of, which saves them a second time.

mod cluster {
    pub(crate) mod hub;
}

use cluster::hub::{Cluster, NODES};
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::KeyGen;
use sluice_engine::reply::{Departure, Reply, Standing};
use sluice_engine::sequencer::Ask;
use sluice_engine::zone::settings::ZonePatch;

fn limit(limit: u32) -> ZonePatch {
    ZonePatch { limit: Some(limit), ..ZonePatch::default() }
}

fn position(standing: Standing) -> u64 {
    match standing {
        Standing::Waiting(waiting) => waiting.position,
        Standing::Admitted(_) => 0,
    }
}

fn is_stale(standing: Standing) -> bool {
    matches!(standing, Standing::Waiting(waiting) if waiting.stale)
}

/// Fills the window and puts so many in the queue, joining at every node in turn.
fn queue(cluster: &mut Cluster, burst: usize, waiting: usize) -> Vec<Vec<u8>> {
    for n in 0..burst {
        assert_eq!(position(cluster.join(n % NODES).1), 0);
    }
    (0..waiting).map(|n| cluster.join(n % NODES).0).collect()
}

#[test]
fn every_node_takes_joins_and_answers_polls_with_the_same_positions() {
    let mut cluster = Cluster::with_zone(limit(3));
    let tokens = queue(&mut cluster, 3, 9);
    cluster.run(200);
    for node in 0..NODES {
        for (at, token) in tokens.iter().enumerate() {
            assert!(cluster.answers_alone(node, token), "node {node} asks for {at}");
            assert_eq!(position(cluster.poll(node, token).unwrap()), at as u64 + 1);
        }
    }
    let hashes: Vec<u64> = cluster.owners.iter().map(|owner| owner.state_hash()).collect();
    assert_eq!(hashes, vec![hashes[0]; NODES]);
}

#[test]
fn who_polls_only_at_a_follower_is_let_in_there() {
    let mut cluster = Cluster::with_zone(limit(1));
    let tokens = queue(&mut cluster, 1, 2);
    let mut admitted = 0;
    for _ in 0..70 {
        cluster.run(1_000);
        match cluster.poll(2, &tokens[0]) {
            Ok(Standing::Admitted(_)) => admitted += 1,
            Ok(standing) => assert_eq!((position(standing), admitted), (1, 0)),
            Err(refusal) => panic!("{refusal}"),
        }
        cluster.poll(1, &tokens[1]).unwrap();
    }
    assert!(admitted > 1, "never let in, or forgotten again");
}

#[test]
fn a_node_that_is_behind_does_not_call_a_token_of_the_next_key_forged() {
    let mut cluster = Cluster::with_zone(limit(1));
    queue(&mut cluster, 1, 1);
    cluster.hub.lock().unwrap().cut = Some(2);
    cluster.elect(Some(0));
    cluster.run(1_000);
    let generation = KeyGen(2);
    for command in [Command::KeyInstall { generation, secret: [2; 16] }, Command::KeyActivate { generation }]
    {
        assert_eq!(cluster.ask(0, Ask::Change(Box::new(command))), Reply::KeyChanged);
    }
    let (token, _) = cluster.join(0);
    assert_eq!(position(cluster.poll(1, &token).unwrap()), 2);
    assert!(matches!(cluster.poll(2, &token), Err(Refusal::NoLeader { .. })), "it may well be good");
    cluster.hub.lock().unwrap().cut = None;
    cluster.elect(Some(0));
    cluster.run(2_000);
    assert_eq!(position(cluster.poll(2, &token).unwrap()), 2);
}

#[test]
fn i6_who_polls_at_any_node_stays_and_who_is_silent_goes() {
    let mut cluster = Cluster::with_zone(ZonePatch { abandon_ms: Some(10_000), ..limit(1) });
    let tokens = queue(&mut cluster, 1, 3);
    // The second never polls; the others only at followers.
    for _ in 0..5 {
        cluster.run(2_900);
        cluster.poll(1, &tokens[0]).unwrap();
        cluster.poll(2, &tokens[2]).unwrap();
    }
    assert_eq!(position(cluster.poll(0, &tokens[0]).unwrap()), 1);
    assert_eq!(cluster.poll(0, &tokens[1]), Err(Refusal::Gone));
    assert_eq!(position(cluster.poll(1, &tokens[2]).unwrap()), 2);
}

#[test]
fn i6_a_node_out_of_reach_holds_back_the_dropping_of_the_silent() {
    let mut cluster = Cluster::with_zone(ZonePatch { abandon_ms: Some(10_000), ..limit(1) });
    let tokens = queue(&mut cluster, 1, 2);
    cluster.hub.lock().unwrap().cut = Some(2);
    cluster.elect(Some(0));
    for _ in 0..20 {
        cluster.run(2_900);
        // Node 2 is alone, and the first waiter's polls go there.
        assert!(is_stale(cluster.poll(2, &tokens[0]).unwrap()));
    }
    cluster.hub.lock().unwrap().cut = None;
    cluster.elect(Some(0));
    cluster.run(2_000);
    assert!(position(cluster.poll(0, &tokens[0]).unwrap()) <= 1, "dropped although it polled");
}

#[test]
fn i6_polls_that_a_node_heard_and_did_not_tell_before_it_crashed_are_no_silence() {
    let mut cluster = Cluster::with_zone(ZonePatch { abandon_ms: Some(10_000), ..limit(1) });
    let tokens = queue(&mut cluster, 1, 2);
    cluster.hub.lock().unwrap().cut = Some(2);
    cluster.elect(Some(0));
    for _ in 0..3 {
        cluster.run(2_900);
        assert!(is_stale(cluster.poll(2, &tokens[0]).unwrap()));
    }
    cluster.hub.lock().unwrap().cut = None;
    cluster.restart(2);
    cluster.run(2_900);
    assert_eq!(position(cluster.poll(0, &tokens[0]).unwrap()), 1, "it polled all the time");
    cluster.run(10_000);
    assert_eq!(cluster.poll(0, &tokens[1]), Err(Refusal::Gone), "the silent one goes, later");
}

#[test]
fn i5_a_lagging_node_asks_the_leader_instead_of_showing_an_older_position() {
    let mut cluster = Cluster::with_zone(limit(1));
    let tokens = queue(&mut cluster, 1, 5);
    cluster.run(200);
    cluster.hub.lock().unwrap().lagging = Some(2);
    let last = &tokens[4];
    let leave = |cluster: &mut Cluster, token: &[u8]| {
        let token = cluster.directories[0].verify(b"shop", token).unwrap();
        let sluice_engine::token::Place::Queue(seq) = token.place else { panic!("a queue token") };
        let command = sluice_engine::command::Command::Leave { zone: token.zone, seq };
        cluster.ask(0, Ask::Change(Box::new(command)))
    };
    assert_eq!(leave(&mut cluster, &tokens[0]), Reply::Left(Departure::Left));
    assert_eq!(leave(&mut cluster, &tokens[1]), Reply::Left(Departure::Left));
    cluster.run(400);
    assert_eq!(position(cluster.poll(0, last).unwrap()), 3);
    assert!(!cluster.answers_alone(2, last));
    let standing = cluster.poll(2, last).unwrap();
    assert_eq!((position(standing), is_stale(standing)), (3, false));
}

#[test]
fn a_node_that_is_alone_says_what_it_last_knew_and_refuses_the_rest() {
    let mut cluster = Cluster::with_zone(limit(1));
    let tokens = queue(&mut cluster, 1, 3);
    cluster.run(200);
    cluster.hub.lock().unwrap().cut = Some(1);
    cluster.elect(Some(0));
    cluster.run(400);
    let late = cluster.join(0).0;
    let standing = cluster.poll(1, &tokens[2]).unwrap();
    assert_eq!((position(standing), is_stale(standing)), (3, true));
    let standing = cluster.poll(1, &late).unwrap();
    assert!(is_stale(standing) && position(standing) >= 4, "{standing:?}");
    let name = sluice_engine::zone::settings::ZoneName::parse(b"shop").unwrap();
    let refused = cluster.ask(1, Ask::JoinNamed { name, user: None, request: None, is_trusted: false });
    assert!(matches!(refused, Reply::Refused(Refusal::NoLeader { .. })), "{refused:?}");
}

#[test]
fn a_new_leader_drops_nobody_for_the_time_without_one_and_goes_on_by_the_same_rules() {
    let mut cluster = Cluster::with_zone(ZonePatch { abandon_ms: Some(10_000), ..limit(6) });
    let tokens = queue(&mut cluster, 6, 4);
    // Long enough that reports were made and confirmed: what is reported again does not reach back to the joins.
    cluster.run(3_000);
    cluster.elect(None);
    cluster.run(60_000);
    cluster.elect(Some(2));
    cluster.run(3_000);
    for token in &tokens {
        assert!(cluster.poll(0, token).is_ok());
    }
    let mut admitted = 0;
    for _ in 0..20 {
        cluster.run(2_900);
        for token in &tokens {
            admitted += usize::from(matches!(cluster.poll(1, token), Ok(Standing::Admitted(_))));
        }
    }
    assert!(admitted >= 4, "nobody is let in under the new leader");
}

#[test]
fn what_a_lost_majority_holds_up_is_refused_in_time_and_frees_its_askers() {
    let mut cluster = Cluster::with_zone(limit(1));
    queue(&mut cluster, 1, 1);
    cluster.hub.lock().unwrap().is_stopped = true;
    let name = sluice_engine::zone::settings::ZoneName::parse(b"shop").unwrap();
    let began = cluster.now_ms;
    let reply = cluster.ask(0, Ask::JoinNamed { name, user: None, request: None, is_trusted: false });
    assert!(matches!(reply, Reply::Refused(Refusal::NoLeader { .. })), "{reply:?}");
    assert!(cluster.now_ms - began <= 3_100);
}

/// A zone that lets one in and forgets who is silent for ten seconds.
fn short() -> ZonePatch {
    ZonePatch { abandon_ms: Some(10_000), ..limit(1) }
}

/// Runs until the leader has proposed to drop somebody, with nothing committed any more from the ninth second on.
fn until_dropping(cluster: &mut Cluster) {
    cluster.run(9_000);
    cluster.hub.lock().unwrap().is_stopped = true;
    for _ in 0..500 {
        cluster.run(10);
        if cluster.hub.lock().unwrap().is_evicting() {
            return;
        }
    }
    panic!("nobody is dropped");
}

#[test]
fn i6_who_polls_while_its_dropping_is_on_its_way_hears_of_that_alone() {
    let mut cluster = Cluster::with_zone(short());
    let tokens = queue(&mut cluster, 1, 1);
    until_dropping(&mut cluster);
    assert!(!cluster.answers_alone(0, &tokens[0]), "told that it waits, and dropped");
    let ticket = cluster.begin_poll(0, &tokens[0]).expect_err("held until it is decided");
    assert_eq!(cluster.run(500).len(), 0, "held until it is decided");
    cluster.hub.lock().unwrap().go_on();
    let replies = cluster.run(100);
    assert_eq!(replies, [(0, ticket, Reply::Refused(Refusal::Gone))]);
}

#[test]
fn i6_a_poll_at_a_node_that_knows_of_no_dropping_is_no_other() {
    for node in [1, 2] {
        let mut cluster = Cluster::with_zone(short());
        let tokens = queue(&mut cluster, 1, 1);
        until_dropping(&mut cluster);
        assert!(!cluster.answers_alone(node, &tokens[0]), "told that it waits, and dropped");
        let ticket = cluster.begin_poll(node, &tokens[0]).expect_err("the leader is asked");
        cluster.run(200);
        // Nor does the second of two polls find the first one's mark.
        assert!(!cluster.answers_alone(node, &tokens[0]), "told that it waits, and dropped");
        cluster.hub.lock().unwrap().go_on();
        assert_eq!(cluster.run(200), [(node, ticket, Reply::Refused(Refusal::Gone))]);
    }
}

#[test]
fn i6_a_late_poll_that_is_in_time_keeps_its_place_whichever_node_it_comes_to() {
    let mut cluster = Cluster::with_zone(short());
    let tokens = queue(&mut cluster, 1, 1);
    for round in 0..12 {
        cluster.run(9_600);
        let standing = cluster.poll(round % NODES, &tokens[0]);
        assert!(standing.is_ok_and(|standing| !is_stale(standing)), "round {round}: {standing:?}");
    }
}

#[test]
fn i6_late_polls_at_a_node_without_a_leader_are_told_to_the_next_one() {
    let mut cluster = Cluster::with_zone(short());
    let tokens = queue(&mut cluster, 1, 2);
    cluster.hub.lock().unwrap().cut = Some(2);
    cluster.elect(Some(0));
    for _ in 0..3 {
        cluster.run(9_600);
        assert!(is_stale(cluster.poll(2, &tokens[0]).unwrap()));
    }
    cluster.hub.lock().unwrap().cut = None;
    cluster.elect(Some(0));
    cluster.run(4_000);
    assert!(cluster.poll(0, &tokens[0]).is_ok(), "dropped although it polled in time");
}

#[test]
fn i6_who_was_allowed_a_longer_silence_is_not_told_that_it_waits_and_dropped_by_the_shorter_one() {
    let mut cluster = Cluster::with_zone(ZonePatch { abandon_ms: Some(60_000), ..limit(1) });
    let tokens = queue(&mut cluster, 1, 1);
    cluster.run(30_000);
    let name = sluice_engine::zone::settings::ZoneName::parse(b"shop").unwrap();
    let change = sluice_engine::command::Command::ZoneSet { name, patch: Box::new(short()) };
    cluster.hub.lock().unwrap().lagging = Some(2);
    assert_eq!(cluster.ask(0, Ask::Change(Box::new(change))), Reply::ZoneSet { created: false });
    assert!(position(cluster.poll(2, &tokens[0]).unwrap()) <= 1);
    cluster.hub.lock().unwrap().lagging = None;
    cluster.run(8_000);
    assert!(cluster.poll(2, &tokens[0]).is_ok(), "told that it waits, and dropped");
}

#[test]
fn a_node_that_nobody_has_told_the_time_yet_is_not_found_off() {
    const THEN: u64 = 1_700_000_000_000;
    let mut cluster = Cluster::with_zone(limit(1));
    let judged = |cluster: &Cluster, off: &[u64]| {
        let judged = std::mem::take(&mut cluster.hub.lock().unwrap().judged);
        assert!(judged.len() > 5, "{} judgements", judged.len());
        let first = judged.iter().find(|(_, clocks)| clocks.is_off || clocks.others_off != off);
        assert_eq!(first, None, "of {} judgements", judged.len());
    };
    // The leader's clock is known before those of the others, as one after the other starts.
    for node in 0..NODES {
        cluster.walls[node] = Some(THEN);
        cluster.run(1_000);
        judged(&cluster, &[]);
    }
    cluster.restart(2);
    cluster.walls = [Some(THEN), Some(THEN), None];
    cluster.run(1_000);
    judged(&cluster, &[]);
    // Nor is the time of a leader compared that does not know it itself.
    cluster.walls = [Some(THEN), Some(THEN), Some(THEN)];
    cluster.restart(0);
    cluster.walls[0] = None;
    cluster.elect(Some(0));
    cluster.run(1_000);
    judged(&cluster, &[]);
    // A clock that is off is found as before.
    cluster.walls = [Some(THEN), Some(THEN), Some(THEN + 3_600_000)];
    cluster.run(1_000);
    cluster.hub.lock().unwrap().judged.clear();
    cluster.run(1_000);
    judged(&cluster, &[2]);
}
