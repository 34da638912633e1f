//! Who wants to hear of which stream: a side of the shard that is not replicated.
//!
//! A *listener* is a part of this process that serves readers (a worker of the server). It registers a key once, however
//! many readers it has, and is told each entry once, right after the command that appended it, so that nothing is trimmed
//! before it was heard. What it was told last is kept here, so the next tidings begin exactly there.
//!
//! Costs: for a shard without listeners one look at a length for each operation.

use crate::account::{Account, Charge, Part};
use crate::limit::{LISTENERS_MAX, TIDINGS_BYTES_MAX};
use crate::stream::entries::Entries;
use crate::stream::keyspace::Keyspace;
use crate::stream::op::{Follow, FollowFrom, KeyOp};
use crate::stream::text::Text;
use crate::stream::value::{Extent, Followed, Value};
use crate::time::WallMs;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A part of the process that serves readers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u8);

/// What a listener is told of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tidings {
    /// The key.
    pub key: Text,
    /// The stream as it is now; `None`: there is none.
    pub stream: Option<Extent>,
    /// What was appended since the last tidings. Empty where nothing was, or where it is too much to be told: then
    /// `stream` is ahead of what was heard, and the listener asks.
    pub entries: Arc<Entries>,
    /// A group of consumers was removed: who waits for it learns that.
    pub group_gone: bool,
    /// For the entries, until the last listener has them.
    pub charge: Arc<Charge>,
}

/// A key that somebody listens to.
#[derive(Debug)]
struct Ear {
    key: Text,
    /// One bit a listener.
    listeners: u64,
    told: Option<Extent>,
}

/// The keys of a shard that somebody listens to, and what was not handed out yet.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    /// Places in `ears`, by key.
    by_key: HashTable<usize>,
    hashes: RandomState,
    /// Each at a place of its own, so that all can be gone through a few at a time.
    ears: Vec<Option<Ear>>,
    free: Vec<usize>,
    /// Of anything that lies before this place something may have become that was not told yet.
    unheard: usize,
    tidings: Vec<(u64, Tidings)>,
    bytes: usize,
}

impl Ears {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether somebody listens to the key.
    pub(crate) fn has(&self, key: &Text) -> bool {
        self.place(key).is_some()
    }

    fn place(&self, key: &Text) -> Option<usize> {
        let is_it = |place: &usize| self.ears[*place].as_ref().is_some_and(|ear| ear.key == *key);
        self.by_key.find(self.hashes.hash_one(key), is_it).copied()
    }

    fn ear(&mut self, key: &Text) -> Option<&mut Ear> {
        let place = self.place(key)?;
        self.ears[place].as_mut()
    }

    /// From now on the listener hears of the key. What it missed before is for it to ask.
    pub(crate) fn listen(&mut self, listener: ListenerId, key: &Text, stream: Option<Extent>) {
        let bit = bit(listener);
        if let Some(ear) = self.ear(key) {
            ear.listeners |= bit;
            return;
        }
        let ear = Some(Ear { key: key.clone(), listeners: bit, told: stream });
        let place = match self.free.pop() {
            Some(place) => {
                self.ears[place] = ear;
                place
            }
            None => {
                self.ears.push(ear);
                self.ears.len() - 1
            }
        };
        let Ears { by_key, hashes, ears, .. } = self;
        let hash_of = |place: &usize| ears[*place].as_ref().map_or(0, |ear| hashes.hash_one(&ear.key));
        by_key.insert_unique(hashes.hash_one(key), place, hash_of);
    }

    pub(crate) fn unlisten(&mut self, listener: ListenerId, key: &Text) {
        let Some(place) = self.place(key) else { return };
        let Some(ear) = &mut self.ears[place] else { return };
        ear.listeners &= !bit(listener);
        if ear.listeners == 0 {
            self.ears[place] = None;
            if let Ok(found) = self.by_key.find_entry(self.hashes.hash_one(key), |held| *held == place) {
                found.remove();
            }
            self.free.push(place);
        }
    }

    /// The keys of an operation that somebody listens to, but for one that concerns all keys.
    pub(crate) fn concerned(&self, op: &KeyOp) -> Vec<Text> {
        let mut keys = Vec::new();
        op.visit_keys(|key| keys.extend(self.has(key).then(|| key.clone())));
        keys
    }

    /// Something may have become of the key.
    pub(crate) fn hear(&mut self, key: &Text, keyspace: &Keyspace, wall: WallMs, account: &Arc<Account>) {
        if let Some(place) = self.place(key) {
            self.hear_at(place, keyspace, wall, account);
        }
    }

    fn hear_at(&mut self, place: usize, keyspace: &Keyspace, wall: WallMs, account: &Arc<Account>) {
        let Some(ear) = &mut self.ears[place] else { return };
        let key = &ear.key;
        let stream = keyspace.extent(key, wall);
        if stream == ear.told {
            return;
        }
        let behind = match (ear.told, stream) {
            (Some(told), Some(now)) if told.epoch == now.epoch => told.newest,
            _ => 0,
        };
        ear.told = stream;
        let entries = match stream {
            Some(now) if now.newest > behind => appended(key, now, behind, keyspace, wall),
            _ => Entries::default(),
        };
        self.bytes += entries.bytes() + key.len();
        let charge = account.try_charge(Part::Passing, (entries.bytes() + key.len()) as u64);
        let (entries, charge) = match charge {
            Some(charge) if self.bytes <= TIDINGS_BYTES_MAX => (entries, charge),
            _ => (Entries::default(), Charge::default()),
        };
        let (entries, charge) = (Arc::new(entries), Arc::new(charge));
        let tidings = Tidings { key: key.clone(), stream, entries, group_gone: false, charge };
        self.tidings.push((ear.listeners, tidings));
    }

    /// A group of consumers of the stream was removed.
    pub(crate) fn hear_group_gone(&mut self, key: &Text) {
        let Some(ear) = self.ear(key) else { return };
        let told = ear.told;
        let listeners = ear.listeners;
        let entries = Arc::new(Entries::default());
        let charge = Arc::default();
        let tidings = Tidings { key: key.clone(), stream: told, entries, group_gone: true, charge };
        self.tidings.push((listeners, tidings));
    }

    /// Anything may have become of any key.
    pub(crate) fn hear_all(&mut self, keyspace: &Keyspace, wall: WallMs, account: &Arc<Account>) {
        (0..self.ears.len()).for_each(|place| self.hear_at(place, keyspace, wall, account));
        self.unheard = 0;
    }

    /// All keys went, which is told later, by [`Ears::hear_some`].
    pub(crate) fn all_went(&mut self) {
        self.unheard = self.ears.len();
    }

    /// Whether something is still to be told of.
    pub(crate) fn is_behind(&self) -> bool {
        self.unheard > 0
    }

    /// Tells of the next so many keys that went.
    pub(crate) fn hear_some(
        &mut self,
        most: usize,
        keyspace: &Keyspace,
        wall: WallMs,
        account: &Arc<Account>,
    ) {
        let left = self.unheard.saturating_sub(most);
        for place in (left..self.unheard).rev() {
            self.hear_at(place, keyspace, wall, account);
        }
        self.unheard = left;
    }

    /// Hands out what is to be told.
    pub(crate) fn drain(&mut self, mut tell: impl FnMut(ListenerId, Tidings)) {
        self.bytes = 0;
        for (mut listeners, tidings) in self.tidings.drain(..) {
            while listeners != 0 {
                let listener = ListenerId(listeners.trailing_zeros() as u8);
                listeners &= listeners - 1;
                tell(listener, tidings.clone());
            }
        }
    }
}

/// What was appended behind a number; nothing where that is not whole.
fn appended(key: &Text, now: Extent, behind: u64, keyspace: &Keyspace, wall: WallMs) -> Entries {
    let follow = Follow {
        key: key.clone(),
        epoch: Some(now.epoch),
        from: FollowFrom::After(behind),
        limit: u64::MAX,
        bytes_max: TIDINGS_BYTES_MAX as u64,
    };
    match keyspace.answer(&KeyOp::Follow(follow), wall, wall) {
        Value::Followed(followed) if is_whole(&followed, behind, now.newest) => followed.entries,
        _ => Entries::default(),
    }
}

fn is_whole(followed: &Followed, behind: u64, newest: u64) -> bool {
    followed.reset.is_none() && followed.entries.len() as u64 == newest - behind
}

fn bit(listener: ListenerId) -> u64 {
    assert!(u32::from(listener.0) < LISTENERS_MAX, "a listener has a bit of its own");
    1 << listener.0
}
