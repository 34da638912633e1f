//! The replicated state of a zone, and every change to it.
//!
//! Each change happens at the stamp of a logged batch and reads nothing but this state and the
//! command, so that the same log gives the same state everywhere. Invariants:
//! - I1: [`ZoneState::admit`] and [`ZoneState::join`] are the only places that call
//!   [`Window::push`], each behind the caps (mode open is exempt, and counted).
//! - I4: an admission takes the place out of the live ones, so it happens once.
//! - A block of places is freed when nobody in it waits and no pass of it is still valid.

use super::settings::{Mode, ZoneName, ZonePatch, ZoneSettings};
use super::users::Users;
use super::view::{Terms, ZoneView};
use super::window::{Caps, Window};
use crate::cost::{WINDOW_RUN_BYTES, ZONE_BYTES};
use crate::id::{Seq, UserHash, ZoneId};
use crate::limit::BLOCK_SLOTS;
use crate::reply::Departure;
use crate::shard::Outcome;
use crate::snapshot::cut::Cut;
use crate::structure::{Lookup, Waiters};
use crate::time::LogTime;
use crate::token::Place;
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks that one join may free: more than it can fill, so that freeing keeps up.
const RECLAIM_A_JOIN: usize = 4;
/// Blocks that one sweep may free.
pub(crate) const RECLAIM_A_SWEEP: usize = 256;
/// Users forgotten by one sweep.
const EXPIRE_A_SWEEP: usize = 4_096;

/// Counts since the zone was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) joined: u64,
    pub(crate) abandoned: u64,
    pub(crate) left: u64,
    /// Admissions without waiting; the serial of the next one.
    pub(crate) direct: u64,
}

/// A zone as its shard's owner holds it.
pub(crate) struct ZoneState {
    pub(crate) view: Arc<ZoneView>,
    /// The settings in force; those of `terms`.
    pub(crate) settings: Arc<ZoneSettings>,
    pub(crate) terms: Terms,
    pub(crate) waiters: Waiters,
    pub(crate) window: Window,
    pub(crate) users: Users,
    pub(crate) totals: Totals,
    /// Full blocks without waiters whose passes may still be valid, in the order they emptied.
    pub(crate) emptied: VecDeque<u64>,
    /// The part of a snapshot that is being written, if one is.
    pub(crate) cut: Option<Cut>,
}

/// What came of a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Joined {
    /// A place that did not exist before.
    New(Place),
    /// The user's place from an earlier join.
    Known(Place),
    /// No place was left.
    Full,
    /// Joins are refused.
    Closed,
}

/// What came of an admission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// Let in by this command.
    Now,
    /// Let in before, at this stamp.
    Before(LogTime),
    /// No permit was free at the stamp.
    NotYet,
    /// Nobody waits at that place.
    Gone,
}

impl ZoneState {
    pub(crate) fn new(id: ZoneId, name: ZoneName, settings: ZoneSettings) -> ZoneState {
        let terms = Terms { settings: Arc::new(settings), good_from: LogTime::default() };
        ZoneState::with_waiters(id, name, terms, Waiters::new())
    }

    pub(crate) fn with_waiters(id: ZoneId, name: ZoneName, terms: Terms, waiters: Waiters) -> ZoneState {
        ZoneState {
            view: Arc::new(ZoneView::new(id, name, waiters.view(), terms.clone())),
            settings: Arc::clone(&terms.settings),
            terms,
            waiters,
            window: Window::default(),
            users: Users::default(),
            totals: Totals::default(),
            emptied: VecDeque::new(),
            cut: None,
        }
    }

    pub(crate) fn caps(&self) -> Caps {
        Caps::of(&self.settings)
    }

    /// Changes the settings that the patch names.
    pub(crate) fn change(&mut self, zone: ZoneId, patch: &ZonePatch, stamp: LogTime) -> Outcome {
        if patch.only_create {
            return Outcome::ZoneSet { zone, created: false };
        }
        match patch.applied_to(Some(&self.settings)) {
            Ok(settings) => {
                self.terms = self.terms.changed(settings, stamp);
                self.settings = Arc::clone(&self.terms.settings);
                self.view.publish_terms(self.terms.clone());
                Outcome::ZoneSet { zone, created: false }
            }
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    /// Gives a place, or lets the joiner in at once where nobody present waits.
    pub(crate) fn join(&mut self, user: Option<UserHash>, nobody_ahead: bool, stamp: LogTime) -> Joined {
        if let Some(place) = user.and_then(|user| self.live_place(user, stamp)) {
            return Joined::Known(place);
        }
        if self.settings.mode == Mode::Closed {
            return Joined::Closed;
        }
        self.reclaim(RECLAIM_A_JOIN, stamp);
        let place = if self.enters_at_once(nobody_ahead, stamp) {
            self.admit_direct(stamp)
        } else if self.is_full() {
            return Joined::Full;
        } else {
            self.preserve(self.waiters.tail() / BLOCK_SLOTS);
            let seq = self.waiters.append(stamp);
            self.close_block_before(seq);
            Place::Queue(seq)
        };
        self.totals.joined += 1;
        if let Some(user) = user {
            // The place it held before loses its user, the new one gains it.
            if let Some(before) = self.users.place(user) {
                self.preserve_place(before);
                if let Some(cut) = &mut self.cut {
                    cut.place_replaced(user, before);
                }
            }
            self.preserve_place(place);
            self.users.insert(user, place);
        }
        Joined::New(place)
    }

    /// Lets a waiter in, if the mode and both caps allow it at this stamp.
    pub(crate) fn admit(&mut self, seq: Seq, stamp: LogTime) -> Admission {
        if let Some(at) = self.admitted_at(seq) {
            return Admission::Before(at);
        }
        if !self.is_live(seq) {
            return Admission::Gone;
        }
        let free = match self.settings.mode {
            Mode::Paused => false,
            Mode::Open => true,
            Mode::Auto | Mode::Closed => self.window.permits(stamp, self.caps()) > 0,
        };
        if !free {
            return Admission::NotYet;
        }
        self.preserve(seq.0 / BLOCK_SLOTS);
        let admitted = self.waiters.admit(seq, stamp);
        assert!(admitted, "a live waiter was not admitted");
        self.window.push(stamp);
        self.users.admitted(seq, stamp);
        self.note_if_emptied(seq.0 / BLOCK_SLOTS);
        Admission::Now
    }

    /// Gives a place up.
    pub(crate) fn leave(&mut self, seq: Seq, stamp: LogTime) -> Departure {
        if !self.is_live(seq) {
            let is_in = self.admitted_at(seq).is_some_and(|at| !self.terms.is_over(at, stamp));
            return if is_in { Departure::Admitted } else { Departure::Gone };
        }
        self.preserve(seq.0 / BLOCK_SLOTS);
        let removed = self.waiters.remove(seq);
        assert!(removed, "a live waiter could not leave");
        self.totals.left += 1;
        self.users.remove(seq);
        self.note_if_emptied(seq.0 / BLOCK_SLOTS);
        Departure::Left
    }

    /// Drops silent waiters of one block; returns those that were still there.
    pub(crate) fn evict(&mut self, block: u64, slots: [u64; 8]) -> [u64; 8] {
        self.preserve(block);
        let removed = self.waiters.remove_slots(block, &slots);
        let count: u32 = removed.iter().map(|word| word.count_ones()).sum();
        self.totals.abandoned += u64::from(count);
        if !self.users.is_empty() {
            for_each_slot(removed, |slot| self.users.remove(Seq(block * BLOCK_SLOTS + slot)));
        }
        if count > 0 {
            self.note_if_emptied(block);
        }
        removed
    }

    /// Forgets expired passes and frees the blocks that held nothing else.
    pub(crate) fn sweep(&mut self, stamp: LogTime) {
        for _ in 0..EXPIRE_A_SWEEP {
            let is_over = |at| self.terms.is_over(at, stamp);
            let Some(expiry) = self.users.next_expired(is_over) else { break };
            if let Some(cut) = &mut self.cut {
                cut.expiry_popped(expiry, &self.users);
            }
            self.preserve_place(expiry.place);
            self.users.expire(expiry);
        }
        self.reclaim(RECLAIM_A_SWEEP, stamp);
    }

    /// Whether a sweep at this moment would free anything.
    pub(crate) fn wants_sweep(&self, now: LogTime) -> bool {
        let user_due =
            self.users.expiring().front().is_some_and(|first| self.terms.is_over(first.admitted_at, now));
        user_due || self.emptied.front().is_some_and(|block| self.is_forgettable(*block, now))
    }

    /// When something may be swept, if anything is remembered at all.
    pub(crate) fn remembers(&self) -> bool {
        !self.emptied.is_empty() || !self.users.expiring().is_empty()
    }

    pub(crate) fn is_live(&self, seq: Seq) -> bool {
        let (word, bit) = ((seq.0 % BLOCK_SLOTS / 64) as usize, seq.0 % 64);
        self.waiters.live_words(seq.0 / BLOCK_SLOTS)[word] >> bit & 1 == 1
    }

    /// Memory of this zone, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let texts = self
            .settings
            .title
            .iter()
            .chain(&self.settings.message)
            .map(|(tag, text)| tag.len() + text.len());
        let texts = texts.sum::<usize>() + self.settings.target_url.len();
        let window = self.window.run_count() as u64 * WINDOW_RUN_BYTES;
        ZONE_BYTES + texts as u64 + self.waiters.bytes() as u64 + self.users.bytes() + window
    }

    fn live_place(&self, user: UserHash, stamp: LogTime) -> Option<Place> {
        let place = self.users.place(user)?;
        let valid = |at: LogTime| !self.terms.is_over(at, stamp);
        let live = match place {
            Place::Direct { stamp: at, .. } => valid(at),
            Place::Queue(seq) => self.is_live(seq) || self.admitted_at(seq).is_some_and(valid),
        };
        live.then_some(place)
    }

    fn enters_at_once(&self, nobody_ahead: bool, stamp: LogTime) -> bool {
        let caps = self.caps();
        match self.settings.mode {
            Mode::Open => true,
            Mode::Paused | Mode::Closed => false,
            // The burst exemption: without a queue only the window counts.
            Mode::Auto if self.waiters.live_total() == 0 => self.window.free(stamp, caps.window) > 0,
            Mode::Auto => nobody_ahead && self.window.permits(stamp, caps) > 0,
        }
    }

    fn admit_direct(&mut self, stamp: LogTime) -> Place {
        let serial = self.totals.direct;
        self.totals.direct += 1;
        self.window.push(stamp);
        Place::Direct { serial, stamp }
    }

    /// Waiters are bounded, and so are the blocks that hold the remains of others.
    fn is_full(&self) -> bool {
        let settings = &self.settings;
        let passes =
            u64::from(settings.limit) * u64::from(settings.pass_ttl_ms) / u64::from(settings.window_ms);
        let blocks_max = 2 * settings.max_waiting.saturating_add(passes) / BLOCK_SLOTS + 16;
        self.waiters.live_total() >= settings.max_waiting
            || self.waiters.blocks_allocated() as u64 >= blocks_max
    }

    pub(crate) fn admitted_at(&self, seq: Seq) -> Option<LogTime> {
        match self.waiters.lookup(seq) {
            Lookup::Admitted(stamp) => Some(stamp),
            _ => None,
        }
    }

    /// The first place of a block closes the one before, which may have emptied while it was open.
    fn close_block_before(&mut self, seq: Seq) {
        if seq.0 > 0 && seq.0.is_multiple_of(BLOCK_SLOTS) {
            self.note_if_emptied(seq.0 / BLOCK_SLOTS - 1);
        }
    }

    fn note_if_emptied(&mut self, block: u64) {
        let full = self.waiters.tail() >= (block + 1) * BLOCK_SLOTS;
        if !full || self.waiters.live_words(block) != [0; 8] {
            return;
        }
        if self.waiters.admitted_in(block).is_none() {
            self.preserve(block);
            self.waiters.free_block(block);
        } else {
            self.emptied.push_back(block);
        }
    }

    fn reclaim(&mut self, most: usize, stamp: LogTime) {
        for _ in 0..most {
            let Some(block) = self.emptied.front().copied() else { return };
            if !self.is_forgettable(block, stamp) {
                return;
            }
            self.emptied.pop_front();
            self.preserve(block);
            self.waiters.free_block(block);
        }
    }

    fn is_forgettable(&self, block: u64, now: LogTime) -> bool {
        self.waiters.admitted_in(block).is_none_or(|admitted| self.terms.is_over(admitted.latest, now))
    }

    /// Copies the part that is not blocks into the running snapshot before its first change.
    pub(crate) fn preserve_header(&mut self) {
        if let Some(mut cut) = self.cut.take() {
            cut.preserve_header(self);
            self.cut = Some(cut);
        }
    }

    fn preserve_place(&mut self, place: Place) {
        if let Place::Queue(seq) = place {
            self.preserve(seq.0 / BLOCK_SLOTS);
        }
    }

    /// Copies a block into the running snapshot before its first change after the cut.
    fn preserve(&mut self, block: u64) {
        if let Some(cut) = &mut self.cut {
            cut.preserve(block, &self.waiters, &self.users);
        }
    }
}

pub(crate) fn for_each_slot(words: [u64; 8], mut visit: impl FnMut(u64)) {
    for (at, word) in words.into_iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            visit(at as u64 * 64 + u64::from(rest.trailing_zeros()));
            rest &= rest - 1;
        }
    }
}
