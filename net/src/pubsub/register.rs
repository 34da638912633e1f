//! Who listens to what among the connections of one worker. Only that worker knows it, so nothing here is shared.

use super::{Kind, Name};
use crate::worker::ticket::SessionKey;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// A worker's channels and patterns with their connections. Which patterns a message matches is found once for the whole
/// node; here they are names, and each is found in constant time.
#[derive(Default)]
pub(crate) struct Register {
    channels: HashMap<Name, BTreeSet<SessionKey>>,
    patterns: HashMap<Name, BTreeSet<SessionKey>>,
}

impl Register {
    fn of(&self, kind: Kind) -> &HashMap<Name, BTreeSet<SessionKey>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut HashMap<Name, BTreeSet<SessionKey>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    /// A connection listens from now on; the name as it is kept here, to be kept there too.
    pub(crate) fn add(&mut self, kind: Kind, name: &[u8], key: SessionKey) -> Name {
        let known = self.of(kind).get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(name));
        self.of_mut(kind).entry(Arc::clone(&name)).or_default().insert(key);
        name
    }

    /// A connection no longer listens.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8], key: SessionKey) {
        let names = self.of_mut(kind);
        let Some(keys) = names.get_mut(name) else { return };
        keys.remove(&key);
        if keys.is_empty() {
            names.remove(name);
        }
    }

    /// Those who listen to this name, in order, from behind `after` on.
    pub(crate) fn listeners(
        &self,
        kind: Kind,
        name: &[u8],
        after: Option<SessionKey>,
    ) -> impl Iterator<Item = SessionKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.of(kind).get(name);
        keys.into_iter().flat_map(move |keys| keys.range((from, Bound::Unbounded)).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Register};
    use crate::worker::ticket::SessionKey;

    fn key(slot: u32) -> SessionKey {
        SessionKey { slot, generation: 0 }
    }

    fn slots(register: &Register, kind: Kind, name: &[u8], after: Option<u32>) -> Vec<u32> {
        register.listeners(kind, name, after.map(key)).map(|key| key.slot).collect()
    }

    #[test]
    fn listeners_are_found_from_any_of_them_on() {
        let mut register = Register::default();
        for slot in [2, 1, 3] {
            register.add(Kind::Channel, b"news", key(slot));
        }
        register.add(Kind::Pattern, b"news", key(4));
        assert_eq!(slots(&register, Kind::Channel, b"news", None), [1, 2, 3]);
        assert_eq!(slots(&register, Kind::Channel, b"news", Some(1)), [2, 3]);
        register.remove(Kind::Channel, b"news", key(1));
        assert_eq!(
            slots(&register, Kind::Channel, b"news", Some(1)),
            [2, 3],
            "it need not be there any more"
        );
        assert_eq!(slots(&register, Kind::Pattern, b"news", None), [4]);
        for slot in [2, 2, 3] {
            register.remove(Kind::Channel, b"news", key(slot));
        }
        assert!(slots(&register, Kind::Channel, b"news", None).is_empty());
        assert!(register.channels.is_empty(), "nothing is kept of what nobody listens to");
    }
}
