//! A node of one shard, driven by hand: time is passed in, every reply is collected.

use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::error::Refusal;
use sluice_engine::id::{Ticket, UserHash, ZoneId};
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Reply, Standing, Stats};
use sluice_engine::sequencer::Local;
use sluice_engine::time::MonoMs;
use sluice_engine::token::Token;
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use std::sync::Arc;

/// The only zone's name.
pub(crate) const ZONE: &[u8] = b"shop";

/// One shard, its owner and a clock that the test moves.
pub(crate) struct Node {
    pub(crate) directory: Arc<Directory>,
    pub(crate) owner: Owner,
    pub(crate) now: u64,
    tickets: u64,
    replies: Vec<(Ticket, Reply)>,
}

impl Node {
    /// A node with a zone of these settings.
    pub(crate) fn with_zone(patch: ZonePatch) -> Node {
        let mut node = Node::restored(None);
        assert_eq!(node.set(patch), Reply::ZoneSet { created: true });
        node
    }

    /// A node from a snapshot, or an empty one.
    pub(crate) fn restored(snapshot: Option<Vec<u8>>) -> Node {
        Node::open(Options::new([7; 16]), snapshot)
    }

    /// An empty node whose state may take so many bytes.
    pub(crate) fn bounded(memory_max: u64) -> Node {
        Node::open(Options { memory_max, ..Options::new([7; 16]) }, None)
    }

    fn open(options: Options, snapshot: Option<Vec<u8>>) -> Node {
        let local = |_, applied| Box::new(Local::new(applied)) as _;
        let options = Options { groups: 1, ..options };
        let (directory, mut owners) = node::open(options, vec![snapshot], local, MonoMs(0)).unwrap();
        Node { directory, owner: owners.remove(0), now: 0, tickets: 0, replies: Vec::new() }
    }

    /// Changes the zone.
    pub(crate) fn set(&mut self, patch: ZonePatch) -> Reply {
        let name = ZoneName::parse(ZONE).unwrap();
        self.submit(Command::ZoneSet { name, patch: Box::new(patch) })
    }

    /// The zone's id.
    pub(crate) fn zone(&self) -> ZoneId {
        self.directory.zone(ZONE).unwrap()
    }

    /// Runs a command and returns its reply.
    pub(crate) fn submit(&mut self, command: Command) -> Reply {
        let ticket = self.ticket();
        self.owner.submit(command, ticket).unwrap();
        self.turn();
        self.reply(ticket).expect("a command is answered in its turn")
    }

    /// Joins; returns the token and where it stands.
    pub(crate) fn join(&mut self) -> Result<(Token, Standing), Refusal> {
        self.join_as(None)
    }

    /// Joins with a user id.
    pub(crate) fn join_as(&mut self, user: Option<UserHash>) -> Result<(Token, Standing), Refusal> {
        let (ticket, zone) = (self.ticket(), self.zone());
        self.owner.join(zone, user, None, ticket)?;
        self.turn();
        place(self.reply(ticket).expect("a join is answered in its turn"))
    }

    /// Polls. `None`: parked under the returned ticket.
    pub(crate) fn poll(&mut self, token: &Token) -> (Ticket, Option<Result<Standing, Refusal>>) {
        let ticket = self.ticket();
        let text = self.directory.text(token).unwrap();
        let polled = {
            let guard = Directory::pin();
            self.directory.poll(&guard, ZONE, text.as_bytes(), MonoMs(self.now))
        };
        let standing = match polled {
            Ok(Polled::Standing(standing)) => Some(Ok(standing)),
            Err(refusal) => Some(Err(refusal)),
            Ok(Polled::Turn(token)) => {
                let at_once = self.owner.ask(token, ticket, MonoMs(self.now));
                self.turn();
                at_once.or_else(|| self.reply(ticket)).map(|reply| place(reply).map(|(_, standing)| standing))
            }
        };
        (ticket, standing)
    }

    /// Lets time pass in steps of the owner's own wishes, at most 50 ms.
    pub(crate) fn run_until(&mut self, until: u64) {
        while self.now < until {
            let wake = self.owner.next_wake().map_or(until, |wake| wake.0.max(self.now + 1));
            self.now = wake.min(until);
            self.turn();
        }
    }

    /// One turn at the present moment.
    pub(crate) fn turn(&mut self) {
        self.owner.turn(MonoMs(self.now));
        self.owner.drain_replies(&mut self.replies);
    }

    /// The reply of a ticket, once.
    pub(crate) fn reply(&mut self, ticket: Ticket) -> Option<Reply> {
        let at = self.replies.iter().position(|(of, _)| *of == ticket)?;
        Some(self.replies.remove(at).1)
    }

    /// A snapshot of this moment.
    pub(crate) fn snapshot(&mut self) -> Vec<u8> {
        self.owner.begin_snapshot().unwrap();
        std::iter::from_fn(|| self.owner.snapshot_slice()).flatten().collect()
    }

    /// The zone's statistics.
    pub(crate) fn stats(&self) -> Stats {
        self.owner.stats(self.zone(), MonoMs(self.now)).unwrap()
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

/// A patch that sets the limit.
pub(crate) fn limit(limit: u32) -> ZonePatch {
    ZonePatch { limit: Some(limit), ..ZonePatch::default() }
}

fn place(reply: Reply) -> Result<(Token, Standing), Refusal> {
    match reply {
        Reply::Place { token, standing } => Ok((token, standing)),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("a place or a refusal was expected, not {other:?}"),
    }
}
