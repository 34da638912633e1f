//! `POST /v1/zones/{zone}/tokens`: join. The body is optional.

use super::{check_media, parse, wait::join};
use crate::http::decode::Call;
use crate::http::json::Text;
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
}

pub(crate) fn run(visit: &mut Visit<'_, '_>, zone: &str) -> Handled {
    let call = visit.call;
    let (Some(zone), body) = (percent::decode(zone), read(call)) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the zone's name has a bad escape"));
    };
    let body = match body {
        Ok(body) => body,
        Err(problem) => return visit.problem(&problem),
    };
    match join(visit, &zone, body.user_id.as_ref(), body.request_id.as_ref()) {
        Ok(request) => visit.ask(&request, Purpose::TokenCreate),
        Err(problem) => visit.problem(&problem),
    }
}

fn read<'a>(call: &Call<'a>) -> Result<Body<'a>, Problem> {
    if call.body.is_empty() {
        check_media(&call.fields)?;
        return Ok(Body::default());
    }
    parse(&call.fields, call.body)
}
