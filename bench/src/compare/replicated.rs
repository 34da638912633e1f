//! Joins on three nodes, beside a Redis that keeps nothing and a Redis that keeps everything twice.
//!
//! All servers share one core and all clients another. Zones lie in every group, and a connection asks each zone in turn, so
//! that two of three joins reach a node that has to pass them on. Servers that are not loaded stay as they are: nodes then
//! send heartbeats, at the cost of whoever is measured meanwhile.

use std::net::SocketAddr;

use crate::compare::outcome::{Measure, Outcome, Rounds, Sample};
use crate::compare::pair::{self, Pair};
use crate::compare::rounds::{in_turn, load, measure_by};
use crate::compare::row::{Row, Target};
use crate::compare::server::Server;
use crate::compare::stage::{Stage, ZONE};
use crate::compare::trio::Trio;
use crate::compare::written::written;
use crate::error::Result;
use crate::fill::zone_name;
use crate::load::{Arguments, Operation};

/// Zones of these rows. Their names lie in each of the default number of groups.
const ZONES: u64 = 12;

/// Joins in flight on each connection where rates are measured.
const PIPELINE: u32 = 16;

/// How much faster than the careful Redis three nodes are to be.
const OVER_CAREFUL: f64 = 3.0;

/// The servers, all with the same waiters.
struct Sides {
    trio: Trio,
    pair: Pair,
}

impl Stage<'_> {
    /// Every row on three nodes. Bytes come first: later the log has been cut by snapshots.
    pub(crate) fn replicated(&self, rows: &[Row], done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let sides = Sides { trio: Trio::start(self.programs)?, pair: Pair::start(self.programs)? };
        let first = sides.trio.addresses()[0];
        let tokens = self.fill(first, ZONE, ZONES, self.scale.waiters_a_zone)?;
        for zone in 0..ZONES {
            sides.trio.wait_for_zone(&zone_name(ZONE, zone, ZONES))?;
        }
        let file = self.save(&tokens, "replicated")?;
        let count = tokens.len() as u64;
        self.fill_redis(sides.pair.address(), &file, count)?;
        for row in rows {
            match row {
                Row::LoggedBytes => done(self.logged_bytes(&sides)?),
                Row::JoinLatency => self.join_latency(&sides, done)?,
                _ => {
                    let redis = Server::redis(self.programs)?;
                    self.fill_redis(redis.address, &file, count)?;
                    self.replicated_joins(&sides, &redis, done)?;
                }
            }
        }
        Ok(())
    }

    /// A fixed number of joins, too few for a snapshot to cut the log meanwhile.
    fn logged_bytes(&self, sides: &Sides) -> Result<Outcome> {
        let requests = Some(self.scale.joins_logged);
        let ours = Arguments { requests, ..self.joins(Operation::Join, sides.trio.addresses()) };
        let theirs = self.joins(Operation::LuaJoinWait, vec![sides.pair.address()]);
        let theirs = Arguments { requests: Some(self.scale.joins_logged.div_ceil(10)), ..theirs };
        let logs = sides.trio.logs();
        let rounds = Rounds {
            ours: vec![self.logged(&ours, &logs)?],
            theirs: vec![self.logged(&theirs, &[sides.pair.file_folder()])?],
        };
        let peer = format!("{}, appended", self.programs.redis_name());
        let row = Row::LoggedBytes;
        let outcome = Outcome::new(row, &peer, Measure::LoggedBytesPerJoin, row.target(), &rounds);
        Ok(outcome.noted(
            "growth of the files themselves, the mean of the three nodes; joins without user or request id",
        ))
    }

    /// One run, and by how much the files of each folder grew for each join, on average over the folders.
    fn logged(&self, arguments: &Arguments, folders: &[std::path::PathBuf]) -> Result<Sample> {
        let look = || folders.iter().map(|folder| written(folder)).collect::<Result<Vec<_>>>();
        let before = look()?;
        let report = load(self.programs, arguments)?;
        let joins = report.replies_total as f64;
        let mut sample = Sample::of_load(report, f64::NAN);
        let grown =
            look()?.iter().zip(&before).map(|(after, before)| after.since(before)).sum::<Option<u64>>();
        match grown {
            Some(bytes) => sample.logged_bytes_per_join = Some(bytes as f64 / folders.len() as f64 / joins),
            None => sample.fault = Some("the log was cut while it was watched".to_owned()),
        }
        Ok(sample)
    }

    /// One join at a time on each connection, at a rate far below what any side can do.
    fn join_latency(&self, sides: &Sides, done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let single = Server::sluice(self.programs)?;
        self.fill(single.address, ZONE, ZONES, self.scale.waiters_a_zone)?;
        let paced = |operation, addresses| Arguments {
            pipeline: 1,
            rate: Some(self.scale.joins_per_s),
            ..self.joins(operation, addresses)
        };
        let on_trio = paced(Operation::Join, sides.trio.addresses());
        let on_one = paced(Operation::Join, vec![single.address]);
        let on_pair = paced(Operation::LuaJoinWait, vec![sides.pair.address()]);
        let [trio, one, pair] = in_turn(
            self.scale.rounds,
            [
                &mut |_| measure_by(self.programs, || sides.trio.cpu_seconds(), &on_trio),
                &mut |_| measure_by(self.programs, || single.cpu_seconds(), &on_one),
                &mut |round| measure_by(self.programs, || sides.pair.cpu_seconds(), &seeded(&on_pair, round)),
            ],
        )?;
        let careful = format!("{}, sync + WAIT 1", self.programs.redis_name());
        let rate = format!("{} joins/s on 50 connections; clients of every node", self.scale.joins_per_s);
        for (peer, theirs, note) in [("one node", one, rate.as_str()), (&careful, pair, pair::DOES)] {
            let rounds = Rounds { ours: trio.clone(), theirs };
            let row = Row::JoinLatency;
            done(Outcome::new(row, peer, Measure::P99Us, row.target(), &rounds).noted(note));
        }
        Ok(())
    }

    /// As many joins as each side can do.
    fn replicated_joins(&self, sides: &Sides, redis: &Server, done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let all = self.joins(Operation::Join, sides.trio.addresses());
        let first = self.joins(Operation::Join, sides.trio.addresses()[..1].to_vec());
        let lua = self.joins(Operation::LuaJoin, vec![redis.address]);
        let careful = self.joins(Operation::LuaJoinWait, vec![sides.pair.address()]);
        let trio_cpu = || sides.trio.cpu_seconds();
        let [at_all, on_lua, on_careful, at_first] = in_turn(
            self.scale.rounds,
            [
                &mut |_| measure_by(self.programs, trio_cpu, &all),
                &mut |round| measure_by(self.programs, || redis.cpu_seconds(), &seeded(&lua, round)),
                &mut |round| measure_by(self.programs, || sides.pair.cpu_seconds(), &seeded(&careful, round)),
                &mut |_| measure_by(self.programs, trio_cpu, &first),
            ],
        )?;
        let row = Row::ReplicatedJoins;
        let name = self.programs.redis_name();
        let ours = format!("ours: clients of every node; the nodes lead {} groups", sides.trio.leads());
        let one = "ours: clients of one node only".to_owned();
        let lines = [
            (format!("{name}, lua"), row.target(), &at_all, &on_lua, ours),
            (
                format!("{name}, sync + WAIT 1"),
                Target::AtLeast(OVER_CAREFUL),
                &at_all,
                &on_careful,
                pair::DOES.to_owned(),
            ),
            (format!("{name}, lua; one door"), Target::None, &at_first, &on_lua, one),
        ];
        for (peer, target, ours, theirs, note) in lines {
            let rounds = Rounds { ours: ours.clone(), theirs: theirs.clone() };
            done(Outcome::new(row, &peer, Measure::RatePerS, target, &rounds).noted(note));
        }
        Ok(())
    }

    fn joins(&self, operation: Operation, addresses: Vec<SocketAddr>) -> Arguments {
        let first = addresses[0];
        Arguments { addresses, zones: ZONES, ..self.arguments(operation, first, PIPELINE, None) }
    }
}

/// With tokens of its own: a join of a known token would only move it.
fn seeded(arguments: &Arguments, round: u32) -> Arguments {
    Arguments { seed: u64::from(round) + 1, ..arguments.clone() }
}

#[cfg(test)]
mod tests {
    use super::{ZONE, ZONES, zone_name};
    use sluice_engine::slot::group_of;

    #[test]
    fn every_group_has_zones() {
        const GROUPS: u16 = 6;
        let mut zones = [0; GROUPS as usize];
        for zone in 0..ZONES {
            zones[usize::from(group_of(zone_name(ZONE, zone, ZONES).as_bytes(), GROUPS).0)] += 1;
        }
        assert!(zones.iter().all(|count| *count > 0), "{zones:?}");
    }
}
