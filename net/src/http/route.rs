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
    TokenEvents {
        zone: &'a str,
        token: &'a str,
    },
    Zone {
        zone: &'a str,
    },
    /// `/v1/streams`.
    Streams,
    StreamEvents {
        key: &'a str,
    },
    /// `/v1/subscribe-tokens`.
    SubscribeTokens,
    /// The waiting page of a zone.
    Room {
        zone: &'a str,
    },
    /// The demonstration of event streams.
    Demo,
    /// A file that pages load.
    Page {
        name: &'a str,
    },
    Health,
    Ready,
    OpenApi,
    /// The public halves of the keys that sign passes.
    PassKeys,
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

/// Whether a request, of which perhaps only the beginning can be read, is one of the two calls of existing apps.
pub(crate) fn asks_traffic(input: &[u8]) -> bool {
    let target = input.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    std::str::from_utf8(path).ok().and_then(Route::of).is_some_and(Route::is_traffic)
}

impl Route<'_> {
    /// Whether errors must also speak to apps that read nothing but the body.
    pub(crate) fn is_traffic(self) -> bool {
        matches!(self, Route::Wait | Route::Entry)
    }

    /// The resource that a path names.
    pub(crate) fn of(path: &str) -> Option<Route<'_>> {
        match path {
            "/traffic/entry" => Some(Route::Entry),
            "/traffic/wait" => Some(Route::Wait),
            "/healthz" => Some(Route::Health),
            "/readyz" => Some(Route::Ready),
            "/openapi.json" => Some(Route::OpenApi),
            "/.well-known/jwks.json" => Some(Route::PassKeys),
            "*" => Some(Route::Server),
            "/v1/streams" => Some(Route::Streams),
            "/v1/subscribe-tokens" => Some(Route::SubscribeTokens),
            "/demo" => Some(Route::Demo),
            _ => under(path),
        }
    }

    /// What `Allow` says of it.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Route::Wait | Route::Entry | Route::Tokens { .. } | Route::SubscribeTokens => "POST, OPTIONS",
            Route::Token { .. } => "GET, HEAD, DELETE, OPTIONS",
            Route::StreamEvents { .. } | Route::Room { .. } => "GET, HEAD, POST, OPTIONS",
            Route::TokenEvents { .. }
            | Route::Streams
            | Route::Zone { .. }
            | Route::Demo
            | Route::Page { .. }
            | Route::Health
            | Route::Ready
            | Route::OpenApi
            | Route::PassKeys => "GET, HEAD, OPTIONS",
            Route::Server => "OPTIONS",
        }
    }
}

/// A key has no plain slash: one in it is escaped.
fn stream(rest: &str) -> Option<Route<'_>> {
    let key = rest.strip_suffix("/events")?;
    (!key.is_empty() && !key.contains('/')).then_some(Route::StreamEvents { key })
}

/// The resource below one of the folders.
fn under(path: &str) -> Option<Route<'_>> {
    if let Some(rest) = path.strip_prefix("/v1/zones/") {
        return zone(rest);
    }
    if let Some(rest) = path.strip_prefix("/v1/streams/") {
        return stream(rest);
    }
    let single = |segment: &str| !segment.is_empty() && !segment.contains('/');
    let room = path.strip_prefix("/room/").filter(|zone| single(zone));
    let page = path.strip_prefix("/pages/").filter(|name| single(name));
    room.map(|zone| Route::Room { zone }).or(page.map(|name| Route::Page { name }))
}

fn zone(rest: &str) -> Option<Route<'_>> {
    let mut segments = rest.split('/');
    let zone = segments.next().filter(|zone| !zone.is_empty())?;
    let route = match (segments.next(), segments.next()) {
        (None, _) => Route::Zone { zone },
        (Some("tokens"), None) => Route::Tokens { zone },
        (Some("tokens"), Some(token)) if !token.is_empty() => match segments.next() {
            None => Route::Token { zone, token },
            Some("events") => Route::TokenEvents { zone, token },
            Some(_) => return None,
        },
        _ => return None,
    };
    segments.next().is_none().then_some(route)
}

#[cfg(test)]
mod tests {
    use super::{Route, asks_traffic};

    #[test]
    fn the_calls_of_existing_apps_are_known_by_their_first_line() {
        for (input, expected) in [
            (&b"POST /traffic/wait HTTP/1.1\r\nbad\n"[..], true),
            (b"GET /traffic/entry?x=1 HTTP/9", true),
            (b"POST /traffic/waiting HTTP/1.1", false),
            (b"POST /v1/zones/shop/tokens HTTP/1.1", false),
            (b"\xff \xff\xff", false),
            (b"", false),
        ] {
            assert_eq!(asks_traffic(input), expected, "{}", input.escape_ascii());
        }
    }

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
            ("/v1/zones/shop/tokens/t/events", Some(Route::TokenEvents { zone, token: "t" })),
            ("/v1/zones/shop/tokens/t/event", None),
            ("/v1/zones/shop/tokens//events", None),
            ("/v1/zones/shop/tokens/t/events/", None),
            ("/v1/streams", Some(Route::Streams)),
            ("/v1/streams/", None),
            ("/v1/streams/a%2Fb/events", Some(Route::StreamEvents { key: "a%2Fb" })),
            ("/v1/streams/a/b/events", None),
            ("/v1/streams//events", None),
            ("/v1/subscribe-tokens", Some(Route::SubscribeTokens)),
            ("/room/shop", Some(Route::Room { zone })),
            ("/room/shop/", None),
            ("/room/", None),
            ("/.well-known/jwks.json", Some(Route::PassKeys)),
            ("/.well-known/", None),
            ("/demo", Some(Route::Demo)),
            ("/pages/room.js", Some(Route::Page { name: "room.js" })),
            ("/pages/../room.js", None),
            ("/v1/zones/", None),
            ("/v1/zones//tokens", None),
            ("/v1/zones", None),
            ("/", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }
}
