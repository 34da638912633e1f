//! Short stories of one zone, through the engine's front door.

mod node;
mod stories {
    mod bounds;
    mod hashing;
    mod threads;
    mod tokens;
    mod turns;
}

use node::{Node, ZONE, limit};
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::{Ticket, UserHash};
use sluice_engine::reply::{Departure, Reply, Standing};
use sluice_engine::token::Token;
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch};

pub(crate) fn is_admitted(standing: Standing) -> bool {
    matches!(standing, Standing::Admitted(_))
}

/// Joins until somebody has to wait; returns that token.
pub(crate) fn fill(node: &mut Node) -> Token {
    loop {
        let (token, standing) = node.join().unwrap();
        if !is_admitted(standing) {
            return token;
        }
    }
}

#[test]
fn a_burst_up_to_the_limit_makes_no_queue() {
    let mut node = Node::with_zone(limit(60));
    for _ in 0..60 {
        assert!(is_admitted(node.join().unwrap().1));
    }
    let (_, standing) = node.join().unwrap();
    let Standing::Waiting(waiting) = standing else { panic!("the 61st of a minute waits") };
    assert_eq!(waiting.position, 1);
    assert_eq!(node.stats().admitted_60s, 60);
}

#[test]
fn the_first_to_wait_is_told_how_long_the_full_window_lasts() {
    let mut node = Node::with_zone(limit(1));
    assert_eq!(node.stats().eta_ms, 0);
    node.join().unwrap();
    assert_eq!(node.stats().eta_ms, 60_000);
    let (_, standing) = node.join().unwrap();
    let Standing::Waiting(waiting) = standing else { panic!("the window is full") };
    // Waits are planned by the second.
    assert!((59..=60).contains(&waiting.eta.wire_seconds()), "{waiting:?}");
}

#[test]
fn a_waiter_enters_the_moment_the_window_frees_a_permit() {
    let mut node = Node::with_zone(limit(10));
    let token = fill(&mut node);
    let mut admitted_at = None;
    while admitted_at.is_none() && node.now < 70_000 {
        let wait = match node.poll(&token) {
            (_, Some(Ok(Standing::Admitted(_)))) => {
                admitted_at = Some(node.now);
                0
            }
            (_, Some(Ok(Standing::Waiting(waiting)))) => u64::from(waiting.poll_ms),
            (ticket, None) => {
                let until = node.now + 1_000;
                while node.now < until && admitted_at.is_none() {
                    node.run_until(node.now + 1);
                    if let Some(reply) = node.reply(ticket) {
                        assert!(
                            matches!(reply, Reply::Place { standing: Standing::Admitted(_), .. }),
                            "{reply:?}"
                        );
                        admitted_at = Some(node.now);
                    }
                }
                0
            }
            (_, Some(Err(refusal))) => panic!("{refusal}"),
        };
        node.run_until(node.now + wait);
    }
    assert_eq!(admitted_at, Some(60_000));
}

#[test]
fn i4_an_admitted_token_gives_the_same_answer_and_uses_no_permit() {
    let mut node = Node::with_zone(limit(10));
    let (token, standing) = node.join().unwrap();
    node.run_until(5_000);
    assert_eq!(node.poll(&token).1, Some(Ok(standing)));
    assert_eq!(node.stats().admitted_total, 1);
    node.run_until(600_001);
    assert_eq!(node.poll(&token).1, Some(Err(Refusal::Gone)));
}

#[test]
fn paused_lets_nobody_in_and_open_everybody() {
    let mut node = Node::with_zone(limit(10));
    let token = fill(&mut node);
    node.set(ZonePatch { mode: Some(Mode::Paused), ..ZonePatch::default() });
    node.run_until(70_000);
    let (_, Some(Err(refusal))) = node.poll(&token) else { panic!("silent for 70 s: gone") };
    assert_eq!(refusal, Refusal::Gone);
    let (token, standing) = node.join().unwrap();
    assert!(!is_admitted(standing), "paused");
    node.set(ZonePatch { mode: Some(Mode::Open), ..ZonePatch::default() });
    assert!(is_admitted(node.poll(&token).1.unwrap().unwrap()));
    assert!(is_admitted(node.join().unwrap().1));
}

#[test]
fn a_closed_zone_refuses_joins_and_keeps_its_waiters() {
    let mut node = Node::with_zone(limit(1));
    let token = fill(&mut node);
    node.set(ZonePatch { mode: Some(Mode::Closed), ..ZonePatch::default() });
    assert_eq!(node.join().unwrap_err(), Refusal::Closed);
    assert!(matches!(node.poll(&token).1, Some(Ok(Standing::Waiting(_)))));
}

#[test]
fn one_user_has_one_place() {
    let mut node = Node::with_zone(limit(1));
    fill(&mut node);
    let (first, _) = node.join_as(Some(UserHash(9))).unwrap();
    let (second, _) = node.join_as(Some(UserHash(9))).unwrap();
    assert_eq!(first, second);
    let zone = node.zone();
    let sluice_engine::token::Place::Queue(seq) = first.place else { panic!("waits") };
    assert_eq!(node.submit(Command::Leave { zone, seq }), Reply::Left(Departure::Left));
    assert_eq!(node.submit(Command::Leave { zone, seq }), Reply::Left(Departure::Gone));
    let (third, _) = node.join_as(Some(UserHash(9))).unwrap();
    assert_ne!(first, third);
}

#[test]
fn the_silent_are_out_and_told_so() {
    let mut node = Node::with_zone(limit(1));
    let token = fill(&mut node);
    let stayer = node.join().unwrap().0;
    while node.now < 61_500 {
        node.poll(&stayer);
        node.run_until(node.now + 500);
    }
    assert_eq!(node.poll(&token).1, Some(Err(Refusal::Gone)));
    assert_eq!(node.stats().abandoned_total, 1);
}

#[test]
fn a_snapshot_restores_the_same_state() {
    let mut node = Node::with_zone(limit(5));
    let tokens: Vec<Token> = (0..2_000).map(|n| node.join_as(Some(UserHash(n))).unwrap().0).collect();
    node.run_until(3_000);
    node.owner.begin_snapshot().unwrap();
    let hash = node.owner.state_hash();
    let mut bytes = Vec::new();
    while let Some(slice) = node.owner.snapshot_slice() {
        bytes.extend(slice);
        // The shard goes on meanwhile; the snapshot stays the state at the cut.
        node.join().unwrap();
        node.poll(&tokens[1_000]);
    }
    let restored = Node::restored(Some(bytes));
    assert_eq!(restored.owner.state_hash(), hash);
    assert_ne!(node.owner.state_hash(), hash);
    assert_eq!(restored.stats().waiting, 1_995);
}

#[test]
fn i9_one_user_has_one_place_after_a_restart_too() {
    let mut node = Node::with_zone(limit(2));
    let (before, standing) = node.join_as(Some(UserHash(9))).unwrap();
    assert!(is_admitted(standing));
    fill(&mut node);
    node.run_until(2_000);
    // The pass is over by decree, and its holder joins again before anything was swept.
    let (zone, name) = (node.zone(), ZoneName::parse(ZONE).unwrap());
    let patch = Box::new(ZonePatch { pass_ttl_ms: Some(1_000), ..ZonePatch::default() });
    node.owner.submit(Command::ZoneSet { name, patch }, Ticket(1_000_000)).unwrap();
    node.owner.join(zone, Some(UserHash(9)), None, Ticket(1_000_001)).unwrap();
    node.turn();
    let Some(Reply::Place { token, .. }) = node.reply(Ticket(1_000_001)) else { panic!("joins") };
    assert_ne!(token.place, before.place);
    let mut restored = Node::restored(Some(node.snapshot()));
    assert_eq!(restored.owner.state_hash(), node.owner.state_hash());
    assert_eq!(restored.join_as(Some(UserHash(9))).unwrap().0, token);
}

#[test]
fn nobody_jumps_the_queue_when_a_paused_zone_goes_on() {
    let mut node = Node::with_zone(limit(10));
    // A waiter alone falls silent: nobody present is ahead of a joiner then.
    let silent = fill(&mut node);
    node.run_until(8_000);
    node.set(ZonePatch { mode: Some(Mode::Paused), ..ZonePatch::default() });
    while node.now < 90_000 {
        node.poll(&silent);
        node.run_until(node.now + 3_000);
    }
    // The zone goes on and somebody joins before the owner has looked around.
    let (zone, name) = (node.zone(), ZoneName::parse(ZONE).unwrap());
    let patch = Box::new(ZonePatch { mode: Some(Mode::Auto), ..ZonePatch::default() });
    node.owner.submit(Command::ZoneSet { name, patch }, Ticket(1_000_000)).unwrap();
    node.owner.join(zone, None, None, Ticket(1_000_001)).unwrap();
    node.turn();
    let Some(Reply::Place { standing, .. }) = node.reply(Ticket(1_000_001)) else { panic!("joins") };
    assert!(!is_admitted(standing), "the newcomer entered before one who polls");
}

#[test]
fn i4_an_admission_that_has_expired_stays_so_when_passes_are_made_to_live_longer() {
    let lasting = |ms| ZonePatch { pass_ttl_ms: Some(ms), ..ZonePatch::default() };
    let mut node = Node::with_zone(ZonePatch { pass_ttl_ms: Some(10_000), ..limit(2) });
    let (direct, standing) = node.join_as(Some(UserHash(9))).unwrap();
    assert!(is_admitted(standing));
    let waited = fill(&mut node);
    node.set(ZonePatch { mode: Some(Mode::Open), ..ZonePatch::default() });
    assert!(is_admitted(node.poll(&waited).1.unwrap().unwrap()));
    let over = node.now + 10_000;
    node.run_until(over - 1_000);
    let (young, _) = node.join().unwrap();
    node.now = over;
    // Nothing was swept yet, and the time is made longer, shorter, and longer again.
    for ttl_ms in [60_000, 5_000, 600_000] {
        node.set(lasting(ttl_ms));
        // Its clock goes on from the stamp of the snapshot.
        let mut restored = Node::restored(Some(node.snapshot()));
        for node in [&mut node, &mut restored] {
            assert_eq!(node.poll(&direct).1, Some(Err(Refusal::Gone)), "{ttl_ms}");
            assert_eq!(node.poll(&waited).1, Some(Err(Refusal::Gone)), "{ttl_ms}");
            assert!(is_admitted(node.poll(&young).1.unwrap().unwrap()), "it had not expired");
        }
    }
    assert_ne!(node.join_as(Some(UserHash(9))).unwrap().0.place, direct.place, "it is another admission");
}
