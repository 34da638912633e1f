//! The rules of a zone, written a second time with plain lists: slow, obvious, and sharing no code with the
//! engine beyond its value types. It follows the committed log, and says what must come of each command.

use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, RequestHash, Seq, UserHash, ZoneId};
use sluice_engine::memory::Bound;
use sluice_engine::time::LogTime;
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch, ZoneSettings};

const REQUEST_TTL_MS: u64 = 120_000;
/// So many requests that are too old are forgotten by one join, or one sweep.
const REQUESTS_A_JOIN: usize = 2;
const REQUESTS_A_SWEEP: usize = 4_096;
const PLACES_A_BLOCK: u64 = 512;

/// What became of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Waits,
    Admitted(u64),
    Gone,
}

/// Somebody who was given a place in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) state: State,
    /// Log time of every poll, the join included.
    pub(crate) polls: Vec<u64>,
}

impl Waiter {
    pub(crate) fn last_poll(&self) -> u64 {
        self.polls.last().copied().unwrap_or(0)
    }

    pub(crate) fn waits(&self) -> bool {
        self.state == State::Waits
    }
}

/// A zone. Its waiters stand at their sequence numbers.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) id: ZoneId,
    pub(crate) name: ZoneName,
    pub(crate) settings: ZoneSettings,
    /// How long passes lived before, and until when that held.
    lifetimes: Vec<(u64, u32)>,
    pub(crate) waiters: Vec<Waiter>,
    /// The stamp of every admission.
    pub(crate) admissions: Vec<u64>,
    users: Vec<(UserHash, Place)>,
    pub(crate) joined: u64,
    pub(crate) left: u64,
    pub(crate) abandoned: u64,
    direct: u64,
}

/// Where a token stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stand {
    /// Waits, with so many ahead.
    Waits(u64),
    Admitted(u64),
}

/// What must come of a command.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Verdict {
    Joined(Place),
    Left(bool),
    Admitted(bool),
    ZoneSet { created: bool },
    ZoneDeleted(bool),
    Refused(Refusal),
    Nothing,
}

/// One shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) zones: Vec<Zone>,
    requests: Vec<(u64, RequestHash, ZoneId, Place)>,
    ordinal: u64,
}

impl Zone {
    /// Everybody who waits, in join order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Seq, &Waiter)> {
        self.waiters.iter().enumerate().filter(|(_, w)| w.waits()).map(|(seq, w)| (Seq(seq as u64), w))
    }

    /// Waiters ahead of a place.
    pub(crate) fn rank(&self, seq: Seq) -> u64 {
        self.waiting().take_while(|(other, _)| *other < seq).count() as u64
    }

    /// Admissions in the `span_ms` that end at `now`.
    pub(crate) fn admitted_in(&self, now: u64, span_ms: u32) -> u64 {
        self.admissions.iter().filter(|at| **at + u64::from(span_ms) > now).count() as u64
    }

    pub(crate) fn waiter(&self, seq: Seq) -> Option<&Waiter> {
        self.waiters.get(seq.0 as usize)
    }

    pub(crate) fn polled(&mut self, seq: Seq, at: u64) {
        if let Some(waiter) = self.waiters.get_mut(seq.0 as usize).filter(|waiter| waiter.waits()) {
            waiter.polls.push(at);
        }
    }

    fn has_permit(&self, now: u64, with_slice: bool) -> bool {
        let settings = &self.settings;
        let window = self.admitted_in(now, settings.window_ms) < u64::from(settings.limit);
        window && (!with_slice || self.admitted_in(now, settings.slice_ms) < slice_limit(settings))
    }

    pub(crate) fn pass_valid(&self, at: u64, now: u64) -> bool {
        let outlived = |(until, ttl_ms): &(u64, u32)| at + u64::from(*ttl_ms) > *until;
        self.lifetimes.iter().all(outlived) && at + u64::from(self.settings.pass_ttl_ms) > now
    }

    fn stand(&self, place: Place, now: u64) -> Result<Stand, Refusal> {
        let admitted =
            |at| if self.pass_valid(at, now) { Ok(Stand::Admitted(at)) } else { Err(Refusal::Gone) };
        match place {
            Place::Direct { stamp, .. } => admitted(stamp.0),
            Place::Queue(seq) => match self.waiter(seq).map(|waiter| waiter.state) {
                Some(State::Waits) => Ok(Stand::Waits(self.rank(seq))),
                Some(State::Admitted(at)) => admitted(at),
                Some(State::Gone) | None => Err(Refusal::Gone),
            },
        }
    }

    fn join(&mut self, user: Option<UserHash>, nobody_ahead: bool, now: u64) -> Result<Place, Refusal> {
        let known = self.users.iter().rev().find(|(of, _)| Some(*of) == user).map(|(_, place)| *place);
        if let Some(place) = known.filter(|place| self.stand(*place, now).is_ok()) {
            return Ok(place);
        }
        let waiting = self.waiting().count() as u64;
        let at_once = match self.settings.mode {
            Mode::Closed => return Err(Refusal::Closed),
            Mode::Open => true,
            Mode::Paused => false,
            Mode::Auto => self.has_permit(now, waiting > 0) && (waiting == 0 || nobody_ahead),
        };
        if !at_once && waiting >= self.settings.max_waiting {
            return Err(Refusal::Full(Bound::MaxWaiting));
        }
        let place = if at_once { self.enter(now) } else { self.queue(now) };
        self.joined += 1;
        self.users.extend(user.map(|user| (user, place)));
        Ok(place)
    }

    fn enter(&mut self, now: u64) -> Place {
        self.direct += 1;
        self.admissions.push(now);
        Place::Direct { serial: self.direct - 1, stamp: LogTime(now) }
    }

    fn queue(&mut self, now: u64) -> Place {
        self.waiters.push(Waiter { state: State::Waits, polls: vec![now] });
        Place::Queue(Seq(self.waiters.len() as u64 - 1))
    }

    fn admit(&mut self, seq: Seq, now: u64) -> bool {
        let free = match self.settings.mode {
            Mode::Paused => false,
            Mode::Open => true,
            Mode::Auto | Mode::Closed => self.has_permit(now, true),
        };
        let waits = self.waiter(seq).is_some_and(Waiter::waits);
        if free && waits {
            self.waiters[seq.0 as usize].state = State::Admitted(now);
            self.admissions.push(now);
        }
        free && waits
    }

    fn drop_waiter(&mut self, seq: Seq) -> bool {
        let Some(waiter) = self.waiters.get_mut(seq.0 as usize).filter(|waiter| waiter.waits()) else {
            return false;
        };
        waiter.state = State::Gone;
        true
    }
}

impl Reference {
    pub(crate) fn by_name(&self, name: &ZoneName) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.name == *name)
    }

    pub(crate) fn by_id(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.id == id)
    }

    pub(crate) fn by_id_mut(&mut self, id: ZoneId) -> Option<&mut Zone> {
        self.zones.iter_mut().find(|zone| zone.id == id)
    }

    /// Where a token stands when asked about under this name.
    pub(crate) fn stand(&self, name: &ZoneName, token: &Token, now: u64) -> Result<Stand, Refusal> {
        let named = self.by_name(name);
        match self.by_id(token.zone) {
            Some(zone) if zone.name == *name => zone.stand(token.place, now),
            Some(_) if named.is_some() => Err(Refusal::BadToken),
            None if named.is_some() => Err(Refusal::Gone),
            _ => Err(Refusal::NoZone),
        }
    }

    /// What must come of the next command of the log.
    pub(crate) fn apply(&mut self, command: &Command, stamp: u64) -> Verdict {
        self.ordinal += 1;
        match command {
            Command::ZoneSet { name, patch } => self.zone_set(name, patch, stamp),
            Command::ZoneDelete { name } => {
                let before = self.zones.len();
                self.zones.retain(|zone| zone.name != *name);
                Verdict::ZoneDeleted(self.zones.len() < before)
            }
            Command::Join { zone, user, request, nobody_ahead } => {
                self.join(*zone, *user, *request, *nobody_ahead, stamp)
            }
            Command::Leave { zone, seq } => self.in_zone(*zone, |zone| {
                let left = zone.drop_waiter(*seq);
                zone.left += u64::from(left);
                Verdict::Left(left)
            }),
            Command::Admit { zone, seq } => {
                self.in_zone(*zone, |zone| Verdict::Admitted(zone.admit(*seq, stamp)))
            }
            Command::Evict { zone, block, slots } => self.in_zone(*zone, |zone| {
                evicted(*block, slots).for_each(|seq| zone.abandoned += u64::from(zone.drop_waiter(seq)));
                Verdict::Nothing
            }),
            Command::Sweep { .. } => {
                self.forget_requests(REQUESTS_A_SWEEP, stamp);
                Verdict::Nothing
            }
            // Streams have a model of their own.
            Command::Key(_) | Command::Keys(_) | Command::KeySweep => Verdict::Nothing,
            Command::KeyInstall { .. } | Command::KeyActivate { .. } => Verdict::Nothing,
        }
    }

    fn in_zone(&mut self, id: ZoneId, change: impl FnOnce(&mut Zone) -> Verdict) -> Verdict {
        self.by_id_mut(id).map_or(Verdict::Refused(Refusal::NoZone), change)
    }

    fn zone_set(&mut self, name: &ZoneName, patch: &ZonePatch, now: u64) -> Verdict {
        let base = self.by_name(name).map(|zone| zone.settings.clone());
        let settings = match patch.applied_to(base.as_ref()) {
            Ok(settings) => settings,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        if let Some(zone) = self.zones.iter_mut().find(|zone| zone.name == *name) {
            zone.lifetimes.push((now, zone.settings.pass_ttl_ms));
            zone.settings = settings;
            return Verdict::ZoneSet { created: false };
        }
        self.zones.push(Zone {
            id: ZoneId { group: GroupId(0), ordinal: self.ordinal },
            name: name.clone(),
            settings,
            lifetimes: Vec::new(),
            waiters: Vec::new(),
            admissions: Vec::new(),
            users: Vec::new(),
            joined: 0,
            left: 0,
            abandoned: 0,
            direct: 0,
        });
        Verdict::ZoneSet { created: true }
    }

    fn forget_requests(&mut self, most: usize, now: u64) {
        let is_old = |(at, ..): &(u64, RequestHash, ZoneId, Place)| at + REQUEST_TTL_MS <= now;
        for _ in 0..most {
            // Those that strangers chose have an order of their own, and go after the others.
            let oldest = [false, true].map(|strangers| {
                self.requests.iter().position(|(_, request, ..)| request.is_strangers() == strangers)
            });
            let old = oldest.into_iter().flatten().find(|at| is_old(&self.requests[*at]));
            old.map(|at| self.requests.remove(at));
        }
    }

    fn join(
        &mut self,
        id: ZoneId,
        user: Option<UserHash>,
        request: Option<RequestHash>,
        nobody_ahead: bool,
        now: u64,
    ) -> Verdict {
        self.forget_requests(REQUESTS_A_JOIN, now);
        let Some(zone) = self.zones.iter_mut().find(|zone| zone.id == id) else {
            return Verdict::Refused(Refusal::NoZone);
        };
        let known = self.requests.iter().rev().find(|(_, of, ..)| Some(*of) == request);
        if let Some((.., place)) = known.filter(|(_, _, zone, _)| *zone == id) {
            return Verdict::Joined(*place);
        }
        match zone.join(user, nobody_ahead, now) {
            Ok(place) => {
                self.requests.extend(request.map(|request| (now, request, id, place)));
                Verdict::Joined(place)
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    }
}

/// The places that an eviction names.
pub(crate) fn evicted(block: u64, slots: &[u64; 8]) -> impl Iterator<Item = Seq> {
    let named = |slot: &u64| slots[*slot as usize / 64] >> (slot % 64) & 1 == 1;
    (0..PLACES_A_BLOCK).filter(named).map(move |slot| Seq(block * PLACES_A_BLOCK + slot))
}

/// The share of the limit that a slice allows, rounded up.
pub(crate) fn slice_limit(settings: &ZoneSettings) -> u64 {
    let (limit, slice, window) =
        (u64::from(settings.limit), u64::from(settings.slice_ms), u64::from(settings.window_ms));
    (limit * slice).div_ceil(window)
}
