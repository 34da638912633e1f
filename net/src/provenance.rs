//! Whether a call without credentials comes from where it seems to come from: a program of this machine.
//!
//! Where no credentials are configured, whoever reaches the port on this machine is trusted. Two more reach it than should:
//! a proxy here forwards strangers, and a browser here sends what any page tells it to. Both leave marks.
//!
//! ```
//! use sluice_net::provenance::{Provenance, Known, Objection};
//! let known = Known { names: &[], origins: &[] };
//! let mut caller = Provenance::default();
//! caller.note("Host", b"localhost:7380");
//! assert_eq!(caller.objection(known), None);
//! caller.note("X-Forwarded-For", b"192.0.2.1");
//! assert_eq!(caller.objection(known), Some(Objection::Forwarded));
//! ```

use std::net::{IpAddr, Ipv6Addr};

/// Fields of a request that tell who made it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provenance<'a> {
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    fetch_site: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    has_body: bool,
    is_forwarded: bool,
}

/// What the operator has named.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Other names of this machine.
    pub names: &'a [String],
    /// Origins whose pages may call; `*` allows all.
    pub origins: &'a [String],
}

/// Why a caller is not trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objection {
    /// A proxy that is not listed passed it on.
    Forwarded,
    /// The name that was called is not one of this machine: somebody may have made theirs lead here.
    Host,
    /// A page of another site sent it.
    Page,
    /// The body is of a kind that any page may send unasked.
    Body,
}

impl Objection {
    /// What it means, and what an operator can do.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Objection::Forwarded => {
                "a proxy forwarded this: list it in proxies.trusted, or give callers tokens ([auth])"
            }
            Objection::Host => {
                "the Host is no name of this machine: list it in listen.names, or give callers tokens ([auth])"
            }
            Objection::Page => {
                "a web page of another origin sent this: list it in cors.origins, or give callers tokens ([auth])"
            }
            Objection::Body => {
                "web pages can send such a body unasked: send application/json, or a token ([auth])"
            }
        }
    }
}

impl<'a> Provenance<'a> {
    /// Takes note of a field.
    pub fn note(&mut self, name: &str, value: &'a [u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // The length tells most fields apart before a single letter is compared.
        match name.len() {
            3 if is("via") => self.is_forwarded = true,
            4 if is("host") => self.host = Some(value),
            6 if is("origin") => self.origin = Some(value),
            9 if is("forwarded") || is("x-real-ip") => self.is_forwarded = true,
            12 if is("content-type") => self.content_type = Some(value),
            14 if is("content-length") => self.has_body |= value.iter().any(|digit| *digit != b'0'),
            14 if is("sec-fetch-site") => self.fetch_site = Some(value),
            17 if is("transfer-encoding") => self.has_body = true,
            12.. if name.get(..FORWARDED.len()).is_some_and(|head| head.eq_ignore_ascii_case(FORWARDED)) => {
                self.is_forwarded = true;
            }
            _ => {}
        }
    }

    /// Takes note of the authority of an absolute target: it is what was called, whatever the Host says. Whether the two agree.
    ///
    /// ```
    /// use sluice_net::provenance::Provenance;
    /// let mut caller = Provenance::default();
    /// caller.note("Host", b"localhost");
    /// assert!(!caller.call(b"evil.example"));
    /// ```
    pub fn call(&mut self, authority: &'a [u8]) -> bool {
        self.host.replace(authority).is_none_or(|host| host.eq_ignore_ascii_case(authority))
    }

    /// Whether what was called is a host, perhaps with a port, and can be read in one way only.
    ///
    /// ```
    /// use sluice_net::provenance::Provenance;
    /// let mut caller = Provenance::default();
    /// caller.note("Host", b"localhost:evil.example");
    /// assert!(!caller.is_host_clear());
    /// ```
    #[must_use]
    pub fn is_host_clear(&self) -> bool {
        self.host.is_none_or(|host| name_of(host).is_some())
    }

    /// Why it is not trusted, if there is a reason.
    #[must_use]
    pub fn objection(&self, known: Known<'_>) -> Option<Objection> {
        let host = self.host.unwrap_or_default();
        // Every browser names a host; who names none is none.
        let is_ours = self.host.is_none() || is_name_of_loopback(host) || is_among(known.names, host);
        if self.is_forwarded {
            Some(Objection::Forwarded)
        } else if !is_ours {
            Some(Objection::Host)
        } else {
            self.page(known)
        }
    }

    /// Whether a browser says that a page of another site sent it. What calls without privileges do then is up to them: a
    /// proxy may have changed the host, so only what the browser itself says of the site counts, where it says it.
    #[must_use]
    pub fn is_of_other_site(&self) -> bool {
        match (self.fetch_site, self.origin) {
            (Some(site), _) => site != b"same-origin" && site != b"none",
            (None, Some(origin)) => !is_of(origin, self.host.unwrap_or_default()),
            (None, None) => false,
        }
    }

    /// Why a page may have sent it that should not, if there is a reason. All that is asked of what a listed proxy passes on:
    /// whom it names, and how it was called, is its own business.
    #[must_use]
    pub fn page(&self, known: Known<'_>) -> Option<Objection> {
        let is_allowed = |origin: &[u8]| {
            known.origins.iter().any(|known| known == "*" || known.as_bytes().eq_ignore_ascii_case(origin))
        };
        match (self.origin, self.fetch_site) {
            (Some(origin), _) if is_allowed(origin) => None,
            (Some(origin), _) if !is_of(origin, self.host.unwrap_or_default()) => Some(Objection::Page),
            (_, Some(site)) if site != b"same-origin" && site != b"none" => Some(Objection::Page),
            _ if self.content_type.map_or(self.has_body, is_simple) => Some(Objection::Body),
            _ => None,
        }
    }
}

const FORWARDED: &str = "x-forwarded-";

/// Whether a page of this origin was loaded from this host.
fn is_of(origin: &[u8], host: &[u8]) -> bool {
    let at = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    at.is_some_and(|at| at.eq_ignore_ascii_case(host))
}

/// A host without its port (RFC 3986, 3.2); `None` where it is none.
fn name_of(host: &[u8]) -> Option<&str> {
    let host = std::str::from_utf8(host).ok()?;
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_name = match host.starts_with('[') {
        true => name.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        false => name.bytes().all(is_name_byte),
    };
    (is_name && is_port(port)).then_some(name)
}

/// Letters, digits, and what a name may have beside them.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

/// Names that nobody can make lead here from elsewhere.
fn is_name_of_loopback(host: &[u8]) -> bool {
    let is_loopback = |name: &str| name.parse::<IpAddr>().is_ok_and(|at| at.is_loopback());
    name_of(host).is_some_and(|name| name.eq_ignore_ascii_case("localhost") || is_loopback(name))
}

fn is_among(names: &[String], host: &[u8]) -> bool {
    name_of(host).is_some_and(|name| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Media types that a page may send anywhere without asking first; a body without one counts among them.
fn is_simple(content_type: &[u8]) -> bool {
    let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [&b""[..], b"application/x-www-form-urlencoded", b"text/plain", b"multipart/form-data"]
        .iter()
        .any(|simple| media.eq_ignore_ascii_case(simple))
}

#[cfg(test)]
mod tests {
    use super::{Known, Objection, Provenance};

    fn objection(fields: &[(&str, &'static str)], names: &[&str], origins: &[&str]) -> Option<Objection> {
        let mut caller = Provenance::default();
        fields.iter().for_each(|(name, value)| caller.note(name, value.as_bytes()));
        let [names, origins] = [names, origins].map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        let (names, origins): (Vec<String>, Vec<String>) = (names, origins);
        caller.objection(Known { names: &names, origins: &origins })
    }

    #[test]
    fn programs_of_this_machine_are_trusted() {
        for host in ["localhost", "LOCALHOST:7380", "127.0.0.1:7380", "127.1.2.3", "[::1]:7380"] {
            assert_eq!(objection(&[("Host", host)], &[], &[]), None, "{host}");
        }
        assert_eq!(objection(&[], &[], &[]), None, "HTTP/1.0 without a Host");
        let json = [("host", "localhost"), ("content-type", "application/json; charset=utf-8")];
        assert_eq!(objection(&json, &[], &[]), None);
    }

    #[test]
    fn what_a_proxy_forwards_is_not() {
        for name in
            ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "x-forwarded-proto", "X-FORWARDED-PORT"]
        {
            let fields = [("Host", "localhost:7380"), (name, "x")];
            assert_eq!(objection(&fields, &[], &[]), Some(Objection::Forwarded), "{name}");
        }
    }

    #[test]
    fn names_that_were_made_to_lead_here_are_not() {
        for host in ["rebound.example", "rebound.example:7380", "192.0.2.1", "localhost.evil.example", ""] {
            assert_eq!(objection(&[("Host", host)], &[], &[]), Some(Objection::Host), "{host}");
        }
        assert_eq!(objection(&[("Host", "shop.internal:7380")], &["shop.internal"], &[]), None);
    }

    #[test]
    fn a_host_is_read_in_one_way_or_not_at_all() {
        let is_clear = |host: &'static str| {
            let mut caller = Provenance::default();
            caller.note("Host", host.as_bytes());
            caller.is_host_clear()
        };
        for host in ["", "h", "h:", "h:0", "a_b.c:65535", "10.0.0.1:80", "[::1]", "[fe80::1%eth0]:1"] {
            assert!(is_clear(host), "{host}");
        }
        for host in [
            "localhost:evil.example",
            "localhost:80:80",
            "localhost:+80",
            "localhost:65536",
            "localhost:99999999999999999999",
            "evil.example@localhost",
            "localhost/",
            "localhost evil.example",
            "::1",
            "[::1",
            "[::1]80",
            "[localhost]",
            "h\u{e9}",
        ] {
            assert!(!is_clear(host), "{host}");
            assert_eq!(objection(&[("Host", host)], &[], &[]), Some(Objection::Host), "{host}");
        }
    }

    #[test]
    fn the_authority_of_a_target_counts_more_than_the_host() {
        let mut caller = Provenance::default();
        assert!(caller.call(b"localhost:7380"), "no Host contradicts it");
        caller.note("Host", b"LOCALHOST:7380");
        assert!(caller.call(b"localhost:7380"));
        assert!(!caller.call(b"evil.example"));
        assert_eq!(caller.objection(Known { names: &[], origins: &[] }), Some(Objection::Host));
    }

    #[test]
    fn pages_of_other_origins_are_not() {
        let host = ("Host", "localhost:7380");
        for page in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", "http://localhost:3000"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            assert_eq!(objection(&[host, page], &[], &[]), Some(Objection::Page), "{page:?}");
        }
        let own = [host, ("Origin", "http://localhost:7380"), ("Sec-Fetch-Site", "same-origin")];
        assert_eq!(objection(&own, &[], &[]), None);
        let allowed = [host, ("Origin", "http://localhost:3000"), ("Sec-Fetch-Site", "same-site")];
        assert_eq!(objection(&allowed, &[], &["http://localhost:3000"]), None);
    }

    #[test]
    fn bodies_that_any_page_may_send_are_not() {
        for media in [
            "application/x-www-form-urlencoded",
            "text/plain;charset=UTF-8",
            "Multipart/Form-Data; boundary=x",
            "",
        ] {
            let fields = [("Host", "localhost:7380"), ("Content-Type", media)];
            assert_eq!(objection(&fields, &[], &[]), Some(Objection::Body), "{media}");
        }
        let host = ("Host", "localhost:7380");
        for body in [("Content-Length", "10"), ("Transfer-Encoding", "chunked")] {
            assert_eq!(objection(&[host, body], &[], &[]), Some(Objection::Body), "{body:?} of no kind");
            let json = ("Content-Type", "application/json");
            assert_eq!(objection(&[host, body, json], &[], &[]), None);
        }
        assert_eq!(objection(&[host, ("Content-Length", "0")], &[], &[]), None, "there is none");
    }
}
