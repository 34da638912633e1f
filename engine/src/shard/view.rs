//! What any thread may read of a shard.

use crate::error::Refusal;
use crate::keyring::Keyring;
use crate::limit::NO_LEADER_RETRY_MS;
use crate::memory::Used;
use crate::pass::PassKeys;
use crate::reply::Standing;
use crate::structure::{Guard, Published, ZoneTable, pin};
use crate::time::{LogTime, MonoMs, Offset};
use crate::token::Token;
use crate::zone::view::ZoneView;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// The keys of a group. Readers have them in one piece: none is left behind when another state is taken over.
#[derive(Clone)]
pub(crate) struct Secrets {
    /// Sign tokens.
    pub(crate) keys: Keyring,
    /// Sign passes; with them what the wall clock showed.
    pub(crate) passes: PassKeys,
}

/// The readable half of a shard: written by its owner only.
pub(crate) struct ShardView {
    pub(crate) secrets: Published<Secrets>,
    pub(crate) zones: ZoneTable<Arc<ZoneView>>,
    /// Log time minus the monotonic clock, in ms; changed by the owner as it applies.
    offset_ms: AtomicI64,
    /// Bytes of the shard's zones and of its streams; by the owner, once a turn.
    zone_bytes: AtomicU64,
    stream_bytes: AtomicU64,
    /// Streams, and those of them that expire; by the owner, once a turn.
    streams: AtomicU64,
    expiring: AtomicU64,
    /// Until when, on this process's clock, the state is new enough to answer from. Vouches for the state and the offset, so it is
    /// stored with release, and read with acquire, by [`ShardView::prove`] alone.
    pub(super) fresh_until_ms: AtomicU64,
    /// This node leads the group. Vouches for all that was committed before; so does `cut` for what was told before.
    leads: AtomicBool,
    /// No leader can be asked.
    cut: AtomicBool,
    /// Commands applied: no zone of this group that was ever seen here has a higher ordinal.
    known: AtomicU64,
    /// Messages of other nodes that said what they may not say; by the owner.
    unfit: AtomicU64,
}

impl ShardView {
    pub(crate) fn new(secrets: Secrets) -> ShardView {
        ShardView {
            secrets: Published::new(secrets),
            zones: ZoneTable::new(),
            offset_ms: AtomicI64::new(0),
            zone_bytes: AtomicU64::new(0),
            stream_bytes: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            expiring: AtomicU64::new(0),
            fresh_until_ms: AtomicU64::new(0),
            leads: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            known: AtomicU64::new(0),
            unfit: AtomicU64::new(0),
        }
    }

    /// The keys that sign this group's tokens.
    pub(crate) fn keys<'g>(&'g self, guard: &'g Guard) -> &'g Keyring {
        &self.secrets.read(guard).keys
    }

    /// The keys that sign passes of this group.
    pub(crate) fn passes<'g>(&'g self, guard: &'g Guard) -> &'g PassKeys {
        &self.secrets.read(guard).passes
    }

    /// Log time at a moment of the monotonic clock. Acquire: who reads by this offset sees what was applied before it was set.
    pub(crate) fn now(&self, mono: MonoMs) -> LogTime {
        Offset::of_ms(self.offset_ms.load(Ordering::Acquire)).at(mono)
    }

    /// Bytes of the shard's state.
    pub(crate) fn used(&self) -> Used {
        Used {
            zones: self.zone_bytes.load(Ordering::Relaxed),
            streams: self.stream_bytes.load(Ordering::Relaxed),
        }
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
        self.offset_ms.store(offset.ms(), Ordering::Release);
    }

    pub(crate) fn set_used(&self, used: Used) {
        self.zone_bytes.store(used.zones, Ordering::Relaxed);
        self.stream_bytes.store(used.streams, Ordering::Relaxed);
    }

    pub(crate) fn set_fresh_until(&self, mono: MonoMs) {
        self.fresh_until_ms.store(mono.0, Ordering::Release);
    }

    /// Nothing is proven, from the first moment on.
    pub(crate) fn end_fresh(&self) {
        self.set_fresh_until(MonoMs(0));
    }

    /// One writer: the owner.
    pub(crate) fn raise_fresh_until(&self, mono: MonoMs) {
        self.set_fresh_until(MonoMs(mono.0.max(self.fresh_until_ms.load(Ordering::Acquire))));
    }

    /// Whether no leader can be asked.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Whether this node leads, and nobody else can: then what is not here is nowhere.
    pub(crate) fn leads(&self, now: MonoMs) -> bool {
        self.leads.load(Ordering::Acquire) && self.prove(now).is_some()
    }

    pub(crate) fn set_part(&self, leads: bool, cut: bool) {
        self.leads.store(leads, Ordering::Release);
        self.cut.store(cut, Ordering::Release);
    }

    /// Whether a zone of this ordinal would have been seen here by now.
    pub(crate) fn knows(&self, ordinal: u64) -> bool {
        ordinal <= self.known.load(Ordering::Acquire)
    }

    /// A zone by its ordinal. `Err(true)`: it is gone for good; `Err(false)`: it may be newer than what is known here at `now`.
    pub(crate) fn find<'g>(
        &'g self,
        ordinal: u64,
        now: MonoMs,
        guard: &'g Guard,
    ) -> Result<&'g Arc<ZoneView>, bool> {
        if let Some(zone) = self.zones.get(ordinal, guard) {
            return Ok(zone);
        }
        if !self.knows(ordinal) && !self.leads(now) {
            return Err(false);
        }
        // It may have been made since the first look: only what was known before this one and is not found is gone.
        self.zones.get(ordinal, guard).ok_or(true)
    }

    /// One more message of another node was left out.
    pub(crate) fn count_unfit(&self) {
        self.unfit.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages of other nodes that were left out, since the start.
    pub(crate) fn unfit(&self) -> u64 {
        self.unfit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_known(&self, ordinal: u64) {
        // Release: whoever sees the count sees the zones that it counts.
        self.known.store(ordinal, Ordering::Release);
    }

    /// What this node last knew of a token, marked as such, without counting as a poll.
    ///
    /// # Errors
    /// [`Refusal::Gone`] where that is final, [`Refusal::NoLeader`] where nothing is known.
    pub(crate) fn last_known(&self, token: Token, mono: MonoMs, now: LogTime) -> Result<Standing, Refusal> {
        let guard = pin();
        match self.find(token.zone.ordinal, mono, &guard) {
            Ok(zone) => zone.last_known(token.place, now, &guard),
            Err(true) => Err(Refusal::Gone),
            Err(false) => Err(Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS }),
        }
    }
}
