//! `GET /v1/zones/{zone}/tokens/{token}/events`: the token's place as server-sent events; HEAD answers the head alone.
//!
//! The first poll decides whether there is a stream at all: no such zone or no token of it is an error response, which
//! stops a browser for good. Everything else is said in the stream, because a browser comes back only after a 200.

use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::respond::Media;
use crate::http::route::Method;
use crate::http::sse;
use crate::http::visit::{Handled, Visit};
use crate::http::watch::{Watch, has_ended, tell};
use crate::limit;
use crate::request::Request;
use crate::session::events::{EventTalk, Source, Talked};
use crate::session::line::Asked;
use crate::session::pending::Awaited;
use crate::session::told::{Told, subject};
use crate::worker::desk::Desk;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;

pub(crate) fn run(visit: &mut Visit<'_, '_>, zone: &str, token: &str) -> Handled {
    let (Some(zone), Some(token)) = (percent::decode(zone), percent::decode(token)) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the path has a bad escape"));
    };
    if has_ended(visit.call.fields.last_event_id) {
        return visit.respond(204, Media::Text, b"");
    }
    if visit.method == Method::Head {
        return look(visit, &zone, &token);
    }
    if visit.line.is_behind() {
        return Handled::Behind;
    }
    if visit.desk.closing {
        open(visit);
        return Handled::Done;
    }
    let mut watch = Watch::new(&zone, &token);
    let (name, said) = watch.parts();
    let request = name.request();
    let told = match visit.line.ask(&request, false, || Awaited::Event, visit.desk, visit.turn) {
        Asked::Wait => return Handled::Wait,
        Asked::Later => None,
        Asked::Told(told) => Some(told),
    };
    if let Some(refusal) = told.as_ref().and_then(refused) {
        return visit.problem(&Problem::refused(refusal));
    }
    open(visit);
    // An owner may hold the answer until the turn comes: meanwhile the reader knows its position.
    let shown = told.as_ref().map_or_else(|| peek(&request, visit), |_| None);
    let now = visit.turn.now;
    let Desk { shared, body, out, signer, .. } = &mut *visit.desk;
    let mut show = |told: Told| {
        told.show(&request, &shared.directory, signer, |answer| tell(answer, name, said, true, body, out))
    };
    shown.map(&mut show);
    let next = told.map(show);
    let mut talk = EventTalk::new(Source::Token(watch), visit.desk.shared.config.heartbeat_ms, now);
    match next.map(|next| talk.follow(next, now)) {
        // The end came first: nothing has to be remembered.
        Some(Talked::Out) => Handled::Last,
        Some(Talked::On) | None => Handled::Events(Box::new(talk)),
    }
}

/// HEAD: what GET would begin with; it neither counts as a poll nor admits.
fn look(visit: &mut Visit<'_, '_>, zone: &[u8], token: &[u8]) -> Handled {
    match visit.desk.shared.directory.peek(visit.turn.guard, zone, token, visit.turn.now) {
        Err(refusal @ (Refusal::NoZone | Refusal::BadToken)) => visit.problem(&Problem::refused(refusal)),
        _ => {
            let shape = visit.shape;
            visit.desk.responder().open_events(shape);
            Handled::Done
        }
    }
}

/// Where the token of a poll waits.
fn peek(request: &Request<'_>, visit: &Visit<'_, '_>) -> Option<Told> {
    let (zone, token) = subject(request);
    let directory = &visit.desk.shared.directory;
    match directory.peek(visit.turn.guard, zone, token, visit.turn.now) {
        Ok(standing @ Standing::Waiting(_)) => Some(Told::Standing(standing)),
        _ => None,
    }
}

/// The head, and when to come back should the connection be cut.
fn open(visit: &mut Visit<'_, '_>) {
    let shape = visit.shape;
    let desk = &mut *visit.desk;
    let range = if desk.closing { limit::DRAIN_RETRY_MS } else { limit::RETRY_MS };
    let retry_ms = desk.jitter.between(range.start, range.end);
    desk.responder().open_events(shape);
    sse::retry(&mut desk.out, retry_ms);
}

/// The reason why there is nothing to listen to, if there is one.
fn refused(told: &Told) -> Option<Refusal> {
    told.refusal().filter(|refusal| matches!(refusal, Refusal::NoZone | Refusal::BadToken))
}
