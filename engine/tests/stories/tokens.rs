//! Tokens: whatever was not signed here for this zone is refused, also while keys change.

use crate::node::{Node, ZONE, limit};
use crate::{fill, is_admitted};
use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, KeyGen, Seq, ZoneId};
use sluice_engine::keyring::Keyring;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::time::MonoMs;
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::ZoneName;

const OTHER: &[u8] = b"gate";

fn text(node: &Node, token: &Token) -> Vec<u8> {
    node.directory.text(token).expect("a token of this group").as_bytes().to_vec()
}

fn peek(node: &Node, zone: &[u8], text: &[u8]) -> Result<Standing, Refusal> {
    node.directory.peek(&Directory::pin(), zone, text, MonoMs(node.now))
}

/// A direct token and one of the queue.
fn both_kinds(node: &mut Node) -> [Token; 2] {
    let (direct, standing) = node.join().unwrap();
    assert!(is_admitted(standing));
    [direct, fill(node)]
}

fn install(node: &mut Node, generation: u8) -> Reply {
    node.submit(Command::KeyInstall { generation: KeyGen(generation), secret: [generation; 16] })
}

fn activate(node: &mut Node, generation: u8) -> Reply {
    node.submit(Command::KeyActivate { generation: KeyGen(generation) })
}

#[test]
fn a_token_with_any_bit_changed_is_refused() {
    let mut node = Node::with_zone(limit(5));
    for token in both_kinds(&mut node) {
        let good = text(&node, &token);
        peek(&node, ZONE, &good).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(peek(&node, ZONE, &bad), Err(Refusal::BadToken), "bit {bit} of {token:?}");
            assert_eq!(node.directory.verify(ZONE, &bad), Err(Refusal::BadToken), "bit {bit} of {token:?}");
        }
    }
}

#[test]
fn a_token_with_any_character_changed_or_cut_is_refused() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut node = Node::with_zone(limit(5));
    for token in both_kinds(&mut node) {
        let good = text(&node, &token);
        for (at, other) in (0..good.len()).flat_map(|at| ALPHABET.iter().map(move |other| (at, *other))) {
            let mut bad = good.clone();
            bad[at] = other;
            let changed = bad != good;
            assert_eq!(peek(&node, ZONE, &bad).is_err(), changed, "character {at} as {}", other as char);
        }
        (0..good.len()).for_each(|end| assert_eq!(peek(&node, ZONE, &good[..end]), Err(Refusal::BadToken)));
        assert_eq!(peek(&node, ZONE, &[&good[..], b"A"].concat()), Err(Refusal::BadToken));
        assert_eq!(peek(&node, ZONE, &[&good[..], b"=="].concat()), Err(Refusal::BadToken));
    }
}

#[test]
fn a_token_opens_no_other_zone() {
    let mut node = Node::with_zone(limit(5));
    let token = fill(&mut node);
    let good = text(&node, &token);
    assert_eq!(peek(&node, OTHER, &good), Err(Refusal::NoZone));
    let patch = Box::new(limit(5));
    node.submit(Command::ZoneSet { name: ZoneName::parse(OTHER).unwrap(), patch });
    assert_eq!(peek(&node, OTHER, &good), Err(Refusal::BadToken));
    assert_eq!(node.directory.verify(OTHER, &good), Err(Refusal::BadToken));
    assert!(peek(&node, ZONE, &good).is_ok());
}

#[test]
fn a_token_does_not_outlive_its_zone() {
    let mut node = Node::with_zone(limit(5));
    let tokens = both_kinds(&mut node).map(|token| text(&node, &token));
    let old = node.zone();
    assert_eq!(
        node.submit(Command::ZoneDelete { name: ZoneName::parse(ZONE).unwrap() }),
        Reply::ZoneDeleted(true)
    );
    tokens.iter().for_each(|text| assert_eq!(peek(&node, ZONE, text), Err(Refusal::NoZone)));
    assert_eq!(node.set(limit(5)), Reply::ZoneSet { created: true });
    assert_ne!(node.zone(), old, "a zone id is never used again");
    fill(&mut node);
    tokens.iter().for_each(|text| assert_eq!(peek(&node, ZONE, text), Err(Refusal::Gone)));
}

#[test]
fn a_token_of_another_cluster_is_refused() {
    let node = Node::with_zone(limit(5));
    let token = Token { zone: node.zone(), key: KeyGen(1), place: Place::Queue(Seq(0)) };
    let foreign = token.text(&Keyring::new(KeyGen(1), [8; 16])).unwrap();
    assert_eq!(peek(&node, ZONE, foreign.as_bytes()), Err(Refusal::BadToken));
    let stray = Token { zone: ZoneId { group: GroupId(9), ..node.zone() }, ..token };
    let stray = stray.text(&Keyring::new(KeyGen(1), [7; 16])).unwrap();
    assert_eq!(peek(&node, ZONE, stray.as_bytes()), Err(Refusal::BadToken), "of a group that is not here");
}

#[test]
fn a_place_that_was_never_given_out_is_gone() {
    let mut node = Node::with_zone(limit(5));
    let token = fill(&mut node);
    let Place::Queue(seq) = token.place else { panic!("waits") };
    let ahead = Token { place: Place::Queue(Seq(seq.0 + 1)), ..token };
    assert_eq!(node.poll(&ahead).1, Some(Err(Refusal::Gone)));
    let far = Token { place: Place::Queue(Seq((1 << 48) - 1)), ..token };
    assert_eq!(node.poll(&far).1, Some(Err(Refusal::Gone)));
}

#[test]
fn keys_rotate_without_losing_anybody() {
    let mut node = Node::with_zone(limit(5));
    let first = fill(&mut node);
    let first_text = text(&node, &first);
    assert_eq!(install(&mut node, 2), Reply::KeyChanged);
    let (during, _) = node.join().unwrap();
    assert_eq!(during.key, KeyGen(1), "an installed key verifies and does not mint");
    let ahead = during_key(&during, 2).text(&Keyring::new(KeyGen(2), [2; 16])).unwrap();
    assert!(peek(&node, ZONE, ahead.as_bytes()).is_ok(), "what another node mints with it is accepted");

    assert_eq!(activate(&mut node, 2), Reply::KeyChanged);
    let (second, _) = node.join().unwrap();
    assert_eq!(second.key, KeyGen(2));
    let second_text = text(&node, &second);
    assert!(peek(&node, ZONE, &first_text).is_ok(), "the key before goes on verifying");

    install(&mut node, 3);
    assert!(peek(&node, ZONE, &first_text).is_ok(), "installing alone retires nothing");
    activate(&mut node, 3);
    assert_eq!(peek(&node, ZONE, &first_text), Err(Refusal::BadToken), "two generations later it is over");
    assert!(peek(&node, ZONE, &second_text).is_ok());
    // Who still polls gets the place's text under the key of today.
    assert!(peek(&node, ZONE, &text(&node, &first)).is_ok());
}

#[test]
fn a_key_that_was_never_installed_cannot_mint() {
    let mut node = Node::with_zone(limit(5));
    assert!(matches!(activate(&mut node, 9), Reply::Refused(Refusal::BadSetting(_))));
    assert_eq!(node.join().unwrap().0.key, KeyGen(1));
}

#[test]
fn a_known_generation_keeps_its_secret() {
    let mut node = Node::with_zone(limit(5));
    let token = fill(&mut node);
    let good = text(&node, &token);
    let again = Command::KeyInstall { generation: KeyGen(1), secret: [99; 16] };
    assert_eq!(node.submit(again), Reply::KeyChanged);
    assert!(peek(&node, ZONE, &good).is_ok());
}

#[test]
fn a_key_change_that_comes_late_brings_no_key_back() {
    let mut node = Node::with_zone(limit(5));
    let first = fill(&mut node);
    let first_text = text(&node, &first);
    for generation in [2, 3] {
        install(&mut node, generation);
        activate(&mut node, generation);
    }
    install(&mut node, 1);
    assert_eq!(peek(&node, ZONE, &first_text), Err(Refusal::BadToken), "it was forgotten");
    assert_eq!(activate(&mut node, 2), Reply::KeyChanged);
    assert_eq!(node.join().unwrap().0.key, KeyGen(3), "the key before does not mint again");
}

#[test]
fn keys_for_other_purposes_rotate_and_what_stands_for_people_and_the_cluster_stays() {
    let mut node = Node::with_zone(limit(5));
    let told = |node: &Node| {
        let directory = &node.directory;
        let request = directory.request_hash(b"k", &[b"id"]);
        (directory.user_hash("shop", b"ann"), request, directory.lasting_name(b"issuer"))
    };
    let (before, first) = (told(&node), node.directory.signing_key(b"grants"));
    let passes = |node: &Node| node.directory.pass_keys(GroupId(0));
    let (pass_keys, name) = (passes(&node), node.directory.lasting_name(b"grants"));
    assert_eq!(node.directory.verifying_keys(b"grants"), [first]);
    assert_ne!(node.directory.signing_key(b"others"), first);
    install(&mut node, 2);
    assert_eq!(node.directory.signing_key(b"grants"), first, "an installed key only verifies");
    assert_eq!(node.directory.verifying_keys(b"grants").len(), 2);
    activate(&mut node, 2);
    let second = node.directory.signing_key(b"grants");
    assert_ne!(second, first);
    assert_eq!(node.directory.verifying_keys(b"grants"), [first, second]);
    let restored = Node::restored(Some(node.snapshot()));
    assert_eq!(restored.directory.verifying_keys(b"grants"), [first, second], "after a restart, too");
    assert_eq!(restored.directory.signing_key(b"grants"), second);
    install(&mut node, 3);
    activate(&mut node, 3);
    assert!(!node.directory.verifying_keys(b"grants").contains(&first), "two rotations later it is over");
    for node in [&node, &restored] {
        assert!(told(node) == before && passes(node) == pass_keys);
        assert_eq!(node.directory.lasting_name(b"grants"), name);
    }
}

#[test]
fn a_keyring_is_bounded_and_never_drops_the_key_that_mints() {
    let mut node = Node::with_zone(limit(5));
    let token = fill(&mut node);
    let good = text(&node, &token);
    let hash = node.owner.state_hash();
    for generation in 2..=100 {
        install(&mut node, generation);
        assert!(peek(&node, ZONE, &good).is_ok(), "the active key is forgotten after {generation}");
    }
    assert_ne!(node.owner.state_hash(), hash);
    let known = (1..=100).filter(|generation| {
        let keys = Keyring::new(KeyGen(*generation), [*generation; 16]);
        let minted = during_key(&token, *generation).text(&keys).unwrap();
        peek(&node, ZONE, minted.as_bytes()).is_ok()
    });
    assert_eq!(known.collect::<Vec<u8>>(), [99, 100], "besides the active key two are known");
}

#[test]
fn keys_and_the_hashes_of_people_survive_a_restart() {
    let mut node = Node::with_zone(limit(5));
    let token = fill(&mut node);
    let before = text(&node, &token);
    install(&mut node, 2);
    activate(&mut node, 2);
    let user = node.directory.user_hash("shop", b"ann");
    let restored = Node::restored(Some(node.snapshot()));
    assert!(peek(&restored, ZONE, &before).is_ok(), "the key before goes on verifying after a restart");
    assert!(restored.directory.user_hash("shop", b"ann") == user, "rotation and restart keep user ids");
    assert!(restored.directory.user_hash("gate", b"ann") != user, "ids of two zones look unrelated");
}

/// The same place, named under another key.
fn during_key(token: &Token, generation: u8) -> Token {
    Token { key: KeyGen(generation), ..*token }
}
