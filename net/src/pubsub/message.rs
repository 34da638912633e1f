//! A message, and batches of them as nodes send them to each other.
//!
//! ```text
//! batch:  (channel length u32 BE, payload length u32 BE, channel, payload)…
//! ```

use super::Name;
use crate::limit;
use crate::resp::limit::BULK_BYTES_MAX;
use sluice_engine::account::{Account, Charge, Part};
use std::sync::Arc;

/// What was published.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Published {
    pub(crate) channel: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
    /// Patterns of this node that it matches, in order.
    pub(crate) patterns: Box<[Name]>,
    _charge: Charge,
}

/// A batch that no node of ours wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

const HEAD_BYTES: usize = 8;

/// Channel and payload of a message in a batch.
pub(crate) type Parts<'a> = (&'a [u8], &'a [u8]);

impl Published {
    /// `None` where the process has no room for it.
    pub(crate) fn new(
        channel: &[u8],
        payload: &[u8],
        patterns: &[Name],
        account: &Arc<Account>,
    ) -> Option<Published> {
        let bytes = channel.len() + payload.len() + size_of_val(patterns);
        let charge = account.try_charge(Part::Passing, bytes as u64)?;
        let (channel, payload, patterns) = (channel.into(), payload.into(), patterns.into());
        Some(Published { channel, payload, patterns, _charge: charge })
    }

    /// Bytes of what it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len() + size_of_val(&*self.patterns)
    }
}

/// Messages of another node, as they came.
pub(crate) struct Batch {
    bytes: Box<[u8]>,
    /// What was taken.
    at: usize,
    _charge: Charge,
}

impl Batch {
    /// `None` where the process has no room for it.
    pub(crate) fn new(bytes: &[u8], account: &Arc<Account>) -> Option<Batch> {
        let charge = account.take(Part::Passing, bytes.len() as u64)?;
        Some(Batch { bytes: bytes.into(), at: 0, _charge: charge })
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next message; `None` at its end, and where it does not read as one.
    pub(crate) fn next(&mut self) -> Option<Parts<'_>> {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = next(&mut rest);
        self.at = self.bytes.len() - rest.len();
        found.unwrap_or_else(|Malformed| {
            tracing::warn!("another node sent messages that cannot be read");
            self.at = self.bytes.len();
            None
        })
    }
}

/// How many messages a batch has, as far as it can be read.
pub(crate) fn count(mut batch: &[u8]) -> u64 {
    let mut messages = 0;
    while let Ok(Some(_)) = next(&mut batch) {
        messages += 1;
    }
    messages
}

/// Bytes of a message in a batch.
pub(crate) fn batched_bytes(channel: &[u8], payload: &[u8]) -> usize {
    HEAD_BYTES + channel.len() + payload.len()
}

/// Appends a message. Both parts are bounded, so their lengths fit.
pub(crate) fn append(batch: &mut Vec<u8>, channel: &[u8], payload: &[u8]) {
    for part in [channel, payload] {
        batch.extend_from_slice(&(part.len() as u32).to_be_bytes());
    }
    batch.extend_from_slice(channel);
    batch.extend_from_slice(payload);
}

/// Takes the first message of a batch; `None` at its end.
pub(crate) fn next<'a>(batch: &mut &'a [u8]) -> Result<Option<Parts<'a>>, Malformed> {
    if batch.is_empty() {
        return Ok(None);
    }
    let (channel_len, payload_len) = (length(batch)?, length(batch)?);
    if channel_len > limit::CHANNEL_BYTES_MAX || payload_len > BULK_BYTES_MAX {
        return Err(Malformed);
    }
    let channel = take(batch, channel_len)?;
    let payload = take(batch, payload_len)?;
    Ok(Some((channel, payload)))
}

fn length(batch: &mut &[u8]) -> Result<usize, Malformed> {
    let (len, rest) = batch.split_first_chunk::<4>().ok_or(Malformed)?;
    *batch = rest;
    Ok(u32::from_be_bytes(*len) as usize)
}

fn take<'a>(batch: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (part, rest) = batch.split_at_checked(len).ok_or(Malformed)?;
    *batch = rest;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::{Batch, HEAD_BYTES, Malformed, append, batched_bytes, count, next};
    use sluice_engine::account::Account;
    use std::sync::Arc;

    #[test]
    fn a_batch_is_read_as_it_was_written_and_cut_ones_are_refused() {
        let mut batch = Vec::new();
        append(&mut batch, b"news", b"one");
        append(&mut batch, b"", b"");
        let mut rest = &batch[..];
        assert_eq!(next(&mut rest), Ok(Some((&b"news"[..], &b"one"[..]))));
        assert_eq!(rest.len(), batched_bytes(b"", b""));
        assert_eq!(next(&mut rest), Ok(Some((&b""[..], &b""[..]))));
        assert_eq!(next(&mut rest), Ok(None));
        assert_eq!((count(&batch), count(&batch[..batch.len() - 1])), (2, 1));
        for len in 1..HEAD_BYTES + 7 {
            assert_eq!(next(&mut &batch[..len]), Err(Malformed), "{len} bytes");
        }
        assert_eq!(next(&mut &[0xff; 64][..]), Err(Malformed), "lengths beyond every bound");
    }

    #[test]
    fn a_batch_is_taken_message_by_message_up_to_what_cannot_be_read() {
        let account = Arc::new(Account::new(16 << 20));
        let mut bytes = Vec::new();
        append(&mut bytes, b"news", b"one");
        append(&mut bytes, b"news", b"two");
        bytes.push(0);
        let mut batch = Batch::new(&bytes, &account).unwrap();
        assert_eq!(batch.next(), Some((&b"news"[..], &b"one"[..])));
        assert_eq!(batch.next(), Some((&b"news"[..], &b"two"[..])));
        assert_eq!(batch.next(), None);
        assert_eq!(batch.next(), None, "nor anything behind it");
        let much = vec![0; 4 << 20];
        assert!(Batch::new(&much, &account).is_none(), "no room");
    }
}
