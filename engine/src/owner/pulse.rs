//! Soft state between nodes: presence to the leader, pulses from it, and what they prove.
//!
//! A follower's state is *fresh* while it is at most [`FRESH_MS`] old, which it can prove without a common clock: a pulse
//! names the latest moment of the follower's own clock that the leader had seen, and what the leader had applied after that.
//! Once this node has applied as much, its state is at least as new as that moment.

use super::report::{Heard, places};
use super::wall::{Ahead, UNKNOWN};
use super::{Fresh, Hearing, Owner};
use crate::id::Seq;
use crate::limit::{FRESH_MS, LEASE_MS, PULSE_AHEAD_MS_MAX, PULSE_MS, REPORT_AGAIN_MS};
use crate::sequencer::{NodeId, Presence, Pulse, Role, ZonePulse};
use crate::structure::{Lookup, pin};
use crate::time::{LogTime, MonoMs};
use crate::token::{Place, Token};

/// Pulses that wait for this node to apply what the leader had, at most: the latest ones.
const PROOFS_MAX: usize = 16;

/// With this index applied, the state is as new as that moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    applied: u64,
    moment: MonoMs,
}

impl Owner {
    /// Sends what is due to the other nodes, and says how far this node's state can be trusted.
    pub(super) fn exchange(&mut self) {
        if self.is_alone {
            return;
        }
        if self.mono >= self.pulse_at {
            self.pulse_at = MonoMs(self.mono.0 + PULSE_MS);
            match self.role {
                Role::Leader => self.send_pulse(),
                Role::Follower | Role::Cut => self.send_presence(),
            }
        }
        self.trust();
    }

    /// How long this node may answer polls by itself.
    fn trust(&mut self) {
        if self.role == Role::Leader {
            let proven = self.lease(self.mono).and_then(|_| self.sequencer.lease_age_ms());
            let age_ms = proven.unwrap_or(u64::MAX);
            let until = self.mono.0.saturating_add(LEASE_MS).saturating_sub(age_ms);
            self.shard.view.set_fresh_until(MonoMs(until));
            return;
        }
        let applied = self.shard.index;
        // What its predecessor was told, or a state that came as a snapshot, says of nobody that the leader knows of its poll.
        if !self.reporter.has_told_all() {
            return;
        }
        let proven =
            self.proofs.iter().filter(|proof| proof.applied <= applied).map(|proof| proof.moment).max();
        if let Some(moment) = proven {
            self.proofs.retain(|proof| proof.applied > applied);
            self.shard.view.raise_fresh_until(MonoMs(moment.0 + FRESH_MS));
        }
    }

    fn send_pulse(&mut self) {
        let zones = std::mem::take(&mut self.news);
        let zones = zones.into_iter().filter_map(|ordinal| self.news_of(ordinal)).collect();
        // Whoever lost its majority may be behind a new leader: then it proves nothing.
        let is_sure = self.lease(self.mono).is_some();
        let echo = |(node, heard): (&NodeId, &Heard)| Some((*node, heard.sent?));
        let echoes = if is_sure { self.heard.iter().filter_map(echo).collect() } else { Vec::new() };
        let (wall, clock) = (self.wall_now(), self.wall.clock(self.mono).unwrap_or(UNKNOWN));
        self.sequencer.pulse(Pulse { now: self.now, applied: self.shard.index, echoes, zones, wall, clock });
        self.judge_clocks();
    }

    /// The leader's proof that nobody else can lead: a majority answered lately. `now` is a reading of the clock from after the
    /// question; where this owner has had no turn for long, it does not know yet what happened meanwhile.
    pub(super) fn lease(&self, now: MonoMs) -> Option<Fresh> {
        if self.is_alone {
            return self.prove(now);
        }
        if now.0.saturating_sub(self.mono.0) > LEASE_MS {
            return None;
        }
        Fresh::by_lease(&*self.sequencer, self.mono.0 - self.resumed_at.0)
    }

    fn news_of(&mut self, ordinal: u64) -> Option<ZonePulse> {
        let zone = self.shard.zones.get(&ordinal)?;
        let with_eta = self.desks.get_mut(&ordinal)?.take_eta_news();
        let guard = pin();
        Some(ZonePulse {
            ordinal,
            frontier: Some(zone.view.frontier(&guard).clone()),
            eta: with_eta.then(|| zone.view.eta_table(&guard).clone()),
        })
    }

    /// The leader told about its zones.
    pub(super) fn take_pulse(&mut self, pulse: Pulse) {
        if self.role == Role::Leader {
            return;
        }
        if !self.is_plausible(&pulse) {
            return self.shard.view.count_unfit();
        }
        self.rebase(pulse.now);
        self.wall.follow(self.mono, pulse.wall);
        for news in pulse.zones {
            let Some(zone) = self.shard.zones.get(&news.ordinal) else { continue };
            news.frontier.into_iter().for_each(|frontier| zone.view.publish_frontier(frontier));
            news.eta.into_iter().for_each(|table| zone.view.publish_eta(table));
        }
        let me = self.sequencer.me();
        // A moment that this process has not lived through is one of its predecessor's clock, and proves nothing.
        let lived = self.began..=self.mono;
        let echo = pulse.echoes.into_iter().find(|(node, moment)| *node == me && lived.contains(moment));
        if let Some((_, moment)) = echo {
            self.reporter.confirmed(moment);
            self.leader_ahead = Ahead::of_leader(pulse.clock, &self.wall, self.mono, moment);
            self.proofs.push(Proof { applied: pulse.applied, moment });
            if self.proofs.len() > PROOFS_MAX {
                self.proofs.remove(0);
            }
        }
    }

    /// Whether a leader's clocks may show this. Log time follows the wall clock from the cluster's founding on, and stands still
    /// while all is down; who was away for long learns of it by the log. What pulses said before does not count: many of them
    /// would lead as far as one may not.
    fn is_plausible(&self, pulse: &Pulse) -> bool {
        let ((stamp, at), clock) = (self.stamped, self.wall.clock_or_log(self.mono).0);
        let ahead_ms = self.mono.0.saturating_sub(at.0).saturating_add(PULSE_AHEAD_MS_MAX);
        let latest = |logged: u64| logged.max(clock).saturating_add(ahead_ms);
        pulse.now.0 <= latest(stamp.0) && pulse.wall.0 <= latest(self.shard.wall.0)
    }

    fn send_presence(&mut self) {
        let stored = self.directory.readers().stored_until(self.mono);
        let stored_ms = self.mono.0.saturating_sub(stored.0);
        let (zones, covers) = self.reporter.step(&self.shard.zones, self.now, self.mono, stored_ms);
        let covers_age_ms = self.now.since_ms(covers);
        let ahead_ms = self.leader_ahead.map(Ahead::bounds_ms);
        self.sequencer.report(Presence { sent: self.mono, covers_age_ms, covers, zones, ahead_ms });
    }

    /// Another node told who was heard of there.
    pub(super) fn take_presence(&mut self, from: NodeId, presence: Presence) {
        if self.role != Role::Leader {
            return;
        }
        let now = self.now;
        for polls in &presence.zones {
            let Some(zone) = self.shard.zones.get(&polls.ordinal) else { continue };
            for seq in polls.blocks.iter().flat_map(places) {
                if let Lookup::Live(handle) = zone.waiters.lookup(Seq(seq)) {
                    handle.touch(now);
                }
            }
        }
        let covers = LogTime(now.0.saturating_sub(presence.covers_age_ms)).min(presence.covers);
        let heard =
            self.heard.entry(from).or_insert(Heard { sent: None, covers: self.floor, at: now, ahead: None });
        // The latest to arrive, not the greatest: a node that has started again has a clock that begins anew.
        heard.sent = Some(presence.sent);
        heard.covers = heard.covers.max(covers);
        heard.at = now;
        heard.ahead = presence.ahead_ms.and_then(Ahead::between);
    }

    /// What silences mean now.
    pub(super) fn hearing(&self) -> Hearing {
        let unheard_ms = if self.is_alone { 0 } else { self.unheard_ms() };
        let unstored_ms = self.mono.0.saturating_sub(self.stored_until.0);
        Hearing { floor: self.floor, unheard_ms, unstored_ms }
    }

    /// Since when some node that answers polls has not reported. One that is out of reach for `evict_hold_ms` is not
    /// waited for any longer.
    fn unheard_ms(&self) -> u64 {
        let others = self.sequencer.others().iter();
        let reported = others.filter_map(|node| {
            let heard = self.heard.get(node);
            let at = heard.map_or(self.led_since, |heard| heard.at);
            let covers = heard.map_or(self.led_since, |heard| heard.covers);
            (self.now.since_ms(at) < self.evict_hold_ms).then_some(covers)
        });
        reported.map(|covers| self.now.since_ms(covers)).max().unwrap_or(0)
    }

    /// A poll came to this node. True where it is late: then it is for the leader to say whether it counts.
    pub(super) fn hear(&self, token: Token, now: LogTime) -> bool {
        let zone = self.shard.zones.get(&token.zone.ordinal);
        zone.is_some_and(|zone| zone.view.hear(token.place, now, &pin()))
    }

    /// A poll came that no leader will be told of as a poll.
    pub(super) fn hear_alone(&mut self, token: Token, now: LogTime) {
        if let (true, Place::Queue(seq)) = (self.hear(token, now), token.place) {
            self.reporter.keep(token.zone.ordinal, seq, now);
        }
    }

    /// A poll came to the leader, which cannot prove that it is one still.
    pub(super) fn hear_as_leader(&self, token: Token, now: LogTime) {
        let (Some(zone), Place::Queue(seq)) = (self.shard.zones.get(&token.zone.ordinal), token.place) else {
            return;
        };
        if let (false, Lookup::Live(handle)) = (self.is_evicting(&token), zone.waiters.lookup(seq)) {
            handle.touch(now);
        }
    }

    /// Begins to report anew, to a leader that was told nothing yet.
    pub(super) fn report_again(&mut self) {
        self.proofs.clear();
        self.leader_ahead = None;
        self.reporter.restart(LogTime(self.now.0.saturating_sub(REPORT_AGAIN_MS)));
    }
}
