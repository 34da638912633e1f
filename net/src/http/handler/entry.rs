//! `POST /traffic/entry`: poll, as existing apps do it.

use super::parse;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    zone_id: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
}

pub(crate) fn run(visit: &mut Visit<'_, '_>) -> Handled {
    let call = visit.call;
    let body: Body<'_> = match parse(&call.fields, call.body) {
        Ok(body) => body,
        Err(problem) => return visit.problem(&problem.for_traffic()),
    };
    let request = Request::Poll { zone: body.zone_id.as_bytes(), token: body.token.as_bytes() };
    visit.ask(&request, Purpose::Entry)
}
