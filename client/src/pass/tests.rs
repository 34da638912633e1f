//! Passes that are good, and all the kinds that are not.

use super::{LEEWAY, PassError, PassKeys, Revoked, Verifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::time::{Duration, SystemTime};

/// Since 1970; passes of these tests are issued then and run out 600 s later.
const NOW_S: u64 = 1_700_000_000;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is one")
}

fn sign(pair: &Ed25519KeyPair, header: &str, zone: &str, id: &str) -> String {
    let until = NOW_S + 600;
    let claims = format!(
        r#"{{"iss":"sluice:1","sub":"t0k","zone":"{zone}","iat":{NOW_S},"exp":{until},"jti":"{id}"}}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())))
}

const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#;

fn good(id: &str) -> String {
    sign(&pair(1), HEADER, "shop", id)
}

fn verifier() -> Verifier {
    let mut keys = PassKeys::default();
    assert!(keys.add("k1", &URL_SAFE_NO_PAD.encode(pair(1).public_key())));
    assert!(!keys.add("k2", "short"));
    Verifier::new("shop", keys)
}

fn at(offset_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S + offset_s)
}

#[test]
fn a_pass_is_good_until_it_has_run_out() {
    let (verifier, pass) = (verifier(), good("a"));
    // The second time it is remembered; both must judge alike.
    for _ in 0..2 {
        let claims = verifier.verify_at(&pass, at(0)).expect("a good pass");
        assert_eq!((claims.token.as_str(), claims.id.as_str()), ("t0k", "a"));
        let end = 600 + LEEWAY.as_secs();
        assert!(verifier.verify_at(&pass, at(end - 1)).is_ok());
        assert_eq!(verifier.verify_at(&pass, at(end)), Err(PassError::Expired));
        let early = at(0) - LEEWAY - Duration::from_secs(1);
        assert_eq!(verifier.verify_at(&pass, early), Err(PassError::NotYet));
    }
}

#[test]
fn what_is_no_pass_of_ours_is_refused_and_says_why() {
    let unsigned = |header: &str| sign(&pair(1), header, "shop", "a");
    let good = good("a");
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let mut altered = good.clone();
    altered.replace_range(60..61, if &good[60..61] == "A" { "B" } else { "A" });
    let cases = [
        (sign(&pair(1), HEADER, "other", "a"), PassError::Zone),
        (sign(&pair(2), HEADER, "shop", "a"), PassError::Signature),
        (unsigned(r#"{"alg":"none","kid":"k1"}"#), PassError::Algorithm),
        (unsigned(r#"{"alg":"HS256","kid":"k1"}"#), PassError::Algorithm),
        (unsigned(r#"{"alg":"EdDSA","kid":"k1","crit":["x"]}"#), PassError::Algorithm),
        (unsigned(r#"{"alg":"EdDSA","kid":"k9"}"#), PassError::UnknownKey("k9".to_owned())),
        (unsigned(r#"{"alg":"EdDSA"}"#), PassError::UnknownKey(String::new())),
        (format!("{signed}."), PassError::Signature),
        (signed.to_owned(), PassError::Malformed),
        (format!("{good}="), PassError::Malformed),
        (String::new(), PassError::Malformed),
        ("a".repeat(5_000), PassError::Malformed),
    ];
    let verifier = verifier();
    for (pass, expected) in cases {
        assert_eq!(verifier.verify_at(&pass, at(0)), Err(expected), "{pass}");
    }
    let refused = verifier.verify_at(&altered, at(0)).expect_err("one letter is another");
    assert!(matches!(refused, PassError::Signature | PassError::Malformed), "{refused}");
    let strict = self::verifier().with_issuer("sluice:2");
    assert_eq!(strict.verify_at(&good, at(0)), Err(PassError::Issuer));
}

#[test]
fn a_revoked_pass_and_the_passes_of_a_revoked_key_are_refused_though_they_were_seen() {
    let (verifier, first, second) = (verifier(), good("a"), good("b"));
    assert!(verifier.verify_at(&first, at(0)).is_ok() && verifier.verify_at(&second, at(0)).is_ok());
    verifier.revoke("a", NOW_S + 9_000);
    assert_eq!(verifier.verify_at(&first, at(1)), Err(PassError::Revoked));
    assert!(verifier.verify_at(&second, at(1)).is_ok());
    verifier.set_keys(PassKeys::default());
    assert!(matches!(verifier.verify_at(&second, at(1)), Err(PassError::UnknownKey(_))));
}

#[test]
fn what_is_remembered_is_bounded() {
    let verifier = verifier();
    let mut shard = super::Shard::default();
    let seen = super::Seen {
        text: "text".into(),
        keys: 0,
        pass: verifier.verify_at(&good("a"), at(0)).expect("a good pass"),
    };
    let most = super::PASSES_SEEN / super::SEEN_SHARDS;
    for end in 0..5 * most as u64 {
        shard.put(end, seen.clone());
        assert!(shard.get(0, "text", 0).is_some(), "who comes again and again is not forgotten");
    }
    assert!(shard.young.len() + shard.old.len() <= 2 * most + 1);
    assert!(shard.get(1, "text", 0).is_none());
    assert!(shard.get(0, "next", 0).is_none() && shard.get(0, "text", 1).is_none());
}

#[test]
fn a_revocation_that_finds_no_room_is_held_against_every_pass() {
    let mut revoked = Revoked::default();
    assert!(revoked.add("a", 100, 50, 2) && revoked.add("b", 90, 50, 2));
    assert!(revoked.add("a", 100, 50, 2), "told again it takes no room");
    assert_eq!(revoked.check("c", 60), Ok(()));
    assert!(!revoked.add("c", 120, 60, 2));
    assert_eq!(revoked.check("a", 60), Err(PassError::Revoked));
    assert_eq!(revoked.check("anybody", 119), Err(PassError::TooManyRevoked));
    assert_eq!(revoked.check("anybody", 120), Ok(()), "it has run out");
    assert!(revoked.add("d", 300, 95, 2), "those that have run out make room");
}
