//! What a node takes for the time: the true one, and by how much its clock has jumped ahead.

use crate::cluster::runtime::Host;
use openraft::async_runtime::Instant;
use openraft_rt_sim::SimInstant;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A moment on the clock of the node that looks. Outside all nodes it is the true one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeInstant(SimInstant);

impl Instant for NodeInstant {
    fn now() -> NodeInstant {
        NodeInstant(SimInstant::now() + Host::jumped())
    }
}

impl Add<Duration> for NodeInstant {
    type Output = NodeInstant;

    fn add(self, by: Duration) -> NodeInstant {
        NodeInstant(self.0 + by)
    }
}

impl AddAssign<Duration> for NodeInstant {
    fn add_assign(&mut self, by: Duration) {
        self.0 += by;
    }
}

impl Sub<Duration> for NodeInstant {
    type Output = NodeInstant;

    fn sub(self, by: Duration) -> NodeInstant {
        NodeInstant(self.0 - by)
    }
}

impl SubAssign<Duration> for NodeInstant {
    fn sub_assign(&mut self, by: Duration) {
        self.0 -= by;
    }
}

impl Sub for NodeInstant {
    type Output = Duration;

    fn sub(self, earlier: NodeInstant) -> Duration {
        self.0 - earlier.0
    }
}
