//! All shards of a node, opened together.

use crate::account::Account;
use crate::directory::{Directory, Names};
use crate::id::{GroupId, KeyGen};
use crate::keyring::Keyring;
use crate::limit::CLOCK_SKEW_MS_DEFAULT;
use crate::owner::Owner;
use crate::sequencer::Sequencer;
use crate::shard::Shard;
use crate::snapshot::SnapshotError;
use crate::snapshot::restore::restore;
use crate::time::{LogTime, MonoMs};
use std::sync::Arc;

/// How a node's engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Groups, and so shards. Fixed for the life of the data.
    pub groups: u16,
    /// Bytes that the process may hold: 13 of 16 parts are for the shards' state ([`memory`](crate::memory) says what of them for
    /// what); the others for what is on its way to clients.
    pub memory_max: u64,
    /// The first token key, drawn at random outside; used only by shards that start empty.
    pub secret: [u8; 16],
    /// Log time at which shards that start empty begin, in ms; 48 bits.
    pub epoch: LogTime,
    /// How long, in ms, a node that answers polls and is out of reach holds back the dropping of silent waiters.
    pub evict_hold_ms: u64,
    /// By how much, in ms, this node's wall clock may differ from others' for it to lead.
    pub clock_skew_max_ms: u64,
}

impl Options {
    /// Six groups, no memory bound, log time from 1.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Options {
        Options {
            groups: 6,
            memory_max: u64::MAX,
            secret,
            epoch: LogTime(1),
            evict_hold_ms: 300_000,
            clock_skew_max_ms: CLOCK_SKEW_MS_DEFAULT,
        }
    }
}

/// A shard's state that no owner holds: read from a snapshot, or replaced by one.
pub struct Detached(pub(crate) Shard);

impl Detached {
    /// The state that a snapshot describes. Takes as long as the snapshot is large: not for an owner's thread.
    ///
    /// # Errors
    /// [`SnapshotError`] where it cannot be loaded.
    pub fn restore(bytes: &[u8], group: GroupId) -> Result<Detached, SnapshotError> {
        restore(bytes, group, Arc::new(Names::new())).map(Detached)
    }

    /// Index of the last entry in it.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.index
    }
}

impl std::fmt::Debug for Detached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detached").field("index", &self.0.index).finish_non_exhaustive()
    }
}

/// Opens the shards. `restored` holds the snapshot of each group, by its number; missing ones start empty.
/// `sequencer` gets the group and the index of the last batch that its shard has applied.
///
/// # Errors
/// [`SnapshotError`] where a snapshot cannot be loaded.
pub fn open(
    options: Options,
    restored: Vec<Option<Vec<u8>>>,
    mut sequencer: impl FnMut(GroupId, u64) -> Box<dyn Sequencer>,
    now: MonoMs,
) -> Result<(Arc<Directory>, Vec<Owner>), SnapshotError> {
    let names = Arc::new(Names::new());
    let mut restored = restored.into_iter();
    let mut shards = Vec::with_capacity(usize::from(options.groups));
    for group in (0..options.groups).map(GroupId) {
        shards.push(match restored.next().flatten() {
            Some(bytes) => restore(&bytes, group, Arc::clone(&names))?,
            None => {
                Shard::new(group, Keyring::new(KeyGen(1), options.secret), options.epoch, Arc::clone(&names))
            }
        });
    }
    let views = shards.iter().map(|shard| Arc::clone(&shard.view)).collect();
    let account = Arc::new(Account::new(options.memory_max));
    shards.iter_mut().for_each(|shard| shard.account = Arc::clone(&account));
    let directory = Arc::new(Directory::new(views, names, account));
    let owners = shards.into_iter().map(|shard| {
        let sequencer = sequencer(shard.group, shard.index);
        Owner::new(shard, Arc::clone(&directory), &options, sequencer, now)
    });
    let owners = owners.collect();
    Ok((directory, owners))
}
