//! `/room/{zone}`: the waiting page. GET shows it, POST is the step of a browser without script: it joins, keeps the place in a
//! cookie, and leads back to the page.
//!
//! A place comes from the visitor's own cookie and never from an address, so no link, image or form of another site replaces
//! it. GET and HEAD join nothing: whoever fetches addresses in advance takes no places.

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
        _ if is_known && joins => visit.ask(
            &Request::Join { zone, user: None, request: None, is_trusted: false },
            Purpose::RoomJoin { language },
        ),
        Some(token) if is_known => {
            let purpose = Purpose::Room { language, from };
            match visit.method {
                Method::Head => visit.ask(&Request::Peek { zone, token }, purpose),
                _ => visit.ask(&Request::Poll { zone, token }, purpose),
            }
        }
        _ => show(visit, zone, language, from),
    }
}

/// The page of who has no place.
fn show(visit: &mut Visit<'_, '_>, zone: &[u8], language: Language, from: u64) -> Handled {
    let shape = visit.shape;
    let settings = visit.desk.shared.directory.settings(zone);
    let mut to = visit.desk.responder();
    let zone = std::str::from_utf8(zone).unwrap_or_default();
    let (settings, stage) = (settings.as_deref(), Stage::Joining);
    let status = Visitor { zone, settings, language, from, stage, pass: "" }.write(to.body);
    to.send(status, Media::Html, shape, &[Field::Page(language)]);
    Handled::Done
}

/// The value of a name in the query, as it stands there: nothing that is read here is ever encoded.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
