//! Errors as RFC 9457 documents, with the codes that RESP has.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sluice_net::cluster::Refused;

/// An error response.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    code: String,
    detail: String,
    retry_ms: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &str, detail: &str) -> Problem {
        Problem { status, code: code.to_owned(), detail: detail.to_owned(), retry_ms: None }
    }

    /// The same with advice when to try again.
    pub(super) fn retry_after(self, retry_ms: u32) -> Problem {
        Problem { retry_ms: Some(retry_ms), ..self }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        // What waiting may mend is the service's state; all else contradicts the state of the cluster.
        let passes = refused.retry_ms.is_some() || refused.code == "LOST";
        let status = if passes { 503 } else { 409 };
        Problem { status, code: refused.code, detail: refused.message, retry_ms: refused.retry_ms }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, kind, body.to_string()).into_response();
        if let Some(ms) = self.retry_ms {
            let seconds = HeaderValue::from(ms.div_ceil(1_000).max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
