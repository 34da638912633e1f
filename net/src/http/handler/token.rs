//! `/v1/zones/{zone}/tokens/{token}`: GET polls, HEAD looks without counting as a poll, DELETE leaves.

use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::route::Method;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;

pub(crate) fn run(visit: &mut Visit<'_, '_>, zone: &str, token: &str) -> Handled {
    let (Some(zone), Some(token)) = (percent::decode(zone), percent::decode(token)) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the path has a bad escape"));
    };
    let (zone, token) = (&*zone, &*token);
    match visit.method {
        Method::Delete => visit.ask(&Request::Leave { zone, token }, Purpose::TokenDelete),
        Method::Head => visit.ask(&Request::Peek { zone, token }, Purpose::TokenGet),
        _ => visit.ask(&Request::Poll { zone, token }, Purpose::TokenGet),
    }
}
