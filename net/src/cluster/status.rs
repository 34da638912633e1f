//! What a node knows of its cluster: plain figures, the same for RESP, the admin plane and the command line.

use serde::{Deserialize, Serialize};
use sluice_engine::slot::SLOTS;

/// The cluster as one node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's id as 32 hexadecimal digits; zeros while this node waits to be added.
    pub cluster: String,
    /// Version of what the cluster writes to its logs.
    pub format: u32,
    /// Id of this node; 0 while it waits to be added.
    pub node: u64,
    /// Every node, this one included, by id; those that wait to be added come last.
    pub nodes: Vec<Member>,
    /// Every group, by number.
    pub groups: Vec<Group>,
    /// The change that is under way, in words.
    pub operation: Option<String>,
    /// What this node's log has written.
    #[serde(default)]
    pub log: Log,
    /// What this node, as a leader, finds of the nodes' wall clocks.
    #[serde(default)]
    pub clocks: Clocks,
    /// Whether this node belongs to the cluster.
    #[serde(default)]
    pub standing: Standing,
    /// Messages of peers that this node refused: of no member, or with what cannot be true.
    #[serde(default)]
    pub refused_messages: u64,
    /// The cluster's secret, without the secret.
    #[serde(default)]
    pub secret: Secret,
}

/// How the rotation of the cluster's secret stands.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Secret {
    /// Number of the newest, from 1; 0 where that is not known.
    pub number: u64,
    /// Nodes that are not known to hold it: until they are, peers may prove the one before it. Empty when no rotation is under way.
    pub waits_for: Vec<u64>,
}

/// Wall clocks of the nodes, as a leader finds them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Clocks {
    /// By how many milliseconds this node's is ahead of others' (below 0: behind), where it does not agree with most; else 0.
    pub ahead_ms: i64,
    /// Ids of nodes whose clocks stand elsewhere than most.
    pub off: Vec<u64>,
}

/// Whether a node belongs to its cluster, as far as it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It does, and nobody has told it otherwise.
    #[default]
    Member,
    /// It waits to be added, or is not in every group yet.
    Joining,
    /// It was removed: it is about to end.
    Removed,
}

impl Standing {
    /// Why such a node is not sent traffic: a code and a sentence; `None` for a member.
    #[must_use]
    pub fn reason(self) -> Option<(&'static str, &'static str)> {
        match self {
            Standing::Member => None,
            Standing::Joining => Some(("JOINING", "this node is not yet a member of its cluster")),
            Standing::Removed => Some(("REMOVED", "this node was removed from its cluster")),
        }
    }
}

/// What a node's log has written since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Log {
    /// Times that it was made durable.
    pub syncs: u64,
    /// Bytes of records, of all groups.
    pub written_bytes: u64,
    /// Whether the disk has no room for more: polls are answered, changes are refused.
    pub is_full: bool,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its id; 0 for one that waits to be added.
    pub id: u64,
    /// Its part.
    pub part: Part,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Whether it was heard of lately; `None` where this node cannot know. It hears itself, leaders and, as a leader, everybody.
    pub reachable: Option<bool>,
    /// Milliseconds since it was last heard of, where that is known.
    pub heard_ms: Option<u64>,
    /// Its disk has no room for the log: it takes part in votes and answers polls, and leads nothing while others can.
    #[serde(default)]
    pub disk_full: bool,
    /// It has less than it acknowledged, because its files were put back from a copy, cut, or lost: it neither votes nor leads until
    /// a leader has given that back.
    #[serde(default)]
    pub behind: bool,
}

/// What a node is to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Votes, may lead, answers polls.
    Voter,
    /// Answers polls.
    Learner,
    /// Waits to be added.
    Waiting,
    /// Was given an id, and is in no group yet.
    Joining,
}

impl Member {
    /// Whether it should have been heard of lately and was not. What is not known is no reason to think so.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.reachable == Some(false)
    }
}

impl Part {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Part::Voter => "voter",
            Part::Learner => "learner",
            Part::Waiting => "waiting",
            Part::Joining => "joining",
        }
    }
}

/// Where a node is reached, each `host:port`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Addresses {
    /// RESP.
    pub resp: String,
    /// HTTP.
    pub http: String,
    /// The admin plane.
    pub admin: String,
    /// The other nodes.
    pub peer: String,
}

/// A group, as this node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Group {
    /// Its number.
    pub id: u16,
    /// Who leads it, as far as this node knows.
    pub leader: Option<u64>,
    /// The term.
    pub term: u64,
    /// Index of the last entry in this node's log.
    pub last_log: u64,
    /// Index up to which entries are committed.
    pub committed: u64,
    /// Index up to which this node has applied.
    pub applied: u64,
    /// Index of the newest snapshot on this node.
    pub snapshot: Option<u64>,
    /// Bytes logged here since that snapshot.
    pub log_bytes: u64,
    /// How far each node has come, as the leader knows it; empty elsewhere.
    pub progress: Vec<Progress>,
    /// Voters of both sides while a change of voters is half-way: the old ones and the new ones. Empty otherwise.
    pub joint: Vec<Vec<u64>>,
}

/// How far a node's log agrees with the leader's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The node.
    pub node: u64,
    /// Index up to which its log is known to be the leader's; `None`: nothing is known yet.
    pub matched: Option<u64>,
}

/// The key slots of a group, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slots {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
}

impl Slots {
    /// The slots of group `group` of `groups`.
    ///
    /// ```
    /// use sluice_net::cluster::Slots;
    /// assert_eq!(Slots::of(0, 6), Slots { first: 0, last: 2730 });
    /// assert_eq!(Slots::of(5, 6), Slots { first: 13_654, last: 16_383 });
    /// ```
    #[must_use]
    pub fn of(group: u16, groups: u16) -> Slots {
        let start = |group: u32| (group * u32::from(SLOTS)).div_ceil(u32::from(groups.max(1)));
        let (first, next) = (start(u32::from(group)), start(u32::from(group) + 1));
        Slots { first: first as u16, last: next.saturating_sub(1) as u16 }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u64 {
        u64::from(self.last) + 1 - u64::from(self.first)
    }
}

impl Status {
    /// The node of that id.
    #[must_use]
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.nodes.iter().find(|member| member.id == id && id != 0)
    }

    /// Whether the disk of this node, or of another one, has no room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.log.is_full || self.nodes.iter().any(|node| node.disk_full)
    }

    /// The slots of a group.
    #[must_use]
    pub fn slots(&self, group: &Group) -> Slots {
        Slots::of(group.id, self.groups.len() as u16)
    }

    /// A node's id as Redis writes one: 40 hexadecimal digits, of the cluster's id and the node's.
    #[must_use]
    pub fn redis_id(&self, node: u64) -> String {
        format!("{:.24}{node:016x}", format!("{:0>24}", self.cluster))
    }
}

impl Group {
    /// Entries by which `node` is behind this leader's log; `None` where that is not known here.
    #[must_use]
    pub fn lag(&self, node: u64) -> Option<u64> {
        let progress = self.progress.iter().find(|progress| progress.node == node)?;
        Some(self.last_log.saturating_sub(progress.matched?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Slots, Status};
    use sluice_engine::slot::{SLOTS, group_of, slot_of};

    #[test]
    fn ranges_are_those_that_keys_are_hashed_to() {
        for groups in [1, 3, 6, 7, 16, 100] {
            let ranges: Vec<Slots> = (0..groups).map(|group| Slots::of(group, groups)).collect();
            assert_eq!(ranges.iter().map(|slots| slots.count()).sum::<u64>(), u64::from(SLOTS));
            for key in (0..2_000).map(|n| format!("zone-{n}")) {
                let slots = ranges[usize::from(group_of(key.as_bytes(), groups).0)];
                assert!((slots.first..=slots.last).contains(&slot_of(key.as_bytes())), "{key} of {groups}");
            }
        }
    }

    #[test]
    fn ids_have_forty_digits() {
        let status = Status { cluster: "0123456789abcdef0123456789abcdef".to_owned(), ..Status::default() };
        assert_eq!(status.redis_id(10), "0123456789abcdef01234567000000000000000a");
        assert_eq!(Status::default().redis_id(1).len(), 40);
    }
}
