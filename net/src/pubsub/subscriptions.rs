//! What one connection listens to. Made with its first subscription and dropped with its last.

use super::{Kind, Name};
use crate::limit;
use sluice_engine::account::Charge;
use std::collections::{BTreeMap, BTreeSet};

/// The channels and patterns of one connection.
#[derive(Default, Debug)]
pub(crate) struct Subscriptions {
    channels: BTreeSet<Name>,
    /// With their prices.
    patterns: BTreeMap<Name, usize>,
    /// Of all patterns.
    price: usize,
    /// For the names, wherever they are kept.
    charge: Charge,
}

/// What a subscription to this name takes, about.
pub(crate) fn weight(name: &[u8]) -> usize {
    name.len() + limit::SUBSCRIPTION_BYTES
}

impl Subscriptions {
    /// Channels and patterns together, as replies count them.
    pub(crate) fn len(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// How many of this kind.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.len(),
            Kind::Pattern => self.patterns.len(),
        }
    }

    /// Whether it listens to this.
    pub(crate) fn contains(&self, kind: Kind, name: &[u8]) -> bool {
        match kind {
            Kind::Channel => self.channels.contains(name),
            Kind::Pattern => self.patterns.contains_key(name),
        }
    }

    /// All names of a kind, in order.
    pub(crate) fn names(&self, kind: Kind) -> Vec<Name> {
        match kind {
            Kind::Channel => self.channels.iter().cloned().collect(),
            Kind::Pattern => self.patterns.keys().cloned().collect(),
        }
    }

    /// What more patterns may cost.
    pub(crate) fn price_left(&self) -> usize {
        limit::PATTERNS_PRICE_PER_SESSION_MAX.saturating_sub(self.price)
    }

    /// Takes over what was charged for names that come, or were to come.
    pub(crate) fn charge(&mut self, charge: Charge) {
        self.charge.join(charge);
    }

    /// Gives back what was charged for names that did not come.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.charge.give_back(bytes as u64);
    }

    /// Adds a channel that is not there.
    pub(crate) fn add_channel(&mut self, name: Name) {
        self.channels.insert(name);
    }

    /// Adds a pattern that is not there.
    pub(crate) fn add_pattern(&mut self, name: Name, price: usize) {
        self.price += price;
        self.patterns.insert(name, price);
    }

    /// Takes one out; false where it was not there.
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8]) -> bool {
        let was_there = match kind {
            Kind::Channel => self.channels.remove(name),
            Kind::Pattern => {
                let price = self.patterns.remove(name);
                self.price -= price.unwrap_or(0);
                price.is_some()
            }
        };
        if was_there {
            self.give_back(weight(name));
        }
        was_there
    }
}
