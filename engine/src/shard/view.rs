//! What any thread may read of a shard.

use crate::keyring::Keyring;
use crate::structure::{Guard, Published, ZoneTable};
use crate::time::{LogTime, MonoMs};
use crate::zone::view::ZoneView;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The readable half of a shard: written by its owner only.
pub(crate) struct ShardView {
    pub(crate) keys: Published<Keyring>,
    pub(crate) zones: ZoneTable<Arc<ZoneView>>,
    /// Log time minus the monotonic clock, in ms; changed by the owner as it applies.
    offset_ms: AtomicU64,
    /// Bytes of the shard's state; by the owner, once a turn.
    memory_bytes: AtomicU64,
}

impl ShardView {
    pub(crate) fn new(keys: Keyring) -> ShardView {
        ShardView {
            keys: Published::new(keys),
            zones: ZoneTable::new(),
            offset_ms: AtomicU64::new(0),
            memory_bytes: AtomicU64::new(0),
        }
    }

    /// The keys that sign this group's tokens.
    pub(crate) fn keys<'g>(&'g self, guard: &'g Guard) -> &'g Keyring {
        self.keys.read(guard)
    }

    /// Log time at a moment of the monotonic clock. A reader a moment behind the owner sees a
    /// moment-old offset, which changes nothing: polls store ages coarser than that.
    pub(crate) fn now(&self, mono: MonoMs) -> LogTime {
        LogTime(mono.0.wrapping_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Bytes of the shard's state.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: u64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    pub(crate) fn set_memory_bytes(&self, bytes: u64) {
        self.memory_bytes.store(bytes, Ordering::Relaxed);
    }
}
