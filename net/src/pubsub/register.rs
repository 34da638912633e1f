//! Who listens to what among the connections of one worker. Only that worker knows it, so nothing here is shared.

use super::{Kind, Name};
use crate::resp::command::glob::Pattern;
use crate::worker::ticket::SessionKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A worker's channels and patterns with their connections.
///
/// To find a channel takes constant time; a message is compared with every pattern, whose price together is at most
/// [`PATTERNS_PRICE_MAX`](crate::limit::PATTERNS_PRICE_MAX).
#[derive(Default)]
pub(crate) struct Register {
    channels: HashMap<Name, BTreeSet<SessionKey>>,
    patterns: BTreeMap<Name, (Arc<Pattern>, BTreeSet<SessionKey>)>,
}

impl Register {
    /// A connection listens to a channel from now on; the name as it is kept here, to be kept there too.
    pub(crate) fn add_channel(&mut self, name: &[u8], key: SessionKey) -> Name {
        let known = self.channels.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(name));
        self.channels.entry(Arc::clone(&name)).or_default().insert(key);
        name
    }

    /// The same for a pattern; `None` where it is none.
    pub(crate) fn add_pattern(&mut self, name: &[u8], key: SessionKey) -> Option<(Name, Arc<Pattern>)> {
        if let Some((name, (pattern, _))) = self.patterns.get_key_value(name) {
            let found = (Arc::clone(name), Arc::clone(pattern));
            self.patterns.get_mut(&found.0)?.1.insert(key);
            return Some(found);
        }
        let (name, pattern) = (Name::from(name), Arc::new(Pattern::new(name).ok()?));
        self.patterns.insert(Arc::clone(&name), (Arc::clone(&pattern), BTreeSet::from([key])));
        Some((name, pattern))
    }

    /// A connection no longer listens.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8], key: SessionKey) {
        let keys = match kind {
            Kind::Channel => self.channels.get_mut(name),
            Kind::Pattern => self.patterns.get_mut(name).map(|(_, keys)| keys),
        };
        let Some(keys) = keys else { return };
        keys.remove(&key);
        if keys.is_empty() {
            match kind {
                Kind::Channel => drop(self.channels.remove(name)),
                Kind::Pattern => drop(self.patterns.remove(name)),
            }
        }
    }

    /// Those to whom a message of this channel goes, group by group: who named it first, then by each pattern that
    /// matches. A connection is in as many groups as it has subscriptions that match.
    pub(crate) fn listeners(
        &self,
        channel: &[u8],
    ) -> impl Iterator<Item = (Option<&Name>, &BTreeSet<SessionKey>)> {
        let named = self.channels.get(channel).map(|keys| (None, keys));
        let matching = self.patterns.iter().filter(move |(_, (pattern, _))| pattern.matches(channel));
        named.into_iter().chain(matching.map(|(name, (_, keys))| (Some(name), keys)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Register};
    use crate::worker::ticket::SessionKey;

    fn key(slot: u32) -> SessionKey {
        SessionKey { slot, generation: 0 }
    }

    fn heard(register: &Register, channel: &[u8]) -> Vec<(String, Vec<u32>)> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        register
            .listeners(channel)
            .map(|(pattern, keys)| (pattern.map_or(String::new(), |name| text(name)), keys))
            .map(|(pattern, keys)| (pattern, keys.iter().map(|key| key.slot).collect()))
            .collect()
    }

    #[test]
    fn a_message_goes_to_those_who_named_its_channel_and_then_by_patterns() {
        let mut register = Register::default();
        register.add_channel(b"news", key(2));
        register.add_channel(b"news", key(1));
        assert!(register.add_pattern(b"n*", key(1)).is_some());
        assert!(register.add_pattern(b"N*", key(3)).is_some());
        let both = vec![(String::new(), vec![1, 2]), ("n*".to_owned(), vec![1])];
        assert_eq!(heard(&register, b"news"), both);
        register.remove(Kind::Channel, b"news", key(2));
        register.remove(Kind::Channel, b"news", key(1));
        register.remove(Kind::Channel, b"news", key(1));
        register.remove(Kind::Pattern, b"n*", key(1));
        assert_eq!(heard(&register, b"news"), []);
        assert!(register.channels.is_empty(), "nothing is kept of what nobody listens to");
        assert_eq!(heard(&register, b"N"), [("N*".to_owned(), vec![3])], "case counts");
    }
}
