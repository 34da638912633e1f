//! What any thread may read of a shard.

use crate::error::Refusal;
use crate::keyring::Keyring;
use crate::limit::NO_LEADER_RETRY_MS;
use crate::pass::PassKeys;
use crate::reply::Standing;
use crate::structure::{Guard, Published, ZoneTable, pin};
use crate::time::{LogTime, MonoMs, Offset};
use crate::token::Token;
use crate::zone::view::ZoneView;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// The readable half of a shard: written by its owner only.
pub(crate) struct ShardView {
    pub(crate) keys: Published<Keyring>,
    pub(crate) passes: Published<PassKeys>,
    pub(crate) zones: ZoneTable<Arc<ZoneView>>,
    /// Log time minus the monotonic clock, in ms; changed by the owner as it applies.
    offset_ms: AtomicI64,
    /// Bytes of the shard's state; by the owner, once a turn.
    memory_bytes: AtomicU64,
    /// Streams, and those of them that expire; by the owner, once a turn.
    streams: AtomicU64,
    expiring: AtomicU64,
    /// Until when, on this process's clock, the state is new enough to answer from.
    fresh_until_ms: AtomicU64,
    /// This node leads the group.
    leads: AtomicBool,
    /// No leader can be asked.
    cut: AtomicBool,
    /// Commands applied: no zone of this group that was ever seen here has a higher ordinal.
    known: AtomicU64,
}

impl ShardView {
    pub(crate) fn new(keys: Keyring, passes: PassKeys) -> ShardView {
        ShardView {
            keys: Published::new(keys),
            passes: Published::new(passes),
            zones: ZoneTable::new(),
            offset_ms: AtomicI64::new(0),
            memory_bytes: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            expiring: AtomicU64::new(0),
            fresh_until_ms: AtomicU64::new(0),
            leads: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            known: AtomicU64::new(0),
        }
    }

    /// The keys that sign this group's tokens.
    pub(crate) fn keys<'g>(&'g self, guard: &'g Guard) -> &'g Keyring {
        self.keys.read(guard)
    }

    /// Log time at a moment of the monotonic clock. A reader a moment behind the owner sees a
    /// moment-old offset, which changes nothing: polls store ages coarser than that.
    pub(crate) fn now(&self, mono: MonoMs) -> LogTime {
        Offset::of_ms(self.offset_ms.load(Ordering::Relaxed)).at(mono)
    }

    /// Bytes of the shard's state.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// How many streams there are, and how many of them expire.
    pub(crate) fn streams(&self) -> (u64, u64) {
        (self.streams.load(Ordering::Relaxed), self.expiring.load(Ordering::Relaxed))
    }

    pub(crate) fn set_streams(&self, (streams, expiring): (u64, u64)) {
        self.streams.store(streams, Ordering::Relaxed);
        self.expiring.store(expiring, Ordering::Relaxed);
    }

    pub(crate) fn set_offset(&self, offset: Offset<LogTime>) {
        self.offset_ms.store(offset.ms(), Ordering::Relaxed);
    }

    pub(crate) fn set_memory_bytes(&self, bytes: u64) {
        self.memory_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether this node may answer from its own state.
    pub(crate) fn is_fresh(&self, mono: MonoMs) -> bool {
        mono.0 <= self.fresh_until_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_fresh_until(&self, mono: MonoMs) {
        self.fresh_until_ms.store(mono.0, Ordering::Relaxed);
    }

    /// One writer: the owner.
    pub(crate) fn raise_fresh_until(&self, mono: MonoMs) {
        self.set_fresh_until(MonoMs(mono.0.max(self.fresh_until_ms.load(Ordering::Relaxed))));
    }

    /// Whether no leader can be asked.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Whether this node leads: then what is not here is nowhere.
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    pub(crate) fn set_part(&self, leads: bool, cut: bool) {
        self.leads.store(leads, Ordering::Relaxed);
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Whether a zone of this ordinal would have been seen here by now.
    pub(crate) fn knows(&self, ordinal: u64) -> bool {
        ordinal <= self.known.load(Ordering::Acquire)
    }

    pub(crate) fn set_known(&self, ordinal: u64) {
        // Release: whoever sees the count sees the zones that it counts.
        self.known.store(ordinal, Ordering::Release);
    }

    /// What this node last knew of a token, marked as such, without counting as a poll.
    ///
    /// # Errors
    /// [`Refusal::Gone`] where that is final, [`Refusal::NoLeader`] where nothing is known.
    pub(crate) fn last_known(&self, token: Token, now: LogTime) -> Result<Standing, Refusal> {
        let guard = pin();
        match self.zones.get(token.zone.ordinal, &guard) {
            Some(zone) => zone.last_known(token.place, now, &guard),
            None if self.knows(token.zone.ordinal) => Err(Refusal::Gone),
            None => Err(Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS }),
        }
    }
}
