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
type Parts<'a> = (&'a [u8], &'a [u8]);

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
    use super::{HEAD_BYTES, Malformed, append, batched_bytes, next};

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
        for len in 1..HEAD_BYTES + 7 {
            assert_eq!(next(&mut &batch[..len]), Err(Malformed), "{len} bytes");
        }
        assert_eq!(next(&mut &[0xff; 64][..]), Err(Malformed), "lengths beyond every bound");
    }
}
