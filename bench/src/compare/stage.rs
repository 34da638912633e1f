//! What is started and filled for which rows.
//!
//! | stage | servers | filled with |
//! |---|---|---|
//! | generator | the sink | nothing |
//! | peers | sluice, Redis, nginx | one zone, the same tokens on both sides |
//! | replicated | three nodes, one node, Redis alone, Redis with a replica | the same zones in all groups |
//! | streams | sluice and Redis, or sluice and Nchan | nothing, or full streams |
//! | zones | sluice alone | many zones and one of the same size; or one big zone and a small one |
//!
//! Each stage has servers of its own, so that no row inherits the memory of another; within the peers' stage
//! joins come last, because they grow the zone.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::compare::host::Programs;
use crate::compare::outcome::{Measure, Outcome, Rounds, Sample};
use crate::compare::rounds::{alternate, load, measure};
use crate::compare::row::{Row, Target};
use crate::compare::sample;
use crate::compare::server::Server;
use crate::compare::wrk::Wrk;
use crate::error::{BenchError, Result};
use crate::fill;
use crate::limit::DECK_TOKENS;
use crate::load::{Arguments, Operation, Tokens};

pub(crate) const ZONE: &str = "bench";

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Scale {
    pub(crate) waiters: u64,
    pub(crate) rounds: u32,
    pub(crate) seconds: u64,
    pub(crate) zones: u64,
    pub(crate) streams: u64,
    pub(crate) readers: u64,
    pub(crate) waiters_a_zone: u64,
    pub(crate) big_waiters: u64,
    pub(crate) rate_per_s: u64,
    pub(crate) joins_per_s: u64,
    pub(crate) joins_logged: u64,
}

/// Programs, scale and a place for files.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) scale: Scale,
    pub(crate) folder: TempDir,
}

/// The servers of the peers' stage, and the tokens that wait in them.
struct Peers {
    ours: Server,
    redis: Option<Server>,
    tokens: Tokens,
    tokens_file: PathBuf,
}

impl Stage<'_> {
    /// The generator's own ceiling.
    pub(crate) fn generator(&self, done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let mut tokens = Tokens::default();
        (0..1_000).try_for_each(|number| tokens.push(ZONE, &format!("{number:027}")))?;
        let file = self.save(&tokens, "sink")?;
        let sink = Server::sink(self.programs)?;
        let deep = self.arguments(Operation::Poll, sink.address, 16, Some(&file));
        let shallow = self.arguments(Operation::Poll, sink.address, 1, Some(&file));
        let rounds = alternate(
            self.scale.rounds,
            |_| measure(self.programs, &sink, &deep),
            |_| measure(self.programs, &sink, &shallow),
        )?;
        let peer = "pipeline 1";
        done(Outcome::new(Row::Generator, peer, Measure::RatePerS, Row::Generator.target(), &rounds));
        Ok(())
    }

    /// Every row that compares with Redis or nginx.
    pub(crate) fn peers(&self, rows: &[Row], done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let needs_redis = rows.iter().any(|row| *row != Row::HttpPoll);
        let ours = Server::sluice(self.programs)?;
        let mut memory = Rounds::default();
        let empty = ours.resident_bytes()?;
        let tokens = self.fill(ours.address, ZONE, 1, self.scale.waiters)?;
        let grown = ours.resident_bytes()?.saturating_sub(empty);
        memory.ours.push(Sample::of_memory(grown, self.scale.waiters));
        let tokens_file = self.save(&tokens, "peers")?;
        let redis = if needs_redis { Some(Server::redis(self.programs)?) } else { None };
        if let Some(redis) = &redis {
            let empty = redis.resident_bytes()?;
            self.fill_redis(redis.address, &tokens_file, tokens.len() as u64)?;
            let grown = redis.resident_bytes()?.saturating_sub(empty);
            memory.theirs.push(Sample::of_memory(grown, tokens.len() as u64));
        }
        let peers = Peers { ours, redis, tokens, tokens_file };
        for row in rows {
            match row {
                Row::Memory => {
                    let peer = self.programs.redis_name();
                    done(Outcome::new(*row, &peer, Measure::BytesPerWaiter, row.target(), &memory));
                }
                Row::HttpPoll => self.http(&peers, done)?,
                row => done(self.resp(*row, &peers)?),
            }
        }
        Ok(())
    }

    /// Ours against Redis, both over RESP.
    fn resp(&self, row: Row, peers: &Peers) -> Result<Outcome> {
        let missing = || BenchError::Argument(format!("{} needs Redis", row.name()));
        let redis = peers.redis.as_ref().ok_or_else(missing)?;
        let tokens = Some(&peers.tokens_file);
        let pipeline = if row == Row::RespPollP1 { 1 } else { 16 };
        let (mut ours, mut theirs) = if row == Row::JoinP16 {
            let ours = self.arguments(Operation::Join, peers.ours.address, pipeline, None);
            (ours, self.arguments(Operation::LuaJoin, redis.address, pipeline, None))
        } else {
            let ours = self.arguments(Operation::Poll, peers.ours.address, pipeline, tokens);
            (ours, self.arguments(Operation::LuaPoll, redis.address, pipeline, tokens))
        };
        let mut peer = format!("{}, lua", self.programs.redis_name());
        if row == Row::RespGetP16 {
            let (zone, token) = self.one_token(&peers.tokens)?;
            let reply_bytes = sample::resp_poll_bytes(peers.ours.address, zone, token)?;
            theirs = self.arguments(Operation::Get, redis.address, pipeline, None);
            theirs.value_bytes = sample::value_bytes(reply_bytes);
            peer = format!("{}, GET", self.programs.redis_name());
        }
        let rounds = alternate(
            self.scale.rounds,
            |round| {
                ours.seed = u64::from(round) + 1;
                measure(self.programs, &peers.ours, &ours)
            },
            |round| {
                theirs.seed = u64::from(round) + 1;
                measure(self.programs, redis, &theirs)
            },
        )?;
        Ok(Outcome::new(row, &peer, Measure::RatePerS, row.target(), &rounds))
    }

    /// Ours against nginx: rate, and server CPU time of a request.
    fn http(&self, peers: &Peers, done: &mut dyn FnMut(Outcome)) -> Result<()> {
        let (zone, token) = self.one_token(&peers.tokens)?;
        let body = sample::http_poll_body(peers.ours.http, zone, token)?;
        let nginx = Server::nginx(self.programs, &body)?;
        let wrk = Wrk::new(self.programs, &peers.tokens, 1, self.folder.path())?;
        let side = |server: &Server| {
            let before = server.cpu_seconds()?;
            let report = wrk.run(server.http, self.scale.seconds)?;
            Ok(Sample::of_wrk(&report, server.cpu_seconds()? - before))
        };
        let rounds = alternate(self.scale.rounds, |_| side(&peers.ours), |_| side(&nginx))?;
        let row = Row::HttpPoll;
        done(Outcome::new(row, "nginx", Measure::RatePerS, row.target(), &rounds));
        done(Outcome::new(row, "nginx", Measure::CpuUsPerRequest, Target::AtMost(1.0), &rounds));
        Ok(())
    }

    /// Latency where `waiters` are spread over `zones`, against one small zone of the same server.
    pub(crate) fn zones(&self, row: Row, zones: u64, waiters: u64) -> Result<Outcome> {
        let ours = Server::sluice(self.programs)?;
        let wide = self.save(&self.fill(ours.address, "wide", zones, waiters)?, "wide")?;
        let small = self.save(&self.fill(ours.address, "small", 1, self.scale.waiters_a_zone)?, "small")?;
        let paced = |tokens| Arguments {
            rate: Some(self.scale.rate_per_s),
            ..self.arguments(Operation::Poll, ours.address, 16, Some(tokens))
        };
        let (wide, small) = (paced(&wide), paced(&small));
        let rounds = alternate(
            self.scale.rounds,
            |_| measure(self.programs, &ours, &wide),
            |_| measure(self.programs, &ours, &small),
        )?;
        Ok(Outcome::new(row, "one small zone", Measure::P99Us, row.target(), &rounds))
    }

    pub(crate) fn arguments(
        &self,
        operation: Operation,
        address: SocketAddr,
        pipeline: u32,
        tokens: Option<&PathBuf>,
    ) -> Arguments {
        Arguments {
            pipeline,
            seconds: self.scale.seconds,
            tokens: tokens.cloned(),
            zone: ZONE.to_owned(),
            ..Arguments::new(operation, address)
        }
    }

    pub(crate) fn fill(&self, address: SocketAddr, zone: &str, zones: u64, waiters: u64) -> Result<Tokens> {
        eprintln!("filling {zones} x {waiters} waiters");
        fill::run(&fill::Arguments {
            address,
            zone: zone.to_owned(),
            zones,
            waiters,
            keep: DECK_TOKENS as u64,
            tokens: PathBuf::new(),
        })
    }

    /// The same tokens, through the same script that joins are measured with.
    pub(crate) fn fill_redis(&self, redis: SocketAddr, tokens: &PathBuf, count: u64) -> Result<()> {
        let joins = self.arguments(Operation::LuaJoin, redis, 16, Some(tokens));
        let filled = load(self.programs, &Arguments { requests: Some(count), ..joins })?;
        filled.fault().map_or(Ok(()), |fault| Err(BenchError::Server(format!("filling Redis: {fault}"))))
    }

    pub(crate) fn save(&self, tokens: &Tokens, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(format!("{name}.tokens"));
        tokens.save(&path)?;
        Ok(path)
    }

    fn one_token<'t>(&self, tokens: &'t Tokens) -> Result<(&'t str, &'t str)> {
        // The middle: the first may be admitted, and the width of its position is that of most.
        let middle = tokens.get(tokens.len() / 2);
        middle.ok_or_else(|| BenchError::Server("no token was obtained".to_owned()))
    }
}
