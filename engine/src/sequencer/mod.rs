//! The sequencer port: who puts a group's commands in order, and how the nodes that hold the group hear of each other.
//!
//! ```text
//!  Owner ── propose ─────────────▶ Sequencer ── Committed, Refused, Role ──▶ Owner      the log
//!        ── forward, answer ─────▶           ── Asked, Answered ───────────▶            requests that only a leader may decide
//!        ── report, pulse ───────▶           ── Presence, Pulse ───────────▶            soft state
//!        ── slice ───────────────▶           ── Cut, Install ──────────────▶            snapshots
//! ```
//! [`Local`] commits at once and keeps nothing; a replicated implementation lives elsewhere and is all that changes
//! when a node becomes one of three. Everything that reaches an owner comes as one stream of [`Event`]s, so what was
//! committed before a change of role is applied before it.
//!
//! What other nodes say is looked at once, where it comes in. What a message may hold by itself is a matter of its types: places,
//! blocks, frontiers and tables beyond their bounds cannot be decoded. Whether a reply answers what was asked, and whether a
//! moment can be the leader's, is for the owner. What does not fit is left out and counted; see [`Event::Unfit`].

mod fit;
mod local;
mod message;

pub(crate) use fit::Expected;
pub use local::Local;
pub use message::{Ask, BlockPolls, Clocks, Presence, Pulse, ZonePolls, ZonePulse};

use crate::command::Command;
use crate::error::Refusal;
use crate::id::Ticket;
use crate::measure::Measured;
use crate::node::Detached;
use crate::reply::Reply;
use crate::time::{LogTime, WallMs};

/// A node, as the nodes of a cluster number themselves.
pub type NodeId = u64;

/// An entry of the log that was committed: the only thing a shard applies. Entries that carry nothing for the shard
/// come too, without commands, so that indexes are dense.
#[derive(Clone, PartialEq, Debug)]
pub struct Committed {
    /// Position in the group's log, from 1, dense.
    pub index: u64,
    /// Log time of every command in it. A stamp below that of an earlier entry counts as that one's.
    pub stamp: LogTime,
    /// Wall time of every command in it, in the same way.
    pub wall: WallMs,
    /// The proposal this answers, when it was proposed by this owner.
    pub proposal: Option<ProposalId>,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// Names a proposal of this process until it is committed or refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProposalId(pub u64);

/// This node's part in the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Proposes. Everything committed by earlier leaders has been handed out before this.
    Leader,
    /// Another node leads and can be asked.
    Follower,
    /// No leader is known, or none can be reached.
    Cut,
}

/// What a sequencer tells the owner of a shard.
#[derive(Debug)]
pub enum Event {
    /// Apply this.
    Committed(Committed),
    /// This proposal was not committed, or nobody can say whether it will be: its askers are told so.
    Refused(ProposalId, Refusal),
    /// This node's part changed.
    Role(Role),
    /// The client of another node asks the leader; [`Sequencer::answer`] takes the reply.
    Asked(Ticket, Ask),
    /// The leader's reply to what was forwarded under the ticket, and the index that it had applied: the reply is
    /// given to the client once this node has applied as much, so that the client's next request finds it here.
    Answered(Ticket, Reply, u64),
    /// What another node heard from waiters.
    Presence(NodeId, Presence),
    /// What the leader tells about active zones.
    Pulse(Pulse),
    /// Another node said something that it may not say. It is counted.
    Unfit,
    /// Begin a snapshot of the state as it is now; [`Sequencer::slice`] takes it.
    Cut,
    /// Go on from this state instead.
    Install(Box<Detached>),
}

/// Orders one group's commands. Calls return at once; what comes of them comes as an [`Event`].
pub trait Sequencer: Send {
    /// Proposes a batch, whose commands take so many bytes in the log, with the stamp and the wall time it should carry. Each
    /// accepted proposal is answered by exactly one [`Event::Committed`] with its id, or one [`Event::Refused`]; after a
    /// refusal it may still be committed, then without the id.
    ///
    /// # Errors
    /// [`Refusal::NoLeader`] or [`Refusal::Busy`]; the batch is then certain not to be committed.
    fn propose(
        &mut self,
        commands: Vec<Command>,
        bytes: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal>;

    /// Whether a proposal would be taken now. While not, commands gather into the next batch.
    fn has_room(&self) -> bool {
        true
    }

    /// The next event, if there is one.
    fn next(&mut self) -> Option<Event>;

    /// The part that this node has at the start.
    fn role(&self) -> Role;

    /// This node.
    fn me(&self) -> NodeId {
        0
    }

    /// The other nodes that answer polls of this group.
    fn others(&self) -> &[NodeId] {
        &[]
    }

    /// Milliseconds since which a majority has been heard of, where this node leads; `None`: too long to tell, or it
    /// does not lead. What is applied here was the newest state at least so long ago.
    fn lease_age_ms(&self) -> Option<u64> {
        Some(0)
    }

    /// Sends a request to the leader, by [`Sequencer::flush`] at the latest. [`Event::Answered`] brings the reply, also where the way there is lost.
    ///
    /// # Errors
    /// [`Refusal::NoLeader`] or [`Refusal::Busy`]; nothing was sent.
    fn forward(&mut self, ticket: Ticket, ask: Measured<Ask>) -> Result<(), Refusal> {
        let _ = (ticket, ask);
        Err(Refusal::NoLeader { retry_ms: crate::limit::NO_LEADER_RETRY_MS })
    }

    /// Answers an [`Event::Asked`], with the index applied here.
    fn answer(&mut self, ticket: Ticket, reply: Reply, applied: u64) {
        let _ = (ticket, reply, applied);
    }

    /// What was proposed, forwarded and answered is to go out, together, at the next [`Sequencer::wake`]. Until then it may be
    /// held back.
    fn flush(&mut self) {}

    /// Wakes whoever carries out what was flushed: once for all owners that did since, whichever of them asks.
    fn wake(&mut self) {}

    /// Tells the leader who was heard of. May get lost.
    fn report(&mut self, presence: Presence) {
        drop(presence);
    }

    /// Tells the other nodes about active zones. May get lost.
    fn pulse(&mut self, pulse: Pulse) {
        drop(pulse);
    }

    /// Says what the leader finds of the nodes' wall clocks, each pulse. One that is off gives the leadership away.
    fn judge_clocks(&mut self, clocks: Clocks) {
        drop(clocks);
    }

    /// Takes the next bytes of a snapshot, `None` at its end. Only while [`Sequencer::wants_slice`].
    fn slice(&mut self, bytes: Option<Vec<u8>>) {
        drop(bytes);
    }

    /// The snapshot under way is given up, since a newer one was installed: no more slices come.
    fn abandon_slices(&mut self) {}

    /// Whether a slice would be taken now.
    fn wants_slice(&self) -> bool {
        false
    }

    /// Takes back the state that an [`Event::Install`] replaced, to be freed elsewhere: that takes long.
    fn dispose(&mut self, old: Box<Detached>) {
        drop(old);
    }
}

/// Tickets of other nodes' requests, as a sequencer gives them out, have this bit; those of this node's clients never do.
pub const REMOTE: u64 = 1 << 63;
