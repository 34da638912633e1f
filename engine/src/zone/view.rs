//! What any thread may read of a zone, and the read path of a poll.
//!
//! Everything here is written by the shard's owner, except the last-poll cells, which any thread
//! stores to. Reading takes no lock, allocates nothing and sends nothing.

use super::eta::EtaTable;
use super::frontier::{Ahead, Frontier};
use super::settings::{Mode, ZoneName, ZoneSettings};
use crate::error::Refusal;
use crate::id::{Seq, ZoneId};
use crate::limit::{LATE_MS, POLL_MS_MIN};
use crate::reply::{Eta, Standing, Waiting};
use crate::structure::{Guard, Handle, Lookup, Published, WaitersView};
use crate::time::LogTime;
use crate::token::Place;
use std::sync::Arc;

/// The readable half of a zone.
pub struct ZoneView {
    id: ZoneId,
    name: ZoneName,
    waiters: WaitersView,
    terms: Published<Terms>,
    frontier: Published<Frontier>,
    eta: Published<EtaTable>,
}

/// What holds for a zone: its settings, and for whom a longer `pass_ttl_ms` comes too late. Readers have both in one piece.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) settings: Arc<ZoneSettings>,
    /// Admissions before this stamp had expired when `pass_ttl_ms` was changed: they stay so.
    pub(crate) good_from: LogTime,
}

impl Terms {
    /// Whether an admission at `stamp` is good no longer.
    pub(crate) fn is_over(&self, stamp: LogTime, now: LogTime) -> bool {
        stamp < self.good_from || stamp.plus_ms(u64::from(self.settings.pass_ttl_ms)) <= now
    }

    /// With other settings from `now` on. What has expired by then is older than all that has not, so one stamp tells them
    /// apart, however often the settings change.
    pub(crate) fn changed(&self, settings: ZoneSettings, now: LogTime) -> Terms {
        let oldest_good = LogTime((now.0 + 1).saturating_sub(u64::from(self.settings.pass_ttl_ms)));
        Terms { settings: Arc::new(settings), good_from: self.good_from.max(oldest_good) }
    }
}

/// Where a place stands, as far as a reader can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// This is the answer.
    Standing(Standing),
    /// Its turn may have come, the poll is late, or the place is newer than what this thread sees: the owner decides.
    Turn,
}

/// Whether looking also counts as a poll.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    /// A poll: the waiter is present. A late one is left to the owner.
    Poll,
    /// A poll as the owner takes it who has seen that no dropping of the place is on its way.
    Taken,
    /// Only looking (HEAD).
    Peek,
}

impl ZoneView {
    pub(crate) fn new(id: ZoneId, name: ZoneName, waiters: WaitersView, terms: Terms) -> ZoneView {
        ZoneView {
            id,
            name,
            waiters,
            terms: Published::new(terms),
            frontier: Published::new(Frontier::default()),
            eta: Published::new(EtaTable::unknown()),
        }
    }

    /// The zone's id.
    #[must_use]
    pub fn id(&self) -> ZoneId {
        self.id
    }

    /// The zone's name.
    #[must_use]
    pub fn name(&self) -> &ZoneName {
        &self.name
    }

    /// The settings in force.
    #[must_use]
    pub fn settings<'g>(&'g self, guard: &'g Guard) -> &'g Arc<ZoneSettings> {
        &self.terms.read(guard).settings
    }

    /// The estimated wait of somebody with `rank` waiters ahead.
    #[must_use]
    pub fn eta(&self, rank: u64, now: LogTime, guard: &Guard) -> Eta {
        self.eta.read(guard).eta(rank, now)
    }

    /// When the turn of this place comes, where that is within the next poll period.
    #[must_use]
    pub fn due(&self, seq: Seq, guard: &Guard) -> Option<LogTime> {
        self.frontier.read(guard).due(seq)
    }

    /// Who is due when.
    pub(crate) fn frontier<'g>(&'g self, guard: &'g Guard) -> &'g Frontier {
        self.frontier.read(guard)
    }

    /// What waits are estimated.
    pub(crate) fn eta_table<'g>(&'g self, guard: &'g Guard) -> &'g EtaTable {
        self.eta.read(guard)
    }

    pub(crate) fn publish_terms(&self, terms: Terms) {
        self.terms.replace(terms);
    }

    pub(crate) fn publish_frontier(&self, frontier: Frontier) {
        self.frontier.replace(frontier);
    }

    pub(crate) fn publish_eta(&self, eta: EtaTable) {
        self.eta.replace(eta);
    }

    /// Has the memory of a place fetched.
    pub(crate) fn prefetch(&self, seq: Seq, guard: &Guard) {
        self.waiters.prefetch(seq, guard);
    }

    /// Looks a place up; a poll sets its last-poll cell, unless it is late and none of the owner's.
    pub(crate) fn see(&self, place: Place, look: Look, now: LogTime, guard: &Guard) -> Result<Seen, Refusal> {
        let seq = match place {
            Place::Direct { stamp, .. } => return self.admitted(stamp, now, guard).map(Seen::Standing),
            Place::Queue(seq) => seq,
        };
        match self.waiters.lookup(seq, guard) {
            Lookup::Live(handle) => {
                match look {
                    Look::Poll if self.is_late(handle, now, guard) => return Ok(Seen::Turn),
                    Look::Poll | Look::Taken => handle.touch(now),
                    Look::Peek => {}
                }
                Ok(self.turn_or_wait(seq, handle, now, guard))
            }
            Lookup::Admitted(stamp) => self.admitted(stamp, now, guard).map(Seen::Standing),
            Lookup::Unknown => Ok(Seen::Turn),
            Lookup::Gone => Err(Refusal::Gone),
        }
    }

    /// Notes that a live waiter polled, unless the poll is late: then nothing is noted, and true returned.
    pub(crate) fn hear(&self, place: Place, now: LogTime, guard: &Guard) -> bool {
        let Place::Queue(seq) = place else { return false };
        let Lookup::Live(handle) = self.waiters.lookup(seq, guard) else { return false };
        let late = self.is_late(handle, now, guard);
        if !late {
            handle.touch(now);
        }
        late
    }

    /// Notes that a waiter polled at an earlier moment, which the leader knows of. False where it is known here that it is gone.
    pub(crate) fn hear_again(&self, place: Place, at: LogTime, guard: &Guard) -> bool {
        let Place::Queue(seq) = place else { return true };
        match self.waiters.lookup(seq, guard) {
            Lookup::Live(handle) => handle.touch_at_least(at),
            Lookup::Gone => return false,
            Lookup::Admitted(_) | Lookup::Unknown => {}
        }
        true
    }

    /// Notes that a live waiter is still here, where its poll was held up for so long that it would count as late.
    pub(crate) fn keep(&self, place: Place, now: LogTime, guard: &Guard) {
        let Place::Queue(seq) = place else { return };
        if let Lookup::Live(handle) = self.waiters.lookup(seq, guard)
            && self.is_late(handle, now, guard)
        {
            handle.touch(now);
        }
    }

    /// Whether the last poll was so long ago that the dropping of the place may be on its way. A thread that is not the
    /// owner's then neither answers nor stores the poll: what comes after it would no longer look late.
    fn is_late(&self, handle: Handle<'_>, now: LogTime, guard: &Guard) -> bool {
        now.age_ms_of(handle.polled_ms()) > self.settings(guard).abandon_ms - LATE_MS
    }

    /// What a live waiter is told whose turn has not come, or which cannot be parked now.
    /// `None` where the place is not live.
    pub(crate) fn waiting(&self, seq: Seq, now: LogTime, guard: &Guard) -> Option<Waiting> {
        let Lookup::Live(handle) = self.waiters.lookup(seq, guard) else { return None };
        let poll_ms = self.settings(guard).poll_ms;
        let frontier = self.frontier.read(guard);
        let poll_ms =
            frontier.due(seq).map_or(poll_ms, |due| appointment(due, frontier.ahead(), now, poll_ms));
        Some(self.told(handle, poll_ms, now, guard))
    }

    /// Where a place stood when this node last knew, without counting as a poll. Who joined later waits behind
    /// everybody known here and everybody numbered before it.
    pub(crate) fn last_known(&self, place: Place, now: LogTime, guard: &Guard) -> Result<Standing, Refusal> {
        let known = self.see(place, Look::Peek, now, guard)?;
        let (Seen::Turn, Place::Queue(seq)) = (known, place) else {
            return Ok(match known {
                Seen::Standing(Standing::Waiting(waiting)) => {
                    Standing::Waiting(Waiting { stale: true, ..waiting })
                }
                Seen::Standing(admitted) => admitted,
                Seen::Turn => return Err(Refusal::Gone),
            });
        };
        let beyond = || {
            let ahead = self.waiters.waiting().saturating_add(seq.0.saturating_sub(self.waiters.tail()));
            let (position, eta) = (ahead.saturating_add(1), self.eta(ahead, now, guard));
            Waiting { position, eta, poll_ms: self.settings(guard).poll_ms, stale: true }
        };
        let waiting = self.waiting(seq, now, guard).unwrap_or_else(beyond);
        Ok(Standing::Waiting(Waiting { stale: true, ..waiting }))
    }

    fn turn_or_wait(&self, seq: Seq, handle: Handle<'_>, now: LogTime, guard: &Guard) -> Seen {
        let settings = self.settings(guard);
        let frontier = self.frontier.read(guard);
        let poll_ms = match frontier.due(seq) {
            Some(due) if due.since_ms(now) <= frontier.ahead().hold_ms => return Seen::Turn,
            Some(due) => appointment(due, frontier.ahead(), now, settings.poll_ms),
            None if settings.mode == Mode::Open => return Seen::Turn,
            None => settings.poll_ms,
        };
        Seen::Standing(Standing::Waiting(self.told(handle, poll_ms, now, guard)))
    }

    fn told(&self, handle: Handle<'_>, poll_ms: u32, now: LogTime, guard: &Guard) -> Waiting {
        let rank = handle.rank();
        Waiting { position: rank + 1, eta: self.eta(rank, now, guard), poll_ms, stale: false }
    }

    fn admitted(&self, stamp: LogTime, now: LogTime, guard: &Guard) -> Result<Standing, Refusal> {
        let is_over = self.terms.read(guard).is_over(stamp, now);
        if is_over { Err(Refusal::Gone) } else { Ok(Standing::Admitted(stamp)) }
    }
}

/// When a waiter due at `due` should come: a little early, and never later than an ordinary poll.
fn appointment(due: LogTime, ahead: Ahead, now: LogTime, poll_ms: u32) -> u32 {
    let early = due.since_ms(now).saturating_sub(ahead.early_ms).max(POLL_MS_MIN);
    u32::try_from(early).map_or(poll_ms, |early| early.min(poll_ms))
}
