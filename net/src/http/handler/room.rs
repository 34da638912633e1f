//! `/room/{zone}`: the waiting page. GET shows it, POST is the step of a browser without script: it joins, keeps the place in a
//! cookie, and leads back to the page.
//!
//! A place comes from the visitor's own cookie and never from an address, so no link, image or form of another site replaces
//! it, and a place that is good is kept whoever clicks. GET and HEAD join nothing: whoever fetches addresses in advance takes no
//! places.

use crate::http::cookie;
use crate::http::pages::language::Language;
use crate::http::pages::room::{Stage, Visitor};
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::respond::{Field, Media};
use crate::http::route::Method;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;

pub(crate) fn run(visit: &mut Visit<'_, '_>, zone: &str) -> Handled {
    let query = visit.call.query;
    let language = value(query, "lang")
        .and_then(Language::of)
        .unwrap_or_else(|| Language::preferred(visit.call.fields.accept_language));
    let Some(zone) = percent::decode(zone) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the path has a bad escape"));
    };
    let zone = &*zone;
    let token = visit.call.fields.cookie.and_then(|cookies| cookie::value(cookies, cookie::PLACE));
    let from = value(query, "from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let is_known = visit.desk.shared.directory.settings(zone).is_some();
    let joins = visit.method == Method::Post && !visit.call.fields.provenance.is_of_other_site();
    match token.filter(|token| !token.is_empty()) {
        token if is_known && joins => join(visit, zone, token, language),
        Some(token) if is_known => {
            let purpose = Purpose::Room { language, from };
            match visit.method {
                Method::Head => visit.ask(&Request::Peek { zone, token }, purpose),
                _ => visit.ask(&Request::Poll { zone, token }, purpose),
            }
        }
        _ => show(visit, zone, language, from, Stage::Joining),
    }
}

/// Takes a place for who has none: a click never costs a place that is good.
fn join(visit: &mut Visit<'_, '_>, zone: &[u8], token: Option<&[u8]>, language: Language) -> Handled {
    let directory = &visit.desk.shared.directory;
    match token.map(|token| (token, directory.peek(visit.turn.guard, zone, token, visit.turn.now))) {
        Some((token, Ok(standing))) => {
            let from = if let Standing::Waiting(waiting) = standing { waiting.position } else { 0 };
            let (shape, to) = (visit.shape, Field::SeeOther(zone, token, from, language));
            visit.desk.responder().send(303, Media::Text, shape, &[to]);
            Handled::Done
        }
        None | Some((_, Err(Refusal::Gone | Refusal::BadToken | Refusal::NoZone))) => visit.ask(
            &Request::Join { zone, user: None, request: None, is_trusted: false },
            Purpose::RoomJoin { language },
        ),
        Some((_, Err(_))) => show(visit, zone, language, 0, Stage::Untold),
    }
}

/// The page of who has no place, or one of which nothing is known now.
fn show(visit: &mut Visit<'_, '_>, zone: &[u8], language: Language, from: u64, stage: Stage<'_>) -> Handled {
    let shape = visit.shape;
    let settings = visit.desk.shared.directory.settings(zone);
    let mut to = visit.desk.responder();
    let zone = std::str::from_utf8(zone).unwrap_or_default();
    let settings = settings.as_deref();
    let status = Visitor { zone, settings, language, from, stage, pass: "" }.write(to.body);
    to.send(status, Media::Html, shape, &[Field::Page(language)]);
    Handled::Done
}

/// The value of a name in the query, as it stands there: nothing that is read here is ever encoded.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
