//! Reads that wait until something comes: `XREAD BLOCK`, `XREADGROUP BLOCK`.
//!
//! ```text
//! asked ─▶ found nothing ─▶ place kept, hubs watch its streams ─▶ news ─▶ asked again, of that stream ─▶ told, or waits on
//!                                                              └▶ its time is over ─▶ nothing
//! ```
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

    /// Whether it reads for a group, and so learns that the stream is gone.
    pub(crate) fn is_of_group(&self) -> bool {
        matches!(self.op, KeyOp::ReadGroup(_))
    }

    /// The same question about one of its streams; `None` where that is none of them.
    pub(crate) fn about(&self, key: &Text) -> Option<KeyOp> {
        match &self.op {
            KeyOp::Read(read) => {
                let streams: Vec<_> = read.streams.iter().filter(|(of, _)| of == key).cloned().collect();
                (!streams.is_empty()).then_some(KeyOp::Read(Read { streams, ..*read }))
            }
            KeyOp::ReadGroup(read) => {
                let streams: Vec<_> = read.streams.iter().filter(|(of, _)| of == key).cloned().collect();
                (!streams.is_empty()).then(|| KeyOp::ReadGroup(ReadGroup { streams, ..read.clone() }))
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
    pub(crate) streams: Vec<(Text, StreamId)>,
    pub(crate) of_group: bool,
    /// `None`: for ever.
    pub(crate) until: Option<MonoMs>,
}
