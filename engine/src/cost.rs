//! What state is counted as, in bytes: the cost model, version 1.
//!
//! Apply decides by some of it: whether an append fits its namespace, and what goes to make room. So replicas that run different
//! builds, on different machines, must count alike: these numbers are written down, and never taken from how a build lays its
//! structures out or what an allocator gave. Whoever changes one changes what the log means, and raises the log's format with
//! [`MODEL`].
//!
//! The assertions hold them to what the structures really take: a model that falls behind is noticed by the build.

use crate::shard::requests::Remembered;
use crate::stream::block::Block;
use crate::stream::consumers::Consumer;
use crate::stream::group::Group;
use crate::stream::keyspace::Key;
use crate::stream::pending::Pended;
use crate::stream::requests::RememberedAdd;
use crate::zone::settings::ZoneSettings;
use crate::zone::state::ZoneState;
use crate::zone::users::Expiry;

/// The version of the model. Goes up with the format of the log.
pub const MODEL: u32 = 1;

/// A key beside its name and what it holds: its struct, its slot, its index entry, its deadline.
pub(crate) const KEY_BYTES: usize = 328;
/// A sealed block of a stream beside its room: the struct, the counts of its `Arc`, its place in the run.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = 104;
/// A group beside its name and what is in it.
pub(crate) const GROUP_BYTES: usize = 176;
/// A consumer beside its name, were it alone in its chunk.
pub(crate) const CONSUMER_BYTES: usize = 136;
/// A pending entry.
pub(crate) const PENDED_BYTES: usize = 48;
/// The request of an append that is remembered.
pub(crate) const ADD_REQUEST_BYTES: u64 = 144;
/// The request of a join that is remembered.
pub(crate) const JOIN_REQUEST_BYTES: u64 = 144;
/// A zone beside its texts, waiters and users: its struct, its settings, what readers see of it.
pub(crate) const ZONE_BYTES: u64 = 5_120;
/// A user who holds a place: two entries of a hash map, and slack.
pub(crate) const USER_BYTES: u64 = 112;
/// An admission that is remembered for its user.
pub(crate) const EXPIRY_BYTES: u64 = 64;
/// A run of admissions in a window.
pub(crate) const WINDOW_RUN_BYTES: u64 = 16;

const WORD: usize = size_of::<u64>();

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Key>() + 2 * WORD + crate::stream::index::INDEX_BYTES + 3 * WORD <= KEY_BYTES);
    assert!(size_of::<Block>() + 2 * WORD + 2 * WORD <= BLOCK_OVERHEAD_BYTES);
    // The counts of its `Arc`, and its place in the list.
    assert!(size_of::<Group>() + 3 * WORD <= GROUP_BYTES);
    // Its place in the chunk, the chunk with the counts of its `Arc`, and twice that of both lists.
    assert!(size_of::<(u8, Consumer)>() + 5 * WORD + 2 * (2 * WORD + 4) <= CONSUMER_BYTES);
    assert!(size_of::<Pended>() + WORD <= PENDED_BYTES);
    assert!(2 * size_of::<RememberedAdd>() + 2 * WORD <= ADD_REQUEST_BYTES as usize);
    assert!(2 * size_of::<Remembered>() + 2 * WORD <= JOIN_REQUEST_BYTES as usize);
    assert!(size_of::<ZoneState>() + size_of::<ZoneSettings>() + 4_096 <= ZONE_BYTES as usize);
    assert!(size_of::<Expiry>() <= EXPIRY_BYTES as usize);
};
