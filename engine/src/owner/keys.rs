//! Streams and their keys: what a client asks of them, and the wall time by which they live.
//!
//! Questions are answered from the state as it is here: on the leader the newest, on another node at most
//! [`FRESH_MS`](crate::limit::FRESH_MS) old.

use super::Owner;
use super::outcome::Origin;
use crate::account::Charge;
use crate::command::Command;
use crate::id::Ticket;
use crate::limit::{PENDING_WALK_MAX, TICK_MS};
use crate::memory::Bound;
use crate::reply::Reply;
use crate::sequencer::Ask;
use crate::shard::ears::{ListenerId, Tidings};
use crate::shard::fresh::Fresh;
use crate::stream::op::{Follow, KeyOp};
use crate::stream::policy::Usage;
use crate::stream::text::Text;
use crate::stream::value::{Followed, Value};
use crate::time::MonoMs;

/// What an append is told past a bound of memory: Redis's words, and whose bound it is.
fn out_of_memory(bound: Bound) -> Value {
    Value::error(format!("OOM command not allowed when used memory > 'maxmemory': {bound}"))
}

impl Owner {
    /// Proof that this node's state is new enough to answer from at `now`, a reading of the clock from after the question.
    #[must_use]
    pub fn prove(&self, now: MonoMs) -> Option<Fresh> {
        self.shard.view.prove(now)
    }

    /// On the leader: puts an operation that changes something into the log.
    pub(super) fn decide_key(&mut self, op: Box<KeyOp>, ticket: Ticket) -> Option<Reply> {
        if let Err(bound) = self.check_room([&*op]) {
            return Some(Reply::key(out_of_memory(bound)));
        }
        let ask = Ask::Key(op);
        if let Some(refused) = self.refuse_long(&ask) {
            return Some(refused);
        }
        let Ask::Key(op) = ask else { return None };
        self.push_walking(Command::Key(op), ticket)
    }

    /// The same for several at once, of which at least one changes something.
    pub(super) fn decide_keys(&mut self, ops: Vec<KeyOp>, ticket: Ticket) -> Option<Reply> {
        if let Err(bound) = self.check_room(&ops) {
            let refused = ops.iter().map(|_| out_of_memory(bound)).collect();
            return Some(Reply::Keys(refused, Charge::default()));
        }
        let ask = Ask::Keys(ops);
        if let Some(refused) = self.refuse_long(&ask) {
            return Some(refused);
        }
        let Ask::Keys(ops) = ask else { return None };
        self.push_walking(Command::Keys(ops), ticket)
    }

    fn push_walking(&mut self, command: Command, ticket: Ticket) -> Option<Reply> {
        let walk = self.walk(&command);
        self.pending.push_walking(command, walk, Origin::Client(ticket)).err().map(Reply::Refused)
    }

    /// Pending entries that a command may have to look through, or what takes as long.
    pub(super) fn walk(&self, command: &Command) -> u64 {
        match command {
            Command::Key(op) => self.walk_of(std::slice::from_ref(op)),
            Command::Keys(ops) => self.walk_of(ops),
            _ => 0,
        }
    }

    /// The same of operations; of those behind what is refused in any case, nothing is asked.
    pub(super) fn walk_of(&self, ops: &[KeyOp]) -> u64 {
        let (keys, wall) = (&self.shard.keyspace, self.shard.wall);
        let mut walk = 0;
        for op in ops {
            walk = keys.walk(op, wall).saturating_add(walk);
            if walk > PENDING_WALK_MAX {
                break;
            }
        }
        walk
    }

    /// Whether there is room for what these operations may add. Only where streams take much is it asked how much the largest
    /// of them takes.
    fn check_room<'o>(&self, ops: impl IntoIterator<Item = &'o KeyOp>) -> Result<(), Bound> {
        let mut ops = ops.into_iter().filter(|op| needs_memory(op)).peekable();
        if ops.peek().is_none() {
            return Ok(());
        }
        let largest = || {
            let mut bytes = 0;
            for op in ops {
                op.visit_keys(|key| bytes = bytes.max(self.shard.keyspace.bytes_of(key, self.shard.wall)));
            }
            bytes
        };
        self.counted(self.directory.shares().check_stream(self.directory.used(), largest))
    }

    /// The namespaces of this group as they are here.
    pub fn namespaces(&self) -> impl Iterator<Item = Usage> + '_ {
        self.shard.keyspace.usage()
    }

    /// From now on `listener` is told what becomes of the stream, and what it asks is answered as of this moment: with both
    /// together it misses nothing. See [`Owner::drain_tidings`].
    pub fn listen(&mut self, listener: ListenerId, follow: Follow) -> Followed {
        let stream = self.shard.keyspace.extent(&follow.key, self.shard.wall);
        self.shard.ears.listen(listener, &follow.key, stream);
        self.follow(follow)
    }

    /// The listener wants to hear no more of the key.
    pub fn unlisten(&mut self, listener: ListenerId, key: &Text) {
        self.shard.ears.unlisten(listener, key);
    }

    /// Entries behind a number, as this node has them.
    #[must_use]
    pub fn follow(&self, follow: Follow) -> Followed {
        self.shard.keyspace.follow(&follow, self.shard.wall)
    }

    /// Hands out what listeners are to be told since the last call.
    pub fn drain_tidings(&mut self, tell: impl FnMut(ListenerId, Tidings)) {
        self.shard.ears.drain(tell);
    }

    /// When keys have to be swept next, on this process's clock.
    pub(super) fn keys_due(&self) -> Option<MonoMs> {
        let keys = &self.shard.keyspace;
        let expiry = keys.expiry_due().map(|due| self.wall.when(due));
        let requests = keys.requests_due().map(|due| self.log_offset.back(due));
        let due = expiry.into_iter().chain(requests).min()?;
        Some(due.max(self.keys_swept_at.plus_ms(TICK_MS)))
    }

    /// Proposes to remove the keys whose time has come.
    pub(super) fn sweep_keys(&mut self) {
        if self.keys_due().is_some_and(|due| due <= self.mono) {
            self.keys_swept_at = self.mono;
            // Where too much is pending it is tried again a tick later.
            let _ = self.pending.push(Command::KeySweep, Origin::Own);
        }
    }
}

/// Whether nothing has to go into the log for it.
pub(super) fn is_question(ask: &Ask) -> bool {
    match ask {
        Ask::Key(op) => !op.is_change(),
        Ask::Keys(ops) => !ops.iter().any(KeyOp::is_change),
        Ask::Stats(_) | Ask::Settings(_) => true,
        _ => false,
    }
}

fn needs_memory(op: &KeyOp) -> bool {
    // A claim may name a consumer that is new, and make pending what was not.
    matches!(
        op,
        KeyOp::Add(_) | KeyOp::Group(..) | KeyOp::ReadGroup(_) | KeyOp::Claim(_) | KeyOp::AutoClaim(_)
    )
}
