//! Answers to questions about streams: made when the account has room for them, and not before.
//!
//! ```text
//! question ─▶ price ─┬─ too large for any account ─▶ an error that names the bound
//!                    ├─ there is room ─────────────▶ answer, charged for what it takes until it is dropped
//!                    └─ no room, or enough for one turn ─▶ waits here, then is answered or BUSY
//! ```
//! Those that wait are answered in their order; small questions pass them, and they are priced anew only once there is room for
//! what they cost before. What is asked of several streams at once, and what a transaction asks, has one price: it is added up
//! until it is too much. What it may look at and not tell is bounded, too.

use super::remote::NO_LEADER;
use super::{BUSY_RETRY_MS, Fresh, Owner};
use crate::account::{Charge, Part};
use crate::error::Refusal;
use crate::id::Ticket;
use crate::limit::{
    ANSWER_BYTES_SMALL, ANSWER_RETRY_MS, ANSWER_WAIT_MS, ANSWERED_BYTES_A_TURN, TRANSACTION_WALK_MAX,
};
use crate::reply::Reply;
use crate::sequencer::{Ask, REMOTE, Role};
use crate::stream::op::KeyOp;
use crate::stream::value::Value;
use crate::time::MonoMs;
use std::collections::VecDeque;

/// What a client is told for whom there is no room now.
const BUSY: Refusal = Refusal::Busy { retry_ms: BUSY_RETRY_MS };

/// Questions that wait for room.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    waiting: VecDeque<Waiting>,
    /// Bytes of the answers that this turn has made.
    made: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    ask: Ask,
    until: MonoMs,
    /// What it cost when it came, or was last priced.
    price: u64,
}

/// What there is room for.
enum Room {
    Now(Charge),
    /// There is none for this price.
    Later(u64),
    Never(TooMuch),
}

/// Why something is never answered.
enum TooMuch {
    /// The answer may be longer than this, made and encoded.
    Bytes(u64),
    /// A transaction looks through more than [`TRANSACTION_WALK_MAX`].
    Walk,
}

impl Unanswered {
    /// When room is looked for again.
    pub(super) fn next_due(&self, mono: MonoMs) -> Option<MonoMs> {
        (!self.waiting.is_empty()).then_some(MonoMs(mono.0 + ANSWER_RETRY_MS))
    }
}

impl Owner {
    /// Answers a question from the state as it is here. `None`: the answer comes under the ticket.
    pub(super) fn question(&mut self, ask: Ask, ticket: Ticket, now: MonoMs, proof: Fresh) -> Option<Reply> {
        let waits = self.unanswered.waiting.len();
        match self.room_for(&ask, waits > 0) {
            Room::Now(charge) => Some(self.answer_question(&ask, charge, proof)),
            Room::Never(why) => Some(too_much(&ask, &why)),
            Room::Later(price) => {
                let until = MonoMs(now.0 + ANSWER_WAIT_MS);
                self.unanswered.waiting.push_back(Waiting { ticket, ask, until, price });
                None
            }
        }
    }

    /// Why a change whose answer may be long, or that may take long, is not carried out now.
    pub(super) fn refuse_long(&self, ask: &Ask) -> Option<Reply> {
        if !answers_long(ask) {
            return self.walks_far(ask).then(|| too_much(ask, &TooMuch::Walk));
        }
        match self.room_for(ask, false) {
            Room::Now(_) => None,
            Room::Later(_) => Some(Reply::Refused(BUSY)),
            Room::Never(why) => Some(too_much(ask, &why)),
        }
    }

    /// Answers those for whom there is room now, or tells them to come back. Called once a turn.
    pub(super) fn answer_waiting(&mut self) {
        self.unanswered.made = 0;
        while let Some(first) = self.unanswered.waiting.pop_front() {
            let Waiting { ticket, ask, until, price } = first;
            let reply = match self.prove_to(ticket) {
                Some(proof) => match self.room_for_waiting(&ask, price) {
                    Room::Now(charge) => Some(self.answer_question(&ask, charge, proof)),
                    Room::Never(why) => Some(too_much(&ask, &why)),
                    Room::Later(_) if self.mono >= until => Some(Reply::Refused(BUSY)),
                    Room::Later(price) => {
                        self.unanswered.waiting.push_front(Waiting { ticket, ask, until, price });
                        break;
                    }
                },
                // It has gone its one hop: its own node asks whoever leads now.
                None if ticket.0 & REMOTE != 0 => Some(Reply::Refused(NO_LEADER)),
                None => self.request(ask, ticket, self.mono),
            };
            self.replies.extend(reply.map(|reply| (ticket, reply)));
        }
    }

    /// Proof that this node may answer whoever asked under this ticket. Another node asked the leader, not whoever knows enough.
    fn prove_to(&self, ticket: Ticket) -> Option<Fresh> {
        match ticket.0 & REMOTE {
            0 => self.prove(self.mono),
            _ if self.role == Role::Leader => self.lease(self.mono),
            _ => None,
        }
    }

    /// Of a reply from another node, which has an account of its own.
    pub(super) fn charged(&self, reply: Reply) -> Reply {
        let bytes = match &reply {
            // Entries are encoded as they are read.
            Reply::Key(value @ Value::Entries(_), _) => value.bytes() as u64,
            Reply::Key(value, _) => 2 * value.bytes() as u64,
            Reply::Keys(values, _) => values.iter().map(|value| 2 * value.bytes() as u64).sum(),
            _ => 0,
        };
        match (self.directory.account().try_charge(Part::Passing, bytes), reply) {
            (Some(charge), Reply::Key(value, _)) => Reply::Key(value, charge.settled(bytes)),
            (Some(charge), Reply::Keys(values, _)) => Reply::Keys(values, charge.settled(bytes)),
            (Some(_), reply) => reply,
            (None, _) => Reply::Refused(BUSY),
        }
    }

    /// For what it cost before there has to be room before it is priced again.
    fn room_for_waiting(&self, ask: &Ask, price: u64) -> Room {
        let is_full = || self.directory.account().try_charge(Part::Passing, price).is_none();
        if self.must_wait(price, false) || is_full() { Room::Later(price) } else { self.room_for(ask, false) }
    }

    /// `others`: whether some wait already.
    fn room_for(&self, ask: &Ask, others: bool) -> Room {
        if self.walks_far(ask) {
            return Room::Never(TooMuch::Walk);
        }
        let account = self.directory.account();
        let bytes = self.price(ask, account.answer_max());
        if bytes > account.answer_max() {
            return Room::Never(TooMuch::Bytes(account.answer_max()));
        }
        if self.must_wait(bytes, others) {
            return Room::Later(bytes);
        }
        account.try_charge(Part::Passing, bytes).map_or(Room::Later(bytes), Room::Now)
    }

    /// Whether a question of this price waits though there may be room: others came before it, or the turn has made enough.
    fn must_wait(&self, bytes: u64, others: bool) -> bool {
        bytes > ANSWER_BYTES_SMALL && (others || self.unanswered.made > ANSWERED_BYTES_A_TURN)
    }

    /// What its answer may take, as it is made and encoded; where that is more than `most`, anything above it.
    fn price(&self, ask: &Ask, most: u64) -> u64 {
        let price = |op: &KeyOp| self.shard.keyspace.price(op, self.shard.wall);
        match ask {
            Ask::Key(op) => forms(op) * price(op),
            Ask::Keys(ops) => {
                let mut bytes = 0;
                for op in ops {
                    bytes += 2 * price(op) + 2 * size_of::<Value>() as u64;
                    if bytes > most {
                        break;
                    }
                }
                bytes
            }
            _ => 0,
        }
    }

    /// Whether a transaction looks through too much. One operation alone may look through all that there is.
    fn walks_far(&self, ask: &Ask) -> bool {
        matches!(ask, Ask::Keys(ops) if ops.len() > 1 && self.walk_of(ops) > TRANSACTION_WALK_MAX)
    }

    /// Answers a question whose price was charged, from a state that was proven to be new enough. Which keys there are goes by the
    /// log's wall time, so all nodes agree at one index, and none comes back that was said to be gone; how long something has
    /// lasted goes by the clock.
    fn answer_question(&mut self, ask: &Ask, charge: Charge, _proof: Fresh) -> Reply {
        let (wall, now) = (self.shard.wall, self.wall_now());
        let keys = &self.shard.keyspace;
        let reply = match ask {
            Ask::Key(op) => {
                let value = keys.answer(op, wall, now);
                let bytes = forms(op) * value.bytes() as u64;
                Reply::Key(value, charge.settled(bytes))
            }
            Ask::Keys(ops) => {
                let values: Vec<Value> = ops.iter().map(|op| keys.answer(op, wall, now)).collect();
                let bytes = values.iter().map(|value| 2 * (size_of::<Value>() + value.bytes()) as u64).sum();
                Reply::Keys(values, charge.settled(bytes))
            }
            Ask::Settings(name) => {
                let zone = self.shard.zone_id(name).and_then(|zone| self.shard.zones.get(&zone.ordinal));
                let settings =
                    zone.map(|zone| Reply::Settings(name.clone(), Box::new((*zone.settings).clone())));
                settings.unwrap_or(Reply::Refused(Refusal::NoZone))
            }
            Ask::Stats(zone) => self.stats(*zone, self.mono).map_or_else(Reply::Refused, Reply::Stats),
            _ => Reply::Refused(Refusal::Gone),
        };
        if let Reply::Key(_, charge) | Reply::Keys(_, charge) = &reply {
            self.unanswered.made += charge.bytes();
        }
        reply
    }
}

/// Whether the answer to a change may be long, or a transaction asks something as well.
fn answers_long(ask: &Ask) -> bool {
    let is_long = |op: &KeyOp| {
        !op.is_change() || matches!(op, KeyOp::ReadGroup(_) | KeyOp::Claim(_) | KeyOp::AutoClaim(_))
    };
    match ask {
        Ask::Key(op) => is_long(op),
        Ask::Keys(ops) => ops.iter().any(is_long),
        _ => false,
    }
}

/// How often an answer is there at once: as it is made, and encoded. A range shares what the stream has, and is encoded as it is read.
fn forms(op: &KeyOp) -> u64 {
    if matches!(op, KeyOp::Range(_)) { 1 } else { 2 }
}

/// What is told of an answer that is larger than any may be, or of a transaction that takes too long.
fn too_much(ask: &Ask, why: &TooMuch) -> Reply {
    let text = match (why, ask) {
        (TooMuch::Walk, _) => {
            format!(
                "ERR this transaction looks through more than {TRANSACTION_WALK_MAX} pending entries or keys, nothing was done"
            )
        }
        (TooMuch::Bytes(most), Ask::Keys(_)) => {
            let most = most / 2;
            format!("ERR the replies of this transaction may take more than {most} bytes, nothing was done")
        }
        (TooMuch::Bytes(most), ask) => {
            let most = if let Ask::Key(op) = ask { most / forms(op) } else { most / 2 };
            format!("ERR the reply may take more than {most} bytes, ask for fewer with COUNT")
        }
    };
    match ask {
        Ask::Keys(ops) => Reply::Keys(ops.iter().map(|_| Value::error(&text)).collect(), Charge::default()),
        _ => Reply::key(Value::error(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::Owner;
    use crate::account::{Charge, Part};
    use crate::command::Command;
    use crate::error::Refusal;
    use crate::id::Ticket;
    use crate::limit::{ANSWER_WAIT_MS, PENDING_TOLD_MAX, TRANSACTION_WALK_MAX};
    use crate::node::{self, Options};
    use crate::reply::Reply;
    use crate::sequencer::{Ask, Local, REMOTE};
    use crate::stream::fields::Fields;
    use crate::stream::id::StreamId;
    use crate::stream::op::{Add, After, AutoClaim, GroupOp, KeyOp, NewId, PendingRange, ReadGroup, Scan};
    use crate::stream::text::Text;
    use crate::stream::value::Value;
    use crate::stream::walked;
    use crate::time::MonoMs;

    const PENDING: u64 = 20_000;
    const MEMORY: u64 = 64 << 20;

    fn key() -> Text {
        Text::from(b"k")
    }

    fn group() -> Text {
        Text::from(b"g")
    }

    /// An owner, and what holds its answers, with a group in which much is pending.
    fn owner() -> Owner {
        let local = |_, applied| Box::new(Local::new(applied)) as _;
        let options = Options { groups: 1, memory_max: MEMORY, ..Options::new([7; 16]) };
        let (_, mut owners) = node::open(options, vec![], local, MonoMs(0)).unwrap();
        let mut owner = owners.remove(0);
        let add = Add {
            key: key(),
            no_create: false,
            trim: None,
            id: NewId::Auto,
            fields: Fields::pack([&b"f"[..], b"v"]),
            request: None,
            ttl_ms: None,
            end: false,
        };
        let adds = |count| Command::Keys((0..count).map(|_| KeyOp::Add(add.clone())).collect());
        let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: true, read: None };
        let read = ReadGroup {
            group: group(),
            consumer: Text::from(b"ann"),
            streams: vec![(key(), None)],
            count: 0,
            no_ack: false,
            waits: false,
        };
        let mut commands = vec![Command::Key(Box::new(KeyOp::Group(key(), group(), create)))];
        commands.extend((0..PENDING / 1_000).map(|_| adds(1_000)));
        commands.extend((0..4).map(|_| Command::Key(Box::new(KeyOp::ReadGroup(read.clone())))));
        for (at, command) in commands.into_iter().enumerate() {
            owner.submit(command, Ticket(0)).unwrap();
            owner.turn(MonoMs(1 + at as u64));
        }
        owner.drain_replies(&mut Vec::new());
        owner
    }

    fn pending(count: u64, idle_ms: u64) -> KeyOp {
        let (start, end) = (StreamId::MIN, StreamId::MAX);
        let range = PendingRange { idle_ms, start, end, count, consumer: None };
        KeyOp::Pending(key(), group(), Some(range))
    }

    fn refusal(reply: Option<Reply>) -> String {
        let value = match reply {
            Some(Reply::Key(value, _)) => value,
            Some(Reply::Keys(values, _)) => values.into_iter().next_back().unwrap(),
            other => panic!("{other:?}"),
        };
        match value {
            Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_transaction_that_asks_too_much_is_refused_before_all_of_it_is_looked_at() {
        let mut owner = owner();
        assert_eq!(owner.shard.keyspace.walk(&pending(1, 1), owner.shard.wall), PENDING);
        let mut ask = |op: KeyOp, times| {
            let ask = Ask::Keys(vec![op; times]);
            let (reply, steps) = walked::by(|| owner.request(ask, Ticket(1), MonoMs(100)));
            (refusal(reply), steps)
        };
        let (text, steps) = ask(pending(PENDING_TOLD_MAX as u64, 0), 4_096);
        assert!(text.contains("may take more than 1572864 bytes"), "{text}");
        assert!(steps < PENDING, "{steps} steps");
        let times = (TRANSACTION_WALK_MAX / PENDING + 1) as usize;
        let (text, steps) = ask(pending(1, 1_000_000), times);
        let said = format!("ERR this transaction looks through more than {TRANSACTION_WALK_MAX}");
        assert!(text.starts_with(&said), "{text}");
        assert!(steps < PENDING, "{steps} steps");
        let claims = GroupOp::RemoveConsumer(Text::from(b"ann"));
        let (text, _) = ask(KeyOp::Group(key(), group(), claims), times);
        assert!(text.ends_with("nothing was done"), "{text}");
        assert_eq!(owner.shard.keyspace.walk(&pending(1, 1), owner.shard.wall), PENDING);
        let scan = |from| KeyOp::Scan(Scan { from, count: u64::MAX });
        let walk = |from| owner.shard.keyspace.walk(&scan(from), owner.shard.wall);
        assert_eq!((walk(0), walk(1)), (4, 0), "one place, and none behind it");
    }

    /// Fills the account, so that there is no room for what is asked next.
    fn fill(owner: &Owner) -> Charge {
        let account = owner.directory.account();
        let (used, most) = account.of(Part::Passing);
        account.take(Part::Passing, most / 4 * 3 - used - 1_024).expect("all that is for long ones")
    }

    #[test]
    fn who_waits_for_room_is_priced_anew_once_there_is_some() {
        let mut owner = owner();
        let charge = fill(&owner);
        let op = pending(5_000, 0);
        let priced = owner.shard.keyspace.price(&op, owner.shard.wall);
        assert!(2 * priced > 1 << 20, "{priced}");
        assert_eq!(owner.request(Ask::Key(Box::new(op)), Ticket(1), MonoMs(100)), None);
        let waiting = |owner: &Owner| owner.unanswered.waiting.iter().map(|it| it.price).collect::<Vec<_>>();
        assert_eq!(waiting(&owner), [2 * priced]);
        // Its price as it is kept says that there is no room, whatever it would be now.
        owner.unanswered.waiting[0].price = MEMORY;
        drop(charge);
        let mut replies = Vec::new();
        let mut turn = |owner: &mut Owner, now| {
            owner.turn(MonoMs(now));
            owner.drain_replies(&mut replies);
            replies.pop()
        };
        assert_eq!(turn(&mut owner, 105), None);
        assert_eq!(waiting(&owner), [MEMORY], "it was not priced again");
        owner.unanswered.waiting[0].price = 1;
        assert!(matches!(turn(&mut owner, 110), Some((Ticket(1), Reply::Key(Value::Array(_), _)))));
        assert_eq!(turn(&mut owner, 110 + ANSWER_WAIT_MS), None, "once");
    }

    #[test]
    fn changes_that_look_through_much_are_spread_over_turns() {
        let mut owner = owner();
        let claim = || {
            KeyOp::AutoClaim(AutoClaim {
                key: key(),
                group: group(),
                consumer: Text::from(b"ann"),
                idle_ms: u64::MAX,
                start: StreamId::MIN,
                count: 500,
                just_id: true,
            })
        };
        for n in 0..100 {
            assert_eq!(owner.request(Ask::Key(Box::new(claim())), Ticket(n), MonoMs(100)), None);
        }
        let mut replies = Vec::new();
        let turns = (101..).take_while(|now| {
            let told = replies.len();
            owner.turn(MonoMs(*now));
            owner.drain_replies(&mut replies);
            assert!(replies.len() - told <= 20, "{} in one turn", replies.len() - told);
            replies.len() < 100
        });
        assert!(turns.count() > 5);
    }

    #[test]
    fn another_nodes_question_goes_no_second_hop() {
        let mut owner = owner();
        let charge = fill(&owner);
        owner.asked(Ticket(REMOTE | 5), Ask::Key(Box::new(pending(5_000, 0))));
        assert_eq!((owner.unanswered.waiting.len(), owner.replies.len()), (1, 0));
        drop(charge);
        // It leads no longer, and knows enough to answer its own clients.
        owner.role = crate::sequencer::Role::Follower;
        assert!(owner.prove(owner.mono).is_some());
        owner.answer_waiting();
        let refused = matches!(owner.replies[..], [(_, Reply::Refused(Refusal::NoLeader { .. }))]);
        assert!(refused && owner.unanswered.waiting.is_empty(), "{:?}", owner.replies);
    }
}
