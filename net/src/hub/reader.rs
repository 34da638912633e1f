//! Who follows a stream, and how far it has come.

use super::cache::Entry;
use crate::cursor::{Cursor, Position};
use crate::session::blocking::Who;
use crate::worker::ticket::SessionKey;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::{Extent, Reset};
use sluice_engine::time::MonoMs;

/// A subscription: of this connection, the one of this number. Numbers are not used twice by a connection, so what is meant
/// for one that was given up finds nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Seat {
    pub(crate) session: SessionKey,
    pub(crate) number: u32,
}

/// What a reader waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waits {
    /// News of the stream.
    News,
    /// This node to come as far as the reader has been told elsewhere, since then.
    Node(MonoMs),
}

/// One reader of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) seat: Seat,
    pub(super) position: Position,
    pub(super) waits: Waits,
    /// It was told once that it has everything that there is.
    pub(super) is_current: bool,
}

/// What a reader is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tell<'a> {
    /// The next entry.
    Entry {
        /// Of the stream.
        epoch: u64,
        /// The entry.
        entry: &'a Entry,
    },
    /// Its place is lost: it goes on at the oldest entry that there is.
    Reset {
        /// Why.
        reason: Reset,
        /// The stream; `None`: there is none.
        stream: Option<Extent>,
    },
    /// It has everything that there is; told once.
    Current,
    /// Nothing will follow: this is where the last entry was.
    End(Cursor),
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Took {
    /// The reader has it.
    All,
    /// Its connection takes nothing more now.
    Full,
    /// There is no such reader any more.
    Gone,
}

/// The connections, as hubs see them.
pub(crate) trait Outlets {
    /// Tells one reader something about the stream `key`.
    fn tell(&mut self, seat: Seat, key: &Text, tell: Tell<'_>) -> Took;

    /// What would become of something if it were told now: nobody is asked on behalf of a reader whose connection takes nothing.
    fn takes(&mut self, seat: Seat, key: &Text) -> Took;

    /// Whether there is such a reader.
    fn is_there(&mut self, seat: Seat, key: &Text) -> bool;
}

/// What wakes a blocked read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Waiter {
    pub(crate) who: Who,
    /// An entry of a later id than this.
    pub(crate) after: StreamId,
    /// Also the end of the stream, by removal: a group goes with it.
    pub(crate) of_group: bool,
}

impl Waiter {
    pub(super) fn is_woken(&self, stream: Option<Extent>, group_gone: bool) -> bool {
        match stream {
            _ if group_gone && self.of_group => true,
            Some(stream) => stream.last_id > self.after,
            None => self.of_group,
        }
    }
}

/// A blocked read whose time has come: look again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Woken {
    pub(crate) who: Who,
    pub(crate) key: Text,
    /// The last id of the stream at that moment: only a later one wakes it again. `None`: its turn has come to read for its
    /// group, and what it watches it watches still.
    pub(crate) last_id: Option<StreamId>,
    /// The stream is gone, or a group of it: whoever waits is told, and nobody takes anything from another.
    pub(crate) gone: bool,
}
