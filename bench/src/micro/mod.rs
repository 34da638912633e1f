//! Micro-benchmarks of the engine, in process and on one core.
//!
//! ```text
//! mod      the command: what is measured, the table, the verdicts
//! zone     one zone filled with waiters, and polls of random tokens
//! memory   resident size, and what a dependent random read costs here
//! ```
//! A poll here is the whole of it: text to token, MAC, zone, place, last-poll store, rank, ETA. It is printed
//! beside the cost of a dependent random read in memory as large as the zone's state, because that is
//! what bounds it on a given machine.

mod memory;
mod zone;

use crate::error::Result;
use serde::Serialize;
use zone::Zone;

/// The most that a poll among ten million waiters may take.
const POLL_NS_MAX: f64 = 150.0;
/// On a slower machine: the compute part and so many random reads.
const POLL_READS_MAX: f64 = 3.0;
/// A hundred times the waiters may cost so many times the rank.
const RANK_GROWTH_MAX: f64 = 3.0;
/// Resident bytes a waiter.
const WAITER_BYTES_MAX: f64 = 16.0;
/// A zone this small stays in the first cache level: what is left is computing.
const SMALL: u64 = 500;

/// Arguments of `micro`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Waiters of the largest zone.
    #[arg(long, default_value_t = 10_000_000)]
    waiters: u64,
    /// Polls of each measurement.
    #[arg(long, default_value_t = 4_000_000)]
    polls: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was measured. Times are nanoseconds.
#[derive(Clone, Debug, Serialize)]
struct Report {
    waiters: u64,
    poll_ns: f64,
    poll_small_ns: f64,
    random_read_ns: f64,
    poll_bound_ns: f64,
    rank_ns: f64,
    rank_100k_ns: f64,
    rank_growth: f64,
    join_ns: f64,
    resident_bytes_per_waiter: f64,
    slowest_snapshot_slice_us: f64,
    snapshot_bytes: u64,
}

/// Measures, prints, and says whether every bound was kept.
///
/// # Errors
/// Where the process's own memory figures cannot be read.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let report = measure(arguments)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    }
    let verdicts = verdicts(&report);
    if !arguments.json {
        print_table(&report, &verdicts);
    }
    Ok(verdicts.iter().all(|(_, kept)| *kept))
}

fn measure(arguments: &Arguments) -> Result<Report> {
    // The large zone first, while the process is small: resident growth is then the zone's own.
    let before = memory::resident_bytes()?;
    let (mut large, join_ns) = Zone::filled(arguments.waiters);
    let grown = memory::resident_bytes()?.saturating_sub(before);
    let tokens = large.random_tokens(arguments.polls.min(1_000_000));
    let poll_ns = large.poll_ns(&tokens, arguments.polls);
    let seqs = large.random_seqs(1_000_000);
    let rank_ns = large.rank_ns(&seqs, arguments.polls);
    let (snapshot_bytes, slowest_snapshot_slice_us) = large.snapshot();
    drop(large);
    let (middle, _) = Zone::filled(100_000);
    let rank_100k_ns = middle.rank_ns(&middle.random_seqs(1_000_000), arguments.polls);
    let (small, _) = Zone::filled(SMALL);
    let poll_small_ns = small.poll_ns(&small.random_tokens(SMALL), arguments.polls);
    let random_read_ns = memory::random_read_ns(grown as usize);
    Ok(Report {
        waiters: arguments.waiters,
        poll_ns,
        poll_small_ns,
        random_read_ns,
        poll_bound_ns: POLL_NS_MAX.max(poll_small_ns + POLL_READS_MAX * random_read_ns),
        rank_ns,
        rank_100k_ns,
        rank_growth: rank_ns / rank_100k_ns,
        join_ns,
        resident_bytes_per_waiter: grown as f64 / arguments.waiters as f64,
        slowest_snapshot_slice_us,
        snapshot_bytes,
    })
}

fn verdicts(report: &Report) -> Vec<(String, bool)> {
    vec![
        (
            format!("a poll takes at most {:.0} ns", report.poll_bound_ns),
            report.poll_ns <= report.poll_bound_ns,
        ),
        (
            format!("rank grows less than {RANK_GROWTH_MAX} times from 100 k on"),
            report.rank_growth < RANK_GROWTH_MAX,
        ),
        (
            format!("a waiter takes at most {WAITER_BYTES_MAX} bytes"),
            report.resident_bytes_per_waiter <= WAITER_BYTES_MAX,
        ),
        ("a snapshot slice takes less than 1 ms".to_owned(), report.slowest_snapshot_slice_us < 1_000.0),
    ]
}

fn print_table(report: &Report, verdicts: &[(String, bool)]) {
    println!("{:>12} waiters, one core", report.waiters);
    println!("{:>12.1} ns  poll of a random token, whole", report.poll_ns);
    println!("{:>12.1} ns  the same among {SMALL} waiters: the compute part", report.poll_small_ns);
    println!("{:>12.1} ns  dependent random read in memory of the zone's size", report.random_read_ns);
    println!("{:>12.1} ns  rank alone", report.rank_ns);
    println!(
        "{:>12.1} ns  rank alone among 100 k: {:.2} times less",
        report.rank_100k_ns, report.rank_growth
    );
    println!("{:>12.1} ns  join, in batches", report.join_ns);
    println!("{:>12.2} bytes resident a waiter", report.resident_bytes_per_waiter);
    println!(
        "{:>12.0} us  slowest slice of a snapshot of {} bytes",
        report.slowest_snapshot_slice_us, report.snapshot_bytes
    );
    for (what, kept) in verdicts {
        println!("{:>12}  {what}", if *kept { "pass" } else { "MISS" });
    }
}
