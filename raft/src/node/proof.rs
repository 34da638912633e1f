//! Whether this node has all that it acknowledged, group by group, and what it may not do until it has.
//!
//! A node that lost entries or votes has *fallen behind its word*. Until a leader has given it back all that it acknowledged, and all
//! that this leader had when it was first heard of, it votes for nobody, does not stand, takes no entries of an older leader than the
//! last one it voted for, and is no more ready than one that never was. What it acknowledged is known from its own ledger, and from
//! each other node, which is asked before that node gets a vote.

use sluice_engine::id::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::limit::ASKED_MAX;
use crate::log::{LogId, Promised};
use crate::types::{Member, NodeId};

/// One group's part of it.
#[derive(Clone, Copy, Default)]
struct Part {
    /// What has to be there; of no meaning where nothing is missing.
    needed: Promised,
    is_behind: bool,
    /// A leader of the group was heard of since, so that `needed` holds all that it had.
    knows_leader: bool,
}

struct State {
    parts: Vec<Part>,
    /// Nodes that said what they know of this one, since the start.
    asked: BTreeSet<NodeId>,
    /// Every node that could be asked at first was.
    is_complete: bool,
}

impl State {
    fn needs(&self, group: GroupId) -> Option<Promised> {
        self.parts.get(usize::from(group.0)).filter(|part| part.is_behind).map(|part| part.needed)
    }
}

/// What this node has to prove.
pub(super) struct Proof {
    state: Mutex<State>,
}

impl Proof {
    /// Of a node with so many groups that has all it acknowledged, as far as it knows by itself.
    pub(super) fn new(groups: u16) -> Proof {
        let parts = vec![Part::default(); usize::from(groups)];
        Proof { state: Mutex::new(State { parts, asked: BTreeSet::new(), is_complete: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group needs this, and does not have it.
    pub(super) fn fell_behind(&self, group: GroupId, needed: Promised) {
        if let Some(part) = self.lock().parts.get_mut(usize::from(group.0)) {
            part.needed = if part.is_behind { part.needed.or(needed) } else { needed };
            part.is_behind = true;
        }
    }

    /// A node says what it knows that this one acknowledged in each group. The groups in which that is more than `has`.
    pub(super) fn compare(&self, from: NodeId, known: &[Promised], has: &[Promised]) -> Vec<GroupId> {
        let mut fallen = Vec::new();
        let mut state = self.lock();
        let is_first = state.asked.insert(from);
        for ((group, part), (known, has)) in (0..).zip(&mut state.parts).zip(known.iter().zip(has)) {
            // Later than at first it may only be less: what is durable is told again and again.
            if !has.keeps(known) && (is_first || part.is_behind) {
                if !part.is_behind {
                    fallen.push(GroupId(group));
                }
                part.needed = if part.is_behind { part.needed.or(*known) } else { *known };
                part.is_behind = true;
            }
        }
        fallen
    }

    /// Forgets who was asked and is no member, where more were than there are ever members of one cluster.
    pub(super) fn keep_only(&self, members: &BTreeMap<NodeId, Member>) {
        let mut state = self.lock();
        if state.asked.len() > ASKED_MAX {
            state.asked.retain(|node| members.contains_key(node));
        }
    }

    /// The leader of a group says how far its log goes.
    pub(super) fn leader_has(&self, group: GroupId, last: Option<LogId>) {
        if let Some(part) = self.lock().parts.get_mut(usize::from(group.0))
            && part.is_behind
            && !part.knows_leader
        {
            part.knows_leader = true;
            part.needed.last = part.needed.last.max(last);
        }
    }

    /// The group has this now, durable; it follows a leader of that term. True where that is all it needed, for the first time.
    pub(super) fn has(&self, group: GroupId, has: Promised) -> bool {
        let mut state = self.lock();
        let Some(part) = state.parts.get_mut(usize::from(group.0)) else { return false };
        let caught_up = part.is_behind && part.knows_leader && has.keeps(&part.needed);
        if caught_up {
            *part = Part::default();
        }
        caught_up
    }

    /// Every other node was asked, or cannot be.
    pub(super) fn complete(&self) {
        self.lock().is_complete = true;
    }

    /// What the group needs and does not have.
    pub(super) fn needs(&self, group: GroupId) -> Option<Promised> {
        self.lock().needs(group)
    }

    /// Whether anything is missing in any group.
    pub(super) fn is_behind(&self) -> bool {
        self.lock().parts.iter().any(|part| part.is_behind)
    }

    /// Whether the group may stand for election.
    pub(super) fn may_stand(&self, group: GroupId) -> bool {
        let state = self.lock();
        state.is_complete && state.needs(group).is_none()
    }

    /// Whether the group may vote for this node.
    pub(super) fn may_vote(&self, group: GroupId, candidate: NodeId) -> bool {
        let state = self.lock();
        state.asked.contains(&candidate) && state.needs(group).is_none()
    }

    /// Whether the group may follow a leader of this term: one that is older than its last vote is none any more.
    pub(super) fn may_follow(&self, group: GroupId, term: u64) -> bool {
        self.needs(group).is_none_or(|needed| term >= needed.term)
    }
}

#[cfg(test)]
mod tests {
    use super::Proof;
    use crate::log::{LogId, Promised};
    use sluice_engine::id::GroupId;

    const GROUP: GroupId = GroupId(0);

    fn promised(term: u64, index: u64) -> Promised {
        Promised { last: Some(LogId { leader_id: term.into(), index }), term, excused: None }
    }

    #[test]
    fn who_has_all_votes_for_whom_it_asked() {
        let proof = Proof::new(1);
        assert!(!proof.may_stand(GROUP) && !proof.may_vote(GROUP, 2), "nobody was asked");
        assert!(proof.compare(2, &[promised(3, 9)], &[promised(3, 9)]).is_empty());
        proof.complete();
        assert!(proof.may_stand(GROUP) && proof.may_vote(GROUP, 2) && !proof.may_vote(GROUP, 3));
        // It acknowledged more meanwhile, and truncated it.
        assert!(proof.compare(2, &[promised(4, 12)], &[promised(4, 11)]).is_empty());
        assert!(proof.may_stand(GROUP));
    }

    #[test]
    fn who_lost_something_votes_when_a_leader_has_given_back_all_of_it() {
        let proof = Proof::new(1);
        assert_eq!(proof.compare(2, &[promised(3, 9)], &[promised(2, 5)]), [GROUP]);
        proof.complete();
        assert!(!proof.may_stand(GROUP) && !proof.may_vote(GROUP, 2) && proof.is_behind());
        assert!(!proof.may_follow(GROUP, 2) && proof.may_follow(GROUP, 3));
        assert!(!proof.has(GROUP, promised(3, 9)), "no leader was heard of");
        proof.leader_has(GROUP, Some(LogId { leader_id: 3.into(), index: 20 }));
        proof.leader_has(GROUP, Some(LogId { leader_id: 3.into(), index: 30 }));
        assert!(!proof.has(GROUP, promised(3, 19)));
        assert!(proof.has(GROUP, promised(3, 20)));
        assert!(!proof.has(GROUP, promised(3, 21)), "once is enough");
        assert!(proof.may_stand(GROUP) && proof.may_vote(GROUP, 2) && proof.may_follow(GROUP, 1));
    }
}
