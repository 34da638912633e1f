//! One file a resource: from its request to a question for the engine.

pub(crate) mod append;
pub(crate) mod entry;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod openapi;
pub(crate) mod pages;
pub(crate) mod pass_keys;
pub(crate) mod range;
pub(crate) mod room;
pub(crate) mod stream;
pub(crate) mod subscribe;
pub(crate) mod token;
pub(crate) mod tokens;
pub(crate) mod wait;
pub(crate) mod zone;

use super::decode::Fields;
use super::problem::Problem;
use crate::limit;
use serde::Deserialize;

/// Reads a JSON body.
fn parse<'a, T: Deserialize<'a>>(fields: &Fields<'_>, body: &'a [u8]) -> Result<T, Problem> {
    if !fields.sized {
        return Err(Problem::new(411, "LENGTH", "a body of stated length is needed"));
    }
    check_media(fields)?;
    // The reader would also take the members' values as an array.
    let parsed = body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok());
    parsed
        .flatten()
        .ok_or_else(|| Problem::new(400, "MALFORMED", "the body is not the JSON that this call takes"))
}

/// Accepts JSON, and what tools send when nobody told them: the body then decides.
fn check_media(fields: &Fields<'_>) -> Result<(), Problem> {
    let Some(value) = fields.content_type else { return Ok(()) };
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let suffix =
        |of: &[u8]| media.len() >= of.len() && media[media.len() - of.len()..].eq_ignore_ascii_case(of);
    let undeclared: [&[u8]; 3] = [b"", b"text/plain", b"application/x-www-form-urlencoded"];
    if suffix(b"/json") || suffix(b"+json") || undeclared.iter().any(|name| media.eq_ignore_ascii_case(name))
    {
        return Ok(());
    }
    Err(Problem::new(415, "MEDIA", "the body must be application/json"))
}

/// A user id or request id of fitting length, or the error that says which is not.
fn identity<'a>(id: Option<&'a [u8]>, detail: &'static str) -> Result<Option<&'a [u8]>, Problem> {
    match id {
        Some(id) if id.len() > limit::IDENTITY_BYTES_MAX => Err(Problem::new(400, "MALFORMED", detail)),
        id => Ok(id.filter(|id| !id.is_empty())),
    }
}
