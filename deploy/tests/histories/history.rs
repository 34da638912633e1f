//! What one reader was told of one stream. Each thing told is judged at once by where the reader stood.

use sluice_net::cursor::Cursor;

use crate::plan::{Fate, Plan};

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// It has no place: the first thing it is told is the oldest that there is.
    Nowhere,
    At(Cursor),
    /// It was told that entries were removed ahead of it.
    Hole(Cursor),
}

#[derive(Debug)]
pub(crate) struct History {
    pub(crate) stream: usize,
    stand: Stand,
    /// Each entry that it was told, in order.
    pub(crate) entries: Vec<(Cursor, u64)>,
    /// Reasons for which it lost its place.
    pub(crate) resets: Vec<String>,
    pub(crate) end: Option<Cursor>,
}

impl History {
    pub(crate) fn of(stream: usize) -> History {
        History { stream, stand: Stand::Nowhere, entries: Vec::new(), resets: Vec::new(), end: None }
    }

    /// What it says when it comes back.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        match self.stand {
            Stand::At(cursor) | Stand::Hole(cursor) => Some(cursor),
            Stand::Nowhere => None,
        }
    }

    /// Its connection was lost, and it said this when it came back.
    pub(crate) fn resumes(&mut self, cursor: Option<Cursor>) {
        self.stand = cursor.map_or(Stand::Nowhere, Stand::At);
    }

    pub(crate) fn entry(&mut self, at: Cursor, payload: u64) {
        let follows = match self.stand {
            Stand::At(before) => at == Cursor { dense: before.dense + 1, ..before },
            Stand::Hole(before) => at.epoch == before.epoch && at.dense > before.dense,
            // Whoever comes to a stream that lost nothing is told everything.
            Stand::Nowhere => Plan::fate(self.stream) != Fate::Calm || at.dense == 1,
        };
        assert!(follows, "{at} does not follow: {}", self.tail());
        self.stand = Stand::At(at);
        self.entries.push((at, payload));
    }

    /// Its place is lost, for this reason; it goes on at the oldest entry, where there is a stream.
    pub(crate) fn reset(&mut self, reason: &str, oldest: Option<Cursor>) {
        let calm = Plan::fate(self.stream) == Fate::Calm;
        assert!(!calm || !["trimmed", "deleted"].contains(&reason), "nobody took anything: {}", self.tail());
        self.stand = match (self.stand, oldest) {
            (Stand::At(before), _) if reason == "deleted" => Stand::Hole(before),
            (_, Some(oldest)) => Stand::At(Cursor { dense: oldest.dense.saturating_sub(1), ..oldest }),
            (_, None) => Stand::Nowhere,
        };
        self.resets.push(reason.to_owned());
    }

    pub(crate) fn ended(&mut self, at: Cursor) {
        let stands = self.stand == Stand::At(at);
        assert!(stands, "ended at {at}, not where it stands: {}", self.tail());
        self.end = Some(at);
    }

    /// It is told that there is nothing to come back for.
    pub(crate) fn is_over(&mut self) {
        let at = self.cursor().expect("who was told nothing has something to come back for");
        self.ended(at);
    }

    fn tail(&self) -> String {
        let last = &self.entries[self.entries.len().saturating_sub(5)..];
        let key = Plan::key(self.stream);
        format!("{key} stands {:?} after {last:?}, lost its place for {:?}", self.stand, self.resets)
    }
}

#[cfg(test)]
mod tests {
    use super::History;
    use sluice_net::cursor::Cursor;

    fn at(epoch: u64, dense: u64) -> Cursor {
        Cursor { epoch, dense }
    }

    /// A reader of a stream that may be trimmed, which has read 3.1 and 3.2.
    fn reader() -> History {
        let mut history = History::of(1);
        history.entry(at(3, 1), 10);
        history.entry(at(3, 2), 11);
        history
    }

    #[test]
    fn what_is_dense_or_said_to_be_lost_is_believed() {
        let mut history = reader();
        history.reset("trimmed", Some(at(3, 9)));
        history.entry(at(3, 9), 12);
        history.reset("epoch", Some(at(4, 1)));
        history.entry(at(4, 1), 13);
        history.ended(at(4, 1));
        assert_eq!(history.end, Some(at(4, 1)));
    }

    #[test]
    #[should_panic(expected = "does not follow")]
    fn an_entry_that_is_missing_is_found() {
        reader().entry(at(3, 4), 13);
    }

    #[test]
    #[should_panic(expected = "does not follow")]
    fn an_entry_that_comes_twice_is_found() {
        reader().entry(at(3, 2), 11);
    }

    #[test]
    #[should_panic(expected = "does not follow")]
    fn another_epoch_without_a_word_is_found() {
        reader().entry(at(4, 1), 13);
    }

    #[test]
    #[should_panic(expected = "not where it stands")]
    fn an_end_that_comes_too_early_is_found() {
        reader().ended(at(3, 3));
    }

    #[test]
    #[should_panic(expected = "nobody took anything")]
    fn a_loss_in_a_stream_that_lost_nothing_is_found() {
        History::of(0).reset("trimmed", None);
    }
}
