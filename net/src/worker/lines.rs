//! Who is served first among the reads that wait for one group of consumers, whichever worker their connections are on.
//!
//! ```text
//! (stream, group): ann, worker 0 │ bob, worker 2 │ cyd, worker 0
//!                  first: asks      later: their turns come when those before them have gone
//! ```
//! Redis serves blocked consumers in the order in which they came. Here only the first of a line asks when there is news; when
//! it was answered, or went away, the next one has its *turn*: it asks once, for there may be more. So an entry costs two
//! questions at most, however many wait. Other nodes have lines of their own.
//!
//! One lock for all lines: it is held for a look at a map, by reads that begin or end to wait, never by those that find
//! something at once.

use crate::session::blocking::Who;
use sluice_engine::stream::text::Text;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A read that waits, and the worker that serves its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) worker: usize,
    pub(crate) who: Who,
}

/// All lines of this node.
#[derive(Debug)]
pub(crate) struct Lines {
    inner: Mutex<Inner>,
    /// By worker: it has turns to take. Set under the lock.
    has_turns: Vec<AtomicBool>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By stream and group; none is empty.
    lines: HashMap<(Text, Text), VecDeque<Place>>,
    /// By worker: whose turn has come, and of which stream.
    turns: Vec<Vec<(Who, Text)>>,
}

impl Lines {
    /// No lines, for so many workers.
    pub(crate) fn new(workers: usize) -> Lines {
        let inner = Inner { lines: HashMap::new(), turns: vec![Vec::new(); workers] };
        let has_turns = (0..workers).map(|_| AtomicBool::new(false)).collect();
        Lines { inner: Mutex::new(inner), has_turns }
    }

    /// A read begins to wait, behind those that do already.
    pub(crate) fn join(&self, key: &Text, group: &Text, place: Place) {
        let mut inner = self.lock();
        inner.lines.entry((key.clone(), group.clone())).or_default().push_back(place);
    }

    /// Whether it may ask.
    pub(crate) fn is_first(&self, key: &Text, group: &Text, place: Place) -> bool {
        let inner = self.lock();
        let line = inner.lines.get(&(key.clone(), group.clone()));
        line.and_then(VecDeque::front).is_none_or(|first| *first == place)
    }

    /// A read waits no longer. The worker of the next one, whose turn has come by that: it is to be woken.
    pub(crate) fn leave(&self, key: &Text, group: &Text, place: Place) -> Option<usize> {
        let mut inner = self.lock();
        let of = (key.clone(), group.clone());
        let line = inner.lines.get_mut(&of)?;
        let at = line.iter().position(|other| *other == place)?;
        line.remove(at);
        let Some(next) = line.front().copied() else {
            inner.lines.remove(&of);
            return None;
        };
        if at > 0 {
            return None;
        }
        inner.turns.get_mut(next.worker)?.push((next.who, key.clone()));
        self.has_turns.get(next.worker)?.store(true, Ordering::Release);
        Some(next.worker)
    }

    /// Reads of this worker whose turn has come, and of which stream.
    pub(crate) fn take_turns(&self, worker: usize) -> Vec<(Who, Text)> {
        match self.has_turns.get(worker) {
            Some(has) if has.load(Ordering::Acquire) => {
                let mut inner = self.lock();
                has.store(false, Ordering::Release);
                inner.turns.get_mut(worker).map(std::mem::take).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Place};
    use crate::session::blocking::Who;
    use crate::worker::ticket::SessionKey;
    use sluice_engine::stream::text::Text;

    fn place(worker: usize, slot: u32) -> Place {
        let session = SessionKey { slot, generation: 0 };
        Place { worker, who: Who { session, request: 0 } }
    }

    #[test]
    fn the_turn_passes_in_the_order_of_coming_over_workers() {
        let lines = Lines::new(2);
        let (key, group) = (Text::from(b"s"), Text::from(b"g"));
        let [ann, bob, cyd] = [place(0, 1), place(1, 1), place(0, 2)];
        [ann, bob, cyd].into_iter().for_each(|place| lines.join(&key, &group, place));
        let first = || [ann, bob, cyd].map(|place| lines.is_first(&key, &group, place));
        assert_eq!(first(), [true, false, false]);
        assert!(lines.is_first(&key, &Text::from(b"h"), cyd), "another group is another line");
        assert_eq!(lines.leave(&key, &group, ann), Some(1));
        assert_eq!((first(), lines.take_turns(0)), ([false, true, false], Vec::new()));
        assert_eq!(lines.take_turns(1), [(bob.who, key.clone())]);
        assert_eq!(lines.take_turns(1), [], "a turn is taken once");
        assert_eq!(lines.leave(&key, &group, cyd), None, "it was not first");
        assert_eq!(lines.leave(&key, &group, bob), None, "nobody is left");
        assert_eq!(lines.leave(&key, &group, bob), None);
        assert!(lines.lock().lines.is_empty());
    }
}
