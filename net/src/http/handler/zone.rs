//! `GET /v1/zones/{zone}`: what everybody may know about a zone.

use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::request::Request;

pub(crate) fn run(visit: &mut Visit<'_, '_>, zone: &str) -> Handled {
    let Some(zone) = percent::decode(zone) else {
        return visit.problem(&Problem::new(400, "MALFORMED", "the zone's name has a bad escape"));
    };
    visit.ask(&Request::Stats { zone: &zone }, Purpose::Zone)
}
