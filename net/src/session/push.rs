//! Output that answers no request: a connection is sent something because something happened.
//!
//! A push never lands inside a reply. It goes behind every reply that is written already, also one that still waits for
//! another before it: a message follows the confirmation of its subscription. It goes ahead of replies that are not there
//! yet, because a poll may be held for seconds; a protocol whose clients take the next reply for the answer to their oldest
//! request (RESP2) must ask nothing after it began to listen, which the table of commands sees to.
//!
//! Whoever pushes marks the connection dirty, so that it is written when the turn ends, and closes one that is
//! [`Pushed::TooMuch`].

use super::buffers::Pool;
use super::{Phase, Session};
use crate::limit;
use crate::worker::desk::Desk;
use crate::worker::passing::Room;
use sluice_engine::time::MonoMs;

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Pushed {
    /// It is on its way.
    Kept,
    /// The connection is ending; nothing is pushed to it.
    Late,
    /// It does not read: close it.
    TooMuch,
    /// There is no room for it, and the connection is not to blame: it holds little.
    Lost,
}

impl Session {
    /// Sends bytes that answer no request. `unsent` counts such bytes of all connections of the worker.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        pool: &mut Pool,
        unsent: &mut usize,
        room: Room,
        now: MonoMs,
    ) -> Pushed {
        if self.phase != Phase::Open {
            return Pushed::Late;
        }
        let buffers = self.line.buffers(pool);
        let held = buffers.unsent() + buffers.pending.written_bytes();
        match verdict(held, bytes.len(), *unsent, room) {
            Pushed::Kept => {}
            other => return other,
        }
        *unsent += bytes.len();
        buffers.pushed += bytes.len();
        if buffers.pending.keep_behind(bytes) {
            return Pushed::Kept;
        }
        if buffers.unsent() == 0 {
            buffers.output.clear();
            buffers.sent = 0;
            buffers.progressed = now;
        }
        buffers.output.extend_from_slice(bytes);
        Pushed::Kept
    }

    /// Counts what was sent as sent. Called when the socket took something.
    pub(super) fn count_pushed(&mut self, desk: &mut Desk) {
        let Some(buffers) = self.line.buffers.as_mut().filter(|buffers| buffers.pushed > 0) else { return };
        let left = buffers.pushed.min(buffers.unsent() + buffers.pending.written_bytes());
        desk.post.unsent -= buffers.pushed - left;
        buffers.pushed = left;
    }

    /// The connection is gone, and with it what was not sent.
    pub(crate) fn drop_pushed(&mut self, desk: &mut Desk) {
        if let Some(buffers) = &mut self.line.buffers {
            desk.post.unsent -= std::mem::take(&mut buffers.pushed);
        }
    }
}

/// What becomes of so many bytes for a connection that holds `held`, where all of its worker hold `unsent`.
fn verdict(held: usize, bytes: usize, unsent: usize, room: Room) -> Pushed {
    let is_much = unsent + bytes > limit::PUSHED_BYTES_PER_WORKER_MAX;
    let is_ample = room == Room::Ample && !is_much;
    let most = if is_ample { limit::PUSHED_BYTES_MAX } else { limit::PUSHED_BYTES_FAIR };
    if held > 0 && held + bytes > most {
        return Pushed::TooMuch;
    }
    if room == Room::Spent { Pushed::Lost } else { Pushed::Kept }
}

#[cfg(test)]
mod tests {
    use super::{Pushed, verdict};
    use crate::limit::{PUSHED_BYTES_FAIR, PUSHED_BYTES_MAX, PUSHED_BYTES_PER_WORKER_MAX};
    use crate::worker::passing::Room;

    #[test]
    fn who_holds_much_is_closed_and_who_holds_little_loses_what_there_is_no_room_for() {
        for (held, unsent, room, expected) in [
            (0, 0, Room::Ample, Pushed::Kept),
            (PUSHED_BYTES_MAX, 0, Room::Ample, Pushed::TooMuch),
            (PUSHED_BYTES_FAIR, 0, Room::Ample, Pushed::Kept),
            (PUSHED_BYTES_FAIR, 0, Room::Scarce, Pushed::TooMuch),
            (PUSHED_BYTES_FAIR, PUSHED_BYTES_PER_WORKER_MAX, Room::Ample, Pushed::TooMuch),
            (100, 0, Room::Scarce, Pushed::Kept),
            (100, 0, Room::Spent, Pushed::Lost),
            (0, PUSHED_BYTES_PER_WORKER_MAX, Room::Ample, Pushed::Kept),
            (0, 0, Room::Spent, Pushed::Lost),
        ] {
            assert_eq!(verdict(held, 100, unsent, room), expected, "{held} of {unsent}, {room:?}");
        }
    }
}
