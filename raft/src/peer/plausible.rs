//! What a peer may claim: in its own name, and with terms and indexes that a cluster can have come to.
//!
//! Whatever is beyond is refused before openraft sees it. Terms are never forgotten: one absurd vote on disk would stop this node at
//! every start, and spread to all others. Each check is true of every message of a correct peer, however late it comes.

use openraft::EntryPayload;
use openraft::async_runtime::AsyncRuntime;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use std::fmt;

use super::message::{Request, Response};
use crate::limit::{INDEX_MAX, TERM_MAX, TERM_STEP_MAX};
use crate::log::{Entry, LogId, Vote};
use crate::types::{Member, NodeId, Types};

type Membership = openraft::Membership<NodeId, Member>;

/// What this node knows of a group when a peer says something about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// The term of its vote.
    pub term: u64,
    /// Its last entry that is committed.
    pub committed: Option<LogId>,
}

/// Why a message cannot be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implausible {
    /// It speaks for another node than the one that sent it.
    Sender(NodeId),
    /// A term too far above this node's.
    Term(u64),
    /// An index that no log reaches.
    Index(u64),
    /// Entries that do not follow each other.
    Order,
    /// Entries other than those that are committed here.
    Committed,
    /// Voters that are no nodes, or none at all.
    Membership,
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Implausible::Sender(node) => write!(f, "it speaks for node {node}"),
            Implausible::Term(term) => write!(f, "no cluster comes to term {term}"),
            Implausible::Index(index) => write!(f, "no log comes to entry {index}"),
            Implausible::Order => f.write_str("entries out of order"),
            Implausible::Committed => f.write_str("it contradicts what is committed"),
            Implausible::Membership => f.write_str("a membership that cannot be"),
        }
    }
}

type Checked = Result<(), Implausible>;

/// Whether a correct node `from` can ask this.
///
/// # Errors
/// [`Implausible`].
pub fn check_request<R: AsyncRuntime>(from: NodeId, known: Known, request: &Request<R>) -> Checked {
    match request {
        Request::Vote { vote, .. } | Request::PreVote { vote, .. } => {
            check_vote(from, known, &vote.vote)?;
            check_log_id(known, vote.last_log_id)
        }
        Request::Append { append, .. } => check_append(from, known, append),
        Request::SnapshotBegin { vote, meta, .. } => {
            check_vote(from, known, vote)?;
            check_log_id(known, meta.last_log_id)?;
            let (at, membership) = (*meta.last_membership.log_id(), meta.last_membership.membership());
            if at > meta.last_log_id {
                return Err(Implausible::Order);
            }
            if at.is_none() { Ok(()) } else { check_membership(membership) }
        }
        Request::TransferLeader { from_leader, last_log_id, .. } => {
            check_vote(from, known, from_leader)?;
            check_log_id(known, *last_log_id)
        }
        _ => Ok(()),
    }
}

fn check_vote(from: NodeId, known: Known, vote: &Vote) -> Checked {
    if vote.leader_id.voted_for != from {
        return Err(Implausible::Sender(vote.leader_id.voted_for));
    }
    check_term(known.term, vote.leader_id.term)
}

fn check_term(own: u64, term: u64) -> Checked {
    if term <= own.saturating_add(TERM_STEP_MAX).min(TERM_MAX) {
        Ok(())
    } else {
        Err(Implausible::Term(term))
    }
}

fn check_log_id(known: Known, log_id: Option<LogId>) -> Checked {
    let Some(log_id) = log_id else { return Ok(()) };
    if log_id.index > INDEX_MAX {
        return Err(Implausible::Index(log_id.index));
    }
    check_term(known.term, *log_id.leader_id)
}

fn check_append<R: AsyncRuntime>(
    from: NodeId,
    known: Known,
    append: &AppendEntriesRequest<Types<R>>,
) -> Checked {
    check_vote(from, known, &append.vote)?;
    check_log_id(known, append.leader_commit)?;
    check_log_id(known, append.prev_log_id)?;
    // A leader that lost may not know yet: it is told by whoever compares votes.
    let known =
        if append.vote.leader_id.term < known.term { Known { committed: None, ..known } } else { known };
    let mut before = append.prev_log_id;
    check_committed(known, before)?;
    for entry in &append.entries {
        check_entry(before, entry)?;
        before = Some(entry.log_id);
        check_committed(known, before)?;
    }
    // Terms rise along a log: the last one is the highest.
    check_log_id(known, before)?;
    let leads_by = before.map_or(0, |last| *last.leader_id);
    if leads_by > append.vote.leader_id.term { Err(Implausible::Order) } else { Ok(()) }
}

fn check_entry(before: Option<LogId>, entry: &Entry) -> Checked {
    let (index, term) = (entry.log_id.index, *entry.log_id.leader_id);
    let expected = before.map_or(0, |before| before.index.saturating_add(1));
    if index != expected || before.is_some_and(|before| *before.leader_id > term) {
        return Err(Implausible::Order);
    }
    match &entry.payload {
        EntryPayload::Membership(membership) => check_membership(membership),
        EntryPayload::Blank | EntryPayload::Normal(_) => Ok(()),
    }
}

/// Terms rise along a log, and what is committed is the same everywhere.
fn check_committed(known: Known, log_id: Option<LogId>) -> Checked {
    let (Some(committed), Some(log_id)) = (known.committed, log_id) else { return Ok(()) };
    let terms = (*log_id.leader_id).cmp(&*committed.leader_id);
    let agrees = match log_id.index.cmp(&committed.index) {
        std::cmp::Ordering::Less => terms.is_le(),
        std::cmp::Ordering::Equal => terms.is_eq(),
        std::cmp::Ordering::Greater => terms.is_ge(),
    };
    if agrees { Ok(()) } else { Err(Implausible::Committed) }
}

fn check_membership(membership: &Membership) -> Checked {
    let configs = membership.get_joint_config();
    let is_sound = |voters: &std::collections::BTreeSet<NodeId>| {
        !voters.is_empty() && voters.iter().all(|voter| membership.get_node(voter).is_some())
    };
    // A change of voters passes through two sets of them, never more.
    if (1..=2).contains(&configs.len()) && configs.iter().all(is_sound) {
        Ok(())
    } else {
        Err(Implausible::Membership)
    }
}

/// Whether a correct node can answer this to a message of `term`.
///
/// # Errors
/// [`Implausible`].
pub fn check_response<R: AsyncRuntime>(term: u64, response: &Response<R>) -> Checked {
    let known = Known { term, committed: None };
    match response {
        Response::Vote(vote) => {
            check_term(term, vote.vote.leader_id.term)?;
            check_log_id(known, vote.last_log_id)
        }
        Response::Append(AppendEntriesResponse::HigherVote(vote)) => check_term(term, vote.leader_id.term),
        Response::Append(AppendEntriesResponse::PartialSuccess(until)) => check_log_id(known, *until),
        Response::SnapshotDone(done) => check_term(term, done.vote.leader_id.term),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Implausible, Known, check_request, check_response};
    use crate::limit::{INDEX_MAX, TERM_MAX, TERM_STEP_MAX};
    use crate::log::{Entry, LogId, Vote};
    use crate::peer::{Request, Response};
    use crate::types::Types;
    use openraft::EntryPayload;
    use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
    use openraft_rt_sim::SimRuntime;
    use sluice_engine::id::GroupId;

    type R = SimRuntime;

    const GROUP: GroupId = GroupId(0);
    const KNOWN: Known = Known { term: 5, committed: Some(LogId { leader_id: at(4), index: 9 }) };

    const fn at(term: u64) -> crate::log::CommittedLeaderId {
        crate::log::CommittedLeaderId { term }
    }

    fn id(term: u64, index: u64) -> LogId {
        LogId { leader_id: at(term), index }
    }

    fn vote(term: u64, last: Option<LogId>) -> Request<R> {
        let vote = VoteRequest::<Types<R>>::new(Vote::new(term, 2), last);
        Request::Vote { group: GROUP, vote }
    }

    fn append(term: u64, prev: LogId, entries: &[LogId]) -> Request<R> {
        let entry = |log_id: &LogId| Entry { log_id: *log_id, payload: EntryPayload::Blank };
        let append = AppendEntriesRequest {
            vote: Vote::new_committed(term, 2),
            prev_log_id: Some(prev),
            entries: entries.iter().map(entry).collect(),
            leader_commit: None,
        };
        Request::Append { group: GROUP, append }
    }

    #[test]
    fn a_term_rises_by_no_more_than_a_step() {
        let high = KNOWN.term + TERM_STEP_MAX;
        assert_eq!(check_request(2, KNOWN, &vote(high, None)), Ok(()));
        for term in [high + 1, TERM_MAX + 1, u64::MAX] {
            let refused = Err(Implausible::Term(term));
            assert_eq!(check_request(2, KNOWN, &vote(term, None)), refused);
            assert_eq!(check_request(2, KNOWN, &append(term, id(4, 9), &[])), refused);
            assert_eq!(check_request(2, KNOWN, &vote(6, Some(id(term, 9)))), refused);
            let answer = Response::<R>::Append(AppendEntriesResponse::HigherVote(Vote::new(term, 3)));
            assert_eq!(check_response(KNOWN.term, &answer), refused);
        }
        let near_the_end = Known { term: TERM_MAX, committed: None };
        assert!(check_request(2, near_the_end, &vote(TERM_MAX + 1, None)).is_err());
    }

    #[test]
    fn a_node_speaks_for_itself_only() {
        assert_eq!(check_request(3, KNOWN, &vote(6, None)), Err(Implausible::Sender(2)));
        assert_eq!(check_request(3, KNOWN, &append(6, id(4, 9), &[])), Err(Implausible::Sender(2)));
    }

    #[test]
    fn entries_follow_each_other_and_what_is_committed() {
        let check = |prev, entries: &[LogId]| check_request(2, KNOWN, &append(6, prev, entries));
        assert_eq!(check(id(4, 9), &[id(4, 10), id(6, 11)]), Ok(()));
        assert_eq!(check(id(3, 7), &[id(4, 8), id(4, 9)]), Ok(()));
        for (prev, entries) in [
            (id(4, 9), &[id(4, 11)][..]),
            (id(4, 9), &[id(4, 10), id(3, 11)]),
            (id(4, 9), &[id(7, 10)]),
            (id(4, u64::MAX), &[id(4, 0)]),
            (id(3, 9), &[]),
            (id(5, 8), &[]),
            (id(3, 10), &[]),
            (id(4, INDEX_MAX + 1), &[]),
        ] {
            assert!(check(prev, entries).is_err(), "{prev} {entries:?}");
        }
        let of_the_past = append(3, id(3, 9), &[id(3, 10)]);
        assert_eq!(check_request(2, KNOWN, &of_the_past), Ok(()), "it has to hear of the higher vote");
    }
}
