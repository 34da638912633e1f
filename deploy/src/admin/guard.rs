//! Who may look and administer. Where tokens are configured, a bearer of one; else, on this machine only, any program that
//! is here itself: a proxy passes on what strangers send, a browser what any page makes it send.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
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
    let provenance = provenance(&request)?;
    if shared.is_guarded {
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if shared.tokens.writer(authorization).is_none() {
            return Err(Problem::new(
                401,
                "NOAUTH",
                "send one of the tokens of auth.admin_tokens as a bearer",
            ));
        }
    } else if let Some(objection) = objection(provenance, &shared.reach) {
        return Err(Problem::new(403, "NOPERM", objection.text()));
    }
    Ok(next.run(request).await)
}

/// Who calls. A call that names two hosts, or none that can be read in one way, is refused.
fn provenance(request: &Request) -> Result<Provenance<'_>, Problem> {
    let headers = request.headers();
    let mut provenance = Provenance::default();
    headers.iter().for_each(|(name, value)| provenance.note(name.as_str(), value.as_bytes()));
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let is_one = headers.get_all(header::HOST).iter().count() <= 1
        && authority.is_none_or(|authority| provenance.call(authority));
    match is_one && provenance.is_host_clear() {
        true => Ok(provenance),
        false => Err(Problem::new(400, "MALFORMED", "the target and the Host must name one host")),
    }
}

/// Why a call without a token is not answered. Who opens the plane to other machines without tokens trusts them all, but
/// hardly what their browsers are made to send.
fn objection(provenance: Provenance<'_>, reach: &Reach) -> Option<Objection> {
    let known = Known { names: &reach.names, origins: &[] };
    if reach.is_open { provenance.page(known) } else { provenance.objection(known) }
}
