//! I8 and I3 of streams: an acknowledged append has one place for ever, numbers are dense, and whoever reads sees that.
//!
//! Each append carries a text of its own, and is repeated under its request id until it is answered: so each text may stand in
//! a stream once, at the place that was acknowledged, and nothing may stand before it that no answer allows.

use std::collections::BTreeMap;

/// Where an entry is: the epoch of its stream, and its number.
pub(crate) type Spot = (u64, u64);

#[derive(Default)]
pub(crate) struct Streams {
    /// By stream and place: what stands there.
    texts: BTreeMap<(&'static str, Spot), String>,
    /// By text: where it stands.
    spots: BTreeMap<String, (&'static str, Spot)>,
    pub(crate) appends: u64,
    pub(crate) entries_read: u64,
}

impl Streams {
    /// An append was acknowledged.
    pub(crate) fn appended(&mut self, key: &'static str, text: &str, spot: Spot) {
        self.appends += 1;
        self.note(key, text, spot);
    }

    /// Entries were read, from the stream's beginning, in this order.
    pub(crate) fn read(&mut self, key: &'static str, epoch: u64, entries: &[(u64, String)]) {
        for (number, expected) in entries.iter().zip(1..) {
            assert!(number.0 == expected, "I8: number {} of {key} where {expected} was due", number.0);
        }
        for (number, text) in entries {
            self.entries_read += 1;
            self.note(key, text, (epoch, *number));
        }
    }

    /// After everything has healed: what was acknowledged is among what is read.
    pub(crate) fn are_kept(&self, key: &'static str, epoch: u64, count: u64) {
        for ((of, (its_epoch, number)), text) in &self.texts {
            if *of == key {
                assert!(*its_epoch == epoch && *number <= count, "I3: {text} of {key} is gone");
            }
        }
    }

    fn note(&mut self, key: &'static str, text: &str, spot: Spot) {
        let stands = self.texts.entry((key, spot)).or_insert_with(|| text.to_owned());
        assert!(stands == text, "I3: {stands} and {text} have the same place {spot:?} of {key}");
        let first = self.spots.entry(text.to_owned()).or_insert((key, spot));
        assert!(*first == (key, spot), "I8: {text} stands at {first:?} and at {spot:?} of {key}");
    }
}
