//! Readers of streams: one hub for each stream that somebody on this worker follows.
//!
//! ```text
//!            wishes: listen, follow, unlisten                       told, tidings, in one lane
//!  owner ◀──────────────────────────────────── hubs of a worker ◀──────────────────────────── owner
//!                                               │ cache: the latest entries, each encoded once
//!                                               ▼
//!                                             readers: a cursor each ──▶ their connections
//! ```
//! The owner tells a worker each entry once, however many readers it has. To `listen` it answers how far the stream reaches, and
//! nothing of what is in it: a worker may begin to follow very many at once. What readers lack is asked for by `follow`, for so
//! many of them at a time. A reader is a position and nothing else: a slow one
//! costs no memory, and is told the truth when what it lacks is gone. Answers and tidings come in one lane, in order, so a hub
//! that listens and asks misses nothing in between. Where that lane was full, everything is asked again, a few
//! streams at a time ([`listening`]).
//!
//! Work is done in turns of bounded length: a hub with many readers takes several. Blocked reads wait here, too: for the
//! news, upon which their question is asked again.

mod cache;
mod listening;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use cache::Entry;
pub(crate) use reader::{Outlets, Seat, Tell, Took, Waiter, Woken};

use crate::cursor::Position;
use crate::limit::{
    FOLLOW_BYTES_MAX, FOLLOWS_MAX, FOLLOWS_PER_SESSION_MAX, FOLLOWS_SCARCE_MAX, HUB_BYTES, HUB_COPIES,
    HUBS_MAX,
};
use crate::session::blocking::Who;
use crate::worker::ticket::SessionKey;
use sluice_engine::account::Charge;
use sluice_engine::id::GroupId;
use sluice_engine::stream::Tidings;
use sluice_engine::stream::op::Follow;
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Followed;
use sluice_engine::time::MonoMs;
use std::collections::btree_map;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
pub(crate) use stream::Knows;
use stream::{Asking, Hub, Round};

/// Something that a worker wants of a stream's owner.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Wish {
    /// Tell of it from now on, and say how far it reaches.
    Listen(Text),
    /// Answer this.
    Follow(Follow),
    /// Tell no more of it.
    Unlisten(Text),
}

/// Which question is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    /// On whose behalf; `None`: the hub's own.
    seat: Option<Seat>,
    /// Questions before a loss are not answered any more.
    wave: u32,
}

/// A wish on its way to the owner of the group.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) group: GroupId,
    pub(crate) wish: Wish,
    pub(crate) question: Question,
}

/// The owner's answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) key: Text,
    pub(crate) question: Question,
    pub(crate) followed: Followed,
    /// For it.
    pub(crate) _charge: Charge,
}

/// What owners send to a worker, in order.
#[derive(Debug)]
pub(crate) enum News {
    /// To a question.
    Told(Told),
    /// What became of a stream.
    Tidings(Tidings),
}

/// The hubs of one worker.
#[derive(Default)]
pub(crate) struct Hubs {
    by_key: BTreeMap<Text, Hub>,
    /// Hubs with something to do, in order.
    active: VecDeque<Text>,
    /// Connections that took nothing more, and the streams that they are behind in.
    full: BTreeMap<SessionKey, HashSet<Text>>,
    /// The one of them that was looked at last; `None`: the next look is at the first.
    full_looked: Option<SessionKey>,
    /// The sweep under way goes on here.
    swept: Option<Text>,
    is_sweeping: bool,
    /// Streams that are to be listened to, once fewer such wishes are under way.
    unheard: VecDeque<Text>,
    listening: usize,
    /// After a loss all streams are, too.
    laps: listening::Laps,
    /// Readers whose question waits until fewer are under way.
    queued: VecDeque<(Text, Asking)>,
    /// Those on whose behalf one is.
    asked: BTreeMap<Seat, Text>,
    /// Of these, how many are on behalf of each connection, and those that wait until it has fewer.
    asked_for: BTreeMap<SessionKey, usize>,
    held: BTreeMap<SessionKey, VecDeque<(Text, Asking)>>,
    asked_max: Option<usize>,
    /// The process has little room for what is on its way.
    is_scarce: bool,
    /// Bytes of all caches, and how many there may be.
    cached: usize,
    cached_max: Option<usize>,
    /// What the names of all hubs take, wherever they are kept for them, and how much that may be.
    names: usize,
    names_max: Option<usize>,
    wave: u32,
    wishes: Vec<Sent>,
    woken: Vec<Woken>,
    /// Between turns empty; kept for its capacity.
    asks: Vec<Asking>,
}

impl News {
    /// Bytes of entries in it: what it takes to read it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            News::Told(told) => told.followed.entries.bytes(),
            News::Tidings(tidings) => tidings.entries.bytes(),
        }
    }
}

impl Hubs {
    /// A reader of a stream; false where this worker follows too many.
    pub(crate) fn follow(&mut self, key: &Text, group: GroupId, seat: Seat, position: Position) -> bool {
        if !self.open(key, group) {
            return false;
        }
        if let Some(hub) = self.by_key.get_mut(key) {
            hub.add(seat, position);
        }
        self.list(key);
        true
    }

    /// Sees to it that there is a hub of the stream; false where this worker follows too many, or their names take too much. One
    /// that nobody needs takes what it takes until it is swept away.
    fn open(&mut self, key: &Text, group: GroupId) -> bool {
        if self.by_key.contains_key(key) {
            return true;
        }
        let names = self.names + name_bytes(key);
        if self.by_key.len() >= HUBS_MAX || self.names_max.is_some_and(|most| names > most) {
            self.begin_sweep();
            return false;
        }
        self.names = names;
        self.by_key.insert(key.clone(), Hub::new(key.clone(), group));
        self.unheard.push_back(key.clone());
        true
    }

    /// Has a blocked read woken by news of the stream; false where this worker follows too many.
    pub(crate) fn wait(&mut self, key: &Text, group: GroupId, waiter: Waiter) -> bool {
        if !self.open(key, group) {
            return false;
        }
        if let Some(hub) = self.by_key.get_mut(key) {
            hub.wait(waiter, &mut self.woken);
        }
        true
    }

    /// An owner told what became of a stream.
    pub(crate) fn hear(&mut self, tidings: &Tidings) {
        let Some(hub) = self.by_key.get_mut(&tidings.key) else { return };
        let before = hub.cached_bytes();
        hub.hear(tidings, &mut self.woken);
        self.cached = self.cached + hub.cached_bytes() - before;
        self.list(&tidings.key);
    }

    /// An owner answered.
    pub(crate) fn told(&mut self, told: &Told, outlets: &mut impl Outlets) {
        if told.question.wave != self.wave {
            return;
        }
        match told.question.seat {
            None => self.listening = self.listening.saturating_sub(1),
            Some(seat) => {
                self.asked.remove(&seat);
                self.end_question(seat.session);
            }
        }
        let Some(hub) = self.by_key.get_mut(&told.key) else { return };
        let before = hub.cached_bytes();
        match told.question.seat {
            None => hub.news(told.followed.stream, false, &mut self.woken),
            Some(seat) => {
                hub.answered(seat, &told.followed, &mut Noting { outlets, full: &mut self.full });
            }
        }
        self.cached = self.cached + hub.cached_bytes() - before;
        self.list(&told.key);
    }

    /// A connection takes something again.
    pub(crate) fn resume(&mut self, session: SessionKey) {
        for key in self.full.remove(&session).unwrap_or_default() {
            if let Some(hub) = self.by_key.get_mut(&key) {
                hub.resume(session);
                self.list(&key);
            }
        }
    }

    /// Whether it waits for room.
    pub(crate) fn is_full(&self, session: SessionKey) -> bool {
        !self.full.is_empty() && self.full.contains_key(&session)
    }

    /// Tells readers what they lack, `room` of them at most.
    pub(crate) fn turn(
        &mut self,
        mut room: usize,
        now: MonoMs,
        knows: impl Fn(GroupId) -> Knows,
        outlets: &mut impl Outlets,
    ) {
        self.ask_queued(outlets);
        let mut asks = std::mem::take(&mut self.asks);
        for _ in 0..self.active.len() {
            if room == 0 {
                break;
            }
            let Some(key) = self.active.pop_front() else { break };
            let Some(hub) = self.by_key.get_mut(&key) else { continue };
            let round = Round { now, knows: knows(hub.group) };
            let mut noted = Noting { outlets, full: &mut self.full };
            if hub.work(round, &mut room, &mut noted, &mut asks) {
                self.active.push_back(key.clone());
            } else {
                hub.listed = false;
                if self.cached_max.is_some_and(|most| self.cached > most) {
                    // Who reads has been told; who is behind is answered from the state.
                    self.cached -= hub.forget_cache();
                }
            }
            for asking in asks.drain(..) {
                self.queued.push_back((key.clone(), asking));
            }
        }
        self.asks = asks;
        self.ask_queued(outlets);
    }

    /// How much the caches of all hubs may take.
    pub(crate) fn bound_caches(&mut self, bytes: usize) {
        self.cached_max = Some(bytes);
    }

    /// How much the answers to readers who are behind may take that are under way at once.
    pub(crate) fn bound_answers(&mut self, bytes: u64) {
        let most = usize::try_from(bytes / FOLLOW_BYTES_MAX).unwrap_or(FOLLOWS_MAX);
        self.asked_max = Some(most.clamp(FOLLOWS_SCARCE_MAX, FOLLOWS_MAX));
    }

    /// How much the names of all hubs may take.
    pub(crate) fn bound_names(&mut self, bytes: usize) {
        self.names_max = Some(bytes);
    }

    /// How much they take, with the names.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.cached + self.names
    }

    /// Whether the process has little room for what is on its way.
    pub(crate) fn set_scarce(&mut self, is_scarce: bool) {
        self.is_scarce = is_scarce;
    }

    /// The next so many connections that took nothing more, in turn.
    pub(crate) fn next_full(&mut self, most: usize) -> Vec<SessionKey> {
        let from = self.full_looked.map_or(Bound::Unbounded, Bound::Excluded);
        let next: Vec<SessionKey> =
            self.full.range((from, Bound::Unbounded)).map(|(key, _)| *key).take(most).collect();
        self.full_looked = next.last().copied();
        next
    }

    /// Whether something remains to be done at once.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.active.is_empty()
    }

    /// A wish that could not be sent now, nor any behind it.
    pub(crate) fn put_back(&mut self, sent: Vec<Sent>) {
        debug_assert!(self.wishes.is_empty(), "wishes keep their order");
        self.wishes = sent;
    }

    /// Blocked reads whose question is to be asked again.
    pub(crate) fn take_woken(&mut self) -> Vec<Woken> {
        std::mem::take(&mut self.woken)
    }

    /// Everybody is to be looked at again, by [`Hubs::sweep`].
    pub(crate) fn begin_sweep(&mut self) {
        self.is_sweeping = true;
    }

    /// Forgets readers that are gone, and streams that nobody follows any more, `room` looks at most: the next call goes on, until
    /// all were looked at.
    pub(crate) fn sweep(
        &mut self,
        mut room: usize,
        outlets: &mut impl Outlets,
        is_blocked: impl Fn(Who) -> bool,
    ) {
        if !self.is_sweeping {
            return;
        }
        let mut idle = Vec::new();
        let crowded = self.cached_max.is_some_and(|most| self.cached > most / 2);
        let from = self.swept.take().map_or(Bound::Unbounded, Bound::Included);
        for (key, hub) in self.by_key.range_mut((from, Bound::Unbounded)) {
            if room == 0 {
                self.swept = Some(key.clone());
                break;
            }
            room -= 1;
            if crowded && !hub.is_at_work() {
                // Those of whom something is told next have theirs again.
                self.cached -= hub.forget_cache();
            }
            let is_whole = hub.sweep(&mut room, outlets, |waiter| is_blocked(waiter.who));
            if hub.is_idle() {
                idle.push((key.clone(), hub.group));
            } else if hub.is_at_work() && !std::mem::replace(&mut hub.listed, true) {
                self.active.push_back(key.clone());
            }
            if !is_whole {
                self.swept = Some(key.clone());
                break;
            }
        }
        self.is_sweeping = self.swept.is_some();
        for (key, group) in idle {
            self.cached -= self.by_key.remove(&key).map_or(0, |hub| hub.cached_bytes());
            self.names -= name_bytes(&key);
            self.wish(group, Wish::Unlisten(key), None);
        }
    }

    fn list(&mut self, key: &Text) {
        if let Some(hub) = self.by_key.get_mut(key)
            && !std::mem::replace(&mut hub.listed, true)
        {
            self.active.push_back(key.clone());
        }
    }

    fn wish(&mut self, group: GroupId, wish: Wish, seat: Option<Seat>) {
        self.wishes.push(Sent { group, wish, question: Question { seat, wave: self.wave } });
    }

    /// Readers far behind are served one after the other, so that a burst of reconnects does not fill the lane. Of one connection
    /// only so many: what the first answers bring may be all that it takes.
    fn ask_queued(&mut self, outlets: &mut impl Outlets) {
        let plenty = self.asked_max.unwrap_or(FOLLOWS_MAX);
        let most = if self.is_scarce { FOLLOWS_SCARCE_MAX } else { plenty };
        while self.asked.len() < most
            && let Some((key, Asking { seat, follow })) = self.queued.pop_front()
        {
            let under_way = self.asked_for.get(&seat.session).copied().unwrap_or(0);
            if under_way >= FOLLOWS_PER_SESSION_MAX {
                self.held.entry(seat.session).or_default().push_back((key, Asking { seat, follow }));
                continue;
            }
            let hub = self.by_key.get_mut(&key);
            let group = hub.and_then(|hub| {
                let mut noted = Noting { outlets: &mut *outlets, full: &mut self.full };
                hub.still_lacks(seat, &mut noted).then_some(hub.group)
            });
            if let Some(group) = group {
                self.asked.insert(seat, key);
                self.asked_for.insert(seat.session, under_way + 1);
                self.wish(group, Wish::Follow(follow), Some(seat));
            } else {
                self.list(&key);
                self.release(seat.session);
            }
        }
    }

    /// A question on behalf of a connection was answered.
    fn end_question(&mut self, session: SessionKey) {
        if let btree_map::Entry::Occupied(mut asked) = self.asked_for.entry(session) {
            *asked.get_mut() -= 1;
            if *asked.get() == 0 {
                asked.remove();
            }
        }
        self.release(session);
    }

    /// The next question on behalf of a connection may be asked.
    fn release(&mut self, session: SessionKey) {
        if let btree_map::Entry::Occupied(mut held) = self.held.entry(session) {
            self.queued.extend(held.get_mut().pop_front());
            if held.get().is_empty() {
                held.remove();
            }
        }
    }
}

/// What a hub takes with its name: here, in what is to be done, and with the owner.
fn name_bytes(key: &Text) -> usize {
    key.len() * HUB_COPIES + HUB_BYTES
}

/// Notes whose connections take nothing more.
struct Noting<'h, O> {
    outlets: &'h mut O,
    full: &'h mut BTreeMap<SessionKey, HashSet<Text>>,
}

impl<O: Outlets> Outlets for Noting<'_, O> {
    fn tell(&mut self, seat: Seat, key: &Text, tell: Tell<'_>) -> Took {
        let took = self.outlets.tell(seat, key, tell);
        if took == Took::Full {
            self.full.entry(seat.session).or_default().insert(key.clone());
        }
        took
    }

    fn takes(&mut self, seat: Seat, key: &Text) -> Took {
        let took = self.outlets.takes(seat, key);
        if took == Took::Full {
            self.full.entry(seat.session).or_default().insert(key.clone());
        }
        took
    }

    fn is_there(&mut self, seat: Seat, key: &Text) -> bool {
        self.outlets.is_there(seat, key)
    }
}
