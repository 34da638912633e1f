//! What one connection listens to. Made with its first subscription and dropped with its last.

use super::{Kind, Name};
use crate::limit;
use std::collections::BTreeSet;

/// The channels and patterns of one connection.
#[derive(Default, Debug)]
pub(crate) struct Subscriptions {
    channels: BTreeSet<Name>,
    patterns: BTreeSet<Name>,
}

/// What a subscription to this name takes, about.
pub(crate) fn weight(name: &[u8]) -> usize {
    name.len() + limit::SUBSCRIPTION_BYTES
}

impl Subscriptions {
    fn of(&self, kind: Kind) -> &BTreeSet<Name> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeSet<Name> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    /// Channels and patterns together, as replies count them.
    pub(crate) fn len(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// How many of this kind.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// Whether it listens to this.
    pub(crate) fn contains(&self, kind: Kind, name: &[u8]) -> bool {
        self.of(kind).contains(name)
    }

    /// All names of a kind, in order.
    pub(crate) fn names(&self, kind: Kind) -> Vec<Name> {
        self.of(kind).iter().cloned().collect()
    }

    /// Adds one that is not there.
    pub(crate) fn insert(&mut self, kind: Kind, name: Name) {
        self.of_mut(kind).insert(name);
    }

    /// Takes one out; false where it was not there.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8]) -> bool {
        self.of_mut(kind).remove(name)
    }
}
