//! `/healthz` (the process answers) and `/readyz` (it should be sent traffic).

use crate::http::problem::Problem;
use crate::http::respond::Media;
use crate::http::visit::{Handled, Visit};
use crate::shared::Ending;
use std::sync::atomic::Ordering;

pub(crate) fn alive(visit: &mut Visit<'_, '_>) -> Handled {
    visit.respond(200, Media::Text, b"ok\n")
}

/// `?for=writes` asks for more than polls; a node that orders its own commands can do both or neither.
pub(crate) fn ready(visit: &mut Visit<'_, '_>) -> Handled {
    if !matches!(visit.call.query, "" | "for=writes" | "for=polls") {
        return visit.problem(&Problem::new(400, "MALFORMED", "for is writes or polls"));
    }
    let shared = &visit.desk.shared;
    if shared.ready.load(Ordering::Acquire) && shared.ending() == Ending::No {
        return visit.respond(200, Media::Text, b"ready\n");
    }
    visit.problem(&Problem {
        retry_ms: Some(1_000),
        ..Problem::new(503, "DRAINING", "not ready, or draining")
    })
}
