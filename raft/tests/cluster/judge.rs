//! What clients were told, held against each invariant. The oracle knows nothing of the inside, but for the hashes.

use crate::cluster::client::ZoneRules;
use crate::cluster::i1_caps::Caps;
use crate::cluster::i3_kept::Kept;
use crate::cluster::i4_once::Once;
use crate::cluster::i5_position::Positions;
use crate::cluster::i6_presence::Presence;
use crate::cluster::i8_streams::Streams;
use crate::cluster::i9_hashes::Hashes;
use crate::cluster::ids::Ids;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;

/// A token's text, which names it everywhere.
pub(crate) type TokenText = Vec<u8>;

/// Whom a client asked about its token, and what it was told. Moments are true ms.
pub(crate) struct Look<'a> {
    pub(crate) zone: &'static str,
    pub(crate) token: &'a TokenText,
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) answer: Result<Standing, Refusal>,
}

#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) caps: Caps,
    pub(crate) kept: Kept,
    pub(crate) once: Once,
    pub(crate) positions: Positions,
    pub(crate) presence: Presence,
    pub(crate) hashes: Hashes,
    pub(crate) streams: Streams,
    pub(crate) ids: Ids,
    pub(crate) tally: Tally,
}

/// What a run has seen, so that one that saw nothing is noticed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) joins: u64,
    pub(crate) answers: u64,
    pub(crate) unanswered: u64,
    pub(crate) admissions: u64,
    pub(crate) stale: u64,
    pub(crate) gone: u64,
    pub(crate) faults: u64,
    /// Disks that were damaged, and refused.
    pub(crate) damaged: u64,
    /// Changes of members that were begun, and those that were carried out.
    pub(crate) changes: u64,
    pub(crate) changed: u64,
    pub(crate) syncs: u64,
    /// Appends that were acknowledged, and entries that were read.
    pub(crate) appends: u64,
    pub(crate) entries_read: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.joins += other.joins;
        self.answers += other.answers;
        self.unanswered += other.unanswered;
        self.admissions += other.admissions;
        self.stale += other.stale;
        self.gone += other.gone;
        self.faults += other.faults;
        self.damaged += other.damaged;
        self.changes += other.changes;
        self.changed += other.changed;
        self.syncs += other.syncs;
        self.appends += other.appends;
        self.entries_read += other.entries_read;
    }
}

impl Judge {
    /// A join under `request`, first asked for at `first`, was acknowledged with this place.
    pub(crate) fn joined(&mut self, request: &str, first: u64, look: &Look<'_>) {
        self.tally.joins += 1;
        self.once.asked(look.token, first);
        self.kept.joined(request, look);
        self.looked(look);
    }

    /// A poll was answered.
    pub(crate) fn looked(&mut self, look: &Look<'_>) {
        self.tally.answers += 1;
        match look.answer {
            Ok(Standing::Waiting(waiting)) => self.tally.stale += u64::from(waiting.stale),
            Ok(Standing::Admitted(_)) => {}
            Err(_) => self.tally.gone += 1,
        }
        self.kept.looked(look);
        if self.once.looked(look) {
            self.tally.admissions += 1;
            self.caps.admitted(look, &ZoneRules::of(look.zone));
        }
        self.positions.looked(look);
        self.presence.looked(look, &self.once);
    }

    /// The holder gives the place up, or may have.
    pub(crate) fn leaves(&mut self, token: &TokenText) {
        self.presence.leaves(token);
    }
}
