//! What the owner keeps of a zone beside its state: who is parked, who is present, what is told.
//!
//! Soft: lost at a restart and made anew. It decides what is *proposed*; whether an admission happens
//! is decided by apply. A permit may go to a parked waiter before its own turn, by at most
//! [`lookahead_ms`]: the waiter whose permit it is then still enters within a poll
//! period (I2), and permits are not idle while somebody walks to the door (I7).

use super::Hearing;
use super::evict::Evicting;
use super::hold::{Hold, lookahead_ms};
use super::parked::{Parked, Poll};
use super::walk::{Found, Reach, Turns, Walk};
use super::watch::{Silence, Watch};
use crate::command::Command;
use crate::id::{Seq, Ticket, ZoneId};
use crate::limit::{BLOCK_SLOTS, LATE_MS, TICK_MS};
use crate::reply::{Eta, Stats};
use crate::structure::{Waiters, pin};
use crate::time::LogTime;
use crate::token::{Place, Token};
use crate::zone::eta::EtaTable;
use crate::zone::forecast::{self, Capacity, Cohort};
use crate::zone::frontier::Frontier;
use crate::zone::pace::Pace;
use crate::zone::settings::Mode;
use crate::zone::state::ZoneState;
use crate::zone::survival::Survival;
use crate::zone::window::{Caps, Releases};

/// Waits are estimated anew after this long.
const FORECAST_MS: u64 = 1_000;
/// Ticks of a zone in which nobody's turn is near; the silent are still found within a second.
const CALM_TICK_MS: u64 = 500;
/// A zone with more blocks ticks on: its census and deadlines have work for every tick.
const CALM_BLOCKS: usize = 64;
/// The life table forgets a share after this long.
const FADE_MS: u64 = 60_000;
/// Cohorts that a forecast distinguishes, roughly.
const COHORTS: u64 = 256;
/// A zone without waiters that remembers admissions is looked at again after this long.
const SWEEP_MS: u64 = 1_000;
/// The table reaches so many windows past the last waiter, for those who join before the next one.
const TABLE_WINDOWS: u64 = 4;

/// The owner's side of one zone.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) parked: Parked,
    pub(crate) watch: Watch,
    pub(crate) evicting: Evicting,
    walk: Walk,
    pace: Pace,
    hold: Hold,
    survival: Survival,
    /// Admissions proposed and not yet applied.
    pub(crate) in_flight: u64,
    /// When the frontier was last made.
    walked_at: LogTime,
    /// Somebody joined the queue since the last walk, so somebody present waits.
    joined_since_walk: bool,
    queue_since: Option<LogTime>,
    forecast_at: Option<LogTime>,
    /// Waits were estimated since the other nodes were told.
    has_eta_news: bool,
    fade_at: LogTime,
    /// The silence allowed, and when it was last shortened.
    abandon_ms: u32,
    shortened_at: Option<LogTime>,
    /// When the next tick is due; `None` while nothing is to be done.
    pub(crate) tick_at: Option<LogTime>,
    /// The moment under which the owner's timers hold this desk.
    pub(crate) scheduled: Option<LogTime>,
    /// What the owner counted this zone's memory as.
    pub(crate) bytes: u64,
}

/// An admission to propose.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Turn {
    pub(crate) seq: Seq,
    pub(crate) ticket: Ticket,
    pub(crate) token: Token,
    pub(crate) until: LogTime,
}

impl Desk {
    pub(crate) fn restored(zone: &ZoneState, now: LogTime) -> Desk {
        let watch = Watch::rebuild(&zone.waiters, now);
        let (abandon_ms, bytes) = (zone.settings.abandon_ms, zone.bytes());
        let mut desk = Desk { watch, abandon_ms, bytes, ..Desk::default() };
        if zone.waiters.live_total() > 0 || zone.remembers() {
            desk.tick_at = Some(now);
        }
        desk
    }

    /// Whether a join sees nobody present ahead.
    pub(crate) fn nobody_ahead(&self) -> bool {
        self.walk.nobody_present && !self.joined_since_walk && self.parked.is_empty()
    }

    /// Somebody took a place in the queue. True where the desk was idle: it wants a tick at once.
    pub(crate) fn joined(&mut self, seq: Seq, zone: &ZoneState, now: LogTime) -> bool {
        self.watch.joined(seq.0, now, zone.settings.abandon_ms);
        self.joined_since_walk = true;
        let idle = zone.waiters.live_total() == 1 || self.tick_at.is_none();
        if idle {
            // What was told before there was a queue knows nothing of the admissions since.
            self.forecast_at = None;
        }
        idle
    }

    /// Somebody entered without waiting. True where the desk was idle: it wants to forget that one day.
    pub(crate) fn entered(&mut self, zone: &ZoneState, now: LogTime) -> bool {
        let wakes = self.tick_at.is_none() && zone.remembers();
        if wakes {
            self.tick_at = Some(now.plus_ms(SWEEP_MS));
        }
        wakes
    }

    /// Something changed that the next tick counts. True where it was far off and has been moved up.
    pub(crate) fn hasten(&mut self, now: LogTime) -> bool {
        let soon = now.plus_ms(TICK_MS);
        let far = self.tick_at.is_some_and(|at| at > soon);
        if far {
            self.tick_at = Some(soon);
        }
        far
    }

    /// A present waiter was let in.
    pub(crate) fn admitted(&mut self, seq: Seq) {
        self.watch.departed(seq.0);
    }

    /// A waiter gave its place up.
    pub(crate) fn left(&mut self, seq: Seq, zone: &ZoneState, now: LogTime) {
        self.watch.departed(seq.0);
        self.survival.departed(age_ms(&zone.waiters, seq.0 / BLOCK_SLOTS, now), 1);
    }

    /// Silent waiters of a block were dropped.
    pub(crate) fn evicted(&mut self, block: u64, count: u64, zone: &ZoneState, now: LogTime) {
        self.survival.departed(age_ms(&zone.waiters, block, now), count);
    }

    /// Takes any of the parked polls, to be answered for good.
    pub(crate) fn take_parked(&mut self) -> Option<Poll> {
        let first = self.parked.first()?;
        self.parked.take(first)
    }

    /// Whether waits were estimated since the last call.
    pub(crate) fn take_eta_news(&mut self) -> bool {
        std::mem::take(&mut self.has_eta_news)
    }

    /// The settings changed.
    pub(crate) fn settings_changed(&mut self, zone: &ZoneState, now: LogTime) {
        self.hold.settle(zone.settings.horizon_ms(), now);
        self.watch.deadlines_changed(now);
        let before = std::mem::replace(&mut self.abandon_ms, zone.settings.abandon_ms);
        if self.abandon_ms < before {
            self.shortened_at = Some(now);
        }
        self.queue_since = self.queue_since.map(|_| now);
        self.forecast_at = None;
        self.tick_at = Some(now);
    }

    /// The parked polls whose turn has come, in join order, as far as permits are free.
    pub(crate) fn turns(
        &mut self,
        zone: &ZoneState,
        hearing: Hearing,
        now: LogTime,
        mut each: impl FnMut(Turn),
    ) {
        let mut permits = self.permits(zone, now);
        while permits > 0
            && let Some(seq) = self.parked.first()
            && self.may_enter(seq, zone, hearing, now)
        {
            let Some(Poll { ticket, token, until }) = self.parked.take(seq) else { return };
            permits -= 1;
            self.in_flight += 1;
            self.pace.spend(zone.caps(), now);
            each(Turn { seq, ticket, token, until });
        }
    }

    /// Whether a permit is this waiter's own, or will be soon. Nobody enters by an old frontier: those who came
    /// back since it was made may have taken the permits that it saw left over.
    fn may_enter(&mut self, seq: Seq, zone: &ZoneState, hearing: Hearing, now: LogTime) -> bool {
        let is_old = self.walked_at.plus_ms(self.walk.may_age_ms()) < now;
        if is_old && zone.settings.mode != Mode::Open && is_near(seq, zone, now) {
            self.publish_frontier(zone, silence(zone, hearing), now);
        }
        is_near(seq, zone, now)
    }

    /// The first parked poll, if its turn is near enough for a free permit.
    fn next_turn(&self, zone: &ZoneState, now: LogTime) -> Option<Seq> {
        self.parked.first().filter(|seq| is_near(*seq, zone, now))
    }

    /// Permits that may be handed out now.
    fn permits(&self, zone: &ZoneState, now: LogTime) -> u64 {
        match zone.settings.mode {
            Mode::Paused => 0,
            Mode::Open => u64::MAX,
            Mode::Auto | Mode::Closed => {
                let free = zone.window.permits(now, zone.caps()).saturating_sub(self.in_flight);
                free.min(self.pace.permits(zone.caps(), now))
            }
        }
    }

    /// When something happens next for those who are parked: a permit frees, or the first is held no longer.
    pub(crate) fn wake_at(&self, zone: &ZoneState, now: LogTime) -> Option<LogTime> {
        let expiry = self.parked.next_expiry()?;
        let frees = Releases::new(&zone.window, zone.caps(), now).next(&zone.window);
        let frees = self.pace.next(zone.caps(), frees);
        // A permit free right now waits for the first parked one's turn, which the next tick looks at.
        let frees = if frees <= now { now.plus_ms(TICK_MS) } else { frees };
        Some(expiry.min(frees))
    }

    /// One tick: looks at silences, publishes who is due and what waits are estimated, and says when
    /// it wants the next. Appends what is to be proposed.
    pub(crate) fn tick(
        &mut self,
        id: ZoneId,
        zone: &ZoneState,
        hearing: Hearing,
        now: LogTime,
        out: &mut Vec<Command>,
    ) {
        let silence = silence(zone, hearing);
        self.look(id, zone, silence, now, out);
        self.publish_frontier(zone, silence, now);
        if self.forecast_at.is_none_or(|at| now.since_ms(at) >= FORECAST_MS) {
            self.publish_eta(zone, now);
        }
        if zone.wants_sweep(now) {
            out.push(Command::Sweep { zone: id });
        }
        let waiting = zone.waiters.live_total() > 0 || !self.parked.is_empty();
        self.tick_at = match (waiting, zone.remembers()) {
            (true, _) => Some(now.plus_ms(self.pause_ms(zone, now))),
            (false, true) => Some(now.plus_ms(SWEEP_MS)),
            (false, false) => None,
        };
    }

    /// How long the next tick may wait: while nobody's turn is near, a frontier would stay as empty as it is.
    /// Thousands of slow zones are then a tenth of the work; large ones go on, to get around their blocks.
    fn pause_ms(&self, zone: &ZoneState, now: LogTime) -> u64 {
        let near = now.plus_ms(zone.settings.horizon_ms());
        let calm_ms = match (zone.settings.mode, self.walk.first_due) {
            (Mode::Paused, _) => CALM_TICK_MS,
            (Mode::Auto | Mode::Closed, Some(due)) => due.since_ms(near),
            _ => 0,
        };
        let is_small = self.watch.block_count() <= CALM_BLOCKS;
        if is_small && self.parked.is_empty() { calm_ms.clamp(TICK_MS, CALM_TICK_MS) } else { TICK_MS }
    }

    /// Statistics in O(1): everything is counted as it happens, or by the census.
    pub(crate) fn stats(&self, zone: &ZoneState, now: LogTime) -> Stats {
        let caps = zone.caps();
        let waiting = zone.waiters.live_total();
        Stats {
            waiting,
            present: self.watch.present().min(waiting),
            admitted_60s: zone.window.count(now, caps.window.span_ms),
            admitted_6s: zone.window.count(now, caps.slice.span_ms),
            limit: u64::from(zone.settings.limit),
            joined_total: zone.totals.joined,
            admitted_total: zone.window.total(),
            abandoned_total: zone.totals.abandoned,
            left_total: zone.totals.left,
            eta_ms: eta_of_joiner(zone, now).wire_ms(),
        }
    }

    fn look(&mut self, id: ZoneId, zone: &ZoneState, silence: Silence, now: LogTime, out: &mut Vec<Command>) {
        // By the longer silence that was allowed until now a poll may have looked in time to another thread or node.
        let told_from = self.shortened_at.map_or(0, |at| at.0 + u64::from(LATE_MS));
        if now.0.saturating_sub(u64::from(silence.unheard_ms)) < told_from {
            return;
        }
        let (survival, evicting) = (&mut self.survival, &mut self.evicting);
        self.watch.tick(
            &zone.waiters,
            silence,
            now,
            |block, slots| {
                evicting.begin(block, slots);
                out.push(Command::Evict { zone: id, block, slots });
            },
            |seen| survival.exposed(age_ms(&zone.waiters, seen.block, now), seen.live, seen.span_ms),
        );
        if now.since_ms(self.fade_at) >= FADE_MS {
            self.fade_at = now;
            self.survival.fade();
        }
    }

    fn publish_frontier(&mut self, zone: &ZoneState, silence: Silence, now: LogTime) {
        self.joined_since_walk = false;
        self.walked_at = now;
        if matches!(zone.settings.mode, Mode::Paused | Mode::Open) {
            // Nobody is looked for in these modes, so that nobody was found says nothing once they end.
            self.walk = Walk::default();
        }
        let frontier = match zone.settings.mode {
            Mode::Paused => Frontier::default(),
            Mode::Open => Frontier::everybody(),
            Mode::Auto | Mode::Closed => {
                let releases = Releases::new(&zone.window, zone.caps(), now);
                self.note_unclaimed(zone, now);
                let horizon_ms = zone.settings.horizon_ms();
                let ahead = self.hold.ahead(&zone.settings, zone.caps(), now);
                let reach = Reach { now, horizon_ms, ahead };
                let turns = Turns { releases, pace: self.pace, caps: zone.caps() };
                match self.walk.go(&zone.waiters, &zone.window, turns, silence, reach) {
                    Found::Frontier(frontier) => frontier,
                    Found::SilentSoFar => return,
                }
            }
        };
        zone.view.publish_frontier(frontier);
    }

    /// A permit that was free, for a waiter who was due, since the last walk: nobody came for it.
    fn note_unclaimed(&mut self, zone: &ZoneState, now: LogTime) {
        let is_due = self.walk.first_due.is_some_and(|due| due.plus_ms(TICK_MS) <= now);
        let is_unclaimed = is_due && self.permits(zone, now) > 0 && self.next_turn(zone, now).is_none();
        self.hold.observe(is_unclaimed, zone.caps(), now);
    }

    fn publish_eta(&mut self, zone: &ZoneState, now: LogTime) {
        self.forecast_at = Some(now);
        self.has_eta_news = true;
        self.queue_since = match zone.waiters.live_total() {
            0 => None,
            _ => self.queue_since.or(Some(now)),
        };
        let table = match zone.settings.mode {
            Mode::Paused => EtaTable::unknown(),
            Mode::Open => EtaTable::build(now, 1, |_| 0),
            Mode::Auto | Mode::Closed => self.forecast(zone, now),
        };
        zone.view.publish_eta(table);
    }

    fn forecast(&mut self, zone: &ZoneState, now: LogTime) -> EtaTable {
        let caps = zone.caps();
        let queued_ms = self.queue_since.map_or(0, |since| now.since_ms(since));
        // What entered before there was a queue fills the first window, and what it frees the second.
        let used_share = match queued_ms >= 2 * caps.window.span_ms {
            true => zone.window.count(now, caps.window.span_ms) as f64 / caps.window.count as f64,
            false => 1.0,
        };
        let capacity = Capacity::plan(&zone.window, caps, now, used_share);
        self.survival.refresh();
        let reserve = Cohort { live: caps.window.count * TABLE_WINDOWS, age_ms: u64::MAX / 4 };
        let cohorts = cohorts(self.watch.blocks(), &zone.waiters, now).chain([reserve]);
        let silent_ms = zone.settings.abandon_ms.saturating_sub(zone.settings.presence_ms());
        forecast::table(now, &capacity, &self.survival, u64::from(silent_ms), cohorts)
    }
}

/// Whether a free permit may go to this place.
fn is_near(seq: Seq, zone: &ZoneState, now: LogTime) -> bool {
    let near = now.plus_ms(lookahead_ms(zone.caps()));
    zone.settings.mode == Mode::Open || zone.view.due(seq, &pin()).is_some_and(|due| due <= near)
}

/// The wait of somebody who joins now. Without a queue that is until the window has room: the slice does
/// not apply to a burst.
fn eta_of_joiner(zone: &ZoneState, now: LogTime) -> Eta {
    let window = zone.caps().window;
    match zone.settings.mode {
        Mode::Open => Eta::Ms(0),
        Mode::Paused => Eta::Unknown,
        Mode::Auto | Mode::Closed if zone.waiters.live_total() == 0 => {
            let mut releases = Releases::new(&zone.window, Caps { window, slice: window }, now);
            Eta::Ms(releases.next(&zone.window).since_ms(now))
        }
        Mode::Auto | Mode::Closed => zone.view.eta(zone.waiters.live_total(), now, &pin()),
    }
}

/// The silences that matter in a zone.
fn silence(zone: &ZoneState, hearing: Hearing) -> Silence {
    Silence {
        presence_ms: zone.settings.presence_ms(),
        abandon_ms: zone.settings.abandon_ms,
        floor: hearing.floor,
        unheard_ms: u32::try_from(hearing.unheard_ms.max(hearing.unstored_ms)).unwrap_or(u32::MAX),
        waits_for_reports: hearing.unheard_ms > 0,
    }
}

/// Milliseconds since the middle of a block joined.
fn age_ms(waiters: &Waiters, block: u64, now: LogTime) -> u64 {
    waiters.joined(block).map_or(0, |(first, last)| now.since_ms(LogTime(first.0.midpoint(last.0))))
}

/// Neighbouring blocks taken together, so that a table costs the same for any number of waiters.
fn cohorts(
    blocks: impl Iterator<Item = u64>,
    waiters: &Waiters,
    now: LogTime,
) -> impl Iterator<Item = Cohort> {
    let enough = waiters.live_total() / COHORTS;
    let mut blocks = blocks.peekable();
    std::iter::from_fn(move || {
        let first = *blocks.peek()?;
        let mut cohort = Cohort { live: 0, age_ms: age_ms(waiters, first, now) };
        while cohort.live <= enough
            && let Some(block) = blocks.next()
        {
            cohort.live += u64::from(waiters.block_count_live(block));
        }
        Some(cohort)
    })
}

/// A token's place in the queue, if it has one.
pub(crate) fn seq_of(token: &Token) -> Option<Seq> {
    match token.place {
        Place::Queue(seq) => Some(seq),
        Place::Direct { .. } => None,
    }
}
