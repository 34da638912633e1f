//! How the engine's answers look in RESP.

use crate::cluster::Decision;
use crate::request::{Answer, RequestKind};
use crate::resp::encode::{Proto, Writer};
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Departure, Standing, Stats};
use sluice_engine::zone::settings::{Texts, ZoneSettings};
use std::io::Write;

/// Appends the answer to a request of `kind`. Places are written without allocating.
///
/// ```
/// use sluice_engine::error::Refusal;
/// use sluice_net::request::{Answer, RequestKind};
/// use sluice_net::resp::{command::encode_answer, encode::Proto};
/// let mut out = Vec::new();
/// let busy = Answer::Refused(Refusal::Busy { retry_ms: 100 });
/// encode_answer(&busy, RequestKind::Join, Proto::Resp2, &mut out);
/// assert_eq!(out, b"-BUSY overloaded, retry after 100 ms\r\n");
/// ```
pub fn encode_answer(answer: &Answer<'_>, kind: RequestKind, proto: Proto, out: &mut Vec<u8>) {
    match *answer {
        Answer::Place { token, standing, pass, .. } => place(token, standing, pass, proto, out),
        Answer::Left(departure) => Writer::new(out, proto).integer(i64::from(departure == Departure::Left)),
        Answer::ZoneSet { .. } => Writer::new(out, proto).ok(),
        Answer::ZoneDeleted(deleted) => Writer::new(out, proto).integer(i64::from(deleted)),
        Answer::Zone { zone, settings } => settings_of(zone, settings, &mut Writer::new(out, proto)),
        Answer::Zones(names) => {
            let mut reply = Writer::new(out, proto);
            reply.array(names.len());
            for name in names {
                reply.bulk(name.as_str().as_bytes());
            }
        }
        Answer::Stats(stats) => statistics(stats, &mut Writer::new(out, proto)),
        Answer::Hash { index, hash } => state(index, hash, &mut Writer::new(out, proto)),
        Answer::Value(value) => super::encode_value(value, proto, out),
        Answer::Values(values) => values.iter().for_each(|value| super::encode_value(value, proto, out)),
        Answer::Decided(decision) => decided(decision, &mut Writer::new(out, proto)),
        Answer::Refused(refusal) => refused(refusal, kind, proto, out),
    }
}

/// The head of every place up to its token; the rest differs.
struct PlaceHead {
    waiting: &'static [u8],
    /// One pair more.
    stale: &'static [u8],
    admitted: &'static [u8],
    /// One pair more.
    with_pass: &'static [u8],
}

const PLACE_RESP2: PlaceHead = PlaceHead {
    waiting: b"*10\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n",
    stale: b"*12\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n",
    admitted: b"*12\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n",
    with_pass: b"*14\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n",
};
const PLACE_RESP3: PlaceHead = PlaceHead {
    waiting: b"%5\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n",
    stale: b"%6\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n",
    admitted: b"%6\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n",
    with_pass: b"%7\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n",
};
const POSITION: &[u8] = b"$8\r\nposition\r\n";
const ETA: &[u8] = b"$6\r\neta_ms\r\n";
const POLL: &[u8] = b"$7\r\npoll_ms\r\n";
const PASS: &[u8] = b"$4\r\npass\r\n";
/// Said by a node that is cut off and answers from what it last knew.
const STALE: &[u8] = b"$5\r\nstale\r\n:1\r\n";
/// What is left to say to the admitted: nobody is ahead, nothing is waited for, no poll is needed.
const ENTERED: &[u8] =
    b"$8\r\nposition\r\n:0\r\n$6\r\neta_ms\r\n:0\r\n$7\r\npoll_ms\r\n:0\r\n$11\r\nadmitted_at\r\n";

/// The answer that is sent most: copies of ready-made pieces between the figures.
fn place(token: &[u8], standing: Standing, pass: Option<&[u8]>, proto: Proto, out: &mut Vec<u8>) {
    let head = match proto {
        Proto::Resp2 => &PLACE_RESP2,
        Proto::Resp3 => &PLACE_RESP3,
    };
    match standing {
        Standing::Waiting(waiting) => {
            out.extend_from_slice(if waiting.stale { head.stale } else { head.waiting });
            Writer::new(out, proto).bulk(token);
            out.extend_from_slice(POSITION);
            Writer::new(out, proto).count(waiting.position);
            out.extend_from_slice(ETA);
            Writer::new(out, proto).integer(waiting.eta.wire_ms());
            out.extend_from_slice(POLL);
            Writer::new(out, proto).integer(i64::from(waiting.poll_ms));
            if waiting.stale {
                out.extend_from_slice(STALE);
            }
        }
        Standing::Admitted(at) => {
            out.extend_from_slice(if pass.is_some() { head.with_pass } else { head.admitted });
            Writer::new(out, proto).bulk(token);
            out.extend_from_slice(ENTERED);
            Writer::new(out, proto).count(at.0);
            if let Some(pass) = pass {
                out.extend_from_slice(PASS);
                Writer::new(out, proto).bulk(pass);
            }
        }
    }
}

fn settings_of(zone: &[u8], settings: &ZoneSettings, reply: &mut Writer<'_>) {
    let figures = [
        ("limit", u64::from(settings.limit)),
        ("window_ms", u64::from(settings.window_ms)),
        ("slice_ms", u64::from(settings.slice_ms)),
        ("poll_ms", u64::from(settings.poll_ms)),
        ("abandon_ms", u64::from(settings.abandon_ms)),
        ("max_waiting", settings.max_waiting),
        ("pass_ttl_ms", u64::from(settings.pass_ttl_ms)),
    ];
    reply.map(figures.len() + 5);
    reply.bulk(b"zone");
    reply.bulk(zone);
    for (key, figure) in figures {
        reply.bulk(key.as_bytes());
        reply.count(figure);
    }
    reply.bulk(b"mode");
    reply.bulk(settings.mode.word().as_bytes());
    texts(reply, b"title", &settings.title);
    texts(reply, b"message", &settings.message);
    reply.bulk(b"target_url");
    reply.bulk(settings.target_url.as_bytes());
}

fn texts(reply: &mut Writer<'_>, key: &[u8], texts: &Texts) {
    reply.bulk(key);
    reply.map(texts.len());
    for (language, text) in texts {
        reply.bulk(language.as_bytes());
        reply.bulk(text.as_bytes());
    }
}

/// The hash as a signed number of the same bits: RESP has no others.
fn state(index: u64, hash: u64, reply: &mut Writer<'_>) {
    reply.map(2);
    reply.bulk(b"index");
    reply.integer(index as i64);
    reply.bulk(b"hash");
    reply.integer(hash as i64);
}

fn statistics(stats: &Stats, reply: &mut Writer<'_>) {
    let figures = [
        ("waiting", stats.waiting),
        ("present", stats.present),
        ("admitted_60s", stats.admitted_60s),
        ("admitted_6s", stats.admitted_6s),
        ("limit", stats.limit),
        ("joined_total", stats.joined_total),
        ("admitted_total", stats.admitted_total),
        ("abandoned_total", stats.abandoned_total),
        ("left_total", stats.left_total),
    ];
    reply.map(figures.len() + 1);
    for (key, figure) in figures {
        reply.bulk(key.as_bytes());
        reply.count(figure);
    }
    reply.bulk(b"eta_ms");
    reply.integer(stats.eta_ms);
}

/// The id that was given, or that it was done.
fn decided(decision: &Decision, reply: &mut Writer<'_>) {
    match decision {
        Ok(done) => match done.node {
            Some(node) => reply.count(node),
            None => reply.ok(),
        },
        Err(refused) => reply.error(refused.to_string().as_bytes()),
    }
}

/// To leave where one is no longer, or to remove what is not there, is no error.
fn refused(refusal: Refusal, kind: RequestKind, proto: Proto, out: &mut Vec<u8>) {
    match (kind, refusal) {
        (RequestKind::Leave, Refusal::Gone) | (RequestKind::ZoneDel, Refusal::NoZone) => {
            Writer::new(out, proto).integer(0);
        }
        _ => encode_refusal(refusal, out),
    }
}

/// Appends a refusal.
pub fn encode_refusal(refusal: Refusal, out: &mut Vec<u8>) {
    // Its text has no CR and no LF. Writing to a vector cannot fail.
    let _ = write!(out, "-{} {refusal}\r\n", refusal.code());
}
