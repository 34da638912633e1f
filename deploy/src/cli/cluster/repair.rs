//! `sluice cluster repair-vote`: mends the data folder of a node that does not run.

use std::path::Path;

use super::PlaneError;
use sluice_raft::node::repair_vote;

/// What was done, one line a vote.
pub(super) fn run(data: &Path) -> Result<String, PlaneError> {
    let refused = |why: String| PlaneError::Unrepaired { data: data.to_owned(), why };
    if !data.is_dir() {
        return Err(refused("there is no such folder; name the node's with --data".to_owned()));
    }
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| refused(error.to_string()))?;
    let repaired = repair_vote(data, u64::from_le_bytes(salt)).map_err(|error| refused(error.to_string()))?;
    if repaired.is_empty() {
        return Err(refused("each vote is one that an election can lead to: nothing is changed".to_owned()));
    }
    Ok(repaired.iter().map(|vote| format!("{vote}\n")).collect())
}
