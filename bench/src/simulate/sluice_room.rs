//! The engine itself as a room: one node, one group, one zone, time passed in.

use std::sync::Arc;

use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::id::{Ticket, ZoneId};
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Eta, Reply, Standing};
use sluice_engine::sequencer::Local;
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch};

use super::room::{Answer, Change, Room};
use crate::error::{BenchError, Result};

const ZONE: &[u8] = b"simulated";
/// Characters of the token of a place in the queue.
const TEXT_BYTES: usize = 32;
/// The ticket of changes, which no user has.
const OPERATOR: Ticket = Ticket(u64::MAX);

/// A node with one zone, and the tokens of its users.
pub(super) struct SluiceRoom {
    directory: Arc<Directory>,
    owner: Owner,
    zone: ZoneId,
    epoch: LogTime,
    texts: Vec<[u8; TEXT_BYTES]>,
    replies: Vec<(Ticket, Reply)>,
    /// Something was submitted since the last turn.
    touched: bool,
}

impl SluiceRoom {
    /// Opens the node.
    ///
    /// # Errors
    /// [`BenchError::Argument`] where the engine refuses the settings.
    pub(super) fn open(users: u32, limit: u32, poll_ms: u32) -> Result<SluiceRoom> {
        let refused = |what: String| BenchError::Argument(format!("the engine refuses the zone: {what}"));
        let options = Options { groups: 1, ..Options::new([7; 16]) };
        let epoch = options.epoch;
        let local = |_, applied| Box::new(Local::new(applied)) as _;
        let (directory, owners) =
            node::open(options, vec![], local, MonoMs(0)).map_err(|error| refused(error.to_string()))?;
        let mut owner = owners.into_iter().next().ok_or_else(|| refused("no group".to_owned()))?;
        let patch = ZonePatch { limit: Some(limit), poll_ms: Some(poll_ms), ..ZonePatch::default() };
        let mut replies = Vec::new();
        set_zone(&mut owner, patch);
        owner.turn(MonoMs(0));
        owner.drain_replies(&mut replies);
        let zone = directory.zone(ZONE).ok_or_else(|| refused(format!("{replies:?}")))?;
        replies.clear();
        let texts = vec![[0; TEXT_BYTES]; users as usize];
        Ok(SluiceRoom { directory, owner, zone, epoch, texts, replies, touched: false })
    }

    fn answer(&mut self, user: u32, reply: Reply) -> Answer {
        match reply {
            Reply::Place { token, standing } => self.place(user, &token, standing),
            _ => Answer::Gone,
        }
    }

    fn place(&mut self, user: u32, token: &Token, standing: Standing) -> Answer {
        let direct = matches!(token.place, Place::Direct { .. });
        if !direct
            && self.texts[user as usize] == [0; TEXT_BYTES]
            && let Some(text) = self.directory.text(token)
        {
            self.texts[user as usize].copy_from_slice(text.as_bytes());
        }
        self.told(standing, direct)
    }

    fn told(&self, standing: Standing, direct: bool) -> Answer {
        match standing {
            Standing::Admitted(stamp) => Answer::Admitted { at_ms: stamp.since_ms(self.epoch), direct },
            Standing::Waiting(waiting) => Answer::Waiting {
                position: u32::try_from(waiting.position).unwrap_or(u32::MAX),
                eta_ms: match waiting.eta {
                    Eta::Ms(ms) => Some(u32::try_from(ms).unwrap_or(u32::MAX)),
                    Eta::Unknown => None,
                },
                poll_ms: waiting.poll_ms,
            },
        }
    }
}

impl Room for SluiceRoom {
    fn join(&mut self, user: u32, _now_ms: u64) {
        self.touched = true;
        let joined = self.owner.join(self.zone, None, None, Ticket(u64::from(user)));
        joined.expect("the simulated load stays within the engine's bounds");
    }

    fn poll(&mut self, user: u32, now_ms: u64) -> Option<Answer> {
        let now = MonoMs(now_ms);
        let guard = Directory::pin();
        match self.directory.poll(&guard, ZONE, &self.texts[user as usize], now) {
            Ok(Polled::Standing(standing)) => Some(self.told(standing, false)),
            Ok(Polled::Turn(token)) => {
                self.touched = true;
                let reply = self.owner.ask(token, Ticket(u64::from(user)), now)?;
                Some(self.answer(user, reply))
            }
            Err(_) => Some(Answer::Gone),
        }
    }

    fn change(&mut self, change: Change, _now_ms: u64) {
        self.touched = true;
        let patch = match change {
            Change::Limit(limit) => ZonePatch { limit: Some(limit), ..ZonePatch::default() },
            Change::Pause => ZonePatch { mode: Some(Mode::Paused), ..ZonePatch::default() },
            Change::Resume => ZonePatch { mode: Some(Mode::Auto), ..ZonePatch::default() },
        };
        set_zone(&mut self.owner, patch);
    }

    fn turn(&mut self, now_ms: u64, answers: &mut Vec<(u32, Answer)>) {
        let now = MonoMs(now_ms);
        if !self.touched && self.owner.next_wake().is_none_or(|wake| wake > now) {
            return;
        }
        self.touched = false;
        self.owner.turn(now);
        let mut replies = std::mem::take(&mut self.replies);
        self.owner.drain_replies(&mut replies);
        for (ticket, reply) in replies.drain(..).filter(|(ticket, _)| *ticket != OPERATOR) {
            let user = ticket.0 as u32;
            answers.push((user, self.answer(user, reply)));
        }
        self.replies = replies;
    }
}

fn set_zone(owner: &mut Owner, patch: ZonePatch) {
    let name = ZoneName::parse(ZONE).expect("a valid name");
    let set = owner.submit(Command::ZoneSet { name, patch: Box::new(patch) }, OPERATOR);
    set.expect("an operator's change finds room");
}
