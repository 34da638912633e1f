//! The cluster's own affairs: what operators ask for, what is known of its nodes, and what of that is replicated.
//!
//! ```text
//! request   operations, their outcomes and refusals     status    what one node knows, as plain figures
//! metadata  node ids and the change under way: replicated in the first group's log; rotation: of the secret, likewise
//! ```
//! How operations are carried out is [`node`](crate::node)'s.

mod metadata;
mod request;
mod rotation;
mod status;

pub(crate) use metadata::FOUNDER;
pub use metadata::{Change, Enrolled, Enrolment, Metadata, Operation};
pub use request::{AdminCode, AdminError, AdminReply, AdminRequest, Administered};
pub use rotation::{Rotation, Stage};
pub use status::{Belonging, ClusterStatus, GroupStatus, NodeStatus, Part, SecretStatus};
