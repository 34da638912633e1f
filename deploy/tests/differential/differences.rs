//! The closed list of what may differ between redis-server 7.0 and its peer, each with its reason. Whatever is not listed
//! here has to be equal, to the byte.
//!
//! Most rules forgive a part of a reply: [`Judge::settle`] makes that part of the reference equal to the peer's, when both
//! have what the rule allows, and the replies are then compared as a whole. The others say what is never asked in the same
//! way of both, and are kept by the generator (`generator/`) and the runner (`campaign.rs`).

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::generator::{Command, FAR_MOMENTS};
use crate::reply::Reply;

/// What may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    ClockId,
    Elapsed,
    Moment,
    Nodes,
    ScanOrder,
    Approximate,
    Inactive,
    Unbalanced,
    XsetidBelowDeleted,
    ConsumerCreated,
    KeyGoneWhileBlocked,
    LastEntry,
    SeveralGroups,
    Help,
}

impl Difference {
    pub(crate) const ALL: [Self; 14] = [
        Self::ClockId,
        Self::Elapsed,
        Self::Moment,
        Self::Nodes,
        Self::ScanOrder,
        Self::Approximate,
        Self::Inactive,
        Self::Unbalanced,
        Self::XsetidBelowDeleted,
        Self::ConsumerCreated,
        Self::KeyGoneWhileBlocked,
        Self::LastEntry,
        Self::SeveralGroups,
        Self::Help,
    ];

    /// What differs, and why that is right.
    pub(crate) fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::ClockId => (
                "ids that `XADD key *` made, wherever they are shown",
                "two servers read two clocks; both ids have to be of these ten minutes",
            ),
            Self::Elapsed => (
                "idle times, delivery times, `seen-time`, TTL and PTTL, by at most 30 s",
                "the same command reaches two servers at two moments",
            ),
            Self::Moment => (
                "EXPIRETIME and PEXPIRETIME of a key that got a relative time to live, by at most 30 s",
                "the same; a moment that was given as one has to be exact",
            ),
            Self::Nodes => (
                "`radix-tree-keys` and `radix-tree-nodes` of XINFO STREAM, as long as they are counts",
                "they describe Redis's own layout, which nobody else has",
            ),
            Self::ScanOrder => (
                "SCAN's cursors and its order; a whole iteration has to find the same keys. KEYS: the order",
                "they follow from a hash table; Redis promises neither",
            ),
            Self::Approximate => (
                "trimming by `~`: sluice trims as by `=`; Redis is configured with one entry a node, so that it does too",
                "Redis's documentation lets `~` keep more entries than asked for, not less",
            ),
            Self::Inactive => (
                "`inactive` of XINFO CONSUMERS, `active-time` of XINFO STREAM FULL: in the peer only",
                "7.2 added them (redis.io, XINFO CONSUMERS and XINFO STREAM, history)",
            ),
            Self::Unbalanced => (
                "the text about an odd list of streams: `Unbalanced 'xread' list` instead of `Unbalanced XREAD list`",
                "7.2 changed it; XREADGROUP is now named, with its `>`",
            ),
            Self::XsetidBelowDeleted => (
                "XSETID with an id below `max-deleted-entry-id` is refused; Redis 7.0 is then not asked, and the peer must refuse",
                "7.2 fixed it (release notes, XSETID)",
            ),
            Self::ConsumerCreated => (
                "XREADGROUP, XCLAIM and XAUTOCLAIM that deliver nothing create the consumer; here each is created before",
                "7.2 (redis.io, XREADGROUP: a consumer is created when it is first mentioned)",
            ),
            Self::KeyGoneWhileBlocked => (
                "a client that blocks in XREADGROUP when its key is deleted: `NOGROUP` instead of `UNBLOCKED`, as is for a group",
                "7.2 runs the blocked command again, which finds no key",
            ),
            Self::LastEntry => (
                "`+` as an id of XREAD: an answer instead of an error about the id",
                "7.4 added it (redis.io, XREAD: the last entry of the stream), and SPEC.md promises it",
            ),
            Self::SeveralGroups => (
                "XREADGROUP with keys of several hash slots is not made, but for one key twice and keys of one `{tag}`",
                "SPEC.md: each group of sluice does its part; a missing consumer group of one does not stop the others. \
                 Redis Cluster refuses such a command as a whole",
            ),
            Self::Help => (
                "what XINFO HELP and XGROUP HELP say of their subcommands, between the first line and the last two",
                "it is prose for people, in each server's own words",
            ),
        }
    }
}

/// Milliseconds by which two servers may see the same command apart.
const APART_MS: i64 = 30_000;

const NOT_BELOW_DELETED: &str = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";

/// The reply of a server that follows 7.2 to an XSETID as in [`Difference::XsetidBelowDeleted`].
pub(crate) fn refused_below_deleted() -> Reply {
    Reply::Error(NOT_BELOW_DELETED.into())
}

/// Compares replies of one pair of connections. It knows of the transaction that is open, to know what EXEC's parts answer.
#[derive(Default)]
pub(crate) struct Judge {
    queued: Option<Vec<Command>>,
    /// How often each difference was met.
    pub(crate) met: [u64; Difference::ALL.len()],
    /// How often each command was answered with something, with nothing (null, zero, empty) and with an error.
    pub(crate) answered: BTreeMap<String, [u64; 3]>,
}

impl Judge {
    /// Whether the replies to `command` agree.
    pub(crate) fn agree(&mut self, command: &Command, reference: &Reply, peer: &Reply) -> bool {
        let mut settled = reference.clone();
        match name_of(command).as_str() {
            "EXEC" if matches!(reference, Reply::Array(_)) => {
                let queued = self.queued.take().unwrap_or_default();
                self.settle_parts(&queued, &mut settled, peer);
            }
            _ => self.settle(command, &mut settled, peer),
        }
        self.count(command, reference);
        self.follow(command, reference);
        settled == *peer
    }

    /// Keeps up with the transaction, by what the reference answers.
    fn follow(&mut self, command: &Command, reference: &Reply) {
        match (name_of(command).as_str(), reference) {
            ("MULTI", Reply::Simple(_)) => self.queued = Some(Vec::new()),
            ("DISCARD", Reply::Simple(_)) => self.queued = None,
            // Aborted or run, be it for a wrong number of arguments: it is over.
            ("EXEC", _) => self.queued = None,
            (_, Reply::Simple(text)) if text == b"QUEUED" => {
                if let Some(queued) = &mut self.queued {
                    queued.push(command.clone());
                }
            }
            _ => {}
        }
    }

    fn settle_parts(&mut self, queued: &[Command], reference: &mut Reply, peer: &Reply) {
        if let (Reply::Array(ours), Reply::Array(theirs)) = (reference, peer) {
            for ((command, our), their) in queued.iter().zip(ours).zip(theirs) {
                self.count(command, our);
                self.settle(command, our, their);
            }
        }
    }

    /// Makes those parts of the reference equal to the peer's that may differ.
    fn settle(&mut self, command: &Command, reference: &mut Reply, peer: &Reply) {
        let second = command.get(1).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match (name_of(command).as_str(), second.as_slice()) {
            ("XREAD", _) if command.iter().any(|word| word == b"+") => self.last_entry(reference, peer),
            ("XREAD" | "XREADGROUP", _) => self.unbalanced(reference, peer),
            ("XPENDING", _) => self.pending_idle(reference, peer),
            ("XINFO" | "XGROUP", b"HELP") => self.help(reference, peer),
            ("XINFO", b"STREAM") => self.stream(reference, peer),
            ("XINFO", b"CONSUMERS") => {
                self.each(reference, peer, |judge, ours, theirs| {
                    judge.added(ours, theirs, "inactive", 3);
                    judge.near_field(ours, theirs, "idle");
                });
            }
            ("TTL", _) => self.near(reference, peer, APART_MS / 1000, Difference::Elapsed),
            ("PTTL", _) => self.near(reference, peer, APART_MS, Difference::Elapsed),
            ("EXPIRETIME", _) if !is_far(reference, 1) => {
                self.near(reference, peer, APART_MS / 1000, Difference::Moment);
            }
            ("PEXPIRETIME", _) if !is_far(reference, 1000) => {
                self.near(reference, peer, APART_MS, Difference::Moment);
            }
            ("KEYS", _) => self.any_order(reference, peer),
            _ => {}
        }
        // Last, when fields that one of them lacks have their places.
        self.clock_ids(reference, peer);
    }

    /// Counts what the reference answers, but not that it was put off.
    fn count(&mut self, command: &Command, reference: &Reply) {
        let kind = match reference {
            Reply::Error(_) => 2,
            Reply::Null | Reply::NullArray | Reply::NullBulk | Reply::Integer(0) => 1,
            Reply::Array(parts) if parts.is_empty() => 1,
            Reply::Simple(text) if text == b"QUEUED" => return,
            _ => 0,
        };
        self.answered.entry(name_of(command)).or_default()[kind] += 1;
    }

    fn note(&mut self, difference: Difference) {
        self.met[difference as usize] += 1;
    }

    /// Anywhere: pairs of ids that the clock made.
    fn clock_ids(&mut self, reference: &mut Reply, peer: &Reply) {
        match (reference, peer) {
            (Reply::Bulk(ours), Reply::Bulk(theirs))
                if *ours != *theirs && is_of_the_clock(ours) && is_of_the_clock(theirs) =>
            {
                ours.clone_from(theirs);
                self.note(Difference::ClockId);
            }
            (Reply::Array(ours), Reply::Array(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(our, their)| self.clock_ids(our, their));
            }
            (Reply::Map(ours), Reply::Map(theirs)) => {
                for ((our_key, our), (their_key, their)) in ours.iter_mut().zip(theirs) {
                    self.clock_ids(our_key, their_key);
                    self.clock_ids(our, their);
                }
            }
            _ => {}
        }
    }

    fn unbalanced(&mut self, reference: &mut Reply, peer: &Reply) {
        let (Reply::Error(ours), Reply::Error(theirs)) = (reference, peer) else { return };
        let before =
            b"ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.";
        let after: [&[u8]; 2] = [
            b"ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
            b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ];
        if ours == before && after.contains(&theirs.as_slice()) {
            ours.clone_from(theirs);
            self.note(Difference::Unbalanced);
        }
    }

    fn help(&mut self, reference: &mut Reply, peer: &Reply) {
        if let (Reply::Array(ours), Reply::Array(theirs)) = (reference, peer)
            && let ([first, .., name, text], [their_first, .., their_name, their_text]) =
                (ours.as_slice(), theirs.as_slice())
            && (first, name, text) == (their_first, their_name, their_text)
            && theirs.iter().all(|line| matches!(line, Reply::Simple(_)))
        {
            ours.clone_from(theirs);
            self.note(Difference::Help);
        }
    }

    /// What the last entry is, `newer.rs` asks.
    fn last_entry(&mut self, reference: &mut Reply, peer: &Reply) {
        let before = Reply::Error(b"ERR Invalid stream ID specified as stream command argument".to_vec());
        if *reference == before && !matches!(peer, Reply::Error(_)) {
            reference.clone_from(peer);
            self.note(Difference::LastEntry);
        } else {
            self.unbalanced(reference, peer);
        }
    }

    /// The long form of XPENDING: `[id, consumer, idle, deliveries]` for each.
    fn pending_idle(&mut self, reference: &mut Reply, peer: &Reply) {
        self.each(reference, peer, |judge, ours, theirs| {
            if let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs)
                && let ([_, _, our, _], [_, _, their, _]) = (ours.as_mut_slice(), theirs.as_slice())
            {
                judge.near(our, their, APART_MS, Difference::Elapsed);
            }
        });
    }

    /// XINFO STREAM, also FULL: the one has numbers where the other has lists.
    fn stream(&mut self, reference: &mut Reply, peer: &Reply) {
        for name in ["radix-tree-keys", "radix-tree-nodes"] {
            if let (Some(Reply::Integer(our)), Some(Reply::Integer(their))) =
                (field_mut(reference, name), field(peer, name))
                && *our != *their
                && *our >= 0
                && *their >= 0
            {
                *our = *their;
                self.note(Difference::Nodes);
            }
        }
        let (Some(ours), Some(theirs)) = (field_mut(reference, "groups"), field(peer, "groups")) else {
            return;
        };
        self.each(ours, theirs, |judge, ours, theirs| {
            judge.deliveries(ours, theirs, 2);
            let (Some(ours), Some(theirs)) = (field_mut(ours, "consumers"), field(theirs, "consumers"))
            else {
                return;
            };
            judge.each(ours, theirs, |judge, ours, theirs| {
                judge.added(ours, theirs, "active-time", 2);
                judge.near_field(ours, theirs, "seen-time");
                judge.deliveries(ours, theirs, 1);
            });
        });
    }

    /// The delivery times in a list of pending entries, where they stand at `at`.
    fn deliveries(&mut self, reference: &mut Reply, peer: &Reply, at: usize) {
        let (Some(ours), Some(theirs)) = (field_mut(reference, "pending"), field(peer, "pending")) else {
            return;
        };
        self.each(ours, theirs, |judge, ours, theirs| {
            if let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs)
                && let (Some(our), Some(their)) = (ours.get_mut(at), theirs.get(at))
            {
                judge.near(our, their, APART_MS, Difference::Elapsed);
            }
        });
    }

    fn each(
        &mut self,
        reference: &mut Reply,
        peer: &Reply,
        mut settle: impl FnMut(&mut Self, &mut Reply, &Reply),
    ) {
        if let (Reply::Array(ours), Reply::Array(theirs)) = (reference, peer) {
            ours.iter_mut().zip(theirs).for_each(|(our, their)| settle(self, our, their));
        }
    }

    /// A field that only the peer has, a number from -1 on, behind `at` others.
    fn added(&mut self, reference: &mut Reply, peer: &Reply, name: &str, at: usize) {
        let Some(value @ Reply::Integer(-1..)) = field(peer, name) else { return };
        if field(reference, name).is_some() {
            return;
        }
        let key = Reply::Bulk(name.into());
        match reference {
            Reply::Array(parts) if parts.len() >= 2 * at => {
                parts.splice(2 * at..2 * at, [key, value.clone()]);
            }
            Reply::Map(pairs) if pairs.len() >= at => pairs.insert(at, (key, value.clone())),
            _ => return,
        }
        self.note(Difference::Inactive);
    }

    fn near_field(&mut self, reference: &mut Reply, peer: &Reply, name: &str) {
        if let (Some(our), Some(their)) = (field_mut(reference, name), field(peer, name)) {
            self.near(our, their, APART_MS, Difference::Elapsed);
        }
    }

    /// Two numbers, neither negative, at most so far apart.
    fn near(&mut self, reference: &mut Reply, peer: &Reply, apart: i64, why: Difference) {
        if let (Reply::Integer(our), Reply::Integer(their)) = (reference, peer)
            && *our != *their
            && *our >= 0
            && *their >= 0
            && (*our - *their).abs() <= apart
        {
            *our = *their;
            self.note(why);
        }
    }

    fn any_order(&mut self, reference: &mut Reply, peer: &Reply) {
        if let (Reply::Array(ours), Reply::Array(theirs)) = (reference, peer)
            && ours != theirs
            && sorted(ours) == sorted(theirs)
        {
            ours.clone_from(theirs);
            self.note(Difference::ScanOrder);
        }
    }
}

fn sorted(replies: &[Reply]) -> Vec<String> {
    let mut shown: Vec<String> = replies.iter().map(Reply::to_string).collect();
    shown.sort();
    shown
}

pub(crate) fn name_of(command: &Command) -> String {
    command.first().map(|name| String::from_utf8_lossy(name).to_ascii_uppercase()).unwrap_or_default()
}

/// The value of a field of a map, or of the flat array that a map is in RESP2.
pub(crate) fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a Reply> {
    let is_named = |key: &Reply| matches!(key, Reply::Bulk(text) if text == name.as_bytes());
    match reply {
        Reply::Map(pairs) => pairs.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value),
        Reply::Array(parts) => parts.chunks_exact(2).find(|pair| is_named(&pair[0])).map(|pair| &pair[1]),
        _ => None,
    }
}

fn field_mut<'a>(reply: &'a mut Reply, name: &str) -> Option<&'a mut Reply> {
    let is_named = |key: &Reply| matches!(key, Reply::Bulk(text) if text == name.as_bytes());
    match reply {
        Reply::Map(pairs) => pairs.iter_mut().find(|(key, _)| is_named(key)).map(|(_, value)| value),
        Reply::Array(parts) => {
            parts.chunks_exact_mut(2).find(|pair| is_named(&pair[0])).map(|pair| &mut pair[1])
        }
        _ => None,
    }
}

/// Whether a moment was given as one: no relative time to live reaches so far.
fn is_far(moment: &Reply, per_second: i64) -> bool {
    matches!(moment, Reply::Integer(moment) if FAR_MOMENTS.contains(&(moment / per_second)))
}

/// Whether this is an id that a clock made now.
fn is_of_the_clock(id: &[u8]) -> bool {
    let text = String::from_utf8_lossy(id);
    let milliseconds = text
        .split_once('-')
        .and_then(|(first, second)| second.parse::<u64>().ok().and_then(|_| first.parse::<u64>().ok()));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("later than 1970").as_millis();
    milliseconds.is_some_and(|made| now.abs_diff(u128::from(made)) < 600_000)
}
