//! `POST /traffic/wait`: join a zone, as existing apps do it.

use super::subscribe::NO_WRITER;
use super::{identity, parse};
use crate::caller::RequestId;
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
    let zone = body.zone_id.as_bytes();
    match join(visit, zone, body.user_id.as_ref(), body.request_id.as_ref()) {
        Ok(request) => visit.ask(&request, Purpose::Wait),
        Err(problem) => visit.problem(&problem.for_traffic()),
    }
}

/// The request that joins. Only a caller with credentials may say for whom.
pub(super) fn join<'a>(
    visit: &Visit<'_, '_>,
    zone: &'a [u8],
    user: Option<&'a Text<'_>>,
    id: Option<&Text<'_>>,
) -> Result<Request<'a>, Problem> {
    let user = user.filter(|_| visit.privilege(NO_WRITER).is_ok());
    let user = identity(user.map(Text::bytes), "userId is too long")?;
    let id = identity(id.map(Text::bytes), "requestId is too long")?;
    let hash = |id| RequestId { caller: visit.caller(), user, id }.hash(&visit.desk.shared.directory, zone);
    Ok(Request::Join { zone, user, request: id.map(hash), is_trusted: user.is_some() })
}
