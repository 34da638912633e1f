//! The cluster as commands and health see it, whoever replicates the shards.
//!
//! ```text
//!  RAFT, CLUSTER, INFO, /readyz ──▶ dyn Cluster ◀── deployment, over whatever replicates
//!                                       │
//!  status     what is known now, never waits
//!  operation  what operators ask for, and how it is told to whoever asked
//!  alone      one node that leads everything: tests, and a server without replication
//! ```
//! Nothing here knows terms beyond showing them.

mod alone;
mod operation;
mod status;

pub use alone::Alone;
pub use operation::{Decide, Decision, Done, Operation, Refused};
pub use status::{Addresses, Clocks, Group, Log, Member, Part, Progress, Secret, Slots, Standing, Status};

/// What commands and health may ask and have done. Calls return at once.
pub trait Cluster: Send + Sync {
    /// What this node knows of the cluster now.
    fn status(&self) -> Status;

    /// Begins an operation. `decide` is told the outcome, from any thread, possibly before this returns.
    fn administer(&self, operation: Operation, decide: Decide);

    /// Whether joins and changes can be taken now: every group has a leader that this node can reach.
    fn can_write(&self) -> bool;

    /// Whether polls can be answered: this node is a member, and what was committed before the start is applied again.
    fn is_ready(&self) -> bool;

    /// Whether this node belongs to its cluster.
    fn standing(&self) -> Standing {
        Standing::Member
    }

    /// Whether there are other nodes. Where there are none, nothing that is published here is handed on.
    fn has_others(&self) -> bool {
        false
    }

    /// Hands messages that were published here to every other node, whose server takes them with
    /// [`Server::intake`](crate::server::Server::intake): at most once, in order, at most
    /// [`BATCH_BYTES_MAX`](crate::limit::BATCH_BYTES_MAX). False where they were dropped, because too many are on their way.
    fn publish(&self, messages: Vec<u8>) -> bool {
        drop(messages);
        true
    }
}
