//! The command line of `load`, and the checked plan it becomes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::{BenchError, Result};
use crate::limit::{CONNECTIONS_MAX, PIPELINE_MAX, RATE_MAX_PER_S, SECONDS_MAX, VALUE_BYTES_MAX, ZONES_MAX};
use crate::load::operation::Operation;
use crate::load::pacing::{Arrivals, Pacing};
use crate::load::tokens::Tokens;

/// Loads one server with one kind of request and reports rate and latency.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to ask.
    #[arg(long, value_enum)]
    pub operation: Operation,
    /// The server's address, as 127.0.0.1:7379; of several, separated by commas, each gets its share of the connections.
    #[arg(long = "address", required = true, value_delimiter = ',')]
    pub addresses: Vec<SocketAddr>,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 50)]
    pub connections: u32,
    /// Requests in flight on each connection.
    #[arg(long, default_value_t = 1)]
    pub pipeline: u32,
    /// Arrivals per second over all connections, free of coordinated omission; without it as many as possible.
    #[arg(long)]
    pub rate: Option<u64>,
    /// Length of the measured part, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Unmeasured seconds before it.
    #[arg(long, default_value_t = 1)]
    pub warmup_seconds: u64,
    /// Ends after this many replies instead of after a time; not with --rate.
    #[arg(long)]
    pub requests: Option<u64>,
    /// File with a line `zone token` for each token to use (see `fill`).
    #[arg(long)]
    pub tokens: Option<PathBuf>,
    /// Zone of joins; key of GET.
    #[arg(long, default_value = "bench")]
    pub zone: String,
    /// Spreads joins over so many zones, named as `fill` names them; appends over so many streams.
    #[arg(long, default_value_t = 1)]
    pub zones: u64,
    /// Size of the value that GET reads, in bytes.
    #[arg(long, default_value_t = 100)]
    pub value_bytes: usize,
    /// Seed of the random order of tokens.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// After this long, warm-up included.
    Elapsed { ns: u64 },
    /// After so many replies.
    Replies { count: u64 },
}

/// Arguments that were checked against each other and against the limits.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) operation: Operation,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) connections: u32,
    pub(crate) pipeline: u32,
    pub(crate) pacing: Pacing,
    pub(crate) warmup_ns: u64,
    pub(crate) until: Until,
    pub(crate) zone: String,
    pub(crate) zones: u64,
    pub(crate) value_bytes: usize,
    pub(crate) seed: u64,
}

impl Arguments {
    /// Defaults for `operation` at `address`, as the command line has them.
    pub fn new(operation: Operation, address: SocketAddr) -> Self {
        Self {
            operation,
            addresses: vec![address],
            connections: 50,
            pipeline: 1,
            rate: None,
            seconds: 10,
            warmup_seconds: 1,
            requests: None,
            tokens: None,
            zone: "bench".to_owned(),
            zones: 1,
            value_bytes: 100,
            seed: 1,
            json: false,
        }
    }

    /// The words of a command line that says the same, `--json` aside.
    pub(crate) fn words(&self) -> Vec<String> {
        let operation = self.operation.to_possible_value().map(|value| value.get_name().to_owned());
        let mut words = vec!["--operation".to_owned(), operation.unwrap_or_default()];
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        add("--address", addresses.join(","));
        add("--connections", self.connections.to_string());
        add("--pipeline", self.pipeline.to_string());
        add("--seconds", self.seconds.to_string());
        add("--warmup-seconds", self.warmup_seconds.to_string());
        add("--zone", self.zone.clone());
        add("--zones", self.zones.to_string());
        add("--value-bytes", self.value_bytes.to_string());
        add("--seed", self.seed.to_string());
        if let Some(rate) = self.rate {
            add("--rate", rate.to_string());
        }
        if let Some(requests) = self.requests {
            add("--requests", requests.to_string());
        }
        if let Some(tokens) = &self.tokens {
            add("--tokens", tokens.display().to_string());
        }
        words
    }

    pub(crate) fn plan(&self) -> Result<Plan> {
        // Each server has a connection at least, or its share of the load would silently go to the others.
        let servers = self.addresses.len() as u64;
        within("--address, counted,", servers, 1, u64::from(CONNECTIONS_MAX))?;
        within("--connections", u64::from(self.connections), servers, u64::from(CONNECTIONS_MAX))?;
        within("--zones", self.zones, 1, ZONES_MAX)?;
        within("--pipeline", u64::from(self.pipeline), 1, u64::from(PIPELINE_MAX))?;
        within("--seconds", self.seconds, 1, SECONDS_MAX)?;
        within("--warmup-seconds", self.warmup_seconds, 0, SECONDS_MAX)?;
        within("--value-bytes", self.value_bytes as u64, 1, VALUE_BYTES_MAX as u64)?;
        self.check_zone()?;
        let connections = u64::from(self.connections);
        let pacing = match self.rate {
            None => Pacing::Closed,
            Some(_) if self.requests.is_some() => {
                return Err(BenchError::Argument("--requests and --rate exclude each other".to_owned()));
            }
            Some(rate_per_s) => {
                within("--rate", rate_per_s, 1, RATE_MAX_PER_S)?;
                Pacing::Fixed(Arrivals { rate_per_s, connections })
            }
        };
        let (warmup_ns, until) = match self.requests {
            Some(0) => return Err(BenchError::Argument("--requests must be at least 1".to_owned())),
            Some(count) => (0, Until::Replies { count }),
            None => {
                let warmup_ns = self.warmup_seconds * 1_000_000_000;
                (warmup_ns, Until::Elapsed { ns: warmup_ns + self.seconds * 1_000_000_000 })
            }
        };
        Ok(Plan {
            operation: self.operation,
            addresses: self.addresses.clone(),
            connections: self.connections,
            pipeline: self.pipeline,
            pacing,
            warmup_ns,
            until,
            zone: self.zone.clone(),
            zones: self.zones,
            value_bytes: self.value_bytes,
            seed: self.seed,
        })
    }

    /// A zone goes into an HTTP path as it is, so nothing that would need escaping may be in it.
    fn check_zone(&self) -> Result<()> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=128).contains(&self.zone.len()) && self.zone.bytes().all(allowed) {
            return Ok(());
        }
        let rule = "1 to 128 of the characters A-Z a-z 0-9 . _ : -";
        Err(BenchError::Argument(format!("--zone {:?} must be {rule}", self.zone)))
    }

    pub(crate) fn tokens(&self) -> Result<Tokens> {
        match &self.tokens {
            Some(path) => Tokens::read(path),
            None => Ok(Tokens::default()),
        }
    }
}

fn within(name: &str, value: u64, least: u64, most: u64) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(BenchError::Argument(format!("{name} {value} must lie between {least} and {most}")))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use clap::Parser;

    use super::{Arguments, Operation};

    fn refused(change: impl FnOnce(&mut Arguments)) -> String {
        let mut arguments = Arguments::new(Operation::Ping, ([127, 0, 0, 1], 1).into());
        arguments.plan().expect("the defaults are valid");
        change(&mut arguments);
        arguments.plan().expect_err("must be refused").to_string()
    }

    #[test]
    fn a_refused_argument_is_named_with_its_bounds() {
        let text = refused(|arguments| arguments.connections = 0);
        assert_eq!(text, "--connections 0 must lie between 1 and 10000");
        let two = SocketAddr::from(([127, 0, 0, 1], 2));
        let text = refused(|arguments| {
            arguments.addresses.push(two);
            arguments.connections = 1;
        });
        assert_eq!(text, "--connections 1 must lie between 2 and 10000");
        assert!(refused(|arguments| arguments.addresses.clear()).starts_with("--address"));
        assert!(refused(|arguments| arguments.zones = 0).starts_with("--zones 0"));
        assert!(refused(|arguments| arguments.pipeline = 5_000).starts_with("--pipeline 5000"));
        assert!(refused(|arguments| arguments.seconds = 0).starts_with("--seconds 0"));
        assert!(refused(|arguments| arguments.rate = Some(0)).starts_with("--rate 0"));
        assert!(refused(|arguments| arguments.value_bytes = 2 << 20).starts_with("--value-bytes"));
        assert!(refused(|arguments| arguments.requests = Some(0)).starts_with("--requests"));
        assert!(refused(|arguments| arguments.zone = "a/b".to_owned()).starts_with("--zone \"a/b\""));
    }

    #[test]
    fn a_count_and_a_rate_exclude_each_other() {
        let text = refused(|arguments| {
            arguments.requests = Some(5);
            arguments.rate = Some(5);
        });
        assert!(text.contains("exclude"), "{text}");
    }

    #[derive(Debug, clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn words_say_the_same_as_the_arguments() {
        let arguments = Arguments {
            addresses: vec![([127, 0, 0, 1], 5).into(), ([127, 0, 0, 1], 6).into()],
            connections: 7,
            zones: 3,
            rate: Some(9),
            requests: Some(11),
            tokens: Some("/a/b".into()),
            seed: 13,
            ..Arguments::new(Operation::LuaPoll, ([127, 0, 0, 1], 5).into())
        };
        let words = std::iter::once("load".to_owned()).chain(arguments.words());
        let parsed = CommandLine::try_parse_from(words).expect("parses").arguments;
        assert_eq!(format!("{parsed:?}"), format!("{arguments:?}"));
    }

    #[test]
    fn a_missing_token_file_is_named() {
        let mut arguments = Arguments::new(Operation::Poll, ([127, 0, 0, 1], 1).into());
        arguments.tokens = Some("/nonexistent/tokens".into());
        let text = arguments.tokens().expect_err("no such file").to_string();
        assert!(text.contains("/nonexistent/tokens"), "{text}");
    }
}
