//! Memory: bounded by configuration, and given back when there is nothing more to remember (I10).

use crate::node::{Node, ZONE, limit};
use crate::{fill, is_admitted};
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::{RequestHash, Seq, Ticket, UserHash};
use sluice_engine::memory::Bound;
use sluice_engine::reply::{Departure, Reply, Standing};
use sluice_engine::token::Place;
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch};

/// Places of one block, the unit in which memory of waiters comes and goes.
const BLOCK: u64 = 512;

fn memory(node: &Node) -> u64 {
    node.directory.memory_used()
}

fn leave(node: &mut Node, place: Place) {
    let (zone, Place::Queue(seq)) = (node.zone(), place) else { panic!("waits") };
    assert_eq!(node.submit(Command::Leave { zone, seq }), Reply::Left(Departure::Left));
}

#[test]
fn a_zone_holds_at_most_max_waiting() {
    let mut node = Node::with_zone(ZonePatch { max_waiting: Some(100), ..limit(1) });
    let first = fill(&mut node);
    for _ in 1..100 {
        node.join().unwrap();
    }
    assert_eq!(node.join().unwrap_err(), Refusal::Full(Bound::MaxWaiting));
    assert_eq!(node.stats().waiting, 100);
    leave(&mut node, first.place);
    assert!(node.join().is_ok(), "one left, one may come");
    assert_eq!(node.join().unwrap_err(), Refusal::Full(Bound::MaxWaiting));
}

#[test]
fn a_node_takes_nobody_past_its_memory_bound_and_goes_on_when_memory_is_free() {
    let mut node = Node::bounded(1 << 20);
    node.set(ZonePatch { abandon_ms: Some(10_000), ..limit(1) });
    let mut joined = 0u64;
    while node.join().is_ok() {
        joined += 1;
        assert!(joined < 1_000_000, "the bound is never reached");
        if joined.is_multiple_of(8_192) {
            node.run_until(node.now + 50);
        }
    }
    assert!(memory(&node) < 3 << 19, "{} bytes", memory(&node));
    assert!(joined > 60_000, "{joined} waiters in 1 MiB");
    let (zone, ticket) = (node.zone(), Ticket(u64::MAX));
    assert_eq!(node.owner.join(zone, None, None, ticket), Err(Refusal::Full(Bound::OneZone)));
    assert!(node.directory.memory().refused.contains(&(Bound::OneZone, 2)), "what is refused is counted");
    // Another zone is made and takes its waiters: one alone never has all of the memory.
    let name = ZoneName::parse(b"gate").unwrap();
    let made = node.submit(Command::ZoneSet { name, patch: Box::new(limit(1)) });
    assert_eq!(made, Reply::ZoneSet { created: true });
    let gate = node.directory.zone(b"gate").unwrap();
    for _ in 0..1_000 {
        node.owner.join(gate, None, None, ticket).unwrap();
    }
    node.turn();
    // Everybody falls silent and is dropped; the blocks go back.
    node.run_until(node.now + 20_000);
    assert_eq!(node.stats().waiting, 0);
    assert!(memory(&node) < 200_000, "{} bytes", memory(&node));
    assert!(node.join().is_ok());
}

#[test]
fn memory_of_the_admitted_goes_back_when_their_passes_expire() {
    let mut node = Node::with_zone(ZonePatch { pass_ttl_ms: Some(20_000), ..limit(1) });
    fill(&mut node);
    let empty = memory(&node);
    let tokens: Vec<_> = (0..20 * BLOCK).map(|_| node.join().unwrap().0).collect();
    node.set(ZonePatch { mode: Some(Mode::Open), ..ZonePatch::default() });
    for token in &tokens {
        assert!(is_admitted(node.poll(token).1.unwrap().unwrap()));
    }
    node.run_until(node.now + 1_500);
    let admitted = memory(&node);
    assert!(admitted > empty + 20 * BLOCK * 8, "stamps are kept: {admitted} after {empty} bytes");
    node.run_until(node.now + 15_000);
    // A token of a block in which nobody waits any more: only passes keep it.
    let token = tokens[BLOCK as usize + 7];
    assert!(is_admitted(node.poll(&token).1.unwrap().unwrap()), "a pass is valid for its time");
    node.run_until(node.now + 7_000);
    assert_eq!(node.poll(&token).1, Some(Err(Refusal::Gone)));
    let after = memory(&node);
    assert!(after < empty + 8_192, "{after} bytes after {empty}");
}

#[test]
fn one_old_waiter_does_not_keep_the_places_of_those_who_came_and_went() {
    let mut node = Node::with_zone(limit(1));
    let old = fill(&mut node);
    node.run_until(node.now + 50);
    let start = memory(&node);
    for _ in 0..200 {
        for _ in 0..BLOCK {
            let (token, _) = node.join().unwrap();
            leave(&mut node, token.place);
        }
        assert!(matches!(node.poll(&old).1, Some(Ok(Standing::Waiting(_)))));
        node.run_until(node.now + 50);
        assert!(memory(&node) < start + 3 * 4_096 + 16_384, "{} after {start}", memory(&node));
    }
    assert_eq!(node.stats().waiting, 1);
}

#[test]
fn scattered_waiters_cannot_hold_more_blocks_than_the_zone_is_allowed() {
    let mut node = Node::with_zone(ZonePatch { max_waiting: Some(1_000), ..limit(1) });
    fill(&mut node);
    // In each block all but one leave again, so that the block must stay.
    let mut refused = None;
    for at in 0..100 * BLOCK {
        match node.join() {
            Ok((token, _)) if at % BLOCK != 0 => leave(&mut node, token.place),
            Ok(_) => {}
            Err(refusal) => {
                refused = Some((at / BLOCK, refusal));
                break;
            }
        }
    }
    let (blocks, refusal) = refused.expect("blocks are bounded");
    assert_eq!(refusal, Refusal::Full(Bound::MaxWaiting));
    assert!((16..40).contains(&blocks), "{blocks} blocks");
}

#[test]
fn people_are_forgotten_when_their_passes_expire_also_where_nobody_ever_waits() {
    let mut node = Node::with_zone(ZonePatch { pass_ttl_ms: Some(5_000), ..limit(100_000) });
    node.run_until(1_000);
    let empty = memory(&node);
    for user in 0..20_000 {
        assert!(is_admitted(node.join_as(Some(UserHash(user))).unwrap().1));
    }
    node.run_until(node.now + 1_500);
    let full = memory(&node);
    assert!(full > empty + 20_000 * 100, "people are counted: {full} after {empty} bytes");
    node.run_until(node.now + 10_000);
    let after = memory(&node);
    assert!(after < empty + 4_096, "{after} bytes after {empty}");
    assert_eq!(node.owner.next_wake(), None, "and then the zone rests");
}

#[test]
fn people_who_wait_and_leave_are_forgotten_at_once() {
    let mut node = Node::with_zone(limit(1));
    fill(&mut node);
    node.run_until(node.now + 50);
    let start = memory(&node);
    let tokens: Vec<_> = (0..5_000).map(|user| node.join_as(Some(UserHash(user))).unwrap().0).collect();
    node.run_until(node.now + 50);
    assert!(memory(&node) > start + 5_000 * 100, "people are counted");
    tokens.iter().for_each(|token| leave(&mut node, token.place));
    node.run_until(node.now + 50);
    assert!(memory(&node) < start + 4 * 4_096, "{} after {start}", memory(&node));
}

#[test]
fn requests_are_forgotten_after_two_minutes_also_where_nobody_joins_after() {
    let mut node = Node::with_zone(limit(100_000));
    node.run_until(1_000);
    let empty = memory(&node);
    for request in 0..20_000 {
        let ticket = Ticket(1_000_000 + request as u64);
        let zone = node.zone();
        node.owner.join(zone, None, Some(RequestHash(request)), ticket).unwrap();
        node.turn();
        node.reply(ticket).unwrap();
    }
    node.run_until(node.now + 100);
    assert!(memory(&node) > empty + 20_000 * 100, "requests are counted");
    node.run_until(node.now + 125_000);
    assert!(memory(&node) < empty + 4_096, "{} after {empty}", memory(&node));
    assert_eq!(node.owner.next_wake(), None);
}

#[test]
fn a_zone_where_nobody_waits_is_counted_after_a_restart() {
    let mut node = Node::with_zone(limit(1));
    node.run_until(node.now + 1_000);
    let counted = memory(&node);
    assert!(counted > 4_096, "{counted} bytes");
    node.owner.begin_snapshot().unwrap();
    let bytes: Vec<u8> = std::iter::from_fn(|| node.owner.snapshot_slice()).flatten().collect();
    let mut restored = Node::restored(Some(bytes));
    restored.turn();
    assert_eq!(memory(&restored), counted);
}

#[test]
fn a_deleted_zone_gives_everything_back() {
    let mut node = Node::with_zone(limit(1));
    fill(&mut node);
    for user in 0..10_000 {
        node.join_as(Some(UserHash(user))).unwrap();
    }
    node.run_until(node.now + 50);
    assert!(memory(&node) > 1 << 20);
    node.submit(Command::ZoneDelete { name: ZoneName::parse(ZONE).unwrap() });
    node.run_until(node.now + 50);
    assert_eq!(memory(&node), 0);
    assert_eq!(node.owner.next_wake(), None);
}

#[test]
fn a_large_snapshot_comes_in_small_slices_between_which_polls_are_answered() {
    let mut node = Node::with_zone(limit(1));
    let first = fill(&mut node);
    for user in 1..120_000 {
        let user = (user % 3 == 0).then_some(UserHash(user));
        node.join_as(user).unwrap();
    }
    let hash = {
        node.owner.begin_snapshot().unwrap();
        node.owner.state_hash()
    };
    let (mut bytes, mut slices) = (Vec::new(), 0);
    while let Some(slice) = node.owner.snapshot_slice() {
        assert!(slice.len() <= 2 * 64 * 1_024, "a slice of {} bytes", slice.len());
        bytes.extend(slice);
        slices += 1;
        assert!(matches!(node.poll(&first).1, Some(Ok(Standing::Waiting(_)))));
        // Each slice meets a block that changed since the cut, some ahead of it and some behind.
        let zone = node.zone();
        node.submit(Command::Leave { zone, seq: Seq((slices * 7_919) % 120_000) });
        node.join().unwrap();
    }
    assert!(slices > 10, "{slices} slices of {} bytes", bytes.len());
    assert_eq!(Node::restored(Some(bytes)).owner.state_hash(), hash, "I9");
}
