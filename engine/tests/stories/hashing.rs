//! Hashes of the state that clients ask for: made part by part, told to all who wait, begun anew where the state changes.

use crate::fill;
use crate::node::{Node, limit};
use sluice_engine::error::Refusal;
use sluice_engine::id::{Ticket, UserHash};
use sluice_engine::limit::HASHES_MAX;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::time::MonoMs;

/// Tickets of this story, out of the way of the node's own.
const TICKETS: u64 = 1 << 40;

fn crowded(users: u64) -> Node {
    let mut node = Node::with_zone(limit(1));
    fill(&mut node);
    for user in 1..users {
        node.join_as(Some(UserHash(user.into()))).unwrap();
    }
    node
}

fn ask(node: &mut Node, n: u64) -> Option<Reply> {
    let now = MonoMs(node.now);
    node.owner.request(Ask::Hash, Ticket(TICKETS + n), now)
}

/// Turns until a ticket is answered, each told of `between`.
fn turns_until_told(node: &mut Node, n: u64, mut between: impl FnMut(&mut Node)) -> (usize, Reply) {
    for turn in 1..100_000 {
        node.turn();
        if let Some(reply) = node.reply(Ticket(TICKETS + n)) {
            return (turn, reply);
        }
        between(node);
    }
    panic!("never told");
}

#[test]
fn a_large_state_is_hashed_over_many_turns_and_everybody_is_told_the_same() {
    let mut node = crowded(120_000);
    let expected = Reply::Hash { index: node.owner.applied(), hash: node.owner.state_hash() };
    assert_eq!(ask(&mut node, 0), None);
    node.turn();
    assert_eq!(node.owner.next_wake(), Some(MonoMs(node.now)), "it goes on at once");
    assert_eq!(ask(&mut node, 1), None);
    let (turns, first) = turns_until_told(&mut node, 0, |_| ());
    assert!(turns > 5, "{turns} turns");
    assert_eq!(first, expected);
    assert_eq!(node.reply(Ticket(TICKETS + 1)), Some(expected));
}

#[test]
fn a_state_that_changes_meanwhile_is_hashed_as_it_is_in_the_end() {
    let mut node = crowded(40_000);
    ask(&mut node, 0);
    let (turns, told) = turns_until_told(&mut node, 0, |node| {
        node.join().unwrap();
    });
    assert!(turns > 2, "{turns} turns");
    assert_eq!(told, Reply::Hash { index: node.owner.applied(), hash: node.owner.state_hash() });
}

#[test]
fn what_never_stands_still_is_refused_in_time_and_the_next_who_asks_is_not() {
    let mut node = crowded(250_000);
    ask(&mut node, 0);
    let (_, told) = turns_until_told(&mut node, 0, |node| {
        node.now += 100;
        node.join().unwrap();
    });
    assert!(matches!(told, Reply::Refused(Refusal::Busy { .. })), "{told:?}");
    ask(&mut node, 1);
    let (_, told) = turns_until_told(&mut node, 1, |_| ());
    assert_eq!(told, Reply::Hash { index: node.owner.applied(), hash: node.owner.state_hash() });
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let mut node = crowded(120_000);
    for n in 0..HASHES_MAX as u64 {
        assert_eq!(ask(&mut node, n), None);
    }
    assert!(matches!(ask(&mut node, u64::from(u32::MAX)), Some(Reply::Refused(Refusal::Busy { .. }))));
}
