//! `GET /room/{zone}`: the waiting page. `?join=1` and `?token=` are the steps of a browser without script; HEAD never takes them.

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
    let (Some(zone), token) = (percent::decode(zone), value(query, "token").unwrap_or_default()) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the path has a bad escape"));
    };
    let (zone, token) = (&*zone, token.as_bytes());
    let from = value(query, "from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let settings = visit.desk.shared.directory.settings(zone);
    let joins = value(query, "join").is_some() && visit.method == Method::Get;
    match (&settings, token) {
        (Some(_), b"") if joins => visit.ask(
            &Request::Join { zone, user: None, request: None, is_trusted: false },
            Purpose::RoomJoin { language },
        ),
        (Some(_), token) if !token.is_empty() => {
            let purpose = Purpose::Room { language, from };
            match visit.method {
                Method::Head => visit.ask(&Request::Peek { zone, token }, purpose),
                _ => visit.ask(&Request::Poll { zone, token }, purpose),
            }
        }
        _ => {
            let shape = visit.shape;
            let mut to = visit.desk.responder();
            let zone = std::str::from_utf8(zone).unwrap_or_default();
            let visitor = Visitor {
                zone,
                settings: settings.as_deref(),
                language,
                from,
                stage: Stage::Joining,
                pass: "",
            };
            let status = visitor.write(to.body);
            to.send(status, Media::Html, shape, &[Field::Page(language)]);
            Handled::Done
        }
    }
}

/// The value of a name in the query, as it stands there: nothing that is read here is ever encoded.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
