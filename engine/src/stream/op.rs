//! What clients ask of streams and of the keys that name them. Syntax was checked by whoever made these; whether it can be
//! done is for the state to say.

use super::fields::Fields;
use super::id::StreamId;
use super::nested;
use super::policy::Policy;
use super::reserved::REVOKED_PASSES;
use super::text::Text;
use crate::id::RequestHash;
use crate::pass::PassKeyOp;
use serde::{Deserialize, Serialize};

/// One operation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum KeyOp {
    /// `XADD`, and an append over HTTP.
    Add(Add),
    /// `XTRIM`: how many went.
    Trim(Text, Trim),
    /// `XDEL`: how many went.
    Remove(Text, Vec<StreamId>),
    /// `XSETID`.
    SetId(SetId),
    /// `X.END`: nothing follows; 1, or 0 where it had ended or there is no such stream.
    End(Text),
    /// `XLEN`.
    Len(Text),
    /// `XRANGE`, `XREVRANGE`.
    Range(Range),
    /// `XREAD`.
    Read(Read),
    /// Entries behind a number, for who follows the stream. [`super::value::Value::Followed`].
    Follow(Follow),
    /// `XGROUP …`.
    Group(Text, Text, GroupOp),
    /// `XREADGROUP`.
    ReadGroup(ReadGroup),
    /// `XACK`: key, group, ids; how many were pending.
    Ack(Text, Text, Vec<StreamId>),
    /// `XPENDING`: key, group; the summary, or the entries of a range.
    Pending(Text, Text, Option<PendingRange>),
    /// `XCLAIM`.
    Claim(Claim),
    /// `XAUTOCLAIM`.
    AutoClaim(AutoClaim),
    /// `XINFO STREAM`; `FULL` with so many entries and pending ones of each list, 0: all.
    InfoStream(Text, Option<u64>),
    /// `XINFO GROUPS`.
    InfoGroups(Text),
    /// `XINFO CONSUMERS`: key, group.
    InfoConsumers(Text, Text),
    /// `DEL`, `UNLINK`: how many went.
    Delete(Vec<Text>),
    /// `EXISTS`, `TOUCH`: how many there are, a repeated key counted again.
    Exists(Vec<Text>),
    /// `TYPE`: `stream` or `none`.
    Type(Text),
    /// `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`: 1 where the deadline was set.
    Expire(Expire),
    /// `TTL` and its kin.
    Ttl(Text, Unit, Clock),
    /// `PERSIST`.
    Persist(Text),
    /// `SCAN` within one group.
    Scan(Scan),
    /// `DBSIZE` of one group.
    Size,
    /// `FLUSHALL` of one group.
    Clear,
    /// The namespaces, their policies, and what is in them within this group.
    Namespaces,
    /// An operation some argument of which makes no sense, and what is said of that. Nothing is done; where there is no such
    /// stream or group, that is said instead.
    Faulty(#[serde(deserialize_with = "nested::read")] Box<KeyOp>, Text),
    /// Makes a namespace of this prefix within one group, or gives it another policy.
    SetNamespace(Text, Policy),
    /// Removes a namespace within one group; its keys stay. 1, or 0 where there was none.
    DeleteNamespace(Text),
    /// Changes a key that signs passes, within one group. Not for a keyspace: the shard does it.
    PassKey(PassKeyOp),
    /// `Q.PASS REVOKE`: notes this id in the stream of revoked passes. The server's own: see [`super::reserved`].
    RevokePass(Text),
}

/// An append.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Add {
    /// The stream.
    pub key: Text,
    /// Answer nothing rather than make the stream.
    pub no_create: bool,
    /// What goes in the same step.
    pub trim: Option<Trim>,
    /// The id wanted.
    pub id: NewId,
    /// The entry.
    pub fields: Fields,
    /// Makes a repeat of the same append harmless.
    pub request: Option<RequestHash>,
    /// The key expires so many ms from now.
    pub ttl_ms: Option<u64>,
    /// Nothing will follow.
    pub end: bool,
}

/// Which id an entry gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NewId {
    /// `*`: the wall time of the log.
    Auto,
    /// `ms-*`.
    Within(u64),
    /// This one.
    Exact(StreamId),
}

/// Which entries go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trim {
    /// What stays.
    pub keep: Keep,
    /// At most so many go; 0: as many as must. Only `~` may say so.
    pub limit: u64,
}

/// What a trim leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Keep {
    /// So many of the newest.
    Newest(u64),
    /// Those of this id and later.
    From(StreamId),
}

/// `XSETID`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetId {
    /// The stream.
    pub key: Text,
    /// Its last id from now on.
    pub id: StreamId,
    /// `ENTRIESADDED`.
    pub added: Option<u64>,
    /// `MAXDELETEDID`.
    pub max_deleted: Option<StreamId>,
}

/// A range of ids, both ends in it; exclusive ends were moved by one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// The stream.
    pub key: Text,
    /// The lowest id.
    pub start: StreamId,
    /// The highest.
    pub end: StreamId,
    /// At most so many; 0 is answered as Redis does, with no array where the key exists.
    pub count: Option<u64>,
    /// The highest first.
    pub reverse: bool,
}

/// `XREAD`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Read {
    /// Keys, and behind what each is read.
    pub streams: Vec<(Text, After)>,
    /// At most so many of each; 0: all.
    pub count: u64,
    /// Where nothing is there, say behind which ids it was looked ([`super::value::Value::Nothing`]).
    pub waits: bool,
}

/// Where a read begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum After {
    /// Behind this id.
    Id(StreamId),
    /// `$`: behind the last one there is.
    Last,
    /// `+` (Redis 7.4): the last entry itself.
    LastEntry,
}

/// Entries behind a number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Follow {
    /// The stream.
    pub key: Text,
    /// The epoch of the number; `None`: the present one.
    pub epoch: Option<u64>,
    /// Where they begin.
    pub from: FollowFrom,
    /// At most so many entries.
    pub limit: u64,
    /// At most about so many bytes, but one entry at least.
    pub bytes_max: u64,
}

/// Where entries by number begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FollowFrom {
    /// With the oldest that is there.
    Oldest,
    /// Behind the newest.
    Newest,
    /// Behind this number.
    After(u64),
}

/// What happens to a group of consumers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum GroupOp {
    /// `CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]`.
    Create {
        /// What it has read.
        from: After,
        /// Make the stream where there is none.
        make: bool,
        /// Entries read so far, -1 unknown.
        read: Option<i64>,
    },
    /// `SETID key group id|$ [ENTRIESREAD n]`.
    SetId {
        /// What it has read.
        from: After,
        /// Entries read so far, -1 unknown.
        read: Option<i64>,
    },
    /// `DESTROY key group`.
    Destroy,
    /// `CREATECONSUMER key group consumer`.
    AddConsumer(Text),
    /// `DELCONSUMER key group consumer`: how many were pending.
    RemoveConsumer(Text),
}

/// `XREADGROUP`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadGroup {
    /// The group.
    pub group: Text,
    /// Who reads.
    pub consumer: Text,
    /// Keys, and behind what each is read; `None` is `>`: what nobody of the group was given.
    pub streams: Vec<(Text, Option<StreamId>)>,
    /// At most so many of each; 0: all.
    pub count: u64,
    /// Nothing becomes pending.
    pub no_ack: bool,
    /// As for [`Read`].
    pub waits: bool,
}

/// A range of pending entries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PendingRange {
    /// Pending for at least so many ms.
    pub idle_ms: u64,
    /// The lowest id.
    pub start: StreamId,
    /// The highest.
    pub end: StreamId,
    /// At most so many.
    pub count: u64,
    /// Of this consumer only.
    pub consumer: Option<Text>,
}

/// `XCLAIM`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// The stream.
    pub key: Text,
    /// The group.
    pub group: Text,
    /// Who takes over.
    pub consumer: Text,
    /// Only what was delivered so many ms ago.
    pub idle_ms: u64,
    /// What is claimed.
    pub ids: Vec<StreamId>,
    /// When it counts as delivered.
    pub delivered: Delivered,
    /// How often it counts as delivered; `None`: once more than before.
    pub retries: Option<u64>,
    /// Also what was not pending.
    pub force: bool,
    /// Ids only, and no delivery more.
    pub just_id: bool,
    /// The group has read up to here at least.
    pub last_id: Option<StreamId>,
}

/// A moment of delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Delivered {
    /// Now.
    Now,
    /// `IDLE`: so many ms ago.
    Ago(u64),
    /// `TIME`: at this wall time, ms.
    At(u64),
}

/// `XAUTOCLAIM`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AutoClaim {
    /// The stream.
    pub key: Text,
    /// The group.
    pub group: Text,
    /// Who takes over.
    pub consumer: Text,
    /// Only what was delivered so many ms ago.
    pub idle_ms: u64,
    /// From this id on.
    pub start: StreamId,
    /// At most so many.
    pub count: u64,
    /// Ids only, and no delivery more.
    pub just_id: bool,
}

/// A deadline of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expire {
    /// The key.
    pub key: Text,
    /// When, or in how long.
    pub time: i64,
    /// Of `time`.
    pub unit: Unit,
    /// Of `time`.
    pub clock: Clock,
    /// Only under these conditions.
    pub when: ExpireWhen,
}

/// Conditions of a deadline; all must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ExpireWhen {
    /// `NX`: it has none.
    pub none: bool,
    /// `XX`: it has one.
    pub some: bool,
    /// `GT`: the new one is later.
    pub later: bool,
    /// `LT`: the new one is earlier, or it has none.
    pub earlier: bool,
}

/// In what a time is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Unit {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Ms,
}

/// From when a time counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Clock {
    /// From now.
    Relative,
    /// From 1970.
    Absolute,
}

/// A step through the keys of one group. The answer is an array of two: where the next step begins, a number that is 0 behind
/// the last place, and an array of keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scan {
    /// Where it begins: 0, or what the last step answered.
    pub from: u64,
    /// Places looked at, at most.
    pub count: u64,
}

impl KeyOp {
    /// Whether it changes something, and so has to go through the log.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(
            self,
            KeyOp::Len(_)
                | KeyOp::Range(_)
                | KeyOp::Read(_)
                | KeyOp::Follow(_)
                | KeyOp::Pending(..)
                | KeyOp::InfoStream(..)
                | KeyOp::InfoGroups(_)
                | KeyOp::InfoConsumers(..)
                | KeyOp::Exists(_)
                | KeyOp::Type(_)
                | KeyOp::Ttl(..)
                | KeyOp::Scan(_)
                | KeyOp::Size
                | KeyOp::Namespaces
                | KeyOp::Faulty(..)
        )
    }

    /// Whether its answer is a number or a word, whatever there is.
    #[must_use]
    pub fn is_answered_shortly(&self) -> bool {
        matches!(self, KeyOp::Len(_) | KeyOp::Exists(_) | KeyOp::Type(_) | KeyOp::Ttl(..) | KeyOp::Size)
    }

    /// Calls `visit` with every key that it names, in order.
    pub fn visit_keys(&self, mut visit: impl FnMut(&Text)) {
        match self {
            KeyOp::Add(Add { key, .. })
            | KeyOp::Trim(key, _)
            | KeyOp::Remove(key, _)
            | KeyOp::SetId(SetId { key, .. })
            | KeyOp::End(key)
            | KeyOp::Len(key)
            | KeyOp::Range(Range { key, .. })
            | KeyOp::Follow(Follow { key, .. })
            | KeyOp::Group(key, ..)
            | KeyOp::Ack(key, ..)
            | KeyOp::Pending(key, ..)
            | KeyOp::Claim(Claim { key, .. })
            | KeyOp::AutoClaim(AutoClaim { key, .. })
            | KeyOp::InfoStream(key, _)
            | KeyOp::InfoGroups(key)
            | KeyOp::InfoConsumers(key, _)
            | KeyOp::Type(key)
            | KeyOp::Expire(Expire { key, .. })
            | KeyOp::Ttl(key, ..)
            | KeyOp::Persist(key) => visit(key),
            KeyOp::Read(read) => read.streams.iter().for_each(|(key, _)| visit(key)),
            KeyOp::ReadGroup(read) => read.streams.iter().for_each(|(key, _)| visit(key)),
            KeyOp::Delete(keys) | KeyOp::Exists(keys) => keys.iter().for_each(visit),
            KeyOp::Faulty(op, _) => op.visit_keys(&mut visit as &mut dyn FnMut(&Text)),
            KeyOp::RevokePass(_) => visit(&Text::from(REVOKED_PASSES)),
            KeyOp::Scan(_)
            | KeyOp::Size
            | KeyOp::Clear
            | KeyOp::Namespaces
            | KeyOp::SetNamespace(..)
            | KeyOp::DeleteNamespace(_)
            | KeyOp::PassKey(_) => {}
        }
    }

    /// The first key that it names.
    #[must_use]
    pub fn key(&self) -> Option<Text> {
        let mut first = None;
        self.visit_keys(|key| {
            first.get_or_insert_with(|| key.clone());
        });
        first
    }
}
