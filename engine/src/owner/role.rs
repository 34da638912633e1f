//! What changes when this node begins or ceases to lead the group, and the state that comes from elsewhere.

use super::Owner;
use super::desk::Desk;
use super::outcome::Origin;
use super::remote::NO_LEADER;
use crate::limit::SLICES_A_TURN;
use crate::node::Detached;
use crate::sequencer::Role;
use crate::snapshot::{SnapshotError, cut::ShardCut};
use crate::time::{LogTime, MonoMs, Offset};

impl Owner {
    /// This node's part changed.
    pub(super) fn change_role(&mut self, role: Role) {
        let led = std::mem::replace(&mut self.role, role) == Role::Leader;
        self.shard.view.set_part(role == Role::Leader, role == Role::Cut);
        match (led, role == Role::Leader) {
            (false, true) => self.begin_to_lead(),
            (true, false) => self.cease_to_lead(),
            _ => {}
        }
        if role == Role::Follower {
            self.report_again();
        }
        self.pulse_at = self.mono;
    }

    /// Desks are made anew from the state. Nobody's silence from before counts: who spoke to other nodes meanwhile is
    /// not known here.
    fn begin_to_lead(&mut self) {
        self.floor = self.now;
        self.led_since = self.now;
        self.heard.clear();
        self.lead_wall();
        self.open_desks();
    }

    pub(super) fn open_desks(&mut self) {
        let now = self.now;
        let zones = self.shard.zones.iter();
        self.desks = zones.map(|(ordinal, zone)| (*ordinal, Desk::restored(zone, now))).collect();
        self.timers.clear();
        self.bytes = self.desks.values().map(|desk| desk.bytes).sum();
        let ordinals: Vec<u64> = self.desks.keys().copied().collect();
        ordinals.into_iter().for_each(|ordinal| self.schedule(ordinal, None));
    }

    /// What is proposed is decided elsewhere from now on; the sequencer says of each proposal what became of it.
    fn cease_to_lead(&mut self) {
        // A leader's proof lasts longer than a follower's, and one that was alone needed none.
        self.shard.view.end_fresh();
        self.empty_desks();
        let origins = self.pending.clear();
        origins.into_iter().for_each(|origin| self.refuse(origin, NO_LEADER));
        self.forget_turns();
        self.desks.clear();
        self.timers.clear();
        self.touched.clear();
        self.news.clear();
        self.count_bytes();
    }

    /// Answers the polls that wait in the desks, which are about to go: what is known here, marked, since another node may know
    /// more by now.
    fn empty_desks(&mut self) {
        let mut waiting = Vec::new();
        for desk in self.desks.values_mut() {
            waiting.extend(std::iter::from_fn(|| desk.take_parked()).map(|poll| (poll.ticket, poll.token)));
            waiting.extend(desk.evicting.take_all().map(|held| (held.ticket, held.token)));
        }
        self.parked -= waiting.len();
        for (ticket, token) in waiting {
            self.replies.push((ticket, self.answer_alone(Some(token), self.now)));
        }
    }

    /// Answers the polls whose admission is on its way: the desks that count these are about to go. Who was let in
    /// learns it at the next poll.
    fn forget_turns(&mut self) {
        let mut turns = Vec::new();
        for origin in self.proposed.iter_mut().flat_map(|proposal| &mut proposal.origins) {
            if let Origin::Turn(turn) = *origin {
                turns.push(turn);
                *origin = Origin::Own;
            }
        }
        for turn in turns {
            let reply = self.answer_alone(Some(turn.token), self.now);
            self.replies.push((turn.ticket, reply));
        }
    }

    /// Memory of the zones, where no desk counts it.
    pub(super) fn count_bytes(&mut self) {
        self.bytes = self.shard.zones.values().map(|zone| zone.bytes()).sum();
        self.counted_at = self.now;
    }

    /// The log says when it is: a follower's clock is the leader's, late by the way here.
    pub(super) fn rebase(&mut self, now: LogTime) {
        self.log_offset = Offset::between(self.mono, now);
        self.shard.view.set_offset(self.log_offset);
        self.now = self.log_time(self.mono);
    }

    /// Begins a snapshot of the state at this index.
    ///
    /// # Errors
    /// [`SnapshotError::Running`].
    pub fn begin_snapshot(&mut self) -> Result<(), SnapshotError> {
        if self.shard.cut.is_some() {
            return Err(SnapshotError::Running);
        }
        self.shard.cut = Some(ShardCut::begin(&mut self.shard));
        Ok(())
    }

    /// The next bytes of the snapshot under way, at most about 64 KiB more than was copied meanwhile.
    /// `None`: it is whole, or none is under way.
    pub fn snapshot_slice(&mut self) -> Option<Vec<u8>> {
        let mut cut = self.shard.cut.take()?;
        let slice = cut.slice(&mut self.shard);
        if slice.is_some() {
            self.shard.cut = Some(cut);
        }
        slice
    }

    /// Begins a snapshot for the sequencer.
    pub(super) fn begin_cut(&mut self) {
        // One at a time: the sequencer asks for the next when it has got the whole of this one.
        if self.shard.cut.is_none() {
            self.shard.cut = Some(ShardCut::begin(&mut self.shard));
        }
        self.is_cutting = true;
    }

    /// Hands out slices of the snapshot, as far as they are taken and this turn's time allows.
    pub(super) fn hand_out_slices(&mut self) {
        for _ in 0..SLICES_A_TURN {
            if !self.is_cutting || !self.sequencer.wants_slice() {
                return;
            }
            self.hand_out_slice();
        }
    }

    fn hand_out_slice(&mut self) {
        let slice = self.snapshot_slice();
        self.is_cutting = slice.is_some();
        self.sequencer.slice(slice);
    }

    /// When the next slices can be made.
    pub(super) fn slices_due(&self) -> Option<MonoMs> {
        (self.is_cutting && self.sequencer.wants_slice()).then_some(self.mono)
    }

    /// Goes on from another state: what this node missed came as a snapshot.
    pub(super) fn install(&mut self, detached: Box<Detached>) {
        self.empty_desks();
        // A snapshot of the old state would be none that anybody needs: this one is newer.
        if std::mem::take(&mut self.is_cutting) {
            self.sequencer.abandon_slices();
        }
        self.hashing.begin_anew();
        let Detached(new) = *detached;
        let old = self.shard.replace(new);
        self.sequencer.dispose(Box::new(Detached(old)));
        self.stamped = (self.shard.stamp, self.mono);
        self.rebase(self.shard.stamp);
        self.reporter.replaced(self.now);
        self.count_bytes();
        if self.role == Role::Leader {
            self.forget_turns();
            self.open_desks();
        }
    }
}
