//! Reads that wait until something comes: `XREAD BLOCK`, `XREADGROUP BLOCK`.
//!
//! ```text
//! asked ─▶ found nothing ─▶ place kept, hubs watch its streams ─▶ news ─▶ asked again, of that stream ─▶ told, or waits on
//!                                                              └▶ its time is over ─▶ nothing
//! ```
//! Readers of one group are served in the order in which they came: only the first of them asks, and the next one when that
//! has gone ([`crate::worker::lines`]).
//!
//! News is a hint: what the reply holds is read anew, so a reader that is woken for what another one took simply waits on.
//! While it waits its connection runs no other command, as with Redis. Where its question is on the way its time is not over
//! before the answer has come: what a group gave it is not lost.

use crate::worker::ticket::SessionKey;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{After, KeyOp, Read, ReadGroup};
use sluice_engine::stream::text::Text;
use sluice_engine::time::MonoMs;

/// A read that may wait.
#[derive(Debug)]
pub(crate) struct Blocked {
    /// What it asks for: a [`KeyOp::Read`] or a [`KeyOp::ReadGroup`], all of its streams in it.
    pub(crate) op: KeyOp,
    /// How long, in ms; 0: for ever.
    pub(crate) wait_ms: u64,
    /// It was asked once, and its streams are watched.
    pub(crate) has_begun: bool,
}

impl Blocked {
    /// From now on it reads behind these ids: what "the last one" means is said once.
    pub(crate) fn settle(&mut self, ids: &[StreamId]) {
        let KeyOp::Read(read) = &mut self.op else { return };
        for ((_, after), id) in read.streams.iter_mut().zip(ids) {
            *after = After::Id(*id);
        }
    }

    /// Its streams.
    pub(crate) fn keys(&self) -> Vec<Text> {
        let mut keys = Vec::new();
        self.op.visit_keys(|key| keys.push(key.clone()));
        keys
    }

    /// The group that it reads for: it learns that the stream is gone, and waits for its turn.
    pub(crate) fn group(&self) -> Option<&Text> {
        match &self.op {
            KeyOp::ReadGroup(read) => Some(&read.group),
            _ => None,
        }
    }

    /// The same question about one of its streams; `None` where that is none of them. Of a stream that it names twice, the
    /// first counts.
    pub(crate) fn about(&self, key: &Text) -> Option<KeyOp> {
        match &self.op {
            KeyOp::Read(read) => {
                let stream = read.streams.iter().find(|(of, _)| of == key)?;
                Some(KeyOp::Read(Read { streams: vec![stream.clone()], ..*read }))
            }
            KeyOp::ReadGroup(read) => {
                let stream = read.streams.iter().find(|(of, _)| of == key)?;
                Some(KeyOp::ReadGroup(ReadGroup { streams: vec![stream.clone()], ..read.clone() }))
            }
            _ => None,
        }
    }
}

/// A blocked read: of this connection, the request of this number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Who {
    pub(crate) session: SessionKey,
    pub(crate) request: u16,
}

/// A read begins to wait, or waits on: behind these ids, until then.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) who: Who,
    /// None twice.
    pub(crate) streams: Vec<(Text, StreamId)>,
    /// The group that it reads for.
    pub(crate) group: Option<Text>,
    /// `None`: for ever.
    pub(crate) until: Option<MonoMs>,
}
