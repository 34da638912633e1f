//! One followed stream: what is known of it, its readers, and what each is told next.

mod sweep;

use super::cache::{Cache, Entry};
use super::reader::{Outlets, Reader, Seat, Tell, Took, Waiter, Waits, Woken};
use crate::cursor::{Cursor, Position};
use crate::limit::{FOLLOW_BYTES_MAX, FOLLOW_ENTRIES_MAX, NODE_BEHIND_MS_MAX};
use crate::worker::ticket::SessionKey;
use sluice_engine::id::GroupId;
use sluice_engine::stream::Tidings;
use sluice_engine::stream::entries::Entries;
use sluice_engine::stream::op::{Follow, FollowFrom};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::{Extent, Followed, Reset};
use sluice_engine::time::MonoMs;
use std::collections::BTreeMap;

/// What holds for one round.
#[derive(Clone, Copy)]
pub(super) struct Round {
    pub(super) now: MonoMs,
    pub(super) knows: Knows,
}

/// What this node can say of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knows {
    /// It leads: nobody can have been told more elsewhere.
    pub(crate) leads: bool,
    /// It can prove that what it has is new. One that cannot may lack anything.
    pub(crate) is_fresh: bool,
}

/// A stream that somebody on this worker follows.
pub(super) struct Hub {
    pub(super) key: Text,
    pub(super) group: GroupId,
    /// What the owner said last; `None`: nothing yet.
    known: Option<Option<Extent>>,
    cache: Cache,
    readers: Vec<Reader>,
    /// Readers whose question is on the way: they are further behind than the cache reaches. None of `readers`.
    asking: BTreeMap<Seat, Reader>,
    /// Readers whose connection takes nothing more. They cost nothing until it does: no round looks at them. None of `readers`.
    full: BTreeMap<Seat, Reader>,
    waiters: Vec<Waiter>,
    /// The next reader of the round under way; behind the last: none is.
    next: usize,
    /// Readers and waiters that the sweep under way has looked at, and the last of those whose connection is full.
    swept: (usize, usize, Option<Seat>),
    /// There was news since the round began.
    again: bool,
    /// It is among those that have something to do.
    pub(super) listed: bool,
    /// The wave in which its owner was asked to tell of it.
    pub(super) heard: Option<u32>,
}

/// What became of a reader that was looked at.
enum Looked {
    /// It rests where it is.
    Rests,
    /// It waits for an answer of the owner.
    Asks,
    /// It waits for its connection.
    Full,
    /// There is no such reader any more.
    Gone,
}

/// What is next for a reader.
enum Next {
    Nothing,
    /// The entry of the cache at this number or behind it.
    Entry(u64),
    Reset(Reset),
    End(Cursor),
    /// Ask the owner from there on.
    Ask {
        epoch: u64,
        after: u64,
    },
    /// Wait for this node.
    Node,
}

/// A question for the owner on behalf of one reader.
pub(super) struct Asking {
    pub(super) seat: Seat,
    pub(super) follow: Follow,
}

impl Hub {
    pub(super) fn new(key: Text, group: GroupId) -> Hub {
        Hub {
            key,
            group,
            known: None,
            cache: Cache::default(),
            readers: Vec::new(),
            asking: BTreeMap::new(),
            full: BTreeMap::new(),
            waiters: Vec::new(),
            next: 0,
            swept: (0, 0, None),
            again: false,
            listed: false,
            heard: None,
        }
    }

    pub(super) fn add(&mut self, seat: Seat, position: Position) {
        self.push(Reader { seat, position, waits: Waits::News, is_current: false });
    }

    /// The last of the readers, to be looked at.
    fn push(&mut self, reader: Reader) {
        if !self.is_at_work() {
            self.next = self.readers.len();
        }
        self.readers.push(reader);
    }

    /// Has the waiter woken; at once where the news was there before it.
    pub(super) fn wait(&mut self, waiter: Waiter, woken: &mut Vec<Woken>) {
        match self.known {
            Some(stream) if waiter.is_woken(stream, false) => woken.push(self.woken(waiter, stream, false)),
            _ => self.waiters.push(waiter),
        }
    }

    /// What its cache takes, encoded frames included.
    pub(super) fn cached_bytes(&self) -> usize {
        self.cache.held_bytes()
    }

    /// Keeps no entries until there are new ones; how many bytes that were.
    pub(super) fn forget_cache(&mut self) -> usize {
        let held = self.cache.held_bytes();
        self.cache.forget();
        held
    }

    pub(super) fn is_idle(&self) -> bool {
        self.readers.is_empty() && self.asking.is_empty() && self.full.is_empty() && self.waiters.is_empty()
    }

    fn follow(&self, epoch: Option<u64>, from: FollowFrom) -> Follow {
        let (limit, bytes_max) = (FOLLOW_ENTRIES_MAX, FOLLOW_BYTES_MAX);
        Follow { key: self.key.clone(), epoch, from, limit, bytes_max }
    }

    /// The owner told what became of the stream.
    pub(super) fn hear(&mut self, tidings: &Tidings, woken: &mut Vec<Woken>) {
        self.keep(tidings.stream, &tidings.entries);
        self.news(tidings.stream, tidings.group_gone, woken);
    }

    /// Entries are without holes before the first of them: the owner says of a hole by itself.
    fn keep(&mut self, stream: Option<Extent>, entries: &Entries) {
        if let (Some(stream), Some(first)) = (stream, entries.iter().next()) {
            self.cache.take(stream.epoch, first.dense - 1, entries);
        }
    }

    /// So far does the stream reach.
    pub(super) fn news(&mut self, stream: Option<Extent>, group_gone: bool, woken: &mut Vec<Woken>) {
        self.known = Some(stream);
        if self.is_at_work() {
            self.again = true;
        } else {
            self.next = 0;
        }
        let (ready, rest) = self.waiters.drain(..).partition(|waiter| waiter.is_woken(stream, group_gone));
        self.waiters = rest;
        let ready: Vec<Waiter> = ready;
        woken.extend(ready.into_iter().map(|waiter| self.woken(waiter, stream, group_gone)));
    }

    fn woken(&self, waiter: Waiter, stream: Option<Extent>, group_gone: bool) -> Woken {
        let last_id = stream.map_or(waiter.after, |stream| stream.last_id.max(waiter.after));
        let gone = group_gone || stream.is_none();
        Woken { who: waiter.who, key: self.key.clone(), last_id: Some(last_id), gone }
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.next < self.readers.len()
    }

    /// The readers of a connection that takes something again are looked at.
    pub(super) fn resume(&mut self, session: SessionKey) {
        let seats = Seat { session, number: 0 }..=Seat { session, number: u32::MAX };
        let seats: Vec<Seat> = self.full.range(seats).map(|(seat, _)| *seat).collect();
        for seat in seats {
            self.full.remove(&seat).into_iter().for_each(|reader| self.push(reader));
        }
    }

    /// How many readers wait for an answer.
    #[cfg(test)]
    pub(super) fn asking(&self) -> usize {
        self.asking.len()
    }

    /// The question on behalf of this reader was lost: it is looked at again.
    pub(super) fn forget_question(&mut self, seat: Seat) {
        self.asking.remove(&seat).into_iter().for_each(|reader| self.push(reader));
    }

    /// Whether a question on behalf of this reader is still to be asked: the answer to another's may have been its own, and its
    /// connection may take nothing more.
    pub(super) fn still_lacks(&mut self, seat: Seat, outlets: &mut impl Outlets) -> bool {
        match outlets.takes(seat, &self.key) {
            Took::All => {}
            Took::Full => {
                self.full.extend(self.asking.remove(&seat).map(|reader| (seat, reader)));
                return false;
            }
            Took::Gone => {
                self.asking.remove(&seat);
                return false;
            }
        }
        let Some(reader) = self.asking.get(&seat) else { return false };
        let Position::After(Cursor { epoch, dense }) = reader.position else { return true };
        if !self.cache.covers(epoch, dense + 1) {
            return true;
        }
        self.forget_question(seat);
        false
    }

    /// Tells readers what they lack, `room` of them at most; true where more remains to be done.
    pub(super) fn work(
        &mut self,
        round: Round,
        room: &mut usize,
        outlets: &mut impl Outlets,
        asks: &mut Vec<Asking>,
    ) -> bool {
        while *room > 0 && self.is_at_work() {
            *room -= 1;
            match self.serve(self.next, round, outlets, asks) {
                Looked::Rests => self.next += 1,
                Looked::Gone => drop(self.readers.swap_remove(self.next)),
                Looked::Asks => {
                    let reader = self.readers.swap_remove(self.next);
                    self.asking.insert(reader.seat, reader);
                }
                Looked::Full => {
                    let reader = self.readers.swap_remove(self.next);
                    self.full.insert(reader.seat, reader);
                }
            }
            if !self.is_at_work() && std::mem::take(&mut self.again) {
                self.next = 0;
            }
        }
        self.is_at_work()
    }

    /// Tells one reader what it lacks.
    fn serve(
        &mut self,
        at: usize,
        round: Round,
        outlets: &mut impl Outlets,
        asks: &mut Vec<Asking>,
    ) -> Looked {
        let Some(stream) = self.known else { return Looked::Rests };
        loop {
            let reader = &self.readers[at];
            let (seat, position) = (reader.seat, settle(reader.position, stream));
            let since = if let Waits::Node(since) = reader.waits { Some(since) } else { None };
            let (tell, then) = match self.next_for(position, stream, since, round) {
                Next::Nothing | Next::Node if !reader.is_current => (Tell::Current, position),
                Next::Nothing => return self.rest(at, position, Waits::News),
                Next::Node => {
                    // Time in which this node learned nothing does not count.
                    let since = since.filter(|_| round.knows.is_fresh).unwrap_or(round.now);
                    return self.rest(at, position, Waits::Node(since));
                }
                Next::Ask { epoch, after } => {
                    match outlets.takes(seat, &self.key) {
                        Took::All => {}
                        Took::Full => return self.stop(at, position),
                        Took::Gone => return Looked::Gone,
                    }
                    asks.push(Asking { seat, follow: self.follow(Some(epoch), FollowFrom::After(after)) });
                    self.rest(at, position, Waits::News);
                    return Looked::Asks;
                }
                Next::Entry(dense) => {
                    let Some(entry) = self.cache.at_or_after(dense) else { return Looked::Rests };
                    let epoch = self.cache.epoch();
                    (Tell::Entry { epoch, entry }, Position::After(Cursor { epoch, dense: entry.dense }))
                }
                Next::Reset(reason) => {
                    let then = match (stream, reason) {
                        (None, _) => Position::Start,
                        (Some(stream), Reset::Deleted) => self.behind_hole(position, stream),
                        (Some(stream), _) => oldest(stream),
                    };
                    (Tell::Reset { reason, stream }, then)
                }
                Next::End(at) => (Tell::End(at), Position::Ended { epoch: at.epoch }),
            };
            let is_current = matches!(tell, Tell::Current);
            match outlets.tell(seat, &self.key, tell) {
                Took::All => {
                    let reader = &mut self.readers[at];
                    reader.position = then;
                    reader.is_current |= is_current;
                }
                Took::Full => return self.stop(at, position),
                Took::Gone => return Looked::Gone,
            }
            self.readers[at].waits = Waits::News;
        }
    }

    fn rest(&mut self, at: usize, position: Position, waits: Waits) -> Looked {
        let reader = &mut self.readers[at];
        (reader.position, reader.waits) = (position, waits);
        Looked::Rests
    }

    /// The reader stays where it is until its connection takes something.
    fn stop(&mut self, at: usize, position: Position) -> Looked {
        self.rest(at, position, Waits::News);
        Looked::Full
    }

    /// Just before the entry behind a hole that the reader has come to.
    fn behind_hole(&self, position: Position, stream: Extent) -> Position {
        let Position::After(Cursor { epoch, dense }) = position else { return oldest(stream) };
        let next = self.cache.at_or_after(dense + 1).map_or(stream.newest, |entry| entry.dense - 1);
        Position::After(Cursor { epoch, dense: next })
    }

    fn next_for(
        &self,
        position: Position,
        stream: Option<Extent>,
        since: Option<MonoMs>,
        round: Round,
    ) -> Next {
        // Elsewhere it may have been told more than this node has: that is waited for, but where this node should have it not for ever.
        let waited = since.is_some_and(|since| round.now.0 >= since.0 + NODE_BEHIND_MS_MAX);
        let Knows { leads, is_fresh } = round.knows;
        let or_node = |reset| if leads || (waited && is_fresh) { Next::Reset(reset) } else { Next::Node };
        match (position, stream) {
            (Position::Start | Position::Newest | Position::Number(_), _) => Next::Nothing,
            (Position::After(_), None) => or_node(Reset::Epoch),
            (Position::Ended { .. }, None) => Next::Nothing,
            (Position::Ended { epoch }, Some(stream)) if epoch == stream.epoch => Next::Nothing,
            (Position::Ended { .. }, Some(_)) => Next::Reset(Reset::Epoch),
            (Position::After(Cursor { epoch, .. }), Some(stream)) if epoch > stream.epoch => {
                or_node(Reset::Epoch)
            }
            (Position::After(Cursor { epoch, .. }), Some(stream)) if epoch < stream.epoch => {
                Next::Reset(Reset::Epoch)
            }
            (Position::After(Cursor { dense, .. }), Some(stream)) if dense > stream.newest => {
                or_node(Reset::Unknown)
            }
            (Position::After(Cursor { epoch, dense }), Some(stream)) if dense == stream.newest => {
                match stream.ended {
                    true => Next::End(Cursor { epoch, dense }),
                    false => Next::Nothing,
                }
            }
            (Position::After(Cursor { epoch, dense }), Some(stream)) => self.next_entry(epoch, dense, stream),
        }
    }

    fn next_entry(&self, epoch: u64, dense: u64, stream: Extent) -> Next {
        let next = dense + 1;
        if self.cache.covers(epoch, next) {
            return match self.cache.at_or_after(next) {
                Some(entry) if entry.dense == next => Next::Entry(next),
                _ => Next::Reset(Reset::Deleted),
            };
        }
        if next < stream.oldest { Next::Reset(Reset::Trimmed) } else { Next::Ask { epoch, after: dense } }
    }

    /// The owner answered on behalf of a reader.
    pub(super) fn answered(&mut self, seat: Seat, followed: &Followed, outlets: &mut impl Outlets) {
        self.known = Some(followed.stream);
        self.keep(followed.stream, &followed.entries);
        let Some(mut reader) = self.asking.remove(&seat) else { return };
        let told = followed.stream.map(|stream| self.tell_answer(&mut reader, stream, followed, outlets));
        match told.unwrap_or(Took::All) {
            Took::All => self.push(reader),
            // It has what there was room for; the rest is asked for once there is more.
            Took::Full => drop(self.full.insert(seat, reader)),
            Took::Gone => {}
        }
    }

    fn tell_answer(
        &self,
        reader: &mut Reader,
        stream: Extent,
        followed: &Followed,
        outlets: &mut impl Outlets,
    ) -> Took {
        let (seat, epoch) = (reader.seat, stream.epoch);
        if followed.reset == Some(Reset::Deleted) {
            let reset = Tell::Reset { reason: Reset::Deleted, stream: Some(stream) };
            let took = outlets.tell(seat, &self.key, reset);
            if took != Took::All {
                return took;
            }
            let next = followed.entries.iter().next().map_or(stream.newest, |entry| entry.dense - 1);
            reader.position = Position::After(Cursor { epoch, dense: next });
        }
        for entry in followed.entries.iter().filter_map(Entry::of) {
            let expected = Position::After(Cursor { epoch, dense: entry.dense - 1 });
            if reader.position != expected {
                break;
            }
            let took = outlets.tell(seat, &self.key, Tell::Entry { epoch, entry: &entry });
            if took != Took::All {
                return took;
            }
            reader.position = Position::After(Cursor { epoch, dense: entry.dense });
        }
        Took::All
    }
}

/// Where a reader stands that said so in words.
fn settle(position: Position, stream: Option<Extent>) -> Position {
    match (position, stream) {
        (Position::Start, Some(stream)) => oldest(stream),
        (Position::Newest, Some(stream)) => {
            Position::After(Cursor { epoch: stream.epoch, dense: stream.newest })
        }
        (Position::Number(dense), Some(stream)) => Position::After(Cursor { epoch: stream.epoch, dense }),
        // Whatever comes first was not there yet.
        (Position::Newest | Position::Number(_), None) => Position::Start,
        (position, _) => position,
    }
}

fn oldest(stream: Extent) -> Position {
    Position::After(Cursor { epoch: stream.epoch, dense: stream.oldest.saturating_sub(1) })
}

#[cfg(test)]
mod tests {
    use super::{
        Cursor, Extent, GroupId, Hub, Knows, MonoMs, NODE_BEHIND_MS_MAX, Next, Position, Reset, Round,
    };
    use sluice_engine::stream::id::StreamId;
    use sluice_engine::stream::text::Text;

    #[test]
    fn a_node_that_may_lack_entries_calls_no_cursor_unknown() {
        let hub = Hub::new(Text::from(&b"news"[..]), GroupId(0));
        let stream = Extent { epoch: 1, oldest: 1, newest: 8, last_id: StreamId::default(), ended: false };
        let next = |knows, now| {
            let ahead = Position::After(Cursor { epoch: 1, dense: 9 });
            hub.next_for(ahead, Some(stream), Some(MonoMs(0)), Round { now: MonoMs(now), knows })
        };
        let fresh = Knows { leads: false, is_fresh: true };
        assert!(matches!(next(fresh, NODE_BEHIND_MS_MAX - 1), Next::Node));
        assert!(matches!(next(fresh, NODE_BEHIND_MS_MAX), Next::Reset(Reset::Unknown)));
        let old = Knows { leads: false, is_fresh: false };
        assert!(
            matches!(next(old, 100 * NODE_BEHIND_MS_MAX), Next::Node),
            "as after it was stopped, or cut off"
        );
        let leader = Knows { leads: true, is_fresh: true };
        assert!(matches!(next(leader, 0), Next::Reset(Reset::Unknown)));
    }
}
