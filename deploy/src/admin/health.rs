//! `/healthz` (the process answers) and `/readyz` (it should be sent traffic), as on the HTTP port.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use sluice_net::observer::Observer;

use super::Shared;
use super::problem::Problem;

const RETRY_MS: u32 = 1_000;

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<&'static str, Problem> {
    let for_writes = match query.as_deref() {
        None | Some("" | "for=polls") => false,
        Some("for=writes") => true,
        Some(_) => return Err(Problem::new(400, "MALFORMED", "for is writes or polls")),
    };
    let unready = |code, detail| Err(Problem::new(503, code, detail).retry_after(RETRY_MS));
    if let Some((code, detail)) = shared.cluster.standing().reason() {
        return unready(code, detail);
    }
    match shared.server.get().map(Observer::is_ready) {
        None => unready("LOADING", "not recovered yet"),
        Some(_) if !shared.cluster.is_ready() => unready("LOADING", "the log is being applied again"),
        Some(false) => unready("DRAINING", "the server is about to stop"),
        Some(true) if for_writes && !shared.cluster.can_write() => {
            if shared.cluster.status().is_disk_full() {
                return unready("BUSY", "too few disks have room, polls are answered");
            }
            unready("NOLEADER", "no quorum, polls are answered")
        }
        Some(true) => Ok("ready\n"),
    }
}
