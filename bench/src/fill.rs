//! Puts waiters into zones and keeps their tokens.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use sluice_client::{Connection, State, ZoneSettings};

use crate::error::{BenchError, Result};
use crate::limit::TOKENS_MAX;
use crate::load::Tokens;

/// With one admission a minute whoever joins after the first waits for as long as any run lasts.
const LIMIT: u64 = 1;

/// A day: nobody polls a million waiters while the next million joins.
const ABANDON_MS: u64 = 86_400_000;

/// A day: the one admitted each minute is asked about again and must not be gone.
const PASS_TTL_MS: u64 = 86_400_000;

/// Room for the waiters and for what joins during measurements.
const MAX_WAITING: u64 = 200_000_000;

/// Makes zones in which nobody is admitted, fills them, and writes their tokens to a file.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The RESP address of a sluice server.
    #[arg(long)]
    pub address: SocketAddr,
    /// Name of the zone; of several zones, what their names begin with.
    #[arg(long, default_value = "bench")]
    pub zone: String,
    /// How many zones.
    #[arg(long, default_value_t = 1)]
    pub zones: u64,
    /// Waiters in each.
    #[arg(long, default_value_t = 1_000_000)]
    pub waiters: u64,
    /// Most tokens to keep, taken evenly from all that joined.
    #[arg(long, default_value_t = TOKENS_MAX as u64)]
    pub keep: u64,
    /// Where to write the tokens.
    #[arg(long)]
    pub tokens: PathBuf,
}

/// Removes and makes the zones, joins, and returns the tokens of those who wait.
///
/// # Errors
/// Numbers that make no sense; a server that is not there or refuses.
pub fn run(arguments: &Arguments) -> Result<Tokens> {
    let total = arguments.zones.saturating_mul(arguments.waiters);
    if total == 0 || arguments.keep == 0 {
        return Err(BenchError::Argument("--zones, --waiters and --keep must be at least 1".to_owned()));
    }
    let stride = total.div_ceil(arguments.keep.min(TOKENS_MAX as u64));
    let mut connection = Connection::connect(arguments.address)?;
    let mut sample = Sample { stride, joined: 0, kept: Tokens::default(), failure: None };
    for number in 0..arguments.zones {
        let zone = zone_name(&arguments.zone, number, arguments.zones);
        make_zone(&mut connection, &zone)?;
        // The first of a zone is admitted at once.
        connection.join(&zone)?;
        connection.join_many(&zone, arguments.waiters, |place| sample.take(&zone, place))?;
    }
    match sample.failure {
        Some(failure) => Err(failure),
        None if sample.kept.is_empty() => Err(BenchError::Server("nobody who joined waits".to_owned())),
        None => Ok(sample.kept),
    }
}

/// The name of zone `number` of `zones`, which begins with `stem`; a lone zone has the stem for its name.
pub(crate) fn zone_name(stem: &str, number: u64, zones: u64) -> String {
    if zones == 1 { stem.to_owned() } else { format!("{stem}:{number}") }
}

fn make_zone(connection: &mut Connection, zone: &str) -> Result<()> {
    connection.zone_del(zone)?;
    let settings = ZoneSettings {
        limit: Some(LIMIT),
        abandon_ms: Some(ABANDON_MS),
        max_waiting: Some(MAX_WAITING),
        pass_ttl_ms: Some(PASS_TTL_MS),
        ..ZoneSettings::default()
    };
    Ok(connection.zone_set(zone, &settings)?)
}

/// Every `stride`-th of those that joined and wait.
struct Sample {
    stride: u64,
    joined: u64,
    kept: Tokens,
    failure: Option<BenchError>,
}

impl Sample {
    /// Silent waiters hold nobody back, so while a fill lasts one join a minute is admitted and left out here.
    fn take(&mut self, zone: &str, place: sluice_client::Place) {
        let is_chosen = self.joined.is_multiple_of(self.stride);
        if is_chosen && place.state == State::Waiting {
            let taken = self.kept.push(zone, &place.token);
            self.failure = self.failure.take().or(taken.err());
        }
        self.joined += 1;
    }
}
