//! Votes on disk that no election can have led to, and their repair.
//!
//! A vote is never forgotten, so one with an absurd term would stop openraft at every start. Peers cannot bring one about any more;
//! what is on a disk may come from elsewhere.

use openraft::RaftLogReader;
use openraft::async_runtime::AsyncRuntime;
use openraft::storage::RaftLogStorage;
use openraft_rt_tokio::TokioRuntime;
use sluice_engine::id::GroupId;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::config::StartError;
use super::identity::Identity;
use crate::disk::Folder;
use crate::limit::{REPAIRED_TERM_STEP, TERM_MAX, TERM_STEP_MAX};
use crate::log::{Log, LogOptions, Vote};

/// A vote that was repaired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// The group.
    pub group: u16,
    /// The term that no election can have led to.
    pub absurd: u64,
    /// The term that is on disk now.
    pub term: u64,
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}: the vote of term {} is one of term {} now", self.group, self.absurd, self.term)
    }
}

/// What is wrong with the terms of a group's log.
enum Absurd {
    Vote(u64),
    Entry(u64),
}

/// Refuses to start from a vote, or an entry, that no election can have led to.
pub(super) async fn check_votes<R: AsyncRuntime>(log: &Log<R>, groups: u16) -> Result<(), StartError> {
    for group in 0..groups {
        match absurd(log, group).await.map_err(StartError::Vote)? {
            None => {}
            Some((Absurd::Vote(term), _)) => return Err(StartError::AbsurdVote { group, term }),
            Some((Absurd::Entry(term), _)) => return Err(StartError::AbsurdTerm { group, term }),
        }
    }
    Ok(())
}

/// The absurd term of a group, and the term of its last entry.
async fn absurd<R: AsyncRuntime>(log: &Log<R>, group: u16) -> io::Result<Option<(Absurd, u64)>> {
    let mut store = log.group(GroupId(group));
    let last = store.get_log_state().await?.last_log_id.map_or(0, |last| *last.leader_id);
    let vote = store.read_vote().await?.map_or(0, |vote| vote.leader_id.term);
    let what = if last > TERM_MAX {
        Some(Absurd::Entry(last))
    } else if vote > last.saturating_add(TERM_STEP_MAX).min(TERM_MAX) {
        Some(Absurd::Vote(vote))
    } else {
        None
    };
    Ok(what.map(|what| (what, last)))
}

/// Puts votes that can be true in the place of those that cannot, in the folder of a node that does not run. Returns what it did.
///
/// The node then votes for itself, in a term above any that it can truly have voted in: it breaks no promise, and others follow
/// within a bounded step.
///
/// # Errors
/// [`StartError`]: the folder is in use, holds no node, or its log cannot be opened; [`StartError::AbsurdTerm`] where an entry
/// has such a term, which nothing repairs. Blocks.
pub fn repair_vote(folder: &Path, salt: u64) -> Result<Vec<Repaired>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(StartError::Threads)?.block_on(repair(folder, salt))
}

async fn repair(folder: &Path, salt: u64) -> Result<Vec<Repaired>, StartError> {
    let disk = Arc::new(Folder::open(folder).map_err(StartError::Folder)?);
    let identity = Identity::load(&*disk).await?.ok_or(StartError::Nobody)?;
    let options = LogOptions::new(identity.node, identity.cluster, salt);
    let log = Log::<TokioRuntime>::open(disk, options).await?;
    let (writer, repairing) = (log.writer(), repair_all(&log, &identity));
    let repairing = async {
        let repaired = repairing.await;
        log.close();
        repaired
    };
    let ((), repaired) = futures_util::future::join(writer, repairing).await;
    repaired
}

async fn repair_all(log: &Log<TokioRuntime>, identity: &Identity) -> Result<Vec<Repaired>, StartError> {
    let mut repaired = Vec::new();
    for group in 0..identity.groups {
        let (absurd, last) = match absurd(log, group).await.map_err(StartError::Vote)? {
            None => continue,
            Some((Absurd::Vote(absurd), last)) => (absurd, last),
            Some((Absurd::Entry(term), _)) => return Err(StartError::AbsurdTerm { group, term }),
        };
        let term = last + REPAIRED_TERM_STEP;
        let vote = Vote::new(term, identity.node);
        log.group(GroupId(group)).save_vote(&vote).await.map_err(StartError::Vote)?;
        repaired.push(Repaired { group, absurd, term });
    }
    Ok(repaired)
}
