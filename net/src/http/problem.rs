//! Errors as RFC 9457 documents with a stable `code`.
//!
//! | status | codes |
//! |---|---|
//! | 400 | `MALFORMED`, `BADTOKEN` (no key of this zone signed it), `ERR` (a name or setting breaks its rule) |
//! | 401, 403 | `NOAUTH` (no token, or none that is known) · `NOPERM` (a token that is not for this, a key that is the server's) |
//! | 404 | `NOZONE`, `NOSTREAM`, `NOTFOUND` (no such path) |
//! | 405, 411, 415 | `METHOD`, `LENGTH`, `MEDIA` |
//! | 409, 410, 429 | `CLOSED`, `ADMITTED` (no place to give up), `ENDED` (a stream) · `GONE` (a place in a zone, or in a stream) · `FULL` |
//! | 408, 413, 414, 417, 431, 501, 505 | `FRAMING`, and the connection closes |
//! | 503 | `BUSY`, `NOLEADER`, `OOM`, `DRAINING`, `LOADING`, `JOINING`, `REMOVED` |

use super::fault::Fault;
use super::json::Object;
use super::respond::{Field, Media, Responder, Shape, reason};
use sluice_engine::error::Refusal;

/// Retry advice to a full zone's callers, in milliseconds.
const FULL_RETRY_MS: u32 = 3_000;

/// An error response before it is written.
#[derive(Clone, Copy)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) detail: Detail,
    /// Milliseconds after which a retry may help.
    pub(crate) retry_ms: Option<u32>,
    /// The methods that would have been right (405).
    pub(crate) allow: Option<&'static str>,
    /// Whether the body must also say `canEnter: false`, for apps that read nothing else.
    pub(crate) traffic: bool,
}

/// What a person reads.
#[derive(Clone, Copy)]
pub(crate) enum Detail {
    /// The engine's own words.
    Refusal(Refusal),
    /// Ours.
    Text(&'static str),
    /// Whoever sends it says it.
    Told,
}

impl Problem {
    /// An error of ours.
    pub(crate) const fn new(status: u16, code: &'static str, detail: &'static str) -> Problem {
        Problem { status, code, detail: Detail::Text(detail), retry_ms: None, allow: None, traffic: false }
    }

    /// A refusal of the engine.
    pub(crate) fn refused(refusal: Refusal) -> Problem {
        let (status, retry_ms) = match refusal {
            Refusal::BadToken | Refusal::BadSetting(_) | Refusal::BadName => (400, None),
            Refusal::NoZone => (404, None),
            Refusal::Closed => (409, None),
            Refusal::Gone => (410, None),
            Refusal::Full(_) => (429, Some(FULL_RETRY_MS)),
            Refusal::Busy { retry_ms } | Refusal::NoLeader { retry_ms } => (503, Some(retry_ms)),
            Refusal::TooManyZones => (503, None),
            Refusal::TooLarge { .. } => (413, None),
        };
        let detail = Detail::Refusal(refusal);
        Problem { status, code: refusal.code(), detail, retry_ms, allow: None, traffic: false }
    }

    /// A connection that cannot be understood any further.
    pub(crate) fn fault(fault: Fault) -> Problem {
        let code = if matches!(fault, Fault::Malformed(_)) { "MALFORMED" } else { "FRAMING" };
        Problem::new(fault.status(), code, fault.detail())
    }

    /// The same error for a caller of `/traffic`.
    pub(crate) fn for_traffic(self) -> Problem {
        Problem { traffic: true, ..self }
    }

    /// Writes it.
    pub(crate) fn send(&self, to: &mut Responder<'_>, shape: Shape) {
        self.send_with(to, shape, |_| ());
    }

    /// Writes it with members of its own.
    pub(crate) fn send_with(&self, to: &mut Responder<'_>, shape: Shape, more: impl FnOnce(&mut Object<'_>)) {
        self.write_body(to.body, more);
        let retry = self.retry_ms.map(|ms| Field::RetryAfter(ms.div_ceil(1_000).max(1)));
        let other = self.allow.map(Field::Allow).or((self.status == 401).then_some(Field::Challenge));
        match (retry, other) {
            (Some(field), _) | (None, Some(field)) => to.send(self.status, Media::Problem, shape, &[field]),
            (None, None) => to.send(self.status, Media::Problem, shape, &[]),
        }
    }

    fn write_body(&self, body: &mut Vec<u8>, more: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::open(body);
        object.text("type", b"about:blank").text("title", reason(self.status).as_bytes());
        object.number("status", i64::from(self.status)).text("code", self.code.as_bytes());
        match self.detail {
            Detail::Text(text) => object.text("detail", text.as_bytes()),
            Detail::Refusal(refusal) => object.text("detail", refusal.to_string().as_bytes()),
            Detail::Told => &mut object,
        };
        more(&mut object);
        if self.traffic {
            object.truth("canEnter", false);
        }
        if let (true, Some(ms)) = (self.traffic, self.retry_ms) {
            object.object("waiting", |waiting| {
                waiting.number("estimatedSeconds", -1).number("pollingPeriod", i64::from(ms));
            });
        }
        object.close();
    }
}
