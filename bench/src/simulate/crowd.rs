//! Simulated users in front of a room: who asks when, and what becomes of them.
//!
//! Discrete events in virtual time, a millisecond a step. Each user has at most one request under way
//! and one event in the wheel, so a user is 28 bytes and an event four. What a client does next is decided
//! when its answer leaves the server: the way back, the wait and the way out are then known.

use super::oracle::Admission;
use super::room::{Answer, Room};
use super::scenario::{Plan, Scenario, next_pause_ms, pause_ms};
use super::told::{History, Told};
use super::wheel::Wheel;
use crate::limit::SIMULATED_MS_MAX;
use crate::random::Random;

const MINUTE_MS: u64 = 60_000;
/// Silence for which a room may drop a user.
const ABANDON_MS: u64 = 60_000;
/// Moments and ends of a user's stay that mean "none".
pub(super) const NEVER: u32 = u32::MAX;

/// Everything that the oracles want to know of a run.
pub(super) struct Record {
    /// All admissions, in order.
    pub(super) admissions: Vec<Admission>,
    /// By user, in join order.
    pub(super) users: Vec<User>,
    /// By user: what it was told.
    pub(super) told: Vec<History>,
    /// Fewest present waiters in each minute since the start.
    pub(super) present_min: Vec<u32>,
    /// When the first user had to wait.
    pub(super) queue_from_ms: u32,
    /// When the last user was served.
    pub(super) end_ms: u64,
    /// Polls answered.
    pub(super) polls: u64,
    /// Positions that grew from one answer to the next (I5).
    pub(super) position_growths: u64,
    /// Users who lost their place although they polled within a minute (I6).
    pub(super) wrong_evictions: u64,
}

/// One user.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    plan: Plan,
    /// When it was last answered.
    heard_ms: u32,
    position: u32,
    tell_from_ms: u32,
    /// When it was let in, or [`NEVER`].
    pub(super) admitted_ms: u32,
    stage: Stage,
    /// Made a pause.
    paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its join is still to come.
    Coming,
    /// Waits, and asks regularly.
    Present,
    /// Waits, and is silent for a while.
    Pausing,
    /// Will be gone when its next event comes.
    Leaving,
    /// Let in, gone, or dropped.
    Done,
}

impl User {
    fn new(plan: Plan) -> User {
        User {
            plan,
            heard_ms: plan.joins_ms,
            position: NEVER,
            tell_from_ms: 0,
            admitted_ms: NEVER,
            stage: Stage::Coming,
            paused: false,
        }
    }

    fn joins_by(&self, now_ms: u64) -> bool {
        u64::from(self.plan.joins_ms) <= now_ms
    }

    /// When its join reached the server.
    pub(super) fn joined_ms(&self) -> u32 {
        self.plan.joins_ms
    }

    /// Never paused and never meant to leave while it waited.
    pub(super) fn kept_polling(&self) -> bool {
        !self.paused && self.plan.leaves_ms == NEVER
    }
}

/// The users of a run, and what is noted of them.
struct Crowd<'a> {
    scenario: &'a Scenario,
    random: Random,
    wheel: Wheel,
    record: Record,
    present: u32,
    unfinished: u32,
}

/// Runs a crowd through a room until everybody is in or gone.
pub(super) fn run(scenario: &Scenario, users: u32, room: &mut impl Room) -> Record {
    let mut crowd = Crowd::new(scenario, users);
    let changes = scenario.changes();
    let (mut next, mut next_change, mut now_ms) = (0, 0, 0u64);
    let (mut spent, mut answers) = (Vec::new(), Vec::new());
    while crowd.unfinished > 0 && now_ms < SIMULATED_MS_MAX {
        now_ms += 1;
        while let Some((_, change)) = changes.get(next_change).filter(|(at, _)| *at <= now_ms) {
            room.change(*change, now_ms);
            next_change += 1;
        }
        while crowd.record.users.get(next as usize).is_some_and(|user| user.joins_by(now_ms)) {
            room.join(next, now_ms);
            next += 1;
        }
        spent = crowd.wheel.advance(now_ms, spent);
        for user in spent.drain(..) {
            crowd.happens(user, now_ms, room);
        }
        room.turn(now_ms, &mut answers);
        for (user, answer) in answers.drain(..) {
            crowd.answered(user, answer, now_ms);
        }
        crowd.note_present(now_ms);
    }
    crowd.record.end_ms = now_ms;
    crowd.record
}

impl<'a> Crowd<'a> {
    fn new(scenario: &'a Scenario, users: u32) -> Crowd<'a> {
        let mut random = Random::new(scenario.seed);
        let users: Vec<User> = scenario.plans(users, &mut random).into_iter().map(User::new).collect();
        let unfinished = users.len() as u32;
        let record = Record {
            admissions: Vec::with_capacity(users.len()),
            told: vec![History::new(); users.len()],
            users,
            present_min: vec![],
            queue_from_ms: NEVER,
            end_ms: 0,
            polls: 0,
            position_growths: 0,
            wrong_evictions: 0,
        };
        Crowd { scenario, random, wheel: Wheel::new(), record, present: 0, unfinished }
    }

    /// A request of this user reaches the server, or it leaves.
    fn happens(&mut self, id: u32, now_ms: u64, room: &mut impl Room) {
        let user = &mut self.record.users[id as usize];
        match user.stage {
            Stage::Leaving => return self.finish(id),
            Stage::Pausing => {
                user.stage = Stage::Present;
                self.present += 1;
            }
            Stage::Coming | Stage::Present | Stage::Done => {}
        }
        self.record.polls += 1;
        if let Some(answer) = room.poll(id, now_ms) {
            self.answered(id, answer, now_ms);
        }
    }

    /// An answer leaves the server.
    fn answered(&mut self, id: u32, answer: Answer, now_ms: u64) {
        let user = &mut self.record.users[id as usize];
        let joined = user.stage == Stage::Coming;
        match answer {
            Answer::Admitted { at_ms, direct } => {
                user.admitted_ms = at_ms as u32;
                // Present waiters other than this one: it was counted when it was told to wait.
                let others = self.present - u32::from(!joined);
                let admission = Admission { at_ms: user.admitted_ms, direct, others_waited: others > 0 };
                self.record.admissions.push(admission);
                self.finish(id);
            }
            Answer::Gone => {
                let silent_ms = now_ms - u64::from(user.heard_ms);
                self.record.wrong_evictions += u64::from(silent_ms <= ABANDON_MS);
                self.finish(id);
            }
            Answer::Waiting { position, eta_ms, poll_ms } => {
                if joined {
                    user.stage = Stage::Present;
                    self.present += 1;
                    self.record.queue_from_ms = self.record.queue_from_ms.min(now_ms as u32);
                }
                self.record.position_growths += u64::from(position > user.position);
                user.position = position;
                user.heard_ms = now_ms as u32;
                self.note_told(id, eta_ms, now_ms);
                self.plan_next(id, poll_ms, now_ms);
            }
        }
    }

    fn note_told(&mut self, id: u32, eta_ms: Option<u32>, now_ms: u64) {
        let user = &mut self.record.users[id as usize];
        if let Some(eta_ms) = eta_ms
            && now_ms >= u64::from(user.tell_from_ms)
        {
            user.tell_from_ms = self.record.told[id as usize].push(Told { at_ms: now_ms as u32, eta_ms });
        }
    }

    /// What the client does once it has read that it must wait.
    fn plan_next(&mut self, id: u32, poll_ms: u32, now_ms: u64) {
        let back_ms = u64::from(self.scenario.rtt_ms.draw(&mut self.random)).div_ceil(2);
        let out_ms = u64::from(self.scenario.rtt_ms.draw(&mut self.random)) / 2;
        let wait_ms = if self.scenario.ignore_appointments { self.scenario.poll_ms } else { poll_ms };
        let user = &mut self.record.users[id as usize];
        let mut sends_ms = now_ms + back_ms + u64::from(wait_ms);
        let pauses = user.plan.pauses > 0 && u64::from(user.plan.pause_ms) <= sends_ms;
        if pauses {
            sends_ms += pause_ms(&mut self.random);
        }
        if u64::from(user.plan.leaves_ms) <= sends_ms {
            user.stage = Stage::Leaving;
            return self.wheel.schedule(u64::from(user.plan.leaves_ms), id);
        }
        if pauses {
            user.plan.pauses -= 1;
            user.plan.pause_ms = (sends_ms + next_pause_ms(&mut self.random)) as u32;
            user.paused = true;
            user.stage = Stage::Pausing;
            self.present -= 1;
        }
        self.wheel.schedule(sends_ms + out_ms, id);
    }

    /// Served, gone or dropped: nothing more happens to this user.
    fn finish(&mut self, id: u32) {
        let user = &mut self.record.users[id as usize];
        if matches!(user.stage, Stage::Present | Stage::Leaving) {
            self.present -= 1;
        }
        user.stage = Stage::Done;
        self.unfinished -= 1;
    }

    fn note_present(&mut self, now_ms: u64) {
        let minute = (now_ms / MINUTE_MS) as usize;
        match self.record.present_min.get_mut(minute) {
            Some(least) => *least = (*least).min(self.present),
            None => self.record.present_min.resize(minute + 1, self.present),
        }
    }
}
