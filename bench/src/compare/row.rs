//! What is compared with what, and which ratio is the aim.

use clap::ValueEnum;
use serde::Serialize;

use crate::compare::host::Program;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// The load generator against a server that answers without looking: nothing can be measured above it.
    Generator,
    /// Resident memory a waiter, against the sorted set and hash of the Lua scripts.
    Memory,
    /// RESP polls against the Lua poll, pipeline 16.
    RespPollP16,
    /// RESP polls against GET of a value that makes the reply as long, pipeline 16.
    RespGetP16,
    /// RESP polls against the Lua poll, no pipeline.
    RespPollP1,
    /// HTTP polls against a fixed reply of nginx with a body as long, both loaded by wrk.
    HttpPoll,
    /// RESP joins against the Lua join, pipeline 16. Ours are on disk before they are answered, which may cost half of the
    /// rate that memory alone would give; hence four times the Lua join, not eight.
    JoinP16,
    /// P99 of polls spread over many zones against one of these zones alone, at the same rate.
    ManyZones,
    /// P99 of polls in one zone of millions against a small zone, at the same rate.
    BigZone,
    /// XADD with MAXLEN 50 over many streams against Redis, pipeline 16.
    StreamAdd,
    /// Resident memory a stream of 50 entries, without readers, beside Redis.
    StreamMemory,
    /// One stream, many readers and four publishers, each with one message under way: deliveries a second, and the P99 of a
    /// delivery, against Nchan.
    FanOut,
    /// The same with one publisher. A delivery is then a send of its own on both sides, nearly all of it the kernel's, so this says
    /// what a server adds to that.
    FanOutAlone,
    /// Resident memory a connection that waits for an event, beside Nchan.
    IdleReader,
    /// Bytes that a join on three nodes adds to a node's log, pipeline 16, beside the file of a Redis that appends every
    /// write. The joins carry no text of their users.
    LoggedBytes,
    /// P99 of joins on three nodes against one node, one at a time at a low fixed rate; and against Redis that syncs every
    /// write and waits for a replica.
    JoinLatency,
    /// Joins on three nodes, pipeline 16: against the Lua join on one Redis that keeps nothing, and on a Redis that syncs
    /// every write and waits for a replica.
    ReplicatedJoins,
}

/// Which ratio of ours to theirs is the aim.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// More is better.
    AtLeast(f64),
    /// Less is better.
    AtMost(f64),
    /// Ours itself may be no more, whatever theirs is.
    OursAtMost(f64),
    /// For information.
    None,
}

impl Target {
    /// Whether `ratio` of `ours` to theirs reaches it; `None` where there is no aim.
    pub fn is_met(self, ours: f64, ratio: f64) -> Option<bool> {
        match self {
            Self::OursAtMost(most) => Some(ours <= most),
            Self::AtLeast(least) => Some(ratio >= least),
            Self::AtMost(most) => Some(ratio <= most),
            Self::None => None,
        }
    }
}

/// What every row beside Redis needs.
const REDIS: &[Program] = &[Program::Setpriv, Program::Taskset, Program::Redis];

impl Row {
    /// The ratio to reach.
    pub fn target(self) -> Target {
        match self {
            Self::Generator | Self::Memory | Self::JoinLatency | Self::FanOutAlone => Target::None,
            Self::RespPollP16 => Target::AtLeast(10.0),
            Self::StreamAdd | Self::FanOut => Target::AtLeast(2.0),
            Self::StreamMemory => Target::OursAtMost(super::streams::stream_bytes_max()),
            Self::IdleReader => Target::OursAtMost(1_024.0),
            Self::RespGetP16 => Target::AtLeast(0.9),
            Self::RespPollP1 => Target::AtLeast(1.6),
            Self::HttpPoll => Target::AtLeast(0.95),
            Self::JoinP16 => Target::AtLeast(4.0),
            Self::LoggedBytes => Target::OursAtMost(40.0),
            Self::ReplicatedJoins => Target::AtLeast(1.0),
            Self::ManyZones | Self::BigZone => Target::AtMost(2.0),
        }
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Programs it cannot do without.
    pub(crate) fn programs(self) -> &'static [Program] {
        match self {
            Self::Generator | Self::ManyZones | Self::BigZone => &[Program::Setpriv, Program::Taskset],
            Self::Memory | Self::RespPollP16 | Self::RespGetP16 | Self::RespPollP1 | Self::JoinP16 => REDIS,
            Self::LoggedBytes | Self::JoinLatency | Self::ReplicatedJoins => REDIS,
            Self::StreamAdd | Self::StreamMemory => REDIS,
            Self::FanOut | Self::FanOutAlone | Self::IdleReader => {
                &[Program::Setpriv, Program::Taskset, Program::Nginx]
            }
            Self::HttpPoll => &[Program::Setpriv, Program::Taskset, Program::Nginx, Program::Wrk],
        }
    }

    /// Whether it polls or joins the one zone that is filled on both sides.
    pub(crate) fn uses_peers(self) -> bool {
        let alone = matches!(self, Self::Generator | Self::ManyZones | Self::BigZone);
        !alone && !self.is_replicated() && !self.is_of_streams()
    }

    /// Whether it is about streams.
    pub(crate) fn is_of_streams(self) -> bool {
        let of_readers = matches!(self, Self::FanOut | Self::FanOutAlone | Self::IdleReader);
        of_readers || matches!(self, Self::StreamAdd | Self::StreamMemory)
    }

    /// Whether it runs on three nodes.
    pub(crate) fn is_replicated(self) -> bool {
        matches!(self, Self::LoggedBytes | Self::JoinLatency | Self::ReplicatedJoins)
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Target};

    #[test]
    fn a_target_is_met_at_its_bound_and_on_the_right_side() {
        assert_eq!(Target::AtLeast(10.0).is_met(0.0, 10.0), Some(true));
        assert_eq!(Target::AtLeast(10.0).is_met(99.0, 9.99), Some(false));
        assert_eq!(Target::AtMost(2.0).is_met(99.0, 2.0), Some(true));
        assert_eq!(Target::AtMost(2.0).is_met(0.0, 2.01), Some(false));
        assert_eq!(Target::OursAtMost(40.0).is_met(40.0, 99.0), Some(true));
        assert_eq!(Target::OursAtMost(40.0).is_met(40.1, 0.1), Some(false));
        assert_eq!(Target::OursAtMost(40.0).is_met(f64::NAN, f64::NAN), Some(false));
        assert_eq!(Target::None.is_met(1.0, 1.0), None);
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        assert_eq!(Row::RespPollP16.name(), "resp-poll-p16");
        assert_eq!(Row::ManyZones.name(), "many-zones");
    }
}
