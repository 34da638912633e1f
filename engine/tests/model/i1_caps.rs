//! I1: at the stamp of each admission both caps have room. Mode open counts and is exempt; paused lets nobody in.

use super::reference::{Zone, slice_limit};
use sluice_engine::id::ZoneId;
use sluice_engine::token::Place;
use sluice_engine::zone::settings::Mode;
use std::collections::{HashMap, HashSet};

/// Every admission that was seen, by zone.
#[derive(Default)]
pub(crate) struct Caps {
    stamps: HashMap<ZoneId, Vec<u64>>,
    counted: HashSet<(ZoneId, Place)>,
}

impl Caps {
    /// The engine let somebody in at `stamp`. `zone` is the state before; `queue`: somebody waited. False where
    /// this place was let in before.
    pub(crate) fn admitted(&mut self, zone: &Zone, place: Place, stamp: u64, queue: bool) -> bool {
        if !self.counted.insert((zone.id, place)) {
            return false;
        }
        let settings = &zone.settings;
        let stamps = self.stamps.entry(zone.id).or_default();
        let within =
            |span_ms: u32| stamps.iter().filter(|at| **at + u64::from(span_ms) > stamp).count() as u64;
        let (window, slice) = (within(settings.window_ms), within(settings.slice_ms));
        stamps.push(stamp);
        if settings.mode == Mode::Open {
            return true;
        }
        assert_ne!(settings.mode, Mode::Paused, "I1: let in at {stamp} while paused");
        let limit = u64::from(settings.limit);
        assert!(window < limit, "I1: let in at {stamp} with {window} of {limit} in the window before");
        let share = slice_limit(settings);
        assert!(!queue || slice < share, "I1: let in at {stamp} with {slice} of {share} in the slice before");
        true
    }

    /// Admissions seen of a zone.
    pub(crate) fn count(&self, zone: ZoneId) -> u64 {
        self.stamps.get(&zone).map_or(0, |stamps| stamps.len() as u64)
    }
}
