//! What a request shows: passes and tokens in headers, cookies and the query, and what its sender would like to be told.

use http::header;
use http::request::Parts;
use http::{Method, Uri};

/// The header of apps for their pass, and for their token.
const PASS_HEADER: &str = "sluice-pass";
const TOKEN_HEADER: &str = "sluice-token";
/// What the waiting page adds to the address.
const PASS_QUERY: &str = "sluice_pass";
const TOKEN_QUERY: &str = "sluice_token";
const ADDED: [&str; 3] = [PASS_QUERY, TOKEN_QUERY, "sluice_zone"];

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

    /// The sender's own token.
    pub(super) fn token(&self) -> Option<&'a str> {
        self.header(TOKEN_HEADER).or_else(|| self.cookie("_token"))
    }

    /// The token in the address: the waiting page puts one there once it is admitted. Another one may be anybody's, who sent
    /// round a link to share a place.
    pub(super) fn token_in_query(&self) -> Option<&'a str> {
        self.query(TOKEN_QUERY)
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

    /// Whether something was added to the address.
    pub(super) fn has_additions(&self) -> bool {
        is_added_to(&self.parts.uri)
    }

    /// The address without what was added to it. It begins with one slash and no other, of whichever kind, or a browser would
    /// take it for another host.
    pub(super) fn stripped(&self) -> String {
        let path = self.parts.uri.path().trim_start_matches(['/', '\\']);
        format!("/{path}{}", query_without_additions(&self.parts.uri))
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

/// Takes out of an address what the waiting page added to it: a service does not log what it never sees.
pub(super) fn strip(uri: &mut Uri) {
    if !is_added_to(uri) {
        return;
    }
    let mut parts = uri.clone().into_parts();
    let bare = format!("{}{}", uri.path(), query_without_additions(uri));
    parts.path_and_query = bare.parse().ok();
    // Of what was an address before, every part is fit for one.
    if let Ok(stripped) = Uri::from_parts(parts) {
        *uri = stripped;
    }
}

fn is_added_to(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| ADDED.contains(&name_of(&pair)))
}

/// With its question mark, where anything is left.
fn query_without_additions(uri: &Uri) -> String {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let rest: Vec<&str> = pairs.filter(|pair| !ADDED.contains(&name_of(pair))).collect();
    let mark = if rest.is_empty() { "" } else { "?" };
    format!("{mark}{}", rest.join("&"))
}

fn name_of<'a>(pair: &&'a str) -> &'a str {
    pair.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Shown, strip};
    use http::{Request, Uri};

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
        assert_eq!(shown.token_in_query(), Some("T"));
        assert_eq!(shown.stripped(), "/checkout?a=1&b");
    }

    #[test]
    fn an_address_never_leads_to_another_host() {
        for (uri, stripped) in [
            ("//evil.example/x?sluice_pass=a", "/evil.example/x"),
            ("/\\evil.example/x", "/evil.example/x"),
            ("/\\//evil.example/?sluice_pass=a", "/evil.example/"),
            ("/?sluice_token=t", "/"),
            ("/a?b=c", "/a?b=c"),
        ] {
            let parts = parts(uri, &[]);
            assert_eq!(Shown::new(&parts, "sluice").stripped(), stripped, "{uri}");
        }
    }

    #[test]
    fn only_what_was_added_leaves_an_address() {
        for (uri, stripped) in [
            ("/a?sluice_pass=p&b=c&sluice_zone=z&sluice_token=t", "/a?b=c"),
            ("http://shop.example/a?sluice_pass=p", "http://shop.example/a"),
            ("//a?b&&sluice_passes=1", "//a?b&&sluice_passes=1"),
            ("*", "*"),
        ] {
            let mut uri: Uri = uri.parse().expect("an address");
            strip(&mut uri);
            assert_eq!(uri.to_string(), stripped);
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
