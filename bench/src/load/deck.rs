//! Requests, encoded before the run and dealt in order.
//!
//! The deck is shuffled once and then walked, which is a random choice of tokens without replacement: the
//! server sees no order, while the generator hands whole pipelines to the kernel as one slice, without a copy
//! and without a random memory access of its own.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{BenchError, Result};
use crate::fill::zone_name;
use crate::limit::{DECK_BYTES_MAX, DECK_REPEATS, LUA_JOINS_MAX, REQUEST_BYTES_MAX};
use crate::load::operation::Operation;
use crate::load::tokens::Tokens;
use crate::random::Random;

/// Lua joins that share one millisecond of `now`: about the rate at which the script runs.
const LUA_JOINS_PER_MS: usize = 64;

/// The limit passed to the Lua scripts; with it nobody is ever admitted while somebody waits.
const LUA_LIMIT: &[u8] = b"1";

/// What a worker tells of its progress, about.
const STREAM_EVENT: &[u8] = br#"{"step":"resize","done":17,"of":40,"file":"a3f9c1.jpg"}"#;

/// Bytes of its field and its value.
pub(crate) const STREAM_EVENT_BYTES: usize = b"event".len() + STREAM_EVENT.len();

/// What the requests need besides tokens.
#[derive(Debug, Clone)]
pub(crate) struct Ingredients<'a> {
    pub(crate) operation: Operation,
    /// Zone of joins, and key of GET; of several zones, what their names begin with.
    pub(crate) zone: &'a str,
    pub(crate) zones: u64,
    /// Host header of HTTP requests.
    pub(crate) host: &'a str,
    /// SHA-1 of the Lua script, empty where none is used.
    pub(crate) script: &'a str,
    pub(crate) seed: u64,
}

impl Ingredients<'_> {
    /// The zone of request `at`: each in turn.
    fn zone_at(&self, at: u64) -> String {
        zone_name(self.zone, at % self.zones, self.zones)
    }
}

/// Encoded requests and the place of the next one.
#[derive(Debug)]
pub(crate) struct Deck {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    next: usize,
}

impl Deck {
    /// Encodes the requests of one run. Past [`DECK_BYTES_MAX`] the rest of the tokens is left out; for polls
    /// what is left out is random.
    pub(crate) fn build(ingredients: &Ingredients<'_>, tokens: &Tokens) -> Result<Self> {
        let operation = ingredients.operation;
        let mut deck = Self { bytes: Vec::new(), ends: Vec::new(), next: 0 };
        match operation {
            Operation::Ping
            | Operation::Get
            | Operation::Join
            | Operation::HttpJoin
            | Operation::StreamAdd => {
                // Whole rounds, so that no zone is asked more often than another.
                let requests = (DECK_REPEATS as u64 / ingredients.zones).max(1) * ingredients.zones;
                (0..requests).for_each(|at| deck.push(ingredients, (&ingredients.zone_at(at), ""), 0));
            }
            Operation::UserJoin | Operation::LuaJoin | Operation::LuaJoinWait if tokens.is_empty() => {
                deck.push_new_tokens(ingredients)
            }
            _ if tokens.is_empty() => {
                return Err(BenchError::Argument(format!("{operation:?} needs tokens: give --tokens FILE")));
            }
            _ => deck.push_tokens(ingredients, tokens)?,
        }
        Ok(deck)
    }

    fn push_tokens(&mut self, ingredients: &Ingredients<'_>, tokens: &Tokens) -> Result<()> {
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        if ingredients.operation.needs_tokens() {
            Random::new(ingredients.seed).shuffle(&mut order);
        }
        let start = now_ms();
        for (count, pair) in order.into_iter().filter_map(|at| tokens.get(at)).enumerate() {
            if self.bytes.len() > DECK_BYTES_MAX - REQUEST_BYTES_MAX {
                break;
            }
            self.push(ingredients, pair, start + (count / LUA_JOINS_PER_MS) as u64);
        }
        Ok(())
    }

    /// Tokens nobody has yet: joins of the same token again would only move it.
    fn push_new_tokens(&mut self, ingredients: &Ingredients<'_>) {
        let mut random = Random::new(ingredients.seed);
        let start = now_ms();
        for count in 0..LUA_JOINS_MAX {
            let token = format!("{:016x}{:011x}", random.draw(), random.draw() >> 20);
            let zone = ingredients.zone_at(count as u64);
            self.push(ingredients, (&zone, &token), start + (count / LUA_JOINS_PER_MS) as u64);
        }
    }

    fn push(&mut self, ingredients: &Ingredients<'_>, (zone, token): (&str, &str), now_ms: u64) {
        let out = &mut self.bytes;
        let host = ingredients.host;
        match ingredients.operation {
            Operation::Ping => command(out, &[b"PING"]),
            Operation::Get => command(out, &[b"GET", ingredients.zone.as_bytes()]),
            Operation::Join => command(out, &[b"Q.JOIN", zone.as_bytes()]),
            Operation::UserJoin => {
                command(out, &[b"Q.JOIN", zone.as_bytes(), b"USER", token.as_bytes()]);
            }
            Operation::Poll => command(out, &[b"Q.POLL", zone.as_bytes(), token.as_bytes()]),
            Operation::LuaPoll | Operation::LuaJoin | Operation::LuaJoinWait => {
                let keys = ["waiters:", "polls:", "admitted:"].map(|kind| format!("{kind}{zone}"));
                let [waiters, polls, admitted] = keys.each_ref().map(String::as_bytes);
                let (script, now) = (ingredients.script.as_bytes(), now_ms.to_string());
                let now = now.as_bytes();
                let token = token.as_bytes();
                command(out, &[b"EVALSHA", script, b"3", waiters, polls, admitted, token, now, LUA_LIMIT]);
                if ingredients.operation == Operation::LuaJoinWait {
                    command(out, &[b"WAIT", b"1", b"0"]);
                }
            }
            Operation::StreamAdd => {
                command(out, &[b"XADD", zone.as_bytes(), b"MAXLEN", b"50", b"*", b"event", STREAM_EVENT]);
            }
            Operation::HttpPoll => out.extend_from_slice(
                format!("GET /v1/zones/{zone}/tokens/{token} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
            ),
            Operation::HttpJoin => {
                let path = format!("POST /v1/zones/{zone}/tokens HTTP/1.1\r\nHost: {host}\r\n");
                out.extend_from_slice(path.as_bytes());
                out.extend_from_slice(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
            }
        }
        self.ends.push(self.bytes.len() as u32);
    }

    /// The next requests, at most `count` and at least one: how many, and where their bytes lie.
    pub(crate) fn deal(&mut self, count: u64) -> (u64, Range<usize>) {
        debug_assert!(count > 0 && !self.ends.is_empty(), "nothing to deal");
        if self.next == self.ends.len() {
            self.next = 0;
        }
        let start = if self.next == 0 { 0 } else { self.ends[self.next - 1] as usize };
        let dealt = count.min((self.ends.len() - self.next) as u64);
        self.next += dealt as usize;
        (dealt, start..self.ends[self.next - 1] as usize)
    }

    /// The bytes of dealt requests.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// One RESP command.
fn command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    sluice_client::encode_command(out, arguments);
}

#[cfg(test)]
mod tests {
    use super::{Deck, Ingredients};
    use crate::limit::{DECK_REPEATS, LUA_JOINS_MAX};
    use crate::load::operation::Operation;
    use crate::load::tokens::Tokens;

    fn ingredients(operation: Operation) -> Ingredients<'static> {
        Ingredients { operation, zone: "shop", zones: 1, host: "h:1", script: "5ca1e", seed: 3 }
    }

    fn three_tokens() -> Tokens {
        let mut tokens = Tokens::default();
        ["aa", "bb", "cc"].into_iter().for_each(|token| tokens.push("shop", token).expect("fits"));
        tokens
    }

    fn first(operation: Operation) -> String {
        let mut deck = Deck::build(&ingredients(operation), &three_tokens()).expect("builds");
        let (count, range) = deck.deal(1);
        assert_eq!(count, 1);
        String::from_utf8(deck.bytes(range).to_vec()).expect("requests are text")
    }

    #[test]
    fn joins_go_to_each_zone_in_turn() {
        for operation in [Operation::Join, Operation::LuaJoin, Operation::HttpJoin] {
            let several = Ingredients { zones: 3, ..ingredients(operation) };
            let mut deck = Deck::build(&several, &Tokens::default()).expect("builds");
            let whole = if operation == Operation::LuaJoin { LUA_JOINS_MAX } else { DECK_REPEATS / 3 * 3 };
            assert_eq!(deck.ends.len(), whole);
            for number in [0, 1, 2, 0] {
                let (_, range) = deck.deal(1);
                let text = String::from_utf8(deck.bytes(range).to_vec()).expect("requests are text");
                assert!(text.contains(&format!("shop:{number}")), "{text}");
            }
        }
    }

    #[test]
    fn a_wait_goes_out_with_its_join() {
        let text = first(Operation::LuaJoinWait);
        assert!(text.contains("EVALSHA"), "{text}");
        assert!(text.ends_with("\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n"), "{text}");
    }

    #[test]
    fn requests_are_well_formed() {
        assert_eq!(first(Operation::Ping), "*1\r\n$4\r\nPING\r\n");
        assert_eq!(first(Operation::Get), "*2\r\n$3\r\nGET\r\n$4\r\nshop\r\n");
        assert_eq!(first(Operation::Join), "*2\r\n$6\r\nQ.JOIN\r\n$4\r\nshop\r\n");
        let poll = first(Operation::Poll);
        assert!(poll.starts_with("*3\r\n$6\r\nQ.POLL\r\n$4\r\nshop\r\n$2\r\n"), "{poll}");
        let lua = first(Operation::LuaJoin);
        let head = "*9\r\n$7\r\nEVALSHA\r\n$5\r\n5ca1e\r\n$1\r\n3\r\n$12\r\nwaiters:shop\r\n";
        assert!(lua.starts_with(head) && lua.ends_with("\r\n$1\r\n1\r\n"), "{lua}");
        let http = first(Operation::HttpPoll);
        assert!(http.starts_with("GET /v1/zones/shop/tokens/"), "{http}");
        assert!(http.ends_with(" HTTP/1.1\r\nHost: h:1\r\n\r\n"), "{http}");
        assert!(first(Operation::HttpJoin).ends_with("Content-Length: 2\r\n\r\n{}"));
    }

    #[test]
    fn every_token_is_dealt_once_before_any_comes_again() {
        let mut deck = Deck::build(&ingredients(Operation::Poll), &three_tokens()).expect("builds");
        let mut seen = Vec::new();
        for _ in 0..6 {
            let (_, range) = deck.deal(1);
            seen.push(deck.bytes(range).to_vec());
        }
        assert_eq!(seen[..3], seen[3..], "the deck is walked in the same order again");
        seen.truncate(3);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn a_deal_stops_at_the_end_of_the_deck() {
        let mut deck = Deck::build(&ingredients(Operation::Poll), &three_tokens()).expect("builds");
        assert_eq!(deck.deal(2).0, 2);
        assert_eq!(deck.deal(2).0, 1, "one is left");
        assert_eq!(deck.deal(2).0, 2, "then it starts over");
    }

    #[test]
    fn polls_without_tokens_are_refused() {
        let error = Deck::build(&ingredients(Operation::Poll), &Tokens::default()).expect_err("no tokens");
        assert!(error.to_string().contains("--tokens"), "{error}");
    }
}
