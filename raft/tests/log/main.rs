//! The log and the snapshot files, on a disk that forgets, tears, fills up and breaks.
//!
//! Seen to fail, each by one change of the code: answers without a sync (`model`, `faults`); no zeros over a
//! torn write (`model`); no marks at the start of a segment (`space`, `model`); any bad end taken for torn, none, none for a
//! missing sector; one wrong byte in the zeros wiped; a segment that stays as short as it was cut (`recovery`).

#[path = "../sim/disk.rs"]
mod disk;
mod faults;
mod model;
mod recovery;
mod snapshots;
mod space;
mod stand;
mod suite;
