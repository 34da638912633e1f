//! The client against servers that follow a script: what is sent, what is made of the replies, and what becomes of calls
//! whose connection is cut, silent or slow. Nothing here sleeps: each side waits for what the other does.

mod bounds;
mod cuts;
mod followers;
#[cfg(feature = "guard")]
mod guard;
mod nodes;
mod refusals;
mod script;
mod subscriptions;
#[cfg(feature = "tls")]
mod tls;
mod visits;
