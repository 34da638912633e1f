//! The channels of the whole node: how many listen to what, and at which workers.
//!
//! Each worker knows its listeners exactly and notes here only how many there are, so that a publisher on any worker learns
//! how many it reaches and whom to send the message. Subscribing takes a lock of a part of the table; so does publishing,
//! for reading, and only while somebody listens to something.

use super::subscriptions::weight;
use super::{Kind, Name};
use crate::limit;
use crate::resp::command::glob::Pattern;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const PARTS: usize = 16;

/// How many listen at each worker that has any.
#[derive(Default)]
struct Counts(Vec<(usize, u32)>);

impl Counts {
    fn add(&mut self, worker: usize) {
        match self.0.iter_mut().find(|(at, _)| *at == worker) {
            Some((_, count)) => *count += 1,
            None => self.0.push((worker, 1)),
        }
    }

    /// Whether nobody is left.
    fn remove(&mut self, worker: usize) -> bool {
        if let Some((_, count)) = self.0.iter_mut().find(|(at, _)| *at == worker) {
            *count = count.saturating_sub(1);
        }
        self.0.retain(|(_, count)| *count > 0);
        self.0.is_empty()
    }

    fn add_to(&self, by_worker: &mut [u32]) {
        for (worker, count) in &self.0 {
            if let Some(sum) = by_worker.get_mut(*worker) {
                *sum = sum.saturating_add(*count);
            }
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

/// Patterns, ready to be compared, and what it costs to compare all of them.
#[derive(Default)]
struct Patterns {
    by_name: BTreeMap<Name, (Arc<Pattern>, Counts)>,
    price: usize,
}

/// What all workers know of each other's listeners.
pub(crate) struct Channels {
    /// Subscriptions of all connections.
    subscriptions: AtomicUsize,
    /// What they take, about.
    bytes: AtomicUsize,
    hasher: RandomState,
    channels: [RwLock<HashMap<Name, Counts>>; PARTS],
    patterns: RwLock<Patterns>,
    /// Patterns, all different.
    pattern_count: AtomicUsize,
    /// Messages that a worker or the other nodes could not be handed, because too many were on their way.
    dropped: AtomicU64,
    /// Subscribers that were closed, because they did not read what was sent.
    closed: AtomicU64,
}

impl Channels {
    /// A node where nobody listens.
    pub(crate) fn new() -> Channels {
        Channels {
            subscriptions: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            hasher: RandomState::new(),
            channels: std::array::from_fn(|_| RwLock::default()),
            patterns: RwLock::default(),
            pattern_count: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    fn part(&self, name: &[u8]) -> &RwLock<HashMap<Name, Counts>> {
        &self.channels[self.hasher.hash_one(name) as usize % PARTS]
    }

    /// Sets room aside for `count` subscriptions that take `bytes`; false, and nothing set aside, where there is too little.
    pub(crate) fn reserve(&self, count: usize, bytes: usize) -> bool {
        let taken = self.subscriptions.fetch_add(count, Ordering::AcqRel) + count;
        let held = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let fits = taken <= limit::SUBSCRIPTIONS_MAX && held <= limit::SUBSCRIPTIONS_BYTES_MAX;
        if !fits {
            self.subscriptions.fetch_sub(count, Ordering::AcqRel);
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        }
        fits
    }

    /// A connection of a worker listens to a channel from now on. Room was set aside.
    pub(crate) fn add_channel(&self, name: &Name, worker: usize) {
        write(self.part(name)).entry(Name::clone(name)).or_default().add(worker);
    }

    /// The same for a pattern. False: together they would cost each message too much.
    pub(crate) fn add_pattern(&self, name: &Name, pattern: &Arc<Pattern>, worker: usize) -> bool {
        let mut patterns = write(&self.patterns);
        if let Some((_, counts)) = patterns.by_name.get_mut(name) {
            counts.add(worker);
            return true;
        }
        if patterns.price + pattern.price() > limit::PATTERNS_PRICE_MAX {
            return false;
        }
        patterns.price += pattern.price();
        let mut counts = Counts::default();
        counts.add(worker);
        patterns.by_name.insert(Name::clone(name), (Arc::clone(pattern), counts));
        self.pattern_count.store(patterns.by_name.len(), Ordering::Release);
        true
    }

    /// A connection of a worker no longer listens; its room is free again.
    pub(crate) fn remove(&self, kind: Kind, name: &[u8], worker: usize) {
        match kind {
            Kind::Channel => {
                let mut part = write(self.part(name));
                if part.get_mut(name).is_some_and(|counts| counts.remove(worker)) {
                    part.remove(name);
                }
            }
            Kind::Pattern => {
                let mut patterns = write(&self.patterns);
                if patterns.by_name.get_mut(name).is_some_and(|(_, counts)| counts.remove(worker))
                    && let Some((pattern, _)) = patterns.by_name.remove(name)
                {
                    patterns.price -= pattern.price();
                }
                self.pattern_count.store(patterns.by_name.len(), Ordering::Release);
            }
        }
        self.free(1, weight(name));
    }

    /// Gives room back that was set aside.
    pub(crate) fn free(&self, count: usize, bytes: usize) {
        let had = self.subscriptions.fetch_sub(count, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(had >= count, "no more room is given back than was set aside");
    }

    /// Adds to `by_worker` how often a message of this channel goes to each. False, at the cost of one load, where
    /// nobody listens to anything.
    pub(crate) fn audience(&self, channel: &[u8], by_worker: &mut [u32]) -> bool {
        if self.subscriptions.load(Ordering::Acquire) == 0 {
            return false;
        }
        if let Some(counts) = read(self.part(channel)).get(channel) {
            counts.add_to(by_worker);
        }
        if self.pattern_count.load(Ordering::Acquire) > 0 {
            for (pattern, counts) in read(&self.patterns).by_name.values() {
                if pattern.matches(channel) {
                    counts.add_to(by_worker);
                }
            }
        }
        by_worker.iter().any(|count| *count > 0)
    }

    /// Connections that listen to this channel by its name.
    pub(crate) fn subscribers(&self, channel: &[u8]) -> u64 {
        read(self.part(channel)).get(channel).map_or(0, Counts::sum)
    }

    /// Shows every channel that somebody listens to by its name, as long as `visit` says yes.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&[u8]) -> bool) {
        for part in &self.channels {
            // Copied first: a visitor may be slow.
            let names: Vec<Name> = read(part).keys().cloned().collect();
            if !names.iter().all(|name| visit(name)) {
                return;
            }
        }
    }

    /// Channels that somebody listens to by name.
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.iter().map(|part| read(part).len()).sum()
    }

    /// Different patterns.
    pub(crate) fn pattern_count(&self) -> usize {
        self.pattern_count.load(Ordering::Acquire)
    }

    /// Subscriptions of all connections.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Acquire)
    }

    /// What all subscriptions take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// A message was lost, because too many were on their way.
    pub(crate) fn note_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    /// A subscriber was closed, because it did not read.
    pub(crate) fn note_closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so: messages lost, subscribers closed.
    pub(crate) fn losses(&self) -> (u64, u64) {
        (self.dropped.load(Ordering::Relaxed), self.closed.load(Ordering::Relaxed))
    }
}

/// A poisoned lock guards a table that every call leaves whole: it is as good as before.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Channels, Kind, Name};
    use crate::limit;
    use crate::pubsub::subscriptions::weight;
    use crate::resp::command::glob::Pattern;
    use std::sync::Arc;

    fn listen(channels: &Channels, kind: Kind, name: &str, worker: usize) {
        assert!(channels.reserve(1, weight(name.as_bytes())));
        let name = Name::from(name.as_bytes());
        match kind {
            Kind::Channel => channels.add_channel(&name, worker),
            Kind::Pattern => assert!(add_pattern(channels, &name, worker)),
        }
    }

    fn add_pattern(channels: &Channels, name: &Name, worker: usize) -> bool {
        channels.add_pattern(name, &Arc::new(Pattern::new(name).unwrap()), worker)
    }

    fn audience(channels: &Channels, channel: &str) -> Option<[u32; 3]> {
        let mut by_worker = [0; 3];
        channels.audience(channel.as_bytes(), &mut by_worker).then_some(by_worker)
    }

    #[test]
    fn an_audience_is_counted_by_worker() {
        let channels = Channels::new();
        assert_eq!(audience(&channels, "news"), None);
        listen(&channels, Kind::Channel, "news", 0);
        listen(&channels, Kind::Channel, "news", 2);
        listen(&channels, Kind::Channel, "news", 2);
        listen(&channels, Kind::Pattern, "n*", 2);
        listen(&channels, Kind::Pattern, "N*", 1);
        assert_eq!(audience(&channels, "news"), Some([1, 0, 3]));
        assert_eq!(audience(&channels, "old"), None);
        assert_eq!((channels.subscribers(b"news"), channels.pattern_count()), (3, 2));
        for (kind, name, worker) in [
            (Kind::Channel, "news", 0),
            (Kind::Channel, "news", 2),
            (Kind::Channel, "news", 2),
            (Kind::Pattern, "n*", 2),
            (Kind::Pattern, "N*", 1),
        ] {
            channels.remove(kind, name.as_bytes(), worker);
        }
        assert_eq!(audience(&channels, "news"), None);
        assert_eq!((channels.channel_count(), channels.pattern_count(), channels.subscriptions()), (0, 0, 0));
    }

    #[test]
    fn room_is_bounded_and_comes_back() {
        let channels = Channels::new();
        assert!(channels.reserve(limit::SUBSCRIPTIONS_MAX, 0));
        assert!(!channels.reserve(1, 0), "one too many");
        channels.free(limit::SUBSCRIPTIONS_MAX, 0);
        assert!(!channels.reserve(1, limit::SUBSCRIPTIONS_BYTES_MAX + 1), "too many bytes");
        assert!(channels.reserve(1, 0));
    }

    #[test]
    fn patterns_are_bounded_because_each_message_meets_them_all() {
        let channels = Channels::new();
        for number in 0..limit::PATTERNS_PRICE_MAX {
            listen(&channels, Kind::Pattern, &format!("{number}*"), 0);
        }
        assert!(!add_pattern(&channels, &Name::from(&b"more*"[..]), 0));
        assert!(add_pattern(&channels, &Name::from(&b"0*"[..]), 1), "this one is there already");
    }

    #[test]
    fn patterns_that_cost_more_are_fewer_and_what_they_cost_comes_back() {
        let channels = Channels::new();
        let long = |number: usize| format!("*{number:05}{}b", "a".repeat(1_000));
        let fits =
            (0..).take_while(|number| add_pattern(&channels, &Name::from(long(*number).as_bytes()), 0));
        let fits = fits.count();
        assert!((500..2_000).contains(&fits), "{fits}");
        assert!(channels.reserve(1, weight(long(0).as_bytes())));
        channels.remove(Kind::Pattern, long(0).as_bytes(), 0);
        assert!(add_pattern(&channels, &Name::from(long(fits).as_bytes()), 0));
    }
}
