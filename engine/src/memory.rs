//! What state may take: one bound for all of it, a share of it for zones and one for streams, and a reserve.
//!
//! ```text
//! memory_max ├──────────────── for everybody ────────────────┤ reserve │   reserve: trusted joins, new zones
//! zones      ├─────────── 3/4 ───────────┤
//! streams                 ├─────────── 3/4 ───────────┤
//! ```
//! Neither use can take the other's quarter, and strangers never take the reserve. Of what is left to it one zone, or one stream,
//! may take at most twice what is still free: one alone gets two thirds of the share, which is half of all, two get two
//! fifths each, and there is always room for another (a *dynamic threshold*, Choudhury and Hahne, 1998), whoever joins it.
//! While less than two thirds are taken nobody can be past that, and nothing is looked up.
//!
//! This decides what is *proposed*, by what the proposing node counts; apply decides by nothing of it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One part in so many is the reserve.
const RESERVE_PART: u64 = 16;
/// Zones, and streams, may take so many quarters.
const SHARE_QUARTERS: u64 = 3;
/// One zone, or stream, may take so many times what is free in its share.
const FREE_TIMES: u64 = 2;

/// What was reached, where there is no room for more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Bound {
    /// The zone's `max_waiting`, or the room that goes with it.
    MaxWaiting,
    /// One zone's part of the zones' share.
    OneZone,
    /// The zones' share.
    Zones,
    /// One stream's part of the streams' share.
    OneStream,
    /// The streams' share.
    Streams,
    /// What everybody may take of the node's `memory_max`.
    Node,
}

impl Bound {
    /// All of them, in order.
    pub const ALL: [Bound; 6] =
        [Bound::MaxWaiting, Bound::OneZone, Bound::Zones, Bound::OneStream, Bound::Streams, Bound::Node];

    /// As metrics name it.
    ///
    /// ```
    /// assert_eq!(sluice_engine::memory::Bound::OneZone.word(), "zone");
    /// ```
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Bound::MaxWaiting => "max_waiting",
            Bound::OneZone => "zone",
            Bound::Zones => "zones",
            Bound::OneStream => "stream",
            Bound::Streams => "streams",
            Bound::Node => "node",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::MaxWaiting => "the zone is full: max_waiting is reached",
            Bound::OneZone => "the zone is full: it takes its part of the memory for zones",
            Bound::Zones => "the zones of this node take their share of memory_max",
            Bound::OneStream => "the stream takes its part of the memory for streams",
            Bound::Streams => "the streams of this node take their share of memory_max",
            Bound::Node => "this node's memory_max is reached",
        })
    }
}

/// Bytes that state takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Zones, their waiters and their requests.
    pub zones: u64,
    /// Streams and keys.
    pub streams: u64,
}

impl Used {
    /// All of it.
    #[must_use]
    pub fn all(self) -> u64 {
        self.zones.saturating_add(self.streams)
    }
}

/// What of a bound may be taken for what, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    /// By everything.
    pub all: u64,
    /// By everything but what the reserve is for.
    pub ordinary: u64,
    /// By zones.
    pub zones: u64,
    /// By streams.
    pub streams: u64,
}

impl Shares {
    /// The shares of a bound.
    #[must_use]
    pub fn of(memory_max: u64) -> Shares {
        if memory_max == u64::MAX {
            // No bound: there is nothing to share out.
            return Shares { all: u64::MAX, ordinary: u64::MAX, zones: u64::MAX, streams: u64::MAX };
        }
        let share = memory_max / 4 * SHARE_QUARTERS;
        Shares {
            all: memory_max,
            ordinary: memory_max - memory_max / RESERVE_PART,
            zones: share,
            streams: share,
        }
    }

    /// Whether somebody may join a zone that takes so many bytes. The reserve is for the trusted.
    pub(crate) fn check_join(
        &self,
        used: Used,
        is_trusted: bool,
        zone: impl FnOnce() -> u64,
    ) -> Result<(), Bound> {
        self.check_all(used, is_trusted)?;
        let (all, share) =
            if is_trusted { (self.all, self.zones_of_trusted()) } else { (self.ordinary, self.zones) };
        // What streams take of the rest is not there to be shared out.
        let share = share.min(all.saturating_sub(used.streams));
        within(share, used.zones, zone, (Bound::Zones, Bound::OneZone))
    }

    /// Whether a zone may be made: an operator's, so the reserve is for it.
    pub(crate) fn check_zone(&self, used: Used) -> Result<(), Bound> {
        self.check_all(used, true)?;
        if used.zones >= self.zones_of_trusted() { Err(Bound::Zones) } else { Ok(()) }
    }

    /// The zones' share with the reserve.
    fn zones_of_trusted(&self) -> u64 {
        self.zones.saturating_add(self.all - self.ordinary)
    }

    /// Whether something may be added to a stream that takes so many bytes.
    pub(crate) fn check_stream(&self, used: Used, stream: impl FnOnce() -> u64) -> Result<(), Bound> {
        self.check_all(used, false)?;
        let share = self.streams.min(self.ordinary.saturating_sub(used.zones));
        within(share, used.streams, stream, (Bound::Streams, Bound::OneStream))
    }

    fn check_all(&self, used: Used, is_trusted: bool) -> Result<(), Bound> {
        let most = if is_trusted { self.all } else { self.ordinary };
        if used.all() >= most { Err(Bound::Node) } else { Ok(()) }
    }
}

/// Whether one of a share's many, which takes `one` bytes, may take more, while all of them take `taken`.
fn within(
    share: u64,
    taken: u64,
    one: impl FnOnce() -> u64,
    (all, each): (Bound, Bound),
) -> Result<(), Bound> {
    if taken >= share {
        return Err(all);
    }
    let most = (share - taken).saturating_mul(FREE_TIMES);
    // No one takes more than all of them.
    if taken > most && one() > most { Err(each) } else { Ok(()) }
}

/// How often each bound was in somebody's way, since the start. Written by all owners.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; Bound::ALL.len()]);

impl Refusals {
    pub(crate) fn count(&self, bound: Bound) {
        self.0[bound as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> [(Bound, u64); Bound::ALL.len()] {
        Bound::ALL.map(|bound| (bound, self.0[bound as usize].load(Ordering::Relaxed)))
    }
}

/// What memory a node's state takes, what it may, and how often that was in somebody's way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// What it takes.
    pub used: Used,
    /// What it may take.
    pub shares: Shares,
    /// By bound, how much was refused since the start.
    pub refused: [(Bound, u64); Bound::ALL.len()],
}

#[cfg(test)]
mod tests {
    use super::{Bound, Shares, Used};

    fn shares() -> Shares {
        Shares::of(1_600)
    }

    fn join(zones: u64, streams: u64, zone: u64) -> Result<(), Bound> {
        shares().check_join(Used { zones, streams }, false, || zone)
    }

    #[test]
    fn neither_zones_nor_streams_take_the_others_part_and_strangers_leave_the_reserve() {
        assert_eq!((shares().ordinary, shares().zones), (1_500, 1_200));
        assert_eq!(join(1_200, 0, 10), Err(Bound::Zones));
        assert_eq!(join(300, 1_200, 10), Err(Bound::Node));
        assert_eq!(join(299, 1_200, 2), Ok(()), "streams that are full are in no waiter's way");
        let streams = |zones, streams| shares().check_stream(Used { zones, streams }, || 2);
        assert_eq!((streams(0, 1_200), streams(1_200, 299)), (Err(Bound::Streams), Ok(())));
        let trusted = |zones, streams| shares().check_join(Used { zones, streams }, true, || 2);
        assert_eq!((trusted(1_200, 399), trusted(1_200, 400)), (Ok(()), Err(Bound::Node)));
        assert_eq!((trusted(1_299, 0), trusted(1_300, 0)), (Ok(()), Err(Bound::Zones)));
        let zone = |zones, streams| shares().check_zone(Used { zones, streams });
        assert_eq!((zone(1_200, 399), zone(1_299, 0), zone(1_300, 0)), (Ok(()), Ok(()), Err(Bound::Zones)));
    }

    #[test]
    fn one_zone_alone_takes_two_thirds_of_the_share_and_others_still_find_room() {
        assert_eq!((join(800, 0, 800), join(801, 0, 801)), (Ok(()), Err(Bound::OneZone)));
        assert_eq!(join(801, 0, 1), Ok(()), "a small one");
        assert_eq!((join(960, 0, 480), join(962, 0, 481)), (Ok(()), Err(Bound::OneZone)), "two large ones");
        assert_eq!(join(1_199, 0, 2), Ok(()), "many small ones fill it");
    }

    #[test]
    fn a_zone_that_the_trusted_fill_leaves_room_for_others_however_much_streams_take() {
        for streams in [0, 300, 700, 1_200] {
            let trusted = |zones, zone| shares().check_join(Used { zones, streams }, true, || zone);
            let filled = (1..).find(|taken| trusted(*taken, *taken).is_err()).expect("it is full");
            assert_eq!(trusted(filled, filled), Err(Bound::OneZone), "{streams}");
            assert_eq!(trusted(filled, 1), Ok(()), "another's users, {streams}");
            assert_eq!(shares().check_zone(Used { zones: filled, streams }), Ok(()));
            let stranger = shares().check_join(Used { zones: filled, streams }, false, || 1);
            let append = shares().check_stream(Used { zones: filled, streams }, || 1);
            assert_eq!(stranger, Ok(()), "{streams}");
            assert_eq!(append.is_ok(), streams < 1_200, "{streams}");
        }
    }

    #[test]
    fn without_a_bound_nothing_is_full() {
        let used = Used { zones: u64::MAX / 2, streams: u64::MAX / 4 };
        assert_eq!(Shares::of(u64::MAX).check_join(used, false, || u64::MAX / 2), Ok(()));
    }
}
