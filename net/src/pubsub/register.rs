//! Who listens to what among the connections of one worker. Only that worker knows it, so nothing here is shared.

use super::{Kind, Name};
use crate::resp::command::glob;
use crate::worker::ticket::SessionKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A worker's channels and patterns with their connections.
///
/// To find a channel takes constant time; a message is compared with every pattern, of which there are at most
/// [`PATTERNS_MAX`](crate::limit::PATTERNS_MAX).
#[derive(Default)]
pub(crate) struct Register {
    channels: HashMap<Name, BTreeSet<SessionKey>>,
    patterns: BTreeMap<Name, BTreeSet<SessionKey>>,
}

impl Register {
    /// A connection listens from now on; the name as it is kept here, to be kept there too.
    pub(crate) fn add(&mut self, kind: Kind, name: &[u8], key: SessionKey) -> Name {
        let known = match kind {
            Kind::Channel => self.channels.get_key_value(name).map(|(name, _)| name),
            Kind::Pattern => self.patterns.get_key_value(name).map(|(name, _)| name),
        };
        let name = known.cloned().unwrap_or_else(|| Arc::from(name));
        let keys = match kind {
            Kind::Channel => self.channels.entry(Arc::clone(&name)).or_default(),
            Kind::Pattern => self.patterns.entry(Arc::clone(&name)).or_default(),
        };
        keys.insert(key);
        name
    }

    /// A connection no longer listens.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8], key: SessionKey) {
        let keys = match kind {
            Kind::Channel => self.channels.get_mut(name),
            Kind::Pattern => self.patterns.get_mut(name),
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
        let matching =
            self.patterns.iter().filter(move |(pattern, _)| glob::matches_exactly(pattern, channel));
        named.into_iter().chain(matching.map(|(pattern, keys)| (Some(pattern), keys)))
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
        register.add(Kind::Channel, b"news", key(2));
        register.add(Kind::Channel, b"news", key(1));
        register.add(Kind::Pattern, b"n*", key(1));
        register.add(Kind::Pattern, b"N*", key(3));
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
