//! The channels of the whole node: how many listen to what, and at which workers.
//!
//! Each worker knows its listeners exactly and notes here only how many there are, so that a publisher on any worker learns
//! how many it reaches and whom to send the message. Subscribing takes a lock of a part of the table; so does publishing,
//! for reading, and only while somebody listens to something.

use super::subscriptions::weight;
use super::{Kind, Name};
use crate::limit;
use crate::resp::command::glob::{Pattern, Steps};
use sluice_engine::account::{Account, Charge, Part};
use std::collections::btree_map::Entry;
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

/// Patterns, ready to be compared, and what it costs to compare all of them. Each is made once for the whole node.
#[derive(Default)]
struct Patterns {
    by_name: BTreeMap<Name, Heard>,
    price: usize,
}

/// A pattern that somebody listens to.
struct Heard {
    pattern: Pattern,
    counts: Counts,
    /// For its tables.
    _charge: Charge,
}

/// Why a message is not for everyone who listens: its channel would take more than [`limit::PUBLISH_STEPS_MAX`] steps to be
/// compared with all patterns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooDear;

/// What all workers know of each other's listeners.
pub(crate) struct Channels {
    /// Subscriptions of all connections.
    subscriptions: AtomicUsize,
    /// What they take, about, without the tables of patterns.
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

    /// Sets room aside for `count` subscriptions that take `bytes`, for which the caller keeps the charge. `None`, and nothing
    /// set aside, where there is too little.
    pub(crate) fn reserve(&self, count: usize, bytes: usize, account: &Arc<Account>) -> Option<Charge> {
        let taken = self.subscriptions.fetch_add(count, Ordering::AcqRel) + count;
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let fits = taken <= limit::SUBSCRIPTIONS_MAX;
        let charge = if fits { account.take(Part::Standing, bytes as u64) } else { None };
        if charge.is_none() {
            self.free(count, bytes);
        }
        charge
    }

    /// A connection of a worker listens to a channel from now on. Room was set aside.
    pub(crate) fn add_channel(&self, name: &Name, worker: usize) {
        write(self.part(name)).entry(Name::clone(name)).or_default().add(worker);
    }

    /// The same for a pattern, of at most this price, which is returned. `None` where it is dearer, where all together would
    /// cost each message too much, or where there is no room for its tables.
    pub(crate) fn add_pattern(
        &self,
        name: &Name,
        worker: usize,
        price_max: usize,
        account: &Arc<Account>,
    ) -> Option<usize> {
        if let Some(known) = self.join_pattern(name, worker, price_max) {
            return known;
        }
        // Made before the table is locked: that may take longer than a message does to be compared.
        let pattern = Pattern::new(name).ok()?;
        let price = pattern.price();
        let charge = account.take(Part::Standing, pattern.bytes() as u64)?;
        let mut patterns = write(&self.patterns);
        let patterns = &mut *patterns;
        if price > price_max || patterns.price + price > limit::PATTERNS_PRICE_MAX {
            return None;
        }
        let fresh = Heard { pattern, counts: Counts::default(), _charge: charge };
        match patterns.by_name.entry(Name::clone(name)) {
            Entry::Occupied(mut other) => other.get_mut().counts.add(worker),
            Entry::Vacant(free) => {
                free.insert(fresh).counts.add(worker);
                patterns.price += price;
            }
        }
        self.pattern_count.store(patterns.by_name.len(), Ordering::Release);
        Some(price)
    }

    /// What comes of it where somebody listens to it already.
    fn join_pattern(&self, name: &Name, worker: usize, price_max: usize) -> Option<Option<usize>> {
        let mut patterns = write(&self.patterns);
        let heard = patterns.by_name.get_mut(name)?;
        let price = heard.pattern.price();
        let fits = price <= price_max;
        if fits {
            heard.counts.add(worker);
        }
        Some(fits.then_some(price))
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
                if patterns.by_name.get_mut(name).is_some_and(|heard| heard.counts.remove(worker))
                    && let Some(heard) = patterns.by_name.remove(name)
                {
                    patterns.price -= heard.pattern.price();
                }
                self.pattern_count.store(patterns.by_name.len(), Ordering::Release);
            }
        }
        self.free(1, weight(name));
    }

    /// Gives room back that was set aside; who has the charge gives that back.
    pub(crate) fn free(&self, count: usize, bytes: usize) {
        let had = self.subscriptions.fetch_sub(count, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(had >= count, "no more room is given back than was set aside");
    }

    /// Adds to `by_worker` how often a message of this channel goes to each, and to `matching` the patterns through which it
    /// does, in order. At the cost of one load where nobody listens to anything.
    ///
    /// # Errors
    /// [`TooDear`]: only those are counted who named the channel.
    pub(crate) fn audience(
        &self,
        channel: &[u8],
        by_worker: &mut [u32],
        matching: &mut Vec<Name>,
    ) -> Result<(), TooDear> {
        if self.subscriptions.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        if let Some(counts) = read(self.part(channel)).get(channel) {
            counts.add_to(by_worker);
        }
        if self.pattern_count.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let patterns = read(&self.patterns);
        let mut steps = Steps::new(limit::PUBLISH_STEPS_MAX);
        for (name, heard) in &patterns.by_name {
            match heard.pattern.matches_within(channel, &mut steps) {
                Some(true) => matching.push(Name::clone(name)),
                Some(false) => {}
                None => {
                    matching.clear();
                    return Err(TooDear);
                }
            }
        }
        let heard = matching.iter().filter_map(|name| patterns.by_name.get(name));
        heard.for_each(|heard| heard.counts.add_to(by_worker));
        Ok(())
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
    use super::{Channels, Kind, Name, TooDear};
    use crate::limit;
    use crate::pubsub::subscriptions::weight;
    use sluice_engine::account::{Account, Part};
    use std::sync::Arc;

    const ANY: usize = usize::MAX;

    fn account() -> Arc<Account> {
        Arc::new(Account::new(4 << 30))
    }

    fn listen(channels: &Channels, kind: Kind, name: &str, worker: usize) {
        let account = account();
        let charge = channels.reserve(1, weight(name.as_bytes()), &account);
        assert!(charge.is_some(), "room for {name}");
        let name = Name::from(name.as_bytes());
        match kind {
            Kind::Channel => channels.add_channel(&name, worker),
            Kind::Pattern => assert!(add_pattern(channels, &name, worker, &account)),
        }
    }

    fn add_pattern(channels: &Channels, name: &[u8], worker: usize, account: &Arc<Account>) -> bool {
        channels.add_pattern(&Name::from(name), worker, ANY, account).is_some()
    }

    /// Listeners by worker, and patterns; `None` where nobody listens.
    fn audience(channels: &Channels, channel: &str) -> Option<([u32; 3], Vec<String>)> {
        let (mut by_worker, mut matching) = ([0; 3], Vec::new());
        assert_eq!(channels.audience(channel.as_bytes(), &mut by_worker, &mut matching), Ok(()));
        let names = matching.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect();
        by_worker.iter().any(|count| *count > 0).then_some((by_worker, names))
    }

    #[test]
    fn an_audience_is_counted_by_worker() {
        let channels = Channels::new();
        assert_eq!(audience(&channels, "news"), None);
        let all = [
            (Kind::Channel, "news", 0),
            (Kind::Channel, "news", 2),
            (Kind::Channel, "news", 2),
            (Kind::Pattern, "n*", 2),
            (Kind::Pattern, "*s", 2),
            (Kind::Pattern, "N*", 1),
        ];
        all.iter().for_each(|(kind, name, worker)| listen(&channels, *kind, name, *worker));
        let patterns = vec!["*s".to_owned(), "n*".to_owned()];
        assert_eq!(audience(&channels, "news"), Some(([1, 0, 4], patterns)));
        assert_eq!(audience(&channels, "old"), None);
        assert_eq!((channels.subscribers(b"news"), channels.pattern_count()), (3, 3));
        all.iter().for_each(|(kind, name, worker)| channels.remove(*kind, name.as_bytes(), *worker));
        assert_eq!(audience(&channels, "news"), None);
        assert_eq!((channels.channel_count(), channels.pattern_count(), channels.subscriptions()), (0, 0, 0));
        assert_eq!(channels.bytes(), 0);
    }

    #[test]
    fn room_is_bounded_and_comes_back() {
        let (channels, account) = (Channels::new(), account());
        assert!(channels.reserve(limit::SUBSCRIPTIONS_MAX, 0, &account).is_some());
        assert!(channels.reserve(1, 0, &account).is_none(), "one too many");
        channels.free(limit::SUBSCRIPTIONS_MAX, 0);
        let (_, most) = account.of(Part::Standing);
        let charge = channels.reserve(1, most as usize, &account);
        assert!(charge.is_some() && channels.reserve(1, 1, &account).is_none(), "too many bytes");
        channels.free(1, most as usize);
        drop(charge);
        assert!(channels.reserve(1, 1, &account).is_some());
    }

    #[test]
    fn patterns_are_bounded_because_each_message_meets_them_all() {
        let (channels, account) = (Channels::new(), account());
        for number in 0..limit::PATTERNS_PRICE_MAX {
            listen(&channels, Kind::Pattern, &format!("{number}*"), 0);
        }
        assert!(!add_pattern(&channels, b"more*", 0, &account));
        assert!(add_pattern(&channels, b"0*", 1, &account), "this one is there already");
    }

    #[test]
    fn patterns_that_cost_more_are_fewer_and_what_they_cost_comes_back() {
        let (channels, account) = (Channels::new(), account());
        let long = |number: usize| format!("*{number:05}{}b", "a".repeat(1_000)).into_bytes();
        let fits = (0..).take_while(|number| add_pattern(&channels, &long(*number), 0, &account)).count();
        assert!((500..2_000).contains(&fits), "{fits}");
        let charge = channels.reserve(1, weight(&long(0)), &account);
        assert!(charge.is_some());
        channels.remove(Kind::Pattern, &long(0), 0);
        assert!(add_pattern(&channels, &long(fits), 0, &account));
    }

    #[test]
    fn a_pattern_is_no_dearer_than_who_listens_may_have() {
        let (channels, account) = (Channels::new(), account());
        let name = Name::from(&b"*some*thing*"[..]);
        let price = channels.add_pattern(&name, 0, ANY, &account);
        assert_eq!(price, Some(2));
        assert_eq!(channels.add_pattern(&name, 0, 1, &account), None, "though it is there already");
        assert_eq!(channels.add_pattern(&Name::from(&b"*any*thing*"[..]), 0, 1, &account), None);
        assert_eq!(channels.add_pattern(&name, 0, 2, &account), Some(2));
    }

    #[test]
    fn tables_of_patterns_are_charged_once_and_given_back() {
        let (channels, account) = (Channels::new(), account());
        let charged = || account.of(Part::Standing).0;
        // Every byte goes on differently in each of four words.
        let dear: Vec<u8> = (1..=255).filter(|byte| !b"*?[\\".contains(byte)).collect();
        let dear = [b"*", &dear[..]].concat();
        assert!(add_pattern(&channels, &dear, 0, &account));
        let once = charged();
        assert!(once > 8_192, "{once} bytes");
        assert!(add_pattern(&channels, &dear, 1, &account));
        assert_eq!(charged(), once);
        for worker in [0, 1] {
            drop(channels.reserve(1, weight(&dear), &account));
            channels.remove(Kind::Pattern, &dear, worker);
        }
        assert_eq!(charged(), 0);
        let little = Arc::new(Account::new(16 << 10));
        assert!(!add_pattern(&channels, &dear, 0, &little), "no room for its tables");
    }

    #[test]
    fn a_message_is_compared_with_patterns_for_so_many_steps_at_most() {
        let (channels, account) = (Channels::new(), account());
        listen(&channels, Kind::Channel, &"a".repeat(1_024), 1);
        let dear = |number: usize| format!("*{}{number:05}*", "a".repeat(900)).into_bytes();
        let fits = (0..).take_while(|number| add_pattern(&channels, &dear(*number), 0, &account)).count();
        assert!(fits > 500, "{fits}");
        let (mut by_worker, mut matching) = ([0; 3], Vec::new());
        let long = "a".repeat(1_024);
        assert_eq!(channels.audience(long.as_bytes(), &mut by_worker, &mut matching), Err(TooDear));
        assert_eq!((by_worker, matching.len()), ([0, 1, 0], 0), "who named it hears it");
        assert_eq!(
            audience(&channels, &"a".repeat(limit::CHANNEL_BYTES_SURE)),
            None,
            "a short name is never too dear"
        );
    }
}
