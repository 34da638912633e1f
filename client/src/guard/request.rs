//! What a request shows: passes and tokens in headers, cookies and the query, and what its sender would like to be told.

use http::Method;
use http::header;
use http::request::Parts;

/// The header of apps for their pass, and for their token.
const PASS_HEADER: &str = "sluice-pass";
const TOKEN_HEADER: &str = "sluice-token";
/// What the waiting page adds to the address.
const PASS_QUERY: &str = "sluice_pass";
const TOKEN_QUERY: &str = "sluice_token";
const ZONE_QUERY: &str = "sluice_zone";

/// What a request shows of itself.
pub(super) struct Shown<'a> {
    parts: &'a Parts,
    prefix: &'a str,
}

impl<'a> Shown<'a> {
    /// `prefix`: what names of cookies begin with.
    pub(super) fn new(parts: &'a Parts, prefix: &'a str) -> Shown<'a> {
        Shown { parts, prefix }
    }

    /// Passes in header and cookie, in the order in which they count.
    pub(super) fn passes(&self) -> impl Iterator<Item = &'a str> {
        self.header(PASS_HEADER).into_iter().chain(self.cookie("_pass"))
    }

    /// The pass in the address.
    pub(super) fn pass_in_query(&self) -> Option<&'a str> {
        self.query(PASS_QUERY)
    }

    pub(super) fn token(&self) -> Option<&'a str> {
        self.header(TOKEN_HEADER).or_else(|| self.cookie("_token")).or_else(|| self.query(TOKEN_QUERY))
    }

    /// Whether a person looks at the answer.
    pub(super) fn is_browser(&self) -> bool {
        self.header(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html"))
    }

    /// Whether the language asked for first is Korean.
    pub(super) fn is_korean(&self) -> bool {
        let language = self.header(header::ACCEPT_LANGUAGE.as_str()).unwrap_or_default();
        language.split(',').next().is_some_and(|first| first.trim().to_ascii_lowercase().starts_with("ko"))
    }

    /// Whether nothing is lost where the request is made again at another address.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.parts.method, Method::GET | Method::HEAD)
    }

    /// The address without what was added to it. It begins with one slash, or a browser would take it for another host.
    pub(super) fn stripped(&self) -> String {
        let path = self.parts.uri.path().trim_start_matches('/');
        let ours = |pair: &&str| ![PASS_QUERY, TOKEN_QUERY, ZONE_QUERY].contains(&name_of(pair));
        let query = self.parts.uri.query().unwrap_or_default();
        let rest: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).filter(ours).collect();
        let mark = if rest.is_empty() { "" } else { "?" };
        format!("/{path}{mark}{}", rest.join("&"))
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    fn cookie(&self, suffix: &str) -> Option<&'a str> {
        let cookies = self.parts.headers.get_all(header::COOKIE).into_iter();
        let pairs = cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = named.find(|(name, _)| name.strip_prefix(self.prefix) == Some(suffix))?;
        Some(value)
    }

    fn query(&self, name: &str) -> Option<&'a str> {
        let pairs = self.parts.uri.query().unwrap_or_default().split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(known, value)| (known == name).then_some(value))
    }
}

fn name_of<'a>(pair: &&'a str) -> &'a str {
    pair.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use http::Request;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn passes_and_tokens_are_found_where_they_may_be() {
        let parts = parts(
            "/checkout?a=1&sluice_pass=q.p.s&sluice_token=T&sluice_zone=shop&b",
            &[("sluice-pass", "h.p.s"), ("cookie", "x=1; sluice_pass=c.p.s"), ("cookie", "sluice_token=C")],
        );
        let shown = Shown::new(&parts, "sluice");
        assert_eq!(shown.passes().collect::<Vec<_>>(), ["h.p.s", "c.p.s"]);
        assert_eq!((shown.pass_in_query(), shown.token()), (Some("q.p.s"), Some("C")));
        assert_eq!(shown.stripped(), "/checkout?a=1&b");
    }

    #[test]
    fn an_address_never_leads_to_another_host() {
        for (uri, stripped) in [
            ("//evil.example/x?sluice_pass=a", "/evil.example/x"),
            ("/?sluice_token=t", "/"),
            ("/a?b=c", "/a?b=c"),
        ] {
            let parts = parts(uri, &[]);
            assert_eq!(Shown::new(&parts, "sluice").stripped(), stripped, "{uri}");
        }
    }

    #[test]
    fn browsers_and_languages_are_told_apart() {
        let parts =
            parts("/", &[("accept", "text/html,*/*"), ("accept-language", "ko-KR,ko;q=0.9,en;q=0.8")]);
        let shown = Shown::new(&parts, "sluice");
        assert!(shown.is_browser() && shown.is_korean() && shown.is_safe());
    }
}
