//! `/healthz` (the process answers) and `/readyz` (it should be sent traffic).

use crate::http::problem::Problem;
use crate::http::respond::Media;
use crate::http::visit::{Handled, Visit};
use crate::shared::Ending;
use std::sync::atomic::Ordering;

pub(crate) fn alive(visit: &mut Visit<'_, '_>) -> Handled {
    visit.respond(200, Media::Text, b"ok\n")
}

/// Ready to answer polls, which needs no leader; `?for=writes` asks for leaders too.
pub(crate) fn ready(visit: &mut Visit<'_, '_>) -> Handled {
    if !matches!(visit.call.query, "" | "for=writes" | "for=polls") {
        return visit.problem(&Problem::new(400, "MALFORMED", "for is writes or polls"));
    }
    let shared = &visit.desk.shared;
    if let Some((code, detail)) = shared.cluster.standing().reason() {
        return visit.problem(&unready(code, detail));
    }
    if !shared.cluster.is_ready() {
        return visit.problem(&unready("LOADING", "the log is being applied again"));
    }
    if !shared.ready.load(Ordering::Acquire) || shared.ending() != Ending::No {
        return visit.problem(&unready("DRAINING", "the server is about to stop"));
    }
    if visit.call.query == "for=writes" && !shared.cluster.can_write() {
        return visit.problem(&if shared.cluster.status().is_disk_full() {
            unready("BUSY", "too few disks have room, polls are answered")
        } else {
            unready("NOLEADER", "no quorum, polls are answered")
        });
    }
    visit.respond(200, Media::Text, b"ready\n")
}

fn unready(code: &'static str, detail: &'static str) -> Problem {
    Problem { retry_ms: Some(1_000), ..Problem::new(503, code, detail) }
}
