//! What a scenario found.

use super::crowd::Shared;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Writes are to be taken again within this: at the median, at the 95th percentile, and ever.
const RESUME_MS: [u128; 3] = [2_000, 5_000, 10_000];

/// A median of fewer rounds says more about the machine than about the cluster: then only promises are judged.
const JUDGED_FROM: usize = 20;

/// Prints the figures; true where every promise was kept.
pub(super) fn print(
    scenario: &str,
    shared: &Shared,
    mut resumed: Vec<Option<Duration>>,
    wrong: &[String],
) -> bool {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    println!("{scenario}: {} rounds", resumed.len());
    println!("  joins acknowledged      {:>10}", count(&shared.joins));
    println!("  joins tried again       {:>10}", count(&shared.retried));
    println!(
        "  polls answered          {:>10}   of these marked stale {}",
        count(&shared.polls),
        count(&shared.stale)
    );
    resumed.sort_unstable_by_key(|took| took.unwrap_or(Duration::MAX));
    let at = |share: usize| resumed.get((resumed.len() * share / 100).min(resumed.len().saturating_sub(1)));
    let mut is_kept = true;
    let is_judged = resumed.len() >= JUDGED_FROM;
    for (name, share, most_ms) in
        [("median", 50, RESUME_MS[0]), ("P95", 95, RESUME_MS[1]), ("longest", 100, RESUME_MS[2])]
    {
        let Some(took) = at(share) else { continue };
        let took_ms = took.map_or(u128::MAX, |took| took.as_millis());
        let is_within = took_ms <= most_ms;
        let verdict = match (is_within, is_judged) {
            (true, _) => "pass",
            (false, true) => "MISS",
            (false, false) => "not judged by so few rounds",
        };
        is_kept &= is_within || (!is_judged && took.is_some());
        match took {
            Some(took) => {
                println!("  writes resumed, {name:<7} {:>10} ms  <= {most_ms} {verdict}", took.as_millis())
            }
            None => println!("  writes resumed, {name:<7}      never      <= {most_ms} {verdict}"),
        }
    }
    println!("  broken promises         {:>10}", wrong.len());
    wrong.iter().take(20).for_each(|what| println!("    {what}"));
    is_kept && wrong.is_empty()
}
