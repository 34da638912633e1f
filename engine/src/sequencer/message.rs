//! What the nodes of a group tell each other outside the log. All of it may get lost.

use crate::command::Command;
use crate::id::{RequestHash, SEQ_END, UserHash, ZoneId};
use crate::limit::BLOCK_SLOTS;
use crate::stream::op::KeyOp;
use crate::time::{LogTime, MonoMs, WallMs};
use crate::token::Token;
use crate::zone::eta::EtaTable;
use crate::zone::frontier::Frontier;
use crate::zone::settings::ZoneName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::NodeId;

/// A request that the shard's owner on the leading node decides.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Take a place.
    Join {
        /// The zone.
        zone: ZoneId,
        /// Who joins, when an authenticated caller said so.
        user: Option<UserHash>,
        /// Makes a repeat of the same request harmless.
        request: Option<RequestHash>,
        /// A gateway with credentials asks: the reserve of memory is for it.
        is_trusted: bool,
    },
    /// Take a place in a zone that the asking node does not know yet.
    JoinNamed {
        /// The zone.
        name: ZoneName,
        /// As for a join.
        user: Option<UserHash>,
        /// As for a join.
        request: Option<RequestHash>,
        /// As for a join.
        is_trusted: bool,
    },
    /// Another change.
    Change(Box<Command>),
    /// A poll whose turn may have come, or that the asking node knows too little to answer.
    Turn(Token),
    /// The statistics of a zone.
    Stats(ZoneId),
    /// Something with a stream, or a key.
    Key(Box<KeyOp>),
    /// Several of these in one go.
    Keys(Vec<KeyOp>),
    /// Index and hash of the state at the node that is asked; never passed on.
    Hash,
    /// The settings of a zone.
    Settings(ZoneName),
}

/// Who was heard of at a node that does not lead, about once a second.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Presence {
    /// The sender's clock as it sent this; comes back in [`Pulse::echoes`].
    pub sent: MonoMs,
    /// Everybody who polled there up to this many ms before the message was sent has been reported by now.
    pub covers_age_ms: u64,
    /// The same moment as the sender's log time. That is the leader's, late by the way here, so it is never too late however long
    /// this message takes; an age is.
    pub covers: LogTime,
    /// Who polled since the last report.
    pub zones: Vec<ZonePolls>,
    /// How far the leader's wall clock is ahead of the sender's, between which two values, ms; `None` until the sender knows.
    pub ahead_ms: Option<(i64, i64)>,
}

/// Polls of one zone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ZonePolls {
    /// Ordinal of the zone.
    pub ordinal: u64,
    /// By block.
    pub blocks: Vec<BlockPolls>,
}

/// Polls of one block of places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlockPolls {
    /// Its first place divided by the block's length; one that no zone has is not decoded.
    #[serde(deserialize_with = "block_number")]
    pub block: u64,
    /// One bit a place.
    pub slots: [u64; 8],
}

/// Reads the number of a block that a zone may have.
fn block_number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    let is_block = number < SEQ_END / BLOCK_SLOTS;
    is_block.then_some(number).ok_or_else(|| D::Error::custom("no block of a zone has this number"))
}

/// What the leader tells about its shard, each tick.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pulse {
    /// The leader's log time.
    pub now: LogTime,
    /// What it had applied.
    pub applied: u64,
    /// The latest [`Presence::sent`] of each node. Who finds itself here knows that this message was made after that
    /// moment of its own clock.
    pub echoes: Vec<(NodeId, MonoMs)>,
    /// Zones of which something was published since the last pulse.
    pub zones: Vec<ZonePulse>,
    /// The log's wall time now.
    pub wall: WallMs,
    /// The leader's wall clock as it is; 0 where nobody has told it yet.
    pub clock: WallMs,
}

/// What the leader finds of the nodes' wall clocks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Clocks {
    /// By how much this node's is ahead of others', ms, where it does not agree with most of them.
    pub ahead_ms: i64,
    /// It stands elsewhere than most others': this node should not lead.
    pub is_off: bool,
    /// Nodes whose clocks stand elsewhere than this one's, where that is not for this one to mend: they should not lead.
    pub others_off: Vec<NodeId>,
}

/// What was published of a zone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ZonePulse {
    /// Ordinal of the zone.
    pub ordinal: u64,
    /// Who is due when.
    pub frontier: Option<Frontier>,
    /// What waits are estimated.
    pub eta: Option<EtaTable>,
}
