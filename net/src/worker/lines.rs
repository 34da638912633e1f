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
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A read that waits, and the worker that serves its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) worker: usize,
    pub(crate) who: Who,
}

/// When a read came: who has a smaller number came before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Arrival(u64);

/// The reads of one stream for one group, in order.
type Line = BTreeMap<Arrival, Place>;

/// All lines of this node.
#[derive(Debug)]
pub(crate) struct Lines {
    inner: Mutex<Inner>,
    /// By worker: it has turns to take. Set under the lock.
    has_turns: Vec<AtomicBool>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By stream, then by group; none is empty.
    lines: HashMap<Text, HashMap<Text, Line>>,
    /// By worker: whose turn has come, and of which stream.
    turns: Vec<Vec<(Who, Text)>>,
    /// Reads that have come.
    arrived: u64,
}

impl Inner {
    /// Takes it out of the line; who is first now, where it was before.
    fn leave(&mut self, key: &Text, group: &Text, arrival: Arrival) -> Option<Place> {
        let groups = self.lines.get_mut(key)?;
        let line = groups.get_mut(group)?;
        let was_first = line.first_key_value().is_some_and(|(first, _)| *first == arrival);
        line.remove(&arrival)?;
        if let Some((_, next)) = line.first_key_value() {
            return was_first.then_some(*next);
        }
        groups.remove(group);
        if groups.is_empty() {
            self.lines.remove(key);
        }
        None
    }
}

impl Lines {
    /// No lines, for so many workers.
    pub(crate) fn new(workers: usize) -> Lines {
        let inner = Inner { turns: vec![Vec::new(); workers], ..Inner::default() };
        let has_turns = (0..workers).map(|_| AtomicBool::new(false)).collect();
        Lines { inner: Mutex::new(inner), has_turns }
    }

    /// A read begins to wait for these streams, behind those that do already.
    pub(crate) fn join(&self, keys: &[Text], group: &Text, place: Place) -> Arrival {
        let mut inner = self.lock();
        inner.arrived += 1;
        let arrival = Arrival(inner.arrived);
        for key in keys {
            let groups = inner.lines.entry(key.clone()).or_default();
            groups.entry(group.clone()).or_default().insert(arrival, place);
        }
        arrival
    }

    /// Whether it may ask.
    pub(crate) fn is_first(&self, key: &Text, group: &Text, arrival: Arrival) -> bool {
        let inner = self.lock();
        let line = inner.lines.get(key).and_then(|groups| groups.get(group));
        line.and_then(Line::first_key_value).is_none_or(|(first, _)| *first == arrival)
    }

    /// A read waits no longer. The worker of the next one, whose turn has come by that: it is to be woken.
    pub(crate) fn leave(&self, key: &Text, group: &Text, arrival: Arrival) -> Option<usize> {
        let mut inner = self.lock();
        let next = inner.leave(key, group, arrival)?;
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
        let join = |place| lines.join(std::slice::from_ref(&key), &group, place);
        let came @ [ann_came, bob_came, cyd_came] = [ann, bob, cyd].map(join);
        let first = || came.map(|arrival| lines.is_first(&key, &group, arrival));
        assert_eq!(first(), [true, false, false]);
        assert!(lines.is_first(&key, &Text::from(b"h"), cyd_came), "another group is another line");
        assert_eq!(lines.leave(&key, &group, ann_came), Some(1));
        assert_eq!((first(), lines.take_turns(0)), ([false, true, false], Vec::new()));
        assert_eq!(lines.take_turns(1), [(bob.who, key.clone())]);
        assert_eq!(lines.take_turns(1), [], "a turn is taken once");
        assert_eq!(lines.leave(&key, &group, cyd_came), None, "it was not first");
        assert_eq!(lines.leave(&key, &group, bob_came), None, "nobody is left");
        assert_eq!(lines.leave(&key, &group, bob_came), None);
        assert!(lines.lock().lines.is_empty());
    }

    #[test]
    fn a_read_of_several_streams_has_a_place_in_each_line() {
        let lines = Lines::new(1);
        let (keys, group) = ([Text::from(b"s"), Text::from(b"t")], Text::from(b"g"));
        let [ann, bob] =
            [&keys[..], &keys[1..]].map(|keys| lines.join(keys, &group, place(0, keys.len() as u32)));
        assert!(lines.is_first(&keys[0], &group, ann) && !lines.is_first(&keys[1], &group, bob));
        assert_eq!(lines.leave(&keys[1], &group, ann), Some(0));
        assert!(lines.is_first(&keys[1], &group, bob) && lines.is_first(&keys[0], &group, ann));
        assert_eq!(lines.take_turns(0), [(place(0, 1).who, keys[1].clone())]);
    }
}
