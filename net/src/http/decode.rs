//! Bytes to one HTTP/1.1 request, read in place.
//!
//! `httparse` reads the head; what it tolerates and two parsers could read differently is refused
//! here: bare LF, both length fields, repeated length or host, a host that differs from the target's. *Incomplete* is not *invalid*.
//! Cost: one pass by `httparse`, one search for LF; nothing is copied unless the body is chunked.

use super::chunk::{self, Chunked};
use super::fault::Fault;
use crate::limit;
use crate::provenance::Provenance;
use std::mem::MaybeUninit;

/// One request, borrowed from the input. The body's framing is already removed.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The method, as sent.
    pub(crate) method: &'a str,
    /// The target without query, in origin form.
    pub(crate) path: &'a str,
    /// What follows the `?`, or nothing.
    pub(crate) query: &'a str,
    /// The fields that matter.
    pub(crate) fields: Fields<'a>,
    /// The body; empty where there is none.
    pub(crate) body: &'a [u8],
}

/// The fields of a head that change what is done.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// What tells who calls.
    pub(crate) provenance: Provenance<'a>,
    pub(crate) authorization: Option<&'a [u8]>,
    pub(crate) content_type: Option<&'a [u8]>,
    pub(crate) origin: Option<&'a [u8]>,
    pub(crate) accept_language: Option<&'a [u8]>,
    pub(crate) accept: Option<&'a [u8]>,
    pub(crate) cookie: Option<&'a [u8]>,
    /// Where a reader of an event stream was cut off.
    pub(crate) last_event_id: Option<&'a [u8]>,
    /// Makes a repeat of the same append harmless.
    pub(crate) idempotency_key: Option<&'a [u8]>,
    /// Whether the body's length was stated, as a number or by chunks.
    pub(crate) sized: bool,
    /// Whether the connection stays open after the answer.
    pub(crate) keep_alive: bool,
    /// Whether the client speaks HTTP/1.0.
    pub(crate) old: bool,
}

/// What the bytes so far amount to.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made; a box would cost each request an allocation"
)]
pub(crate) enum Decoded<'a> {
    /// A request, and how many bytes it took.
    Complete(Call<'a>, usize),
    /// The input must hold `needed` bytes before another look can succeed. The client may be waiting
    /// for `100 Continue` before it sends them.
    Incomplete { needed: usize, wants_continue: bool },
    /// The connection cannot be understood any further.
    Invalid(Fault),
}

#[derive(Default)]
struct Framing {
    length: Option<usize>,
    chunked: bool,
    hosts: usize,
    expects_continue: bool,
}

/// Reads one request from the start of `input`. `joined` holds the body where it came in chunks.
pub(crate) fn decode<'a>(input: &'a [u8], joined: &'a mut Vec<u8>) -> Decoded<'a> {
    let mut space = [const { MaybeUninit::uninit() }; limit::HTTP_FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(input, &mut space) {
        Ok(httparse::Status::Complete(head_len)) => match head(&parsed, input, head_len) {
            Ok((call, framing)) => body(call, &framing, input, head_len, joined),
            Err(fault) => Decoded::Invalid(fault),
        },
        Ok(httparse::Status::Partial) => match partial(input) {
            None => Decoded::Incomplete { needed: input.len() + 1, wants_continue: false },
            Some(fault) => Decoded::Invalid(fault),
        },
        Err(error) => Decoded::Invalid(fault_of(error, input)),
    }
}

/// A head that is not complete may already be too long.
fn partial(input: &[u8]) -> Option<Fault> {
    let line_end = memchr::memchr(b'\n', input).unwrap_or(input.len());
    if line_end > limit::HTTP_LINE_BYTES_MAX {
        return Some(Fault::LineTooLong);
    }
    (input.len() > limit::HTTP_HEAD_BYTES_MAX).then_some(Fault::HeadTooLarge)
}

fn fault_of(error: httparse::Error, input: &[u8]) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        httparse::Error::Version => Fault::Version,
        // Of a line that is too long the rest may be anything: its length is the better reason.
        _ => partial(input).unwrap_or(Fault::Malformed("the request head is malformed")),
    }
}

fn head<'a>(
    parsed: &httparse::Request<'_, 'a>,
    input: &'a [u8],
    head_len: usize,
) -> Result<(Call<'a>, Framing), Fault> {
    let bytes = input.get(..head_len).unwrap_or_default();
    check_size_and_lines(bytes)?;
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Fault::Malformed("the request head is malformed"));
    };
    let mut fields = Fields { keep_alive: version == 1, old: version == 0, ..Fields::default() };
    let mut framing = Framing::default();
    for header in parsed.headers.iter() {
        take_field(header.name, header.value, &mut fields, &mut framing)?;
    }
    if framing.hosts != 1 && (version == 1 || framing.hosts > 1) {
        return Err(Fault::Malformed("exactly one Host field is needed"));
    }
    if framing.chunked && version == 0 {
        return Err(Fault::Malformed("HTTP/1.0 has no chunked bodies"));
    }
    if framing.chunked && framing.length.is_some() {
        return Err(Fault::Malformed("Content-Length and Transfer-Encoding together"));
    }
    fields.sized = framing.chunked || framing.length.is_some();
    framing.expects_continue &= version == 1;
    let (authority, path, query) = split_target(target)?;
    check_host(authority, &mut fields.provenance)?;
    Ok((Call { method, path, query, fields, body: &[] }, framing))
}

fn check_size_and_lines(head: &[u8]) -> Result<(), Fault> {
    if head.len() > limit::HTTP_HEAD_BYTES_MAX {
        return Err(partial(head).unwrap_or(Fault::HeadTooLarge));
    }
    let mut first = true;
    for at in memchr::memchr_iter(b'\n', head) {
        if at == 0 || head.get(at - 1) != Some(&b'\r') {
            return Err(Fault::Malformed("a line ends in LF without CR"));
        }
        if std::mem::take(&mut first) && at > limit::HTTP_LINE_BYTES_MAX {
            return Err(Fault::LineTooLong);
        }
    }
    Ok(())
}

fn take_field<'a>(
    name: &str,
    value: &'a [u8],
    fields: &mut Fields<'a>,
    framing: &mut Framing,
) -> Result<(), Fault> {
    fields.provenance.note(name, value);
    // The length tells most fields apart before a single letter is compared.
    match name.len() {
        4 if name.eq_ignore_ascii_case("host") => framing.hosts += 1,
        6 if name.eq_ignore_ascii_case("accept") => fields.accept = Some(value),
        6 if name.eq_ignore_ascii_case("cookie") => fields.cookie = Some(value),
        6 if name.eq_ignore_ascii_case("origin") => fields.origin = Some(value),
        6 if name.eq_ignore_ascii_case("expect") => {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::Expectation);
            }
            framing.expects_continue = true;
        }
        10 if name.eq_ignore_ascii_case("connection") => take_connection(value, fields),
        12 if name.eq_ignore_ascii_case("content-type") => fields.content_type = Some(value),
        13 if name.eq_ignore_ascii_case("last-event-id") => fields.last_event_id = Some(value),
        13 if name.eq_ignore_ascii_case("authorization") => fields.authorization = Some(value),
        14 if name.eq_ignore_ascii_case("content-length") => {
            if framing.length.is_some() {
                return Err(Fault::Malformed("Content-Length is repeated"));
            }
            framing.length = Some(content_length(value)?);
        }
        15 if name.eq_ignore_ascii_case("accept-language") => fields.accept_language = Some(value),
        15 if name.eq_ignore_ascii_case("idempotency-key") => fields.idempotency_key = Some(value),
        17 if name.eq_ignore_ascii_case("transfer-encoding") => {
            if framing.chunked {
                return Err(Fault::Malformed("Transfer-Encoding is repeated"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Coding);
            }
            framing.chunked = true;
        }
        _ => {}
    }
    Ok(())
}

fn take_connection(value: &[u8], fields: &mut Fields<'_>) {
    for option in value.split(|byte| *byte == b',') {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            fields.keep_alive = false;
            return;
        }
        if option.eq_ignore_ascii_case(b"keep-alive") {
            fields.keep_alive = true;
        }
    }
}

/// Digits alone: a sign or a list could be read in two ways.
fn content_length(value: &[u8]) -> Result<usize, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Malformed("Content-Length is not a number"));
    }
    let mut length = 0usize;
    for digit in value {
        length = length.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    }
    Ok(length)
}

/// Authority, where the target is absolute, path and query.
fn split_target(target: &str) -> Result<(Option<&str>, &str, &str), Fault> {
    let (authority, origin) = match target.split_once("://") {
        Some(("http" | "https", rest)) => {
            let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), origin)
        }
        _ => (None, target),
    };
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    match authority {
        Some("") => Err(Fault::Malformed("the request target has no host")),
        Some(_) if path.is_empty() => Ok((authority, "/", query)),
        None if !origin.starts_with('/') && origin != "*" => {
            Err(Fault::Malformed("the request target is not a path"))
        }
        _ => Ok((authority, path, query)),
    }
}

/// RFC 9112, 3.2: clients repeat the authority of an absolute target as the Host. Of two that differ a proxy goes by the one, a
/// server behind it by the other.
fn check_host<'a>(authority: Option<&'a str>, caller: &mut Provenance<'a>) -> Result<(), Fault> {
    if !authority.is_none_or(|authority| caller.call(authority.as_bytes())) {
        return Err(Fault::Malformed("the target and the Host name different hosts"));
    }
    match caller.is_host_clear() {
        true => Ok(()),
        false => Err(Fault::Malformed("the Host is no name or address with a port")),
    }
}

fn body<'a>(
    mut call: Call<'a>,
    framing: &Framing,
    input: &'a [u8],
    head_len: usize,
    joined: &'a mut Vec<u8>,
) -> Decoded<'a> {
    let rest = input.get(head_len..).unwrap_or_default();
    let wants_continue = framing.expects_continue && rest.is_empty();
    if framing.chunked {
        return match chunk::join(rest, joined) {
            Chunked::Complete(len) => {
                call.body = joined;
                Decoded::Complete(call, head_len + len)
            }
            Chunked::Incomplete => Decoded::Incomplete { needed: input.len() + 1, wants_continue },
            Chunked::Invalid(fault) => Decoded::Invalid(fault),
        };
    }
    let length = framing.length.unwrap_or(0);
    if length > limit::HTTP_BODY_BYTES_MAX {
        return Decoded::Invalid(Fault::BodyTooLarge);
    }
    match rest.get(..length) {
        Some(body) => {
            call.body = body;
            Decoded::Complete(call, head_len + length)
        }
        None => Decoded::Incomplete { needed: head_len + length, wants_continue },
    }
}
