//! A node that was removed from its cluster ends as it does at a signal, in good order, but with the line that says why.

use std::sync::{Arc, OnceLock};

use super::error::StartError;
use super::signal;

/// Whether this node was removed.
#[derive(Default)]
pub(super) struct Removal(OnceLock<String>);

impl Removal {
    /// What the node calls when it learns of it, with the line: the server begins to stop.
    pub(super) fn noted(self: &Arc<Self>) -> Box<dyn Fn(&str) + Send + Sync> {
        let removal = Arc::clone(self);
        Box::new(move |line| {
            if removal.0.set(line.to_owned()).is_ok() {
                signal::stop_this_process();
            }
        })
    }

    /// How the server ended: an error where it was removed.
    pub(super) fn outcome(&self) -> Result<(), StartError> {
        self.0.get().map_or(Ok(()), |line| Err(StartError::Removed(line.clone())))
    }
}
