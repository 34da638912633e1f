//! `POST /v1/zones/{zone}/tokens`: join. The body is optional.

use super::{check_media, parse, wait::identities};
use crate::http::decode::Call;
use crate::http::json::Text;
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;
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
    let trusted = body.user_id.is_some() && visit.desk.shared.config.auth.writer(call.fields.authorization);
    let user = body.user_id.as_ref().filter(|_| trusted).map(Text::bytes);
    match identities(user, body.request_id.as_ref().map(Text::bytes)) {
        Ok((user, request)) => {
            let is_trusted = user.is_some();
            visit.ask(&Request::Join { zone: &zone, user, request, is_trusted }, Purpose::TokenCreate)
        }
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
