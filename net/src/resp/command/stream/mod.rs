//! Streams: `X…`. What is refused here, and in which order, is as Redis 7.0 has it; what depends on the stream is the engine's.
//!
//! ```text
//! add   XADD        edit   XLEN XDEL XSETID X.END     group    XGROUP       claim  XCLAIM XAUTOCLAIM
//! trim  XTRIM       range  XRANGE XREVRANGE           pending  XACK XPENDING
//! id    ids         read   XREAD XREADGROUP           info     XINFO        namespace  X.NAMESPACE
//! ```

pub(super) mod add;
pub(super) mod claim;
pub(super) mod edit;
pub(super) mod group;
mod id;
pub(super) mod info;
pub(super) mod namespace;
pub(super) mod pending;
pub(super) mod range;
pub(super) mod read;
pub(super) mod trim;
