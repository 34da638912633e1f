//! Cookies of this server among those of a request.

/// A subscribe token.
pub(crate) const SUBSCRIBE: &str = "sluice_subscribe";
/// A place, as a browser without script keeps it for the waiting page of one zone.
pub(crate) const PLACE: &str = "sluice_place";
/// How long a browser keeps a place that nobody took to its end, in seconds: a day.
pub(crate) const PLACE_AGE_S: u64 = 86_400;

/// The value of the cookie of that name.
pub(crate) fn value<'a>(cookies: &'a [u8], name: &str) -> Option<&'a [u8]> {
    cookies.split(|byte| *byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::{SUBSCRIBE, value};

    #[test]
    fn a_cookie_is_found_among_others() {
        for (cookies, token) in [
            ("sluice_subscribe=abc", Some("abc")),
            ("a=b; sluice_subscribe=x-_; c=d", Some("x-_")),
            ("a=b;sluice_subscribe=x ", Some("x")),
            ("sluice_subscribed=x", None),
            ("a=sluice_subscribe", None),
            ("", None),
        ] {
            assert_eq!(value(cookies.as_bytes(), SUBSCRIBE), token.map(str::as_bytes), "{cookies}");
        }
    }
}
