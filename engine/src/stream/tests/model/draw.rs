//! What a random run does next.

use crate::id::RequestHash;
use crate::stream::fields::Fields;
use crate::stream::id::StreamId;
use crate::stream::op::{
    Add, After, AutoClaim, Claim, Clock, Delivered, Expire, ExpireWhen, Follow, FollowFrom, GroupOp, Keep,
    KeyOp, NewId, PendingRange, Range, Read, ReadGroup, Scan, SetId, Trim, Unit,
};
use crate::stream::text::Text;
use fastrand::Rng;

const KEYS: [&[u8]; 5] = [b"a", b"b:1", b"b:2", b"", b"b:2:x"];
const GROUPS: [&[u8]; 2] = [b"g", b"h"];
const CONSUMERS: [&[u8]; 3] = [b"ann", b"bob", b"cyd"];

/// Draws operations around a wall time.
pub(in crate::stream::tests) struct Draw {
    pub(in crate::stream::tests) rng: Rng,
    pub(in crate::stream::tests) wall: u64,
    /// The last epoch that was seen, for who follows.
    pub(in crate::stream::tests) epoch: u64,
}

impl Draw {
    fn key(&mut self) -> Text {
        Text::from(KEYS[self.rng.usize(0..KEYS.len())])
    }

    fn group(&mut self) -> Text {
        Text::from(GROUPS[self.rng.usize(0..GROUPS.len())])
    }

    fn consumer(&mut self) -> Text {
        Text::from(CONSUMERS[self.rng.usize(0..CONSUMERS.len())])
    }

    fn id(&mut self) -> StreamId {
        match self.rng.u32(0..40) {
            0 => StreamId::MIN,
            1 => StreamId::MAX.previous().unwrap_or_default(),
            2 => StreamId { ms: self.wall, seq: u64::MAX },
            _ => StreamId { ms: self.wall.saturating_sub(self.rng.u64(0..40)), seq: self.rng.u64(0..4) },
        }
    }

    fn ids(&mut self) -> Vec<StreamId> {
        (0..self.rng.usize(1..6)).map(|_| self.id()).collect()
    }

    /// Mostly something small, sometimes all.
    fn count(&mut self) -> u64 {
        if self.rng.u32(0..3) == 0 { 0 } else { self.rng.u64(1..8) }
    }

    fn after(&mut self) -> After {
        match self.rng.u32(0..6) {
            0 => After::Last,
            1 => After::LastEntry,
            2 => After::Id(StreamId::MIN),
            _ => After::Id(self.id()),
        }
    }

    /// A count of entries ever added: mostly possible, sometimes the highest that can be said.
    fn added(&mut self) -> u64 {
        let low = self.rng.u64(0..60);
        if self.rng.u32(0..6) == 0 { i64::MAX as u64 - low / 20 } else { low }
    }

    fn trim(&mut self) -> Trim {
        let keep = match self.rng.u32(0..3) {
            0 => Keep::From(self.id()),
            _ => Keep::Newest(self.rng.u64(0..40)),
        };
        Trim { keep, limit: if self.rng.u32(0..4) == 0 { self.rng.u64(1..5) } else { 0 } }
    }

    fn fields(&mut self) -> Fields {
        let len = if self.rng.u32(0..30) == 0 { self.rng.usize(0..6_000) } else { self.rng.usize(0..60) };
        let text: Vec<u8> = (0..len).map(|_| self.rng.u8(..)).collect();
        Fields::pack([b"f", &text[..]])
    }

    fn add(&mut self) -> Add {
        let id = match self.rng.u32(0..12) {
            0 => NewId::Exact(self.id()),
            1 => NewId::Within(self.wall.saturating_sub(self.rng.u64(0..5))),
            2 => NewId::Exact(StreamId { ms: self.wall, seq: self.rng.u64(0..4) }),
            _ => NewId::Auto,
        };
        Add {
            key: self.key(),
            no_create: self.rng.u32(0..8) == 0,
            trim: (self.rng.u32(0..3) == 0).then(|| self.trim()),
            id,
            fields: self.fields(),
            request: (self.rng.u32(0..6) == 0).then(|| RequestHash(u128::from(self.rng.u32(0..20)))),
            ttl_ms: (self.rng.u32(0..20) == 0).then(|| self.rng.u64(0..200)),
            end: self.rng.u32(0..300) == 0,
        }
    }

    fn expire(&mut self) -> Expire {
        let (unit, clock) = match self.rng.u32(0..4) {
            0 => (Unit::Seconds, Clock::Relative),
            1 => (Unit::Ms, Clock::Absolute),
            _ => (Unit::Ms, Clock::Relative),
        };
        let time = match (self.rng.u32(0..12), clock) {
            (0, _) => i64::MAX,
            (1, _) => i64::MIN + 1,
            (_, Clock::Absolute) => self.wall as i64 + self.rng.i64(-50..300),
            _ => self.rng.i64(-5..300),
        };
        let mut flag = || self.rng.u32(0..6) == 0;
        let when = ExpireWhen { none: flag(), some: flag(), later: flag(), earlier: flag() };
        Expire { key: self.key(), time, unit, clock, when }
    }

    fn group_op(&mut self) -> GroupOp {
        let read = match self.rng.u32(0..12) {
            0 => Some(i64::MAX - self.rng.i64(0..3)),
            1..=3 => Some(self.rng.i64(-1..30)),
            _ => None,
        };
        match self.rng.u32(0..12) {
            0..=6 => GroupOp::Create { from: self.after(), make: self.rng.bool(), read },
            7 | 8 => GroupOp::SetId { from: self.after(), read },
            9 => GroupOp::AddConsumer(self.consumer()),
            10 => GroupOp::RemoveConsumer(self.consumer()),
            _ => GroupOp::Destroy,
        }
    }

    fn claim(&mut self) -> Claim {
        let delivered = match self.rng.u32(0..4) {
            0 => Delivered::Ago(self.rng.u64(0..100)),
            1 => Delivered::At(self.wall.saturating_add(20).saturating_sub(self.rng.u64(0..100))),
            _ => Delivered::Now,
        };
        Claim {
            key: self.key(),
            group: self.group(),
            consumer: self.consumer(),
            idle_ms: self.rng.u64(0..60),
            ids: self.ids(),
            delivered,
            retries: (self.rng.u32(0..5) == 0).then(|| self.rng.u64(0..9)),
            force: self.rng.bool(),
            just_id: self.rng.bool(),
            last_id: (self.rng.u32(0..8) == 0).then(|| self.id()),
        }
    }

    fn read_group(&mut self) -> ReadGroup {
        let history = self.rng.u32(0..4) == 0;
        let mut streams = Vec::new();
        for _ in 0..self.rng.usize(1..3) {
            streams.push((self.key(), history.then(|| self.id())));
        }
        ReadGroup {
            group: self.group(),
            consumer: self.consumer(),
            streams,
            count: self.count(),
            no_ack: self.rng.u32(0..6) == 0,
            waits: self.rng.bool(),
        }
    }

    fn question(&mut self) -> KeyOp {
        let key = self.key();
        match self.rng.u32(0..14) {
            0 => KeyOp::Len(key),
            1 | 2 => {
                let (start, end) = (self.id(), if self.rng.bool() { StreamId::MAX } else { self.id() });
                let count = self.rng.bool().then(|| self.rng.u64(0..5));
                KeyOp::Range(Range { key, start, end, count, reverse: self.rng.bool() })
            }
            3 => {
                let streams = vec![(key, self.after()), (self.key(), self.after())];
                KeyOp::Read(Read { streams, count: self.count(), waits: self.rng.bool() })
            }
            4..=6 => {
                let epoch = self.rng.bool().then_some(self.epoch);
                let from = match self.rng.u32(0..10) {
                    0 => FollowFrom::Oldest,
                    1 => FollowFrom::Newest,
                    _ => FollowFrom::After(self.rng.u64(0..60)),
                };
                KeyOp::Follow(Follow { key, epoch, from, limit: self.rng.u64(1..9), bytes_max: 3_000 })
            }
            7 => KeyOp::Exists(vec![key.clone(), self.key(), key]),
            8 => KeyOp::Type(key),
            9 => {
                let (unit, clock) = (Unit::Seconds, Clock::Absolute);
                let unit = if self.rng.bool() { unit } else { Unit::Ms };
                KeyOp::Ttl(key, unit, if self.rng.bool() { clock } else { Clock::Relative })
            }
            10 => KeyOp::Scan(Scan { from: self.rng.u64(0..6), count: self.rng.u64(0..4) }),
            11 => KeyOp::InfoGroups(key),
            12 => KeyOp::InfoConsumers(key, self.group()),
            _ => {
                let range = PendingRange {
                    idle_ms: self.rng.u64(0..30),
                    start: StreamId::MIN,
                    end: if self.rng.bool() { StreamId::MAX } else { self.id() },
                    count: self.rng.u64(0..9),
                    consumer: self.rng.bool().then(|| self.consumer()),
                };
                KeyOp::Pending(key, self.group(), (self.rng.u32(0..3) > 0).then_some(range))
            }
        }
    }

    /// A question that the reference has no answer to.
    pub(in crate::stream::tests) fn price_only(&mut self) -> KeyOp {
        match self.rng.u32(0..6) {
            0 | 1 => KeyOp::InfoStream(self.key(), self.rng.bool().then(|| self.count())),
            2 => KeyOp::Namespaces,
            3 => KeyOp::Scan(Scan { from: self.rng.u64(0..6), count: self.rng.u64(..) }),
            4 => KeyOp::Size,
            _ => {
                let op = match self.op() {
                    KeyOp::Clear => self.question(),
                    op => op,
                };
                KeyOp::Faulty(Box::new(op), self.key())
            }
        }
    }

    /// The next operation.
    pub(in crate::stream::tests) fn op(&mut self) -> KeyOp {
        match self.rng.u32(0..100) {
            0..=34 => KeyOp::Add(self.add()),
            35..=38 => KeyOp::Trim(self.key(), self.trim()),
            39..=43 => KeyOp::Remove(self.key(), self.ids()),
            44 => KeyOp::SetId(SetId {
                key: self.key(),
                id: self.id(),
                added: self.rng.bool().then(|| self.added()),
                max_deleted: (self.rng.u32(0..4) == 0).then(|| self.id()),
            }),
            45 => KeyOp::End(self.key()),
            46 => KeyOp::Delete(vec![self.key(), self.key()]),
            47..=49 => KeyOp::Expire(self.expire()),
            50 => KeyOp::Persist(self.key()),
            51..=56 => KeyOp::Group(self.key(), self.group(), self.group_op()),
            57..=66 => KeyOp::ReadGroup(self.read_group()),
            67..=70 => KeyOp::Ack(self.key(), self.group(), self.ids()),
            71..=73 => KeyOp::Claim(self.claim()),
            74..=76 => KeyOp::AutoClaim(AutoClaim {
                key: self.key(),
                group: self.group(),
                consumer: self.consumer(),
                idle_ms: self.rng.u64(0..40),
                start: if self.rng.bool() { StreamId::MIN } else { self.id() },
                count: self.rng.u64(1..6),
                just_id: self.rng.bool(),
            }),
            77 if self.rng.u32(0..20) == 0 => KeyOp::Clear,
            _ => self.question(),
        }
    }
}
