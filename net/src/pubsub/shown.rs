//! How a subscriber sees messages and confirmations: arrays in RESP2, pushes in RESP3.

use super::message::Published;
use super::{Kind, Name};
use crate::resp::encode::{Proto, Writer};

/// Appends a message to `out`; with the pattern through which it came, if it did.
pub(crate) fn message(
    out: &mut Vec<u8>,
    proto: Proto,
    pattern: Option<&[u8]>,
    channel: &[u8],
    payload: &[u8],
) {
    let mut push = Writer::new(out, proto);
    match pattern {
        None => {
            push.push(3);
            push.bulk(b"message");
        }
        Some(pattern) => {
            push.push(4);
            push.bulk(b"pmessage");
            push.bulk(pattern);
        }
    }
    push.bulk(channel);
    push.bulk(payload);
}

/// Appends a confirmation: how many subscriptions are left, or there. No name: there was nothing to end.
pub(crate) fn confirmation(out: &mut Vec<u8>, proto: Proto, word: &str, name: Option<&[u8]>, count: usize) {
    let mut push = Writer::new(out, proto);
    push.push(3);
    push.bulk(word.as_bytes());
    match name {
        Some(name) => push.bulk(name),
        None => push.null(),
    }
    push.count(count as u64);
}

/// The first word of a confirmation.
pub(crate) fn word(kind: Kind, subscribes: bool) -> &'static str {
    match (kind, subscribes) {
        (Kind::Channel, true) => "subscribe",
        (Kind::Channel, false) => "unsubscribe",
        (Kind::Pattern, true) => "psubscribe",
        (Kind::Pattern, false) => "punsubscribe",
    }
}

/// One message as written for many: once for each protocol that is met.
#[derive(Default)]
pub(crate) struct Shown {
    written: [Vec<u8>; 2],
}

impl Shown {
    /// Another message, or the same through another pattern, comes next.
    pub(crate) fn clear(&mut self) {
        self.written.iter_mut().for_each(Vec::clear);
    }

    /// Its bytes for a subscriber.
    pub(crate) fn of(&mut self, proto: Proto, pattern: Option<&Name>, published: &Published) -> &[u8] {
        let written = &mut self.written[usize::from(proto == Proto::Resp3)];
        if written.is_empty() {
            message(written, proto, pattern.map(|name| &**name), &published.channel, &published.payload);
        }
        written
    }
}
