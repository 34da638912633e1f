//! Who may look and administer. Where tokens are configured, a bearer of one; else, on this machine only, any program that
//! is here itself: a proxy passes on what strangers send, a browser what any page makes it send.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use sluice_net::provenance::{Known, Objection, Provenance};

use super::problem::Problem;
use super::{Reach, Shared};

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if shared.is_guarded {
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if shared.tokens.writer(authorization).is_none() {
            return Err(Problem::new(
                401,
                "NOAUTH",
                "send one of the tokens of auth.admin_tokens as a bearer",
            ));
        }
    } else if let Some(objection) = objection(headers, &shared.reach) {
        return Err(Problem::new(403, "NOPERM", objection.text()));
    }
    Ok(next.run(request).await)
}

/// Why a call without a token is not answered. Who opens the plane to other machines without tokens trusts them all, but
/// hardly what their browsers are made to send.
fn objection(headers: &HeaderMap, reach: &Reach) -> Option<Objection> {
    let mut provenance = Provenance::default();
    headers.iter().for_each(|(name, value)| provenance.note(name.as_str(), value.as_bytes()));
    let known = Known { names: &reach.names, origins: &[] };
    if reach.is_open { provenance.page(known) } else { provenance.objection(known) }
}
