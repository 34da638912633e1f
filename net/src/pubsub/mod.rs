//! Publish and subscribe: who listens to what, and how a message reaches them. At most once, in the order of its publisher.
//!
//! ```text
//! PUBLISH ─▶ channels (whole node): how many listen, at which workers
//!              │ own worker              │ another worker              │ another node
//!              ▼                         ▼                             ▼
//!            post: after the visit     mailbox lane, or dropped      post: one batch a turn ─▶ Cluster::publish
//!              └──▶ register (of a worker): which connections ◀────────┘ ─▶ Server::intake there ─▶ a lane of one worker,
//!                     └──▶ Session::push, part by part                       which publishes them as its own
//! ```
//! A message is compared with patterns once a node; it carries the names of those that it matches.
//!
//! `subscriptions` is what one connection listens to, `message` a message and how batches of them are written, `shown` how
//! clients see them. A node on which nobody subscribed pays one load of a counter for a message.

pub(crate) mod channels;
pub(crate) mod message;
pub(crate) mod post;
pub(crate) mod register;
pub(crate) mod shown;
pub(crate) mod subscriptions;

use crate::resp::args::Args;
use std::sync::Arc;

/// The name of a channel, or a pattern; shared by those who keep it.
pub(crate) type Name = Arc<[u8]>;

/// What is subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A channel, by its name.
    Channel,
    /// Every channel whose name matches.
    Pattern,
}

/// What a command wants of the channels; whoever serves the connection carries it out and writes the reply.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// Listen to these.
    Subscribe(Kind, Args<'a>),
    /// No longer listen to these; without any, to all.
    Unsubscribe(Kind, Args<'a>),
    /// Send a message to whoever listens.
    Publish {
        /// Where to.
        channel: &'a [u8],
        /// Any bytes.
        payload: &'a [u8],
    },
    /// Listen to nothing any more, and say nothing about it: the reply is written already.
    Forget,
}
