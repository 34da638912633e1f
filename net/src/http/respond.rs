//! Writes one HTTP response: head, then body, straight into the worker's output.
//!
//! The body is made first, in a buffer of its own, because the head states its length.

use super::cookie::{PLACE, PLACE_AGE_S};
use super::pages::POLICY;
use super::pages::language::Language;
use crate::clock::HttpDate;

/// Bodies are what they are said to be.
const SNIFF: &str = "\r\nX-Content-Type-Options: nosniff";

/// What of a request decides the form of its response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Whether the connection stays open.
    pub(crate) keep_alive: bool,
    /// Whether the client must be told so, which HTTP/1.0 needs.
    pub(crate) old: bool,
    /// HEAD: everything but the body.
    pub(crate) head_only: bool,
    /// The address holds a token: nobody may keep the answer.
    pub(crate) is_secret: bool,
    /// Which allowed origin asked, as an index into the configured ones.
    pub(crate) origin: Option<u8>,
}

/// A field of a response beyond those that every response has.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    /// Where the new token is: zone and token.
    Location(&'a [u8], &'a [u8]),
    /// The methods of a resource.
    Allow(&'static str),
    /// How to say who one is.
    Challenge,
    /// Seconds until a retry may help.
    RetryAfter(u32),
    /// What browsers need to know of a page in this language.
    Page(Language),
    /// Of a file that pages load: whether its address names this very content.
    Kept(bool),
    /// The waiting page, which a browser goes to next with its place in a cookie: zone, token, its position, the language.
    SeeOther(&'a [u8], &'a [u8], u64, Language),
    /// Which methods a page of another origin may use, and for how many seconds it may remember that.
    Preflight(&'static str, u32),
}

/// The kind of a body.
#[derive(Clone, Copy)]
pub(crate) enum Media {
    /// An answer.
    Json,
    /// Public keys, as RFC 7517 has them.
    Keys,
    /// An error, as RFC 9457 has it.
    Problem,
    /// A word for a person or a probe.
    Text,
    /// A page.
    Html,
    /// How pages look.
    Style,
    /// What pages do.
    Script,
}

/// Everything needed to write a response.
pub(crate) struct Responder<'a> {
    /// Where the response goes, after what is there.
    pub(crate) out: &'a mut Vec<u8>,
    /// Where the body is made; empty between responses.
    pub(crate) body: &'a mut Vec<u8>,
    pub(crate) date: &'a HttpDate,
    pub(crate) origins: &'a [String],
}

/// The start of nearly every response, up to the value of the date.
const OK_JSON: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nDate: ";

impl Responder<'_> {
    /// Sends `self.body` and clears it.
    pub(crate) fn send(&mut self, status: u16, media: Media, shape: Shape, fields: &[Field<'_>]) {
        if status == 200 && matches!(media, Media::Json) {
            self.out.extend_from_slice(OK_JSON);
        } else {
            self.start(status, media);
        }
        self.out.extend_from_slice(self.date.text());
        if status != 204 {
            self.out.extend_from_slice(b"\r\nContent-Length: ");
            push_number(self.out, self.body.len() as u64);
        }
        self.connection(shape);
        self.origin(shape);
        for field in fields {
            self.field(*field);
        }
        self.out.extend_from_slice(b"\r\n\r\n");
        if !shape.head_only && status != 204 {
            self.out.extend_from_slice(self.body);
        }
        self.body.clear();
    }

    fn start(&mut self, status: u16, media: Media) {
        self.out.extend_from_slice(b"HTTP/1.1 ");
        push_number(self.out, u64::from(status));
        self.out.push(b' ');
        self.out.extend_from_slice(reason(status).as_bytes());
        if status != 204 {
            self.out.extend_from_slice(b"\r\nContent-Type: ");
            self.out.extend_from_slice(media.name().as_bytes());
        }
        match media {
            // A file that pages load says itself how long it may be kept.
            Media::Style | Media::Script => {}
            Media::Keys => self.out.extend_from_slice(b"\r\nCache-Control: public, max-age=60"),
            _ => self.out.extend_from_slice(b"\r\nCache-Control: no-store"),
        }
        self.out.extend_from_slice(b"\r\nDate: ");
    }

    pub(super) fn connection(&mut self, shape: Shape) {
        if !shape.keep_alive {
            self.out.extend_from_slice(b"\r\nConnection: close");
        } else if shape.old {
            self.out.extend_from_slice(b"\r\nConnection: keep-alive");
        }
    }

    pub(super) fn origin(&mut self, shape: Shape) {
        if let Some(origin) = shape.origin.and_then(|index| self.origins.get(usize::from(index))) {
            self.out.extend_from_slice(b"\r\nAccess-Control-Allow-Origin: ");
            self.out.extend_from_slice(origin.as_bytes());
            self.out.extend_from_slice(b"\r\nVary: Origin");
            // Cookies go with a page that was named, never with just any.
            if origin != "*" {
                self.out.extend_from_slice(b"\r\nAccess-Control-Allow-Credentials: true");
            }
        }
    }

    fn field(&mut self, field: Field<'_>) {
        match field {
            Field::Location(zone, token) => {
                for part in [&b"\r\nLocation: /v1/zones/"[..], zone, b"/tokens/", token] {
                    self.out.extend_from_slice(part);
                }
            }
            Field::Allow(methods) => {
                self.out.extend_from_slice(b"\r\nAllow: ");
                self.out.extend_from_slice(methods.as_bytes());
            }
            Field::Challenge => self.out.extend_from_slice(b"\r\nWWW-Authenticate: Bearer"),
            Field::RetryAfter(seconds) => {
                self.out.extend_from_slice(b"\r\nRetry-After: ");
                push_number(self.out, u64::from(seconds));
            }
            Field::Page(language) => {
                for part in [
                    "\r\nContent-Security-Policy: ",
                    POLICY,
                    SNIFF,
                    "\r\nReferrer-Policy: no-referrer\r\nX-Robots-Tag: noindex\r\nVary: Accept-Language\
                     \r\nContent-Language: ",
                    language.tag(),
                ] {
                    self.out.extend_from_slice(part.as_bytes());
                }
            }
            Field::Kept(kept) => {
                let kept = if kept { "public, max-age=31536000, immutable" } else { "no-cache" };
                for part in [SNIFF, "\r\nCache-Control: ", kept] {
                    self.out.extend_from_slice(part.as_bytes());
                }
            }
            Field::SeeOther(zone, token, from, language) => {
                for part in [&b"\r\nLocation: /room/"[..], zone, b"?lang=", language.tag().as_bytes()] {
                    self.out.extend_from_slice(part);
                }
                self.out.extend_from_slice(b"&from=");
                push_number(self.out, from);
                for part in [b"\r\nSet-Cookie: ", PLACE.as_bytes(), b"=", token, b"; Path=/room/", zone] {
                    self.out.extend_from_slice(part);
                }
                self.out.extend_from_slice(b"; HttpOnly; SameSite=Lax; Max-Age=");
                push_number(self.out, PLACE_AGE_S);
            }
            Field::Preflight(methods, max_age_s) => {
                self.out.extend_from_slice(b"\r\nAccess-Control-Allow-Methods: ");
                self.out.extend_from_slice(methods.as_bytes());
                self.out.extend_from_slice(
                    b"\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key\
                      \r\nAccess-Control-Max-Age: ",
                );
                push_number(self.out, u64::from(max_age_s));
            }
        }
    }
}

impl Media {
    fn name(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Keys => "application/jwk-set+json",
            Media::Problem => "application/problem+json",
            Media::Text => "text/plain; charset=utf-8",
            Media::Html => "text/html; charset=utf-8",
            Media::Style => "text/css; charset=utf-8",
            Media::Script => "text/javascript; charset=utf-8",
        }
    }
}

/// Decimal digits.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The phrase of a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}
