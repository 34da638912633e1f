//! Namespaces: which policy holds for a key, what its streams take together, and what goes when that is too much.
//!
//! A key knows its namespace by number. Numbers follow the order of prefixes and are given anew, to all keys, whenever a
//! namespace comes or goes, or begins or ceases to drop what is oldest: a rare command that takes about 0.1 µs a key. Memory is counted as
//! [`Keyspace::bytes`] counts it, key by key.
//!
//! Where the oldest entries go, streams are kept in the order of their last append. The first of them gives up its oldest
//! entries, and its key once it has none left; the stream that was just appended to keeps its newest entry. One append lets a
//! bounded part go ([`ROOM_BYTES_AN_ADD`]), and more than it adds: after a bound was lowered, several bring it about.

use super::fields::FieldsRef;
use super::id::StreamId;
use super::keyspace::{Key, Keyspace};
use super::policy::{OnFull, Policy, TOO_MANY_NAMESPACES, Usage};
use super::reserved::is_reserved;
use super::text::Text;
use super::value::Value;
use crate::cost::KEY_BYTES;
use crate::limit::{NAMESPACES_MAX, ROOM_BYTES_AN_ADD};
use std::collections::BTreeSet;

/// A namespace and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) prefix: Text,
    pub(crate) policy: Policy,
    keys: u64,
    bytes: u64,
    /// Last append and slot of its keys, where the oldest have to go some day.
    order: BTreeSet<(u64, u32)>,
}

impl Space {
    fn new(prefix: Text, policy: Policy) -> Space {
        Space { prefix, policy, keys: 0, bytes: 0, order: BTreeSet::new() }
    }

    fn keeps_order(&self) -> bool {
        keeps_order(&self.policy)
    }
}

fn keeps_order(policy: &Policy) -> bool {
    policy.memory_bytes.is_some() && policy.on_full == OnFull::DropOldest
}

/// All namespaces, by prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spaces {
    list: Vec<Space>,
}

impl Spaces {
    /// The namespaces by prefix.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Space> {
        self.list.iter()
    }

    /// The namespace of a number.
    pub(super) fn get(&self, number: Option<u32>) -> Option<&Space> {
        self.list.get(number? as usize)
    }

    /// Bytes that the namespace of a number takes.
    pub(super) fn bytes(&self, number: Option<u32>) -> u64 {
        self.get(number).map_or(0, |space| space.bytes)
    }

    /// Number of the namespace with the longest prefix of this key.
    pub(super) fn number_of(&self, key: &[u8]) -> Option<u32> {
        if is_reserved(key) {
            return None;
        }
        // Of two prefixes of the same key the longer one is the higher one.
        let end = self.list.partition_point(|space| *space.prefix <= *key);
        let found = self.list[..end].iter().rposition(|space| key.starts_with(&space.prefix));
        found.map(|number| number as u32)
    }

    fn place(&self, prefix: &[u8]) -> Result<usize, usize> {
        self.list.binary_search_by(|space| (*space.prefix).cmp(prefix))
    }

    /// Nothing is in any. Gives back in which orders their keys were.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = BTreeSet<(u64, u32)>> {
        self.list.iter_mut().map(|space| {
            (space.keys, space.bytes) = (0, 0);
            std::mem::take(&mut space.order)
        })
    }

    /// A key came into its namespace.
    pub(super) fn entered(&mut self, key: &Key, slot: u32) {
        let Some(space) = key.space.and_then(|number| self.list.get_mut(number as usize)) else { return };
        space.keys += 1;
        space.bytes += key.counted() as u64;
        if space.keeps_order() {
            space.order.insert((key.touched, slot));
        }
    }

    /// A key is gone from it.
    pub(super) fn left(&mut self, key: &Key, slot: u32) {
        let Some(space) = key.space.and_then(|number| self.list.get_mut(number as usize)) else { return };
        space.keys -= 1;
        space.bytes -= key.counted() as u64;
        space.order.remove(&(key.touched, slot));
    }

    /// A key of it takes more or less than before.
    pub(super) fn resized(&mut self, number: Option<u32>, before: usize, after: usize) {
        if let Some(space) = number.and_then(|number| self.list.get_mut(number as usize)) {
            space.bytes = space.bytes + after as u64 - before as u64;
        }
    }

    /// A key of it was appended to.
    pub(super) fn touched(&mut self, number: Option<u32>, slot: u32, before: u64, after: u64) {
        let Some(space) = number.and_then(|number| self.list.get_mut(number as usize)) else { return };
        if space.keeps_order() {
            space.order.remove(&(before, slot));
            space.order.insert((after, slot));
        }
    }
}

impl Keyspace {
    /// The same as an operation.
    pub(super) fn change_namespace(&mut self, prefix: Text, policy: Policy) -> Value {
        match self.set_namespace(prefix, policy) {
            Ok(_) => Value::Done,
            Err(why) => Value::error(format!("ERR {why}")),
        }
    }

    /// Makes a namespace, or changes its policy; true where it is new.
    pub(crate) fn set_namespace(&mut self, prefix: Text, policy: Policy) -> Result<bool, &'static str> {
        policy.check(&prefix)?;
        let is_new = match self.spaces.place(&prefix) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.spaces.list[at].policy, policy);
                if keeps_order(&before) == keeps_order(&policy) {
                    // Each key stays in its namespace, and in its place there.
                    return Ok(false);
                }
                false
            }
            Err(_) if self.spaces.list.len() >= NAMESPACES_MAX => return Err(TOO_MANY_NAMESPACES),
            Err(at) => {
                self.spaces.list.insert(at, Space::new(prefix, policy));
                true
            }
        };
        self.assign_spaces();
        Ok(is_new)
    }

    /// Removes a namespace; its keys stay. False where there is none of that prefix.
    pub(crate) fn delete_namespace(&mut self, prefix: &[u8]) -> bool {
        let Ok(at) = self.spaces.place(prefix) else { return false };
        self.spaces.list.remove(at);
        self.assign_spaces();
        true
    }

    /// The namespaces, and what is in them.
    pub(crate) fn usage(&self) -> impl Iterator<Item = Usage> + '_ {
        self.spaces.iter().map(|space| {
            let (prefix, policy) = (space.prefix.clone(), space.policy);
            Usage { prefix, policy, keys: space.keys, bytes: space.bytes }
        })
    }

    /// The same as an answer.
    pub(super) fn namespaces(&self) -> Value {
        let word = |text: &str| Value::Text(Text::from(text.as_bytes()));
        let number = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
        let bound = |value: Option<u64>| value.map_or(Value::Null, number);
        let spaces = self.usage().map(|space| {
            let fields = [
                ("prefix", Value::Text(space.prefix)),
                ("maxlen", bound(space.policy.maxlen)),
                ("ttl_ms", bound(space.policy.ttl_ms)),
                ("memory_bytes", bound(space.policy.memory_bytes)),
                ("on_full", word(space.policy.on_full.word())),
                ("keys", number(space.keys)),
                ("bytes", number(space.bytes)),
            ];
            Value::Map(fields.into_iter().map(|(name, value)| (word(name), value)).collect())
        });
        Value::Array(spaces.collect())
    }

    /// Whether an append fits its namespace, or will once older entries went; the refusal where not.
    pub(super) fn check_space(
        &self,
        number: Option<u32>,
        slot: Option<u32>,
        name_len: usize,
        (id, fields): (StreamId, FieldsRef<'_>),
    ) -> Result<(), Value> {
        let stream = slot.and_then(|slot| self.key(slot)).map(|key| &key.stream);
        let growth = match stream {
            Some(stream) => stream.run.growth(id, stream.newest + 1, fields),
            None => (KEY_BYTES + name_len) as isize + super::run::Run::default().growth(id, 1, fields),
        };
        self.check_growth(number, growth)
    }

    /// Whether a namespace may take so many bytes more, or could once older entries went; the refusal where not.
    pub(super) fn check_growth(&self, number: Option<u32>, growth: isize) -> Result<(), Value> {
        let Some(space) = self.spaces.get(number) else { return Ok(()) };
        let Some(most) = space.policy.memory_bytes else { return Ok(()) };
        let taken = match space.policy.on_full {
            OnFull::Refuse => space.bytes,
            OnFull::DropOldest => 0,
        };
        if taken.saturating_add_signed(growth as i64) <= most {
            return Ok(());
        }
        let prefix = space.prefix.escape_ascii();
        Err(Value::error(format!(
            "OOM namespace '{prefix}' is full: {} of {most} bytes of this group's share are taken",
            space.bytes
        )))
    }

    /// Lets the oldest entries of a namespace go until it is within its bound, or so many that the next appends bring it there:
    /// the one to `appended` made it larger by `grown`.
    pub(super) fn make_room(&mut self, number: Option<u32>, appended: u32, grown: u64) {
        let mut may_go = ROOM_BYTES_AN_ADD.max(grown.saturating_mul(2));
        while let Some(space) = self.spaces.get(number) {
            let most = space.policy.memory_bytes.filter(|_| space.keeps_order()).unwrap_or(u64::MAX);
            let before = space.bytes;
            let excess = before.saturating_sub(most).min(may_go);
            let Some(&(_, victim)) = space.order.first().filter(|_| excess > 0) else { return };
            if victim != appended {
                let name = self.key(victim).map(|key| key.name.clone());
                self.taken_from.extend(name);
            }
            let keep = u64::from(victim == appended);
            let excess = usize::try_from(excess).unwrap_or(usize::MAX);
            let (gone, left, blocks) = self.edit(victim, |stream| {
                let gone = stream.run.count_of(excess).min(stream.run.len().saturating_sub(keep));
                let blocks = stream.run.drop_front(gone);
                stream.run.shrink_front();
                (gone, stream.run.len(), blocks)
            });
            self.waste.take_blocks(blocks);
            if victim == appended && gone == 0 {
                return;
            }
            if left == 0 {
                self.remove(victim);
            }
            may_go = may_go.saturating_sub(before.saturating_sub(self.spaces.bytes(number)).max(1));
        }
    }
}
