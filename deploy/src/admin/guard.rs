//! Who may look and administer. Where tokens are configured, a bearer of one; else, on this machine only, anybody who is
//! no web page: a browser can be made to send requests here by any site that its user visits.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::problem::Problem;

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if shared.is_guarded {
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if !shared.tokens.writer(authorization) {
            return Err(Problem::new(
                401,
                "NOAUTH",
                "send one of the tokens of auth.admin_tokens as a bearer",
            ));
        }
    } else if is_foreign(headers) {
        return Err(Problem::new(
            403,
            "NOPERM",
            "web pages of other sites may not call this without a token",
        ));
    }
    Ok(next.run(request).await)
}

/// Whether a page of another site sent this: its origin differs, or a foreign name was made to lead here.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST).unwrap_or_default();
    let other_site = text(header::ORIGIN).is_some_and(|origin| {
        let at = origin.split_once("://").map_or("", |(_, at)| at);
        !at.eq_ignore_ascii_case(host)
    });
    other_site || !is_own_name(host)
}

/// An address, or the one name that nobody else can give to an address.
fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_foreign;
    use axum::http::{HeaderMap, HeaderValue, header};

    #[test]
    fn pages_of_other_sites_are_known() {
        for (host, origin, foreign) in [
            ("127.0.0.1:7381", None, false),
            ("localhost", None, false),
            ("[::1]:7381", Some("http://[::1]:7381"), false),
            ("127.0.0.1:7381", Some("http://127.0.0.1:7381"), false),
            ("127.0.0.1:7381", Some("https://shop.example"), true),
            ("127.0.0.1:7381", Some("null"), true),
            ("rebound.example:7381", None, true),
            ("rebound.example:7381", Some("http://rebound.example:7381"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_foreign(&headers), foreign, "{host} {origin:?}");
        }
        assert!(is_foreign(&HeaderMap::new()), "no host at all");
    }
}
