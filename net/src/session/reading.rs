//! Streams that a connection reads: what its hubs tell, in its own language.
//!
//! ```text
//! RESP3   >5 x.entry key epoch.seq id [field value …]     >5 x.reset key reason oldest newest     >3 x.end key epoch.seq
//! SSE     id: epoch.seq / data: {fields}                  event: reset                            event: end
//! ```

use super::events::Source;
use super::line::Line;
use super::resp::RespTalk;
use super::{Phase, Session, Talk};
use crate::cursor::{Cursor, Position};
use crate::http::following::Opening;
use crate::hub::{Seat, Tell, Took};
use crate::limit;
use crate::resp::encode::{Proto, Writer};
use crate::worker::desk::Desk;
use crate::worker::passing::Passing;
use sluice_engine::account::{Account, Charge, Part};
use sluice_engine::error::Refusal;
use sluice_engine::stream::text::Text;
use sluice_engine::time::MonoMs;
use std::collections::HashMap;
use std::sync::Arc;

/// Streams that a RESP connection follows, with the number of each subscription.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_key: HashMap<Text, u32>,
    given: u32,
    /// For their names, wherever they are kept.
    charge: Charge,
}

impl Subscriptions {
    /// A subscription of this key, in place of an earlier one. `None` where there are too many.
    pub(crate) fn add(&mut self, key: Text, account: &Arc<Account>) -> Option<u32> {
        if !self.by_key.contains_key(&key) {
            if self.by_key.len() >= limit::FOLLOWED_MAX {
                return None;
            }
            self.charge.join(account.take(Part::Standing, weight(&key))?);
        }
        self.given = self.given.wrapping_add(1);
        self.by_key.insert(key, self.given);
        Some(self.given)
    }

    /// Gives one up, if there is one.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if self.by_key.remove(key).is_some() {
            self.charge.give_back(weight(key));
        }
    }

    /// Gives all up. Numbers go on, so that what hubs still know of these is not taken for what comes.
    pub(crate) fn clear(&mut self) {
        *self = Subscriptions { given: self.given, ..Subscriptions::default() };
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    fn has(&self, key: &Text, number: u32) -> bool {
        self.by_key.get(key) == Some(&number)
    }
}

/// What a stream that is followed takes, its name wherever it is kept.
pub(crate) fn weight(key: &[u8]) -> u64 {
    (key.len() * limit::WAIT_COPIES + limit::FOLLOWED_BYTES) as u64
}

/// A RESP connection follows more streams; the reply is how many there are then.
pub(super) fn follow(streams: Vec<(Text, Position)>, talk: &mut RespTalk, line: &Line, desk: &mut Desk) {
    let proto = talk.session.proto();
    let subscriptions = talk.streams.get_or_insert_default();
    for (key, position) in streams {
        let group = desk.shared.directory.group_of(&key);
        let account = desk.shared.directory.account();
        let seat = subscriptions.add(key.clone(), account).map(|number| Seat { session: line.key, number });
        if !seat.is_some_and(|seat| desk.hubs.follow(&key, group, seat, position)) {
            subscriptions.remove(&key);
            let refusal = Refusal::Busy { retry_ms: limit::BUSY_RETRY_MS };
            let text = format!("{} too many streams are followed", refusal.code());
            return Writer::new(&mut desk.out, proto).error(text.as_bytes());
        }
    }
    Writer::new(&mut desk.out, proto).count(subscriptions.len() as u64);
}

/// It follows fewer.
pub(super) fn unfollow(keys: &[Text], talk: &mut RespTalk, desk: &mut Desk) {
    let proto = talk.session.proto();
    if let Some(subscriptions) = &mut talk.streams {
        keys.iter().for_each(|key| subscriptions.remove(key));
    }
    let left = talk.streams.as_ref().map_or(0, |subscriptions| subscriptions.len());
    Writer::new(&mut desk.out, proto).count(left as u64);
}

/// What is pushed is RESP3: a connection that speaks it no longer, or begins anew, follows nothing.
pub(super) fn end_with_resp3(talk: &mut RespTalk) {
    if talk.session.proto() != Proto::Resp3
        && let Some(subscriptions) = &mut talk.streams
    {
        subscriptions.clear();
    }
}

impl Session {
    /// A hub tells something of a stream.
    pub(crate) fn tell(
        &mut self,
        seat: Seat,
        key: &Text,
        tell: Tell<'_>,
        desk: &mut Desk,
        now: MonoMs,
    ) -> Took {
        debug_assert!(desk.out.is_empty(), "what was said before is with its connection");
        if self.phase != Phase::Open || !self.reads(seat, key) {
            return Took::Gone;
        }
        if !self.takes_news(&desk.passing) {
            return Took::Full;
        }
        match &mut self.talk {
            Talk::Resp(_) => push(&mut desk.out, key, tell),
            Talk::Events(talk) => {
                let (source, beat_at) = talk.parts();
                let Source::Streams(following) = source else { return Took::Gone };
                *beat_at = MonoMs(now.0 + desk.shared.config.heartbeat_ms);
                if following.tell(seat.number, key, tell, desk) == Opening::Over {
                    self.phase = Phase::Ending;
                }
            }
            Talk::Http(_) => return Took::Gone,
        }
        self.keep_news(desk, now);
        Took::All
    }

    /// Whether so little waits for it that it may be told more. Where the process has no room left, nobody is.
    pub(crate) fn takes_news(&self, passing: &Passing) -> bool {
        self.line.unsent_bytes() < passing.soft_bytes() && !passing.is_spent()
    }

    /// Keeps news until it is written: behind replies that are written already, ahead of those that are not there yet.
    fn keep_news(&mut self, desk: &mut Desk, now: MonoMs) {
        if let Some(buffers) = &mut self.line.buffers
            && buffers.pending.keep_behind(&desk.out)
        {
            desk.out.clear();
        }
        self.keep_said(desk, now);
    }

    /// Whether it still wants to hear of this stream.
    pub(crate) fn reads(&self, seat: Seat, key: &Text) -> bool {
        match &self.talk {
            Talk::Resp(talk) => talk.streams.as_ref().is_some_and(|streams| streams.has(key, seat.number)),
            Talk::Events(talk) => {
                matches!(talk.source(), Source::Streams(following) if following.reads(seat.number))
            }
            Talk::Http(_) => false,
        }
    }
}

/// As a push of RESP3.
fn push(out: &mut Vec<u8>, key: &Text, tell: Tell<'_>) {
    let mut writer = Writer::new(out, Proto::Resp3);
    match tell {
        Tell::Current => {}
        Tell::Entry { epoch, entry } => {
            writer.push(5);
            writer.bulk(b"x.entry");
            writer.bulk(key);
            writer.bulk(Cursor { epoch, dense: entry.dense }.to_string().as_bytes());
            writer.bulk(entry.id.to_string().as_bytes());
            writer.array(entry.fields().count());
            entry.fields().texts().for_each(|text| writer.bulk(text));
        }
        Tell::Reset { reason, stream } => {
            writer.push(5);
            writer.bulk(b"x.reset");
            writer.bulk(key);
            writer.bulk(reason.word().as_bytes());
            match stream {
                Some(stream) => {
                    writer.bulk(Cursor { epoch: stream.epoch, dense: stream.oldest }.to_string().as_bytes());
                    writer.bulk(Cursor { epoch: stream.epoch, dense: stream.newest }.to_string().as_bytes());
                }
                None => {
                    writer.null();
                    writer.null();
                }
            }
        }
        Tell::End(cursor) => {
            writer.push(3);
            writer.bulk(b"x.end");
            writer.bulk(key);
            writer.bulk(cursor.to_string().as_bytes());
        }
    }
}
