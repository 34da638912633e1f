//! The state of a file that was checked: it stays with the file until it is installed, so that it is loaded once.

use crate::cluster::Metadata;
use crate::group::Background;
use sluice_engine::node::Detached;
use std::sync::{Mutex, PoisonError};

/// What a snapshot holds, in memory.
pub(crate) struct Loaded {
    /// In the first group: the cluster's metadata.
    pub(crate) cluster: Option<Metadata>,
    /// The state of the shard.
    pub(crate) state: Box<Detached>,
}

/// What a check has loaded. Where nobody takes it, it is freed in the background: that may take long.
pub struct Checked {
    /// Under a lock, for the file is read by several and a state is not: it is taken by whoever has the file alone.
    loaded: Mutex<Option<Loaded>>,
    background: Background,
}

impl Checked {
    pub(crate) fn new(loaded: Loaded, background: Background) -> Checked {
        Checked { loaded: Mutex::new(Some(loaded)), background }
    }

    pub(super) fn take(&mut self) -> Option<Loaded> {
        self.loaded.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if let Some(loaded) = self.take() {
            (self.background)(Box::new(move || drop(loaded)));
        }
    }
}
