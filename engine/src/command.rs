//! What a shard accepts: the commands of a group's log. Polls are not among them.

use crate::id::{KeyGen, RequestHash, Seq, UserHash, ZoneId};
use crate::stream::op::KeyOp;
use crate::zone::settings::{ZoneName, ZonePatch};
use serde::{Deserialize, Serialize};

/// One logged change. A batch of them is one log entry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Create the zone, or change the settings that the patch names.
    ZoneSet {
        /// The zone's name.
        name: ZoneName,
        /// What changes; `limit` is needed to create.
        patch: Box<ZonePatch>,
    },
    /// Remove a zone and everybody in it.
    ZoneDelete {
        /// The zone's name.
        name: ZoneName,
    },
    /// Take a place, or enter at once where the rules allow it.
    Join {
        /// The zone, resolved by whoever proposed.
        zone: ZoneId,
        /// Who joins, when an authenticated caller said so.
        user: Option<UserHash>,
        /// Makes a repeat of the same request harmless.
        request: Option<RequestHash>,
        /// The proposer saw only silent waiters, or none.
        nobody_ahead: bool,
    },
    /// Give a place up.
    Leave {
        /// The zone.
        zone: ZoneId,
        /// Who leaves.
        seq: Seq,
    },
    /// Let a waiter in, if a permit is free at the stamp of the batch.
    Admit {
        /// The zone.
        zone: ZoneId,
        /// Whose turn it is.
        seq: Seq,
    },
    /// Drop the waiters of one block that fell silent.
    Evict {
        /// The zone.
        zone: ZoneId,
        /// The block: its first place divided by the block's length.
        block: u64,
        /// One bit a place of the block.
        slots: [u64; 8],
    },
    /// Free what the zone no longer needs to remember at this stamp, and old request ids of its shard.
    Sweep {
        /// The zone.
        zone: ZoneId,
    },
    /// Make a token key known; it verifies from now on.
    KeyInstall {
        /// Its generation.
        generation: KeyGen,
        /// The secret, drawn outside the engine.
        secret: [u8; 16],
    },
    /// Mint with this installed key from now on; of the others only the last one goes on verifying.
    KeyActivate {
        /// Its generation.
        generation: KeyGen,
    },
    /// Do this with a stream, or a key.
    Key(Box<KeyOp>),
    /// Do these in one go: nothing else comes between them.
    Keys(Vec<KeyOp>),
    /// Remove keys whose time has come at the wall time of the batch, and what else streams no longer need.
    KeySweep,
}

impl Command {
    /// How many operations it has; 1 at least.
    #[must_use]
    pub fn operations(&self) -> usize {
        if let Command::Keys(ops) = self { ops.len().max(1) } else { 1 }
    }
}
