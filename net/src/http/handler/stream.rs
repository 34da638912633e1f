//! `GET /v1/streams/{key}/events` and `GET /v1/streams?key=…` as server-sent events, for who accepts them; HEAD answers the head
//! alone.

use super::{range, subscribe};
use crate::cursor::Cursor;
use crate::http::following::Following;
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::route::Method;
use crate::http::visit::{Handled, Visit};
use crate::hub::Seat;
use crate::limit;
use crate::session::events::{EventTalk, Source};
use crate::session::reading::weight;
use sluice_engine::account::{Charge, Part};
use sluice_engine::stream::text::Text;

const BAD_ESCAPE: Problem = Problem::new(400, "MALFORMED", "the target has a bad escape");
/// A place that no stream has.
const LOST: Cursor = Cursor { epoch: u64::MAX, dense: 0 };
const NO_EVENTS: Problem =
    Problem::new(406, "MEDIA", "several streams are answered as text/event-stream only");

const TOO_MANY: Problem = Problem {
    retry_ms: Some(limit::BUSY_RETRY_MS),
    ..Problem::new(503, "BUSY", "too many streams are followed here")
};

/// One stream.
pub(crate) fn one(visit: &mut Visit<'_, '_>, key: &str) -> Handled {
    let Some(key) = percent::decode(key) else { return visit.problem(&BAD_ESCAPE) };
    let keys = [Text::from(&*key)];
    if !visit.wants_events() {
        return match subscribe::check(visit, &keys) {
            Ok(()) => range::run(visit, &key),
            Err(problem) => visit.problem(&problem),
        };
    }
    follow(visit, &keys, true)
}

/// Several.
pub(crate) fn many(visit: &mut Visit<'_, '_>) -> Handled {
    if !visit.wants_events() {
        return visit.problem(&NO_EVENTS);
    }
    let named = percent::parameters(visit.call.query).filter(|(name, _)| *name == "key");
    let keys: Option<Vec<Text>> = named.map(|(_, key)| Some(Text::from(&*key?))).collect();
    match keys {
        None => visit.problem(&BAD_ESCAPE),
        Some(keys) if keys.is_empty() || keys.len() > limit::STREAMS_PER_READER_MAX => {
            visit.problem(&Problem::new(400, "MALFORMED", "name 1 to 64 streams with ?key="))
        }
        Some(keys) => follow(visit, &keys, false),
    }
}

fn follow(visit: &mut Visit<'_, '_>, keys: &[Text], is_single: bool) -> Handled {
    // Once, at the beginning: a token that runs out later ends nothing.
    if let Err(problem) = subscribe::check(visit, keys) {
        return visit.problem(&problem);
    }
    let header = visit.call.fields.last_event_id.filter(|id| !id.is_empty());
    let after = percent::parameters(visit.call.query).find(|(name, _)| *name == "after");
    let after = after.and_then(|(_, after)| after);
    // Its address stays as it was when a browser comes back: then the header is newer.
    let cursor = header.or(after.as_deref());
    let cursors = match cursor {
        None => Some(vec![None; keys.len()]),
        Some(text) if is_single => Cursor::parse(text).map(|cursor| vec![Some(cursor)]),
        Some(text) => Cursor::parse_all(text, keys.len()),
    };
    // Never silence, and never "nothing new": a cursor that says nothing is one whose place is lost.
    let cursors = cursors.unwrap_or_else(|| vec![Some(LOST); keys.len()]);
    if visit.method == Method::Head {
        let shape = visit.shape;
        visit.desk.responder().open_events(shape);
        return Handled::Done;
    }
    if visit.line.is_behind() {
        return Handled::Behind;
    }
    let Some(charge) = charge_names(visit, keys) else { return visit.problem(&TOO_MANY) };
    let mut following = Following::new(cursors, is_single, header.is_some(), visit.shape, charge);
    if visit.desk.closing {
        following.open(visit.desk);
        return Handled::Last;
    }
    for ((key, position), number) in keys.iter().zip(following.positions()).zip(0..) {
        let group = visit.desk.shared.directory.group_of(key);
        let seat = Seat { session: visit.line.key, number };
        if !visit.desk.hubs.follow(key, group, seat, position) {
            return visit.problem(&TOO_MANY);
        }
    }
    let heartbeat_ms = visit.desk.shared.config.heartbeat_ms;
    Handled::Events(Box::new(EventTalk::new(Source::Streams(following), heartbeat_ms, visit.turn.now)))
}

/// Many streams are counted, and long names; few and short ones are part of what a connection takes.
fn charge_names(visit: &Visit<'_, '_>, keys: &[Text]) -> Option<Charge> {
    let bytes = keys.iter().map(|key| weight(key)).sum();
    if bytes <= limit::FOLLOWED_BYTES_FREE {
        return Some(Charge::default());
    }
    visit.desk.shared.directory.account().take(Part::Standing, bytes)
}

impl Visit<'_, '_> {
    /// Whether the caller takes an event stream.
    pub(crate) fn wants_events(&self) -> bool {
        let accept = self.call.fields.accept.unwrap_or_default();
        accept.split(|byte| *byte == b',').any(|range| {
            let media = range.split(|byte| *byte == b';').next().unwrap_or_default();
            media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
        })
    }
}
