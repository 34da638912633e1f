//! The list's top: regions from the first one still held to the last, with the live waiters of each.
//!
//! Full, it is replaced by a copy that drops the freed front and has room for as many again; so copying is
//! O(1) a region over time. A reader that still holds the old copy sees the counts of that moment, which a
//! poll that began before may truthfully answer.

use super::{
    epoch::{EpochPtr, Guard},
    own::own,
    span::Region,
};
use crate::sync::{AtomicU64, Ordering::Relaxed};

const CAPACITY_MIN: usize = if cfg!(loom) { 1 } else { 4 };

/// 16 bytes a region, that is for 2,097,152 places.
pub(crate) struct Directory {
    /// Region that `regions[0]` is. Constant.
    base: u64,
    /// Live waiters of each region. Written by the owner, in the current directory only.
    counts: Box<[AtomicU64]>,
    /// Written by the owner, in the current directory only. Aliased by the copy that replaces this one.
    regions: Box<[EpochPtr<Region>]>,
}

impl Directory {
    pub(crate) fn starting_at(base: u64) -> Directory {
        Directory {
            base,
            counts: (0..CAPACITY_MIN).map(|_| AtomicU64::new(0)).collect(),
            regions: (0..CAPACITY_MIN).map(|_| EpochPtr::null()).collect(),
        }
    }

    /// A copy that has room for `region`, without the freed front.
    pub(crate) fn grown_to(&self, region: u64, guard: &Guard) -> Directory {
        let base = self.next_region(self.base, guard).unwrap_or(region);
        let capacity = ((region - base + 1) as usize * 2).max(CAPACITY_MIN);
        let held = self.slot(base).map_or(&[][..], |from| &self.regions[from..]);
        let mut regions: Vec<_> = held.iter().map(|there| there.alias(guard)).collect();
        regions.resize_with(capacity, EpochPtr::null);
        let count = |at: usize| AtomicU64::new(self.count(base + at as u64));
        Directory { base, counts: (0..capacity).map(count).collect(), regions: regions.into() }
    }

    /// Whether `region` has a slot here; one below the base has none either, and is gone.
    pub(crate) fn covers(&self, region: u64) -> bool {
        self.slot(region).is_some()
    }

    pub(crate) fn region<'g>(&'g self, region: u64, guard: &'g Guard) -> Option<&'g Region> {
        self.regions[self.slot(region)?].load(guard)
    }

    /// The region, made where there is none; says whether it was made. Owner only, slot covered.
    pub(crate) fn region_or_new<'g>(&'g self, region: u64, guard: &'g Guard) -> (&'g Region, bool) {
        let slot = self.slot(region).expect("the directory covers the region");
        if let Some(there) = self.regions[slot].load(guard) {
            return (there, false);
        }
        self.regions[slot].fill(Region::new());
        (self.regions[slot].load(guard).expect("just filled"), true)
    }

    /// Unlinks an empty region. Owner only, in the current directory.
    pub(crate) fn unlink(&self, region: u64, guard: &Guard) {
        let Some(slot) = self.slot(region) else { return };
        assert_eq!(self.count(region), 0, "unlinked a region that has live waiters");
        // SAFETY: other pointers to the region are in directories that were unlinked before, so a guard
        // pinned from now on cannot reach them.
        unsafe { self.regions[slot].replace(None, guard) }
    }

    /// Owner only: the live waiters of a region.
    pub(crate) fn count(&self, region: u64) -> u64 {
        self.slot(region).map_or(0, |slot| own(&self.counts[slot]))
    }

    /// Owner only: sets the live waiters of a region.
    pub(crate) fn set_count(&self, region: u64, count: u64) {
        let slot = self.slot(region).expect("the directory covers the region");
        self.counts[slot].store(count, Relaxed);
    }

    /// Live waiters of the regions before `region`. Cost: 8 bytes read for each region held.
    pub(crate) fn before(&self, region: u64) -> u64 {
        let end = self.slot(region).unwrap_or(0);
        self.counts[..end].iter().fold(0, |sum, count| sum + count.load(Relaxed))
    }

    /// Owner only: the first region from `from` on that has live waiters.
    pub(crate) fn next_live(&self, from: u64) -> Option<u64> {
        (from.max(self.base)..self.end()).find(|&region| self.count(region) > 0)
    }

    /// The first region from `from` on that is allocated.
    pub(crate) fn next_region(&self, from: u64, guard: &Guard) -> Option<u64> {
        (from.max(self.base)..self.end()).find(|&region| self.region(region, guard).is_some())
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Directory>() + self.regions.len() * (size_of::<AtomicU64>() + size_of::<EpochPtr<Region>>())
    }

    /// Drops every region at once.
    ///
    /// # Safety
    /// No thread can reach this directory any more, and it was never replaced by a copy.
    pub(crate) unsafe fn free_regions(&mut self) {
        for region in &mut self.regions {
            // SAFETY: the caller vouches that nobody else holds the pointer.
            unsafe { region.free() }
        }
    }

    fn end(&self) -> u64 {
        self.base + self.regions.len() as u64
    }

    fn slot(&self, region: u64) -> Option<usize> {
        let slot = region.checked_sub(self.base)? as usize;
        (slot < self.regions.len()).then_some(slot)
    }
}
