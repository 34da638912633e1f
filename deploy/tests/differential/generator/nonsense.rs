//! What turns a good command into a bad one: words lost, doubled, swapped or replaced.

use super::{Command, Generator};

impl Generator {
    /// The command, in some cases with a mistake in it.
    pub(super) fn spoil(&mut self, mut command: Command) -> Command {
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        command[0] = self.spelling(&name);
        let percent = if self.in_transaction { 2 } else { 8 };
        if !self.dice.chance(percent) || self.would_hang(&command) {
            return command;
        }
        let at = 1 + self.dice.index(command.len());
        let inside = at.min(command.len() - 1);
        match self.dice.below(7) {
            0 if inside > 0 => drop(command.remove(inside)),
            1 => command.insert(at, command[inside].clone()),
            2 if inside > 0 && !counts_time(&name) => {
                let other = 1 + self.dice.index(command.len() - 1);
                command.swap(inside, other);
            }
            3 => command.truncate(at),
            4 => command.push(self.junk()),
            _ if inside > 0 => command[inside] = self.junk(),
            _ => command.insert(at, self.junk()),
        }
        command
    }

    /// A zero that lands behind BLOCK blocks for ever, which only a transaction forbids.
    fn would_hang(&self, command: &Command) -> bool {
        !self.in_transaction && command.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
    }
}

/// Two numbers that change places must not make a small one a time.
fn counts_time(name: &str) -> bool {
    matches!(name, "XPENDING" | "XCLAIM" | "XAUTOCLAIM")
}
