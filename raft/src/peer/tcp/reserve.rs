//! Who has a connection to this node, and who gives way when there are too many.
//!
//! Invariants: whoever has proven nothing takes no room from those who have; no source has more than its share of the unproven;
//! a member has room for its lanes whatever others do. Of the unproven the source that has most gives way, with its oldest, so few
//! sources push out nobody but themselves, however often they come: silent connections shut the port to nobody.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::AbortHandle;

use super::super::limit::{
    CONNECTIONS_A_NODE, CONNECTIONS_MAX, CONNECTIONS_OF_NEWCOMERS, UNPROVEN_A_SOURCE,
    UNPROVEN_CONNECTIONS_MAX,
};
use crate::types::NodeId;

/// All connections that others have made.
#[derive(Default)]
pub(super) struct Reserve(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    next: u64,
    /// Oldest first, as in the other one.
    unproven: VecDeque<(u64, Source, AbortHandle)>,
    proven: VecDeque<(u64, NodeId, AbortHandle)>,
}

/// Whoever may have all of these addresses at once: one of IPv4, a /64 of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

/// A connection's place, held by what serves it and free again when that ends.
pub(super) struct Place {
    reserve: Arc<Reserve>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lists = self.reserve.lock();
        lists.unproven.retain(|(id, ..)| *id != self.id);
        lists.proven.retain(|(id, ..)| *id != self.id);
    }
}

impl Place {
    /// The other side has proven what it knows: it is `node`, or a node that waits (0).
    pub(super) fn prove(&self, node: NodeId) {
        let mut lists = self.reserve.lock();
        let Some(at) = lists.unproven.iter().position(|(id, ..)| *id == self.id) else { return };
        let Some((id, _, task)) = lists.unproven.remove(at) else { return };
        let own = lists.proven.iter().filter(|(_, other, _)| *other == node).count();
        let first_of = |node: NodeId| lists.proven.iter().position(|(_, other, _)| *other == node);
        let share = if node == 0 { CONNECTIONS_OF_NEWCOMERS } else { CONNECTIONS_A_NODE };
        let gives_way = if own >= share {
            first_of(node)
        } else if lists.proven.len() >= CONNECTIONS_MAX {
            first_of(0).or(Some(0))
        } else {
            None
        };
        if let Some((.., task)) = gives_way.and_then(|at| lists.proven.remove(at)) {
            task.abort();
        }
        lists.proven.push_back((id, node, task));
    }
}

impl Reserve {
    /// A connection from `address` is served by what `spawn` starts.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, spawn: impl FnOnce(Place) -> AbortHandle) {
        let source = Source::of(address);
        let mut lists = self.lock();
        if let Some((.., task)) = lists.gives_way(source).and_then(|at| lists.unproven.remove(at)) {
            task.abort();
        }
        let id = lists.next;
        lists.next += 1;
        let task = spawn(Place { reserve: Arc::clone(self), id });
        lists.unproven.push_back((id, source, task));
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Lists {
    /// Which of the unproven goes when one more comes from `source`, if any has to.
    fn gives_way(&self, source: Source) -> Option<usize> {
        let mut counts: BTreeMap<Source, usize> = BTreeMap::from([(source, 1)]);
        self.unproven.iter().for_each(|(_, other, _)| *counts.entry(*other).or_default() += 1);
        if counts[&source] <= UNPROVEN_A_SOURCE && self.unproven.len() < UNPROVEN_CONNECTIONS_MAX {
            return None;
        }
        let most =
            if counts[&source] > UNPROVEN_A_SOURCE { counts[&source] } else { *counts.values().max()? };
        // The oldest of those who have most.
        self.unproven.iter().position(|(_, other, _)| counts[other] == most)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::limit::{CONNECTIONS_A_NODE, UNPROVEN_A_SOURCE, UNPROVEN_CONNECTIONS_MAX};
    use super::{Place, Reserve, Source};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};
    use tokio::task::{JoinHandle, yield_now};

    struct Guest {
        task: JoinHandle<()>,
        place: Receiver<Arc<Place>>,
    }

    fn enter(reserve: &Arc<Reserve>, source: u8) -> Guest {
        let (sender, place) = channel();
        let mut task = None;
        reserve.enter(Ipv4Addr::new(10, 0, 0, source).into(), |place| {
            let place = Arc::new(place);
            sender.send(Arc::clone(&place)).expect("is awaited");
            let spawned = tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(place);
            });
            task.insert(spawned).abort_handle()
        });
        Guest { task: task.expect("spawned"), place }
    }

    impl Guest {
        fn prove(&self, node: u64) {
            self.place.recv().expect("a place").prove(node);
        }
    }

    async fn gone(guests: &[Guest]) -> usize {
        for _ in 0..10 {
            yield_now().await;
        }
        guests.iter().filter(|guest| guest.task.is_finished()).count()
    }

    #[tokio::test]
    async fn the_oldest_of_the_unproven_gives_way_and_members_never() {
        let reserve = Arc::new(Reserve::default());
        let members: Vec<_> = (2..5).map(|node| (enter(&reserve, 1), node)).collect();
        members.iter().for_each(|(guest, node)| guest.prove(*node));
        let silent: Vec<_> = (0..2 * UNPROVEN_A_SOURCE).map(|_| enter(&reserve, 1)).collect();
        assert_eq!(gone(&silent).await, UNPROVEN_A_SOURCE, "a source has its share");
        assert!(silent[..UNPROVEN_A_SOURCE].iter().all(|guest| guest.task.is_finished()), "the oldest went");
        let others: Vec<_> = (2..200).map(|source| enter(&reserve, source)).collect();
        let left = 2 * UNPROVEN_A_SOURCE - gone(&silent).await + others.len() - gone(&others).await;
        assert_eq!(left, UNPROVEN_CONNECTIONS_MAX, "all together");
        assert!(members.iter().all(|(guest, _)| !guest.task.is_finished()));
    }

    #[tokio::test]
    async fn two_sources_push_out_nobody_but_themselves() {
        let reserve = Arc::new(Reserve::default());
        let sources = [2, 3];
        let before: Vec<_> =
            (0..UNPROVEN_CONNECTIONS_MAX).map(|at| enter(&reserve, sources[at % 2])).collect();
        let member = enter(&reserve, 1);
        let after: Vec<_> =
            (0..5 * UNPROVEN_CONNECTIONS_MAX).map(|at| enter(&reserve, sources[at % 2])).collect();
        assert_eq!(gone(&[member]).await, 0, "it had no time to prove anything");
        assert_eq!(gone(&before).await, before.len());
        assert_eq!(after.len() - gone(&after).await, UNPROVEN_CONNECTIONS_MAX - 1);
    }

    #[test]
    fn a_source_has_all_its_addresses() {
        let source = |text: &str| Source::of(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("::ffff:10.0.0.1"), source("::ffff:10.0.0.2"));
    }

    #[tokio::test]
    async fn a_node_s_oldest_connection_gives_way_to_its_newest() {
        let reserve = Arc::new(Reserve::default());
        let all: Vec<_> = (0..CONNECTIONS_A_NODE + 2)
            .map(|_| {
                let guest = enter(&reserve, 1);
                guest.prove(7);
                guest
            })
            .collect();
        let other = enter(&reserve, 1);
        other.prove(8);
        assert_eq!(gone(&all).await, 2);
        assert!(all[..2].iter().all(|guest| guest.task.is_finished()));
        assert_eq!(gone(&[other]).await, 0);
    }
}
