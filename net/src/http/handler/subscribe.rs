//! Who may read streams, and `POST /v1/subscribe-tokens`, which lets a browser do so for a while.

use super::parse;
use crate::auth::bearer;
use crate::grant::{Grant, PURPOSE};
use crate::http::cookie;
use crate::http::json::{Object, Text};
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::respond::Media;
use crate::http::visit::{Handled, Visit};
use crate::limit::{GRANT_TTL_MS, GRANT_TTL_MS_MAX};
use serde::Deserialize;
use sluice_engine::stream::text::Text as Key;
use sluice_engine::time::WallMs;
use std::borrow::Cow;

/// The parameter that holds a token, for who can set neither a header nor a cookie.
pub(crate) const ACCESS_TOKEN: &str = "access_token";

pub(super) const NO_WRITER: Problem = Problem::new(401, "NOAUTH", "a writer token is needed");
const NO_TOKEN: Problem = Problem::new(401, "NOAUTH", "a writer token or a subscribe token is needed");
const RUN_OUT: Problem = Problem::new(401, "NOAUTH", "the subscribe token has run out");
const OTHER_KEYS: Problem = Problem::new(403, "NOPERM", "the subscribe token does not name this stream");
const BAD_KEYS: Problem =
    Problem::new(400, "MALFORMED", "name 1 to 64 keys or prefixes, all together of no more than 2 KiB");
const BAD_TTL: Problem = Problem::new(400, "MALFORMED", "ttlMs is a number from 1 to 3600000");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    keys: Vec<Text<'a>>,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

/// Issues a token.
pub(crate) fn run(visit: &mut Visit<'_, '_>) -> Handled {
    let call = visit.call;
    if let Err(problem) = visit.privilege(NO_WRITER) {
        return visit.problem(&problem);
    }
    let body: Body<'_> = match parse(&call.fields, call.body) {
        Ok(body) => body,
        Err(problem) => return visit.problem(&problem),
    };
    let ttl_ms = body.ttl_ms.unwrap_or(GRANT_TTL_MS);
    if !(1..=GRANT_TTL_MS_MAX).contains(&ttl_ms) {
        return visit.problem(&BAD_TTL);
    }
    let until = WallMs(visit.desk.shared.wall_ms().0.saturating_add(ttl_ms));
    let Some(grant) = Grant::new(body.keys.iter().map(Text::bytes), until) else {
        return visit.problem(&BAD_KEYS);
    };
    let token = grant.sign(&visit.desk.shared.directory.signing_key(PURPOSE));
    let mut json = Vec::new();
    let mut object = Object::open(&mut json);
    object.text("token", token.as_bytes()).count("expiresAt", until.0);
    object.close();
    visit.respond(201, Media::Json, &json)
}

/// Whether the caller may read all these streams; the problem where not.
pub(super) fn check(visit: &Visit<'_, '_>, keys: &[Key]) -> Result<(), Problem> {
    let fields = &visit.call.fields;
    let Err(mut best) = visit.privilege(NO_TOKEN) else { return Ok(()) };
    let header = fields.authorization.and_then(bearer).map(Cow::Borrowed);
    let cookie =
        fields.cookie.and_then(|cookies| cookie::value(cookies, cookie::SUBSCRIBE)).map(Cow::Borrowed);
    let query = percent::parameters(visit.call.query).find(|(name, _)| *name == ACCESS_TOKEN);
    let query = query.and_then(|(_, token)| token);
    let secrets = visit.desk.shared.directory.verifying_keys(PURPOSE);
    for token in [header, cookie, query].into_iter().flatten() {
        let known = secrets.iter().find_map(|secret| Grant::verify(&token, secret));
        let Some(grant) = known else { continue };
        if grant.until <= visit.desk.shared.wall_ms() {
            best = RUN_OUT;
        } else if keys.iter().all(|key| grant.allows(key)) {
            return Ok(());
        } else {
            return Err(OTHER_KEYS);
        }
    }
    Err(best)
}
