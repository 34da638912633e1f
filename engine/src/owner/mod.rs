//! A shard's owner: the one thread that changes it.
//!
//! ```text
//!  submit, join, ask ──▶ pending ──▶ sequencer ──▶ committed ──▶ Shard::apply ──▶ outcomes ──▶ replies
//!                          ▲                                                         │
//!  ticks: desk ────────────┘ admissions, evictions, sweeps                           └─▶ desks
//!
//!  desk    the owner's side of a zone       walk     who is due: the frontier
//!  parked  polls held for a permit          watch    who is present, who is silent
//!  hold    how early polls are parked       proposal batches on their way, events of the sequencer
//!  outcome what askers are told            evict    places whose dropping is undecided
//!  pending commands that wait, with their sizes
//!
//!  turns   what is due by the clock
//!  role    leading or not, snapshots        remote   requests passed to the leader, and from other nodes
//!  hashing hashes of the state, part by part
//!  keys    streams and their keys, by wall time      answers  questions, as there is room for what they are told
//!  wall    wall time as the log says it
//!  report  who was heard of where           pulse    soft state between nodes, and how fresh it is
//! ```
//! [`Owner::turn`] is called once a turn of the worker's loop and does all of it in order. What is proposed
//! here is only asked for; what happens is what [`Shard::apply`](crate::shard) makes of the log.

mod answers;
mod desk;
mod evict;
mod hashing;
mod hold;
mod keys;
mod outcome;
mod parked;
mod pending;
mod proposal;
mod pulse;
mod remote;
mod report;
mod role;
mod turns;
mod walk;
mod wall;
mod watch;

use crate::command::Command;
use crate::directory::Directory;
use crate::error::Refusal;
use crate::id::{GroupId, RequestHash, Ticket, UserHash, ZoneId};
use crate::limit::{EARS_A_TURN, LEASE_MS, OPERATIONS_A_TURN, PARKED_MAX, PROPOSAL_MS_MAX, WASTE_A_TURN};
use crate::memory::{Bound, Used};
use crate::node::Options;
use crate::reply::{Reply, Stats};
use crate::sequencer::{NodeId, Role, Sequencer};
use crate::shard::{Outcome, Shard};
use crate::snapshot::{cut::ShardCut, hash};
use crate::structure::pin;
use crate::time::{LogTime, MonoMs, Offset, WallMs};
use crate::token::Token;
use crate::zone::view::{Look, Seen};
use answers::Unanswered;
use desk::{Desk, seq_of};
use hashing::Hashing;
use outcome::Origin;
use parked::Poll;
use pending::Pending;
use proposal::Proposal;
use pulse::Proof;
use remote::{Forwarded, Unproven};
use report::{Heard, Reporter};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wall::{Ahead, Wall};

pub use crate::shard::fresh::Fresh;

/// Old requests are swept at most this often; joins forget them as well.
const REQUESTS_SWEEP_MS: u64 = 100;
/// Memory is counted anew this often where no desk counts it.
const COUNT_MS: u64 = 1_000;
/// What the caller is advised to wait when too much is pending.
const BUSY_RETRY_MS: u32 = 100;

/// The owner of one shard.
///
/// ```
/// use sluice_engine::{command::Command, id::Ticket, node, reply::Reply, sequencer::Local, time::MonoMs};
/// use sluice_engine::zone::settings::{ZoneName, ZonePatch};
/// let (directory, mut owners) =
///     node::open(node::Options::new([7; 16]), vec![], |_, applied| Box::new(Local::new(applied)), MonoMs(0)).unwrap();
/// let name = ZoneName::parse(b"shop").unwrap();
/// let owner = &mut owners[usize::from(directory.group_of(b"shop").0)];
/// let patch = Box::new(ZonePatch { limit: Some(60), ..ZonePatch::default() });
/// owner.submit(Command::ZoneSet { name, patch }, Ticket(1)).unwrap();
/// owner.turn(MonoMs(1));
/// owner.join(directory.zone(b"shop").unwrap(), None, None, Ticket(2)).unwrap();
/// owner.turn(MonoMs(2));
/// let mut replies = vec![];
/// owner.drain_replies(&mut replies);
/// assert_eq!(replies[0], (Ticket(1), Reply::ZoneSet { created: true }));
/// assert!(matches!(replies[1].1, Reply::Place { .. }));
/// ```
pub struct Owner {
    shard: Shard,
    directory: Arc<Directory>,
    evict_hold_ms: u64,
    sequencer: Box<dyn Sequencer>,
    role: Role,
    /// Leads, and no other node answers polls: there is nobody to tell anything.
    is_alone: bool,
    /// Another node's client has asked here: replies may be for other nodes.
    serves_others: bool,
    desks: BTreeMap<u64, Desk>,
    /// Moments at which a desk wants attention; one entry a desk.
    timers: BTreeSet<(LogTime, u64)>,
    pending: Pending,
    /// Between ticks empty; kept for its capacity.
    housekeeping: Vec<Command>,
    /// In the order of their numbers.
    proposed: VecDeque<Proposal>,
    forwarded: Forwarded,
    unproven: VecDeque<Unproven>,
    hashing: Hashing,
    /// What other nodes have told, while this one leads.
    heard: BTreeMap<NodeId, Heard>,
    /// Zones of which something was published since the last pulse.
    news: BTreeSet<u64>,
    reporter: Reporter,
    /// How far the leader's wall clock is ahead of this node's.
    leader_ahead: Option<Ahead>,
    proofs: Vec<Proof>,
    pulse_at: MonoMs,
    /// A snapshot is being handed out.
    is_cutting: bool,
    counted_at: LogTime,
    /// Zones whose parked polls want a look at the end of the turn.
    touched: Vec<u64>,
    replies: Vec<(Ticket, Reply)>,
    unanswered: Unanswered,
    /// Between batches empty; kept for its capacity.
    outcomes: Vec<Outcome>,
    /// Polls that wait here: for a permit, or to hear whether their place is dropped.
    parked: usize,
    /// Operations that this turn may still apply, or requests that it may take up.
    room: usize,
    now: LogTime,
    mono: MonoMs,
    /// When this owner was opened, and when it last went on after a pause that outlasts a lease.
    began: MonoMs,
    resumed_at: MonoMs,
    /// The latest stamp of the log, and when it came here.
    stamped: (LogTime, MonoMs),
    log_offset: Offset<LogTime>,
    wall: Wall,
    clock_skew_max_ms: u64,
    /// When keys were last swept.
    keys_swept_at: MonoMs,
    floor: LogTime,
    led_since: LogTime,
    /// When old requests were last swept.
    swept_at: LogTime,
    /// Polls from before this moment are stored, whichever thread took them.
    stored_until: MonoMs,
    bytes: u64,
}

/// What is known of silences.
#[derive(Clone, Copy, Debug)]
struct Hearing {
    /// Nobody is held silent for what happened before.
    floor: LogTime,
    /// Polls of the last so many ms may have come to nodes that have not told of them yet.
    unheard_ms: u64,
    /// Polls of the last so many ms may be on their way on a thread of this process.
    unstored_ms: u64,
}

impl Owner {
    pub(crate) fn new(
        shard: Shard,
        directory: Arc<Directory>,
        options: &Options,
        sequencer: Box<dyn Sequencer>,
        mono: MonoMs,
    ) -> Owner {
        let now = shard.stamp;
        let role = sequencer.role();
        let mut owner = Owner {
            log_offset: Offset::between(mono, now),
            shard,
            directory,
            evict_hold_ms: options.evict_hold_ms,
            role,
            is_alone: false,
            serves_others: false,
            sequencer,
            desks: BTreeMap::new(),
            timers: BTreeSet::new(),
            pending: Pending::default(),
            housekeeping: Vec::new(),
            wall: Wall::new(WallMs(now.0), mono),
            clock_skew_max_ms: options.clock_skew_max_ms,
            keys_swept_at: mono,
            proposed: VecDeque::new(),
            forwarded: Forwarded::default(),
            unproven: VecDeque::new(),
            hashing: Hashing::default(),
            heard: BTreeMap::new(),
            news: BTreeSet::new(),
            reporter: Reporter::default(),
            leader_ahead: None,
            proofs: Vec::new(),
            pulse_at: mono,
            is_cutting: false,
            counted_at: LogTime(0),
            touched: Vec::new(),
            replies: Vec::new(),
            unanswered: Unanswered::default(),
            outcomes: Vec::new(),
            parked: 0,
            room: OPERATIONS_A_TURN,
            now,
            mono,
            began: mono,
            resumed_at: mono,
            stamped: (now, mono),
            floor: now,
            led_since: now,
            swept_at: LogTime(0),
            stored_until: mono,
            bytes: 0,
        };
        owner.shard.view.set_offset(owner.log_offset);
        owner.shard.view.set_part(role == Role::Leader, role == Role::Cut);
        if role == Role::Leader {
            owner.open_desks();
        }
        owner.notice_others();
        owner
    }

    /// The group whose shard this is.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shard.group
    }

    /// A command that a client asked for; the reply comes after [`Owner::turn`], under `ticket`.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when too much is pending, [`Refusal::Full`] for a new zone past the memory bound.
    pub fn submit(&mut self, command: Command, ticket: Ticket) -> Result<(), Refusal> {
        if let Command::ZoneSet { name, .. } = &command
            && self.shard.zone_id(name).is_none()
        {
            self.counted(self.directory.shares().check_zone(self.directory.used())).map_err(Refusal::Full)?;
        }
        self.pending.push(command, Origin::Client(ticket))
    }

    /// A join of somebody unknown. The reply is a place, or a refusal.
    ///
    /// # Errors
    /// [`Refusal::Full`] past a bound of memory, [`Refusal::Busy`] when too much is pending.
    pub fn join(
        &mut self,
        zone: ZoneId,
        user: Option<UserHash>,
        request: Option<RequestHash>,
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        self.join_as(false, zone, (user, request), ticket)
    }

    /// A join; the reserve is for the trusted.
    pub(super) fn join_as(
        &mut self,
        is_trusted: bool,
        zone: ZoneId,
        (user, request): (Option<UserHash>, Option<RequestHash>),
        ticket: Ticket,
    ) -> Result<(), Refusal> {
        let bytes = || self.desks.get(&zone.ordinal).map_or(0, |desk| desk.bytes);
        let room = self.directory.shares().check_join(self.directory.used(), is_trusted, bytes);
        self.counted(room).map_err(Refusal::Full)?;
        let nobody_ahead = self.desks.get(&zone.ordinal).is_some_and(Desk::nobody_ahead);
        self.pending.push(Command::Join { zone, user, request, nobody_ahead }, Origin::Client(ticket))
    }

    /// A poll whose turn may have come. `None`: the reply comes under `ticket`, after this turn or, when the
    /// poll is parked, within [`PARK_MS_MAX`](crate::limit::PARK_MS_MAX).
    pub fn ask(&mut self, token: Token, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        let now = self.log_time(now);
        let gone = Some(Reply::Refused(Refusal::Gone));
        let Some(zone) = self.shard.zones.get(&token.zone.ordinal) else { return gone };
        if self.is_evicting(&token) {
            return self.hold(token, ticket, now);
        }
        let guard = pin();
        match zone.view.see(token.place, Look::Taken, now, &guard) {
            Ok(Seen::Standing(standing)) => return Some(Reply::Place { token, standing }),
            Err(refusal) => return Some(Reply::Refused(refusal)),
            Ok(Seen::Turn) => {}
        }
        let Some(seq) = seq_of(&token) else { return gone };
        if !zone.is_live(seq) {
            return gone;
        }
        if self.parked >= PARKED_MAX {
            return Some(self.not_yet(token, now));
        }
        let poll = Poll { ticket, token, until: now.plus_ms(zone.settings.park_ms()) };
        let replaced = self.desks.entry(token.zone.ordinal).or_default().parked.insert(seq, poll);
        self.parked += 1;
        self.touched.push(token.zone.ordinal);
        if let Some(earlier) = replaced {
            self.answer_unparked(earlier, now);
        }
        None
    }

    /// Takes a parked poll back: its asker is gone, or waits for something else. The answer to give
    /// now; `None` where it was not parked (then its reply is on the way, or was given).
    pub fn unpark(&mut self, zone: ZoneId, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        let now = self.log_time(now);
        if self.role != Role::Leader {
            return self.take_back(ticket, now);
        }
        let poll = self.desks.get_mut(&zone.ordinal)?.parked.take_ticket(ticket)?;
        self.parked -= 1;
        self.unparked(poll, now)
    }

    /// Statistics of a zone.
    ///
    /// # Errors
    /// [`Refusal::NoZone`].
    pub fn stats(&self, zone: ZoneId, now: MonoMs) -> Result<Stats, Refusal> {
        let state = self.shard.zones.get(&zone.ordinal).ok_or(Refusal::NoZone)?;
        let desk = self.desks.get(&zone.ordinal).ok_or(Refusal::NoZone)?;
        Ok(desk.stats(state, self.log_time(now)))
    }

    /// One turn: ticks what is due, proposes what is pending, takes what the sequencer has.
    pub fn turn(&mut self, now: MonoMs) {
        if now.0.saturating_sub(self.mono.0) > LEASE_MS {
            self.resumed_at = now;
        }
        self.mono = now;
        self.now = self.log_time(now);
        self.room = OPERATIONS_A_TURN;
        self.take_events();
        self.advance_wall();
        match self.role {
            Role::Leader => self.lead(),
            Role::Follower | Role::Cut => {
                if self.now.since_ms(self.counted_at) >= COUNT_MS {
                    self.count_bytes();
                }
            }
        }
        self.expire_proposals();
        self.settle_forwarded();
        self.answer_waiting();
        self.hand_out_slices();
        self.hash_some();
        self.notice_others();
        self.exchange();
        self.ask_unproven();
        self.send_answers();
        self.shard.hear_some(EARS_A_TURN);
        self.shard.keyspace.waste.free(WASTE_A_TURN);
        // What only a snapshot holds, or waits to be freed, is memory as well.
        let zones =
            self.bytes + self.shard.requests.bytes() + self.shard.cut.as_ref().map_or(0, ShardCut::held);
        let streams = self.shard.keyspace.bytes() + self.shard.keyspace.held();
        self.shard.view.set_used(Used { zones, streams });
    }

    fn lead(&mut self) {
        self.run_timers();
        self.sweep_requests();
        self.sweep_keys();
        self.hand_out_turns();
        // Outcomes may make new turns, whose admissions are proposed at once rather than a turn later.
        while self.propose() | self.take_events() {
            self.hand_out_turns();
        }
    }

    /// Nodes come and go.
    fn notice_others(&mut self) {
        let is_alone = self.role == Role::Leader && self.sequencer.others().is_empty();
        if is_alone {
            self.shard.view.set_fresh_until(MonoMs(u64::MAX));
        }
        self.is_alone = is_alone;
    }

    /// Puts together what the last turns left for other nodes and the log. To be called after a turn; [`Owner::wake`] follows.
    pub fn flush(&mut self) {
        self.sequencer.flush();
    }

    /// Sends what was flushed. To be called after every owner of the thread was flushed and all else is done: whoever is woken by
    /// it may want the same core, and then finds the work of all of them.
    pub fn wake(&mut self) {
        self.sequencer.wake();
    }

    /// When [`Owner::turn`] wants to be called even if nothing arrives.
    #[must_use]
    pub fn next_wake(&self) -> Option<MonoMs> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let leads = self.role == Role::Leader;
        let requests = if leads { self.requests_due() } else { None };
        let keys = if leads { self.keys_due() } else { None };
        let logged = timer.into_iter().chain(requests).chain(self.forwarded.next_due()).min();
        let logged = logged.map(|at| self.log_offset.back(at));
        let pulse = (!self.is_alone).then_some(self.pulse_at);
        let overdue = self.proposed.front().map(|proposal| MonoMs(proposal.at.0 + PROPOSAL_MS_MAX));
        let is_behind =
            self.room == 0 || !self.shard.keyspace.waste.is_empty() || self.shard.ears.is_behind();
        let behind = is_behind.then_some(self.mono);
        let answers = self.unanswered.next_due(self.mono);
        let held = answers.into_iter().chain(self.unproven_due()).min();
        [logged, keys, pulse, overdue, behind, held, self.propose_due(), self.slices_due(), self.hash_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Appends the replies made since the last call.
    pub fn drain_replies(&mut self, out: &mut Vec<(Ticket, Reply)>) {
        out.append(&mut self.replies);
    }

    /// A hash of the replicated state: equal states, equal hashes. Takes as long as a snapshot.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        hash::state_hash(&self.shard)
    }

    /// Index of the last batch applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.shard.index
    }

    fn log_time(&self, mono: MonoMs) -> LogTime {
        self.log_offset.at(mono).max(self.shard.stamp)
    }

    /// The same; what is refused is counted.
    pub(super) fn counted(&self, room: Result<(), Bound>) -> Result<(), Bound> {
        room.inspect_err(|bound| self.directory.count_refusal(*bound))
    }

    fn requests_due(&self) -> Option<LogTime> {
        let (due, _) = self.shard.requests.first_due()?;
        Some(due.max(self.swept_at.plus_ms(REQUESTS_SWEEP_MS)))
    }

    /// Forgets old requests also where nobody joins any more.
    fn sweep_requests(&mut self) {
        if let Some((_, zone)) = self.shard.requests.first_due()
            && self.requests_due().is_some_and(|due| due <= self.now)
        {
            self.swept_at = self.now;
            // Where too much is pending it is tried again at the next turn.
            let _ = self.pending.push(Command::Sweep { zone }, Origin::Own);
        }
    }
}
