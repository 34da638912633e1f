//! Commands that wait for the sequencer, each with what it weighs in the log.

use super::BUSY_RETRY_MS;
use super::outcome::Origin;
use crate::command::Command;
use crate::error::Refusal;
use crate::limit::{
    BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, BATCH_WALK_MAX, COMMAND_BYTES_MAX, PENDING_BYTES_MAX,
    PENDING_OPERATIONS_MAX, PENDING_WALK_MAX,
};
use crate::measure::bytes_of;

/// What a command weighs.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    /// As the log has it.
    bytes: usize,
    /// Operations in it: each takes memory beside its bytes.
    operations: usize,
    /// What it has to look through, so far as that was known when it came.
    walk: u64,
}

/// The commands that wait, oldest first, and who wants to know what comes of each.
#[derive(Default)]
pub(super) struct Pending {
    commands: Vec<Command>,
    weights: Vec<Weight>,
    origins: Vec<Origin>,
    /// Of all of them.
    total: Weight,
}

/// Commands that go into the log together.
pub(super) struct Batch {
    pub(super) commands: Vec<Command>,
    /// As the log has them.
    pub(super) bytes: usize,
    pub(super) origins: Vec<Origin>,
}

impl Pending {
    /// Takes a command that looks through nothing.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] where no batch may have it, [`Refusal::Busy`] when too much waits already.
    pub(super) fn push(&mut self, command: Command, origin: Origin) -> Result<(), Refusal> {
        self.push_walking(command, 0, origin)
    }

    /// Takes a command that looks through so many pending entries, or what takes as long.
    ///
    /// # Errors
    /// As [`Pending::push`]; of those that look through any, one is taken in any case.
    pub(super) fn push_walking(
        &mut self,
        command: Command,
        walk: u64,
        origin: Origin,
    ) -> Result<(), Refusal> {
        let weight = Weight { bytes: bytes_of(&command), operations: command.operations(), walk };
        if weight.bytes > COMMAND_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: weight.bytes as u64 });
        }
        let operations = self.total.operations + weight.operations;
        let walks_far = walk > 0 && self.total.walk > 0 && self.total.walk + walk > PENDING_WALK_MAX;
        if walks_far
            || operations > PENDING_OPERATIONS_MAX
            || self.total.bytes + weight.bytes > PENDING_BYTES_MAX
        {
            return Err(Refusal::Busy { retry_ms: BUSY_RETRY_MS });
        }
        self.total.operations = operations;
        self.total.bytes += weight.bytes;
        self.total.walk += weight.walk;
        self.commands.push(command);
        self.weights.push(weight);
        self.origins.push(origin);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Whether more would make the next batch no larger.
    pub(super) fn is_batch_full(&self) -> bool {
        self.commands.len() >= BATCH_COMMANDS_MAX
            || self.total.bytes >= BATCH_BYTES_MAX
            || self.total.walk >= BATCH_WALK_MAX
    }

    /// Whether clients asked for all of it.
    pub(super) fn is_clients(&self) -> bool {
        self.origins.iter().all(|origin| matches!(origin, Origin::Client(_)))
    }

    /// Takes the next batch out: as many as fit, and one in any case.
    pub(super) fn take_batch(&mut self) -> Batch {
        let count = self.batch_len();
        let weights = take_front(&mut self.weights, count);
        let bytes = weights.iter().map(|weight| weight.bytes).sum();
        self.total.bytes -= bytes;
        self.total.operations -= weights.iter().map(|weight| weight.operations).sum::<usize>();
        self.total.walk -= weights.iter().map(|weight| weight.walk).sum::<u64>();
        let (commands, origins) =
            (take_front(&mut self.commands, count), take_front(&mut self.origins, count));
        debug_assert!(bytes <= BATCH_BYTES_MAX || (count == 1 && bytes <= COMMAND_BYTES_MAX));
        Batch { commands, bytes, origins }
    }

    /// Gives everything up; returns who waited for it.
    pub(super) fn clear(&mut self) -> Vec<Origin> {
        std::mem::take(self).origins
    }

    fn batch_len(&self) -> usize {
        if self.total.bytes <= BATCH_BYTES_MAX && self.total.walk <= BATCH_WALK_MAX {
            return self.commands.len().min(BATCH_COMMANDS_MAX);
        }
        let (mut bytes, mut walk) = (0, 0);
        let fits = |weight: &&Weight| {
            bytes += weight.bytes;
            walk += weight.walk;
            bytes <= BATCH_BYTES_MAX && walk <= BATCH_WALK_MAX
        };
        self.weights.iter().take(BATCH_COMMANDS_MAX).take_while(fits).count().max(1)
    }
}

/// The first `count`; the rest stays.
fn take_front<T>(list: &mut Vec<T>, count: usize) -> Vec<T> {
    let rest = list.split_off(count);
    std::mem::replace(list, rest)
}

#[cfg(test)]
mod tests {
    use super::{Origin, Pending};
    use crate::command::Command;
    use crate::error::Refusal;
    use crate::id::Ticket;
    use crate::limit::{
        BATCH_BYTES_MAX, BATCH_WALK_MAX, COMMAND_BYTES_MAX, PENDING_BYTES_MAX, PENDING_OPERATIONS_MAX,
        PENDING_WALK_MAX,
    };
    use crate::stream::op::{After, GroupOp, KeyOp};
    use crate::stream::text::Text;

    fn group(name_bytes: usize) -> KeyOp {
        let create = GroupOp::Create { from: After::Last, make: true, read: None };
        KeyOp::Group(Text::from(b"k"), Text::from(&vec![b'g'; name_bytes][..]), create)
    }

    fn push(pending: &mut Pending, command: Command) -> Result<(), Refusal> {
        pending.push(command, Origin::Client(Ticket(1)))
    }

    #[test]
    fn batches_are_cut_by_what_their_commands_take_whatever_field_that_is_in() {
        let mut pending = Pending::default();
        for _ in 0..100 {
            push(&mut pending, Command::Key(Box::new(group(60_000)))).unwrap();
        }
        let mut taken = 0;
        while !pending.is_empty() {
            let batch = pending.take_batch();
            let written = postcard::to_stdvec(&batch.commands).unwrap().len();
            assert!(written <= BATCH_BYTES_MAX + 8, "{written} bytes of {} commands", batch.commands.len());
            assert_eq!((batch.bytes + 1, batch.origins.len()), (written, batch.commands.len()));
            taken += batch.commands.len();
        }
        assert_eq!((taken, pending.total.bytes, pending.total.operations), (100, 0, 0));
    }

    #[test]
    fn what_no_batch_may_have_is_refused_and_the_next_largest_goes_alone() {
        let mut pending = Pending::default();
        let large = Command::Keys((0..80).map(|_| group(60_000)).collect());
        let Err(Refusal::TooLarge { bytes }) = push(&mut pending, large) else { panic!("it was taken") };
        assert!(bytes as usize > COMMAND_BYTES_MAX);
        push(&mut pending, Command::Keys((0..60).map(|_| group(60_000)).collect())).unwrap();
        push(&mut pending, Command::KeySweep).unwrap();
        assert_eq!(pending.take_batch().commands.len(), 1);
        assert_eq!(pending.take_batch().commands, [Command::KeySweep]);
    }

    #[test]
    fn batches_are_cut_by_what_they_look_through_and_so_is_what_waits() {
        let mut pending = Pending::default();
        let mut push = |walk| pending.push_walking(Command::KeySweep, walk, Origin::Own);
        let walks = [BATCH_WALK_MAX / 2, BATCH_WALK_MAX / 2, 1, BATCH_WALK_MAX * 2, 0];
        walks.into_iter().for_each(|walk| push(walk).unwrap());
        let rest = PENDING_WALK_MAX - BATCH_WALK_MAX * 3 - 1;
        push(rest).unwrap();
        assert!(matches!(push(1), Err(Refusal::Busy { .. })));
        push(0).unwrap();
        let batches = std::iter::from_fn(|| Some(pending.take_batch().commands.len()).filter(|len| *len > 0));
        assert_eq!(batches.collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
        let mut push = |walk| pending.push_walking(Command::KeySweep, walk, Origin::Own);
        push(PENDING_WALK_MAX * 2).unwrap();
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_operations() {
        let mut pending = Pending::default();
        let taken = (0..).take_while(|_| push(&mut pending, Command::Key(Box::new(group(60_000)))).is_ok());
        assert_eq!(taken.count(), PENDING_BYTES_MAX / 60_010);
        let mut pending = Pending::default();
        let many = || Command::Keys(vec![KeyOp::Delete(Vec::new()); 4_096]);
        let taken = (0..).take_while(|_| push(&mut pending, many()).is_ok());
        assert_eq!(taken.count(), PENDING_OPERATIONS_MAX / 4_096);
        assert!(matches!(push(&mut pending, Command::KeySweep), Err(Refusal::Busy { .. })));
    }
}
