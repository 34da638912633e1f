//! HTTP/1.1: `/traffic` as existing apps call it, `/v1` as resources, health, and nothing else.
//!
//! ```text
//! decode ─▶ Call ─▶ route ─▶ handler/* ─▶ Request ─▶ worker ─▶ Answer ─▶ answer ─▶ respond
//!   │ chunk           │ problem                                  ▲
//!   └ fault           └──────────────▶ respond          recall ──┘ where the answer comes later
//! ```
//! Nothing here reads a socket. A fault of framing closes the connection; every other error leaves it open.

pub(crate) mod answer;
pub(crate) mod chunk;
mod cookie;
pub(crate) mod decode;
mod entries;
pub(crate) mod fault;
pub(crate) mod following;
mod handler;
pub(crate) mod json;
pub(crate) mod pages;
mod percent;
mod place;
pub(crate) mod problem;
pub(crate) mod recall;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod sse;
pub(crate) mod visit;
pub(crate) mod watch;
