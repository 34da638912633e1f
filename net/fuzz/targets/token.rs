//! Tokens. For every input:
//!
//! - a text that is accepted is the one text of its token;
//! - a token that we sign is accepted, and with anything in its text changed it is not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_engine::id::{GroupId, KeyGen, Seq, ZoneId};
use sluice_engine::keyring::Keyring;
use sluice_engine::time::LogTime;
use sluice_engine::token::{Place, Token};

fuzz_target!(|input: &[u8]| {
    let keys = Keyring::new(KeyGen(1), [7; 16]).installed(KeyGen(2), [9; 16]);
    check_text(input, &keys);
    if let Some((token, at, change)) = chosen(input) {
        check_token(token, at, change, &keys);
    }
});

fn check_text(text: &[u8], keys: &Keyring) {
    if let Some(token) = Token::parse(text, keys) {
        let again = token.text(keys).expect("the key of an accepted token is known");
        assert_eq!(again.as_bytes(), text);
    }
}

/// A token made of the input, a place in its text, and what to put there.
fn chosen(input: &[u8]) -> Option<(Token, usize, u8)> {
    let (fields, rest) = input.split_first_chunk::<24>()?;
    let word = |at: usize| {
        let bytes = fields.iter().skip(at).take(6);
        bytes.fold(0u64, |value, byte| value << 8 | u64::from(*byte))
    };
    let group = u16::from_be_bytes([fields[0], fields[1]]);
    let place = match fields[2] & 1 {
        0 => Place::Queue(Seq(word(4))),
        _ => Place::Direct { serial: word(4), stamp: LogTime(word(10)) },
    };
    let zone = ZoneId { group: GroupId(group), ordinal: word(16) };
    let key = KeyGen(1 + (fields[3] & 1));
    Some((Token { zone, key, place }, usize::from(*rest.first()?), *rest.get(1)?))
}

fn check_token(token: Token, at: usize, change: u8, keys: &Keyring) {
    let text = token.text(keys).expect("the key is known");
    assert_eq!(Token::parse(text.as_bytes(), keys), Some(token));
    let mut forged = text.as_bytes().to_vec();
    let at = at % forged.len();
    forged[at] = change;
    if forged != text.as_bytes() {
        assert_eq!(Token::parse(&forged, keys), None);
    }
    forged.truncate(at);
    assert_eq!(Token::parse(&forged, keys), None);
}
