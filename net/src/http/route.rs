//! Which resource a path names, and what may be done to it.

/// A resource. Segments are as they came, still percent-encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route<'a> {
    Wait,
    Entry,
    Tokens {
        zone: &'a str,
    },
    Token {
        zone: &'a str,
        token: &'a str,
    },
    Zone {
        zone: &'a str,
    },
    Health,
    Ready,
    OpenApi,
    /// `OPTIONS *`.
    Server,
}

/// The methods that anything here understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Delete,
    Options,
}

impl Method {
    /// Reads a method; they are case-sensitive.
    pub(crate) fn parse(text: &str) -> Option<Method> {
        match text {
            "GET" => Some(Method::Get),
            "POST" => Some(Method::Post),
            "HEAD" => Some(Method::Head),
            "DELETE" => Some(Method::Delete),
            "OPTIONS" => Some(Method::Options),
            _ => None,
        }
    }
}

impl Route<'_> {
    /// The resource that a path names.
    pub(crate) fn of(path: &str) -> Option<Route<'_>> {
        match path {
            "/traffic/entry" => Some(Route::Entry),
            "/traffic/wait" => Some(Route::Wait),
            "/healthz" => Some(Route::Health),
            "/readyz" => Some(Route::Ready),
            "/openapi.json" => Some(Route::OpenApi),
            "*" => Some(Route::Server),
            _ => zone(path.strip_prefix("/v1/zones/")?),
        }
    }

    /// What `Allow` says of it.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Route::Wait | Route::Entry | Route::Tokens { .. } => "POST, OPTIONS",
            Route::Token { .. } => "GET, HEAD, DELETE, OPTIONS",
            Route::Zone { .. } | Route::Health | Route::Ready | Route::OpenApi => "GET, HEAD, OPTIONS",
            Route::Server => "OPTIONS",
        }
    }
}

fn zone(rest: &str) -> Option<Route<'_>> {
    let mut segments = rest.split('/');
    let zone = segments.next().filter(|zone| !zone.is_empty())?;
    let route = match (segments.next(), segments.next()) {
        (None, _) => Route::Zone { zone },
        (Some("tokens"), None) => Route::Tokens { zone },
        (Some("tokens"), Some(token)) if !token.is_empty() => Route::Token { zone, token },
        _ => return None,
    };
    segments.next().is_none().then_some(route)
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn paths_name_resources() {
        let zone = "shop";
        for (path, expected) in [
            ("/traffic/wait", Some(Route::Wait)),
            ("/traffic/wait/", None),
            ("/v1/zones/shop", Some(Route::Zone { zone })),
            ("/v1/zones/shop/tokens", Some(Route::Tokens { zone })),
            ("/v1/zones/shop/tokens/", None),
            ("/v1/zones/shop/tokens/t", Some(Route::Token { zone, token: "t" })),
            ("/v1/zones/shop/tokens/t/events", None),
            ("/v1/zones/", None),
            ("/v1/zones//tokens", None),
            ("/v1/zones", None),
            ("/", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }
}
