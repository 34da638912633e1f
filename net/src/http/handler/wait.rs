//! `POST /traffic/wait`: join a zone, as existing apps do it.

use super::{identity, parse};
use crate::http::json::Text;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;
use serde::Deserialize;
use std::borrow::Cow;

/// The body. `clientIp` and `clientAgent` are accepted and dropped with every other unknown member.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow)]
    zone_id: Cow<'a, str>,
    #[serde(borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
}

pub(crate) fn run(visit: &mut Visit<'_, '_>) -> Handled {
    let call = visit.call;
    let body: Body<'_> = match parse(&call.fields, call.body) {
        Ok(body) => body,
        Err(problem) => return visit.problem(&problem.for_traffic()),
    };
    let trusted = body.user_id.is_some() && visit.desk.shared.config.auth.writer(call.fields.authorization);
    let user = body.user_id.as_ref().filter(|_| trusted).map(Text::bytes);
    match identities(user, body.request_id.as_ref().map(Text::bytes)) {
        Ok((user, request)) => {
            let (zone, is_trusted) = (body.zone_id.as_bytes(), user.is_some());
            visit.ask(&Request::Join { zone, user, request, is_trusted }, Purpose::Wait)
        }
        Err(problem) => visit.problem(&problem.for_traffic()),
    }
}

type Identities<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

pub(super) fn identities<'a>(
    user: Option<&'a [u8]>,
    request: Option<&'a [u8]>,
) -> Result<Identities<'a>, Problem> {
    Ok((identity(user, "userId is too long")?, identity(request, "requestId is too long")?))
}
