//! Namespaces on the page of metrics: what each holds in all groups together.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_net::observer::Observer;
use tokio::sync::oneshot;

use super::page::Page;
use crate::limit;

/// What one namespace holds, and what it may.
#[derive(Default)]
struct Total {
    keys: u64,
    bytes: u64,
    bytes_max: Option<u64>,
}

/// Asks every group, and writes what came in time.
pub(super) async fn show(server: &Observer, page: &mut Page) {
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    for (group, _) in server.zones() {
        let (sender, taken) = oneshot::channel();
        server.survey_namespaces(group, Box::new(move |usage| drop(sender.send(usage))));
        let within = Duration::from_millis(limit::SURVEY_MS_MAX);
        let Ok(Ok(told)) = tokio::time::timeout(within, taken).await else { continue };
        for usage in told {
            let total = totals.entry(String::from_utf8_lossy(&usage.prefix).into_owned()).or_default();
            total.keys += usage.keys;
            total.bytes += usage.bytes;
            total.bytes_max = usage.policy.memory_bytes.map(|share| share + total.bytes_max.unwrap_or(0));
        }
    }
    write(&totals, page);
}

/// Figures are counts far below 2^53, which a float holds exactly.
fn write(totals: &BTreeMap<String, Total>, page: &mut Page) {
    let mut keys = page.gauge("namespace_keys", "Streams in the namespace.");
    totals.iter().for_each(|(prefix, total)| keys.of(&[("prefix", prefix)], total.keys as f64));
    let mut bytes = page.gauge("namespace_bytes", "Bytes that its streams take.");
    totals.iter().for_each(|(prefix, total)| bytes.of(&[("prefix", prefix)], total.bytes as f64));
    let mut most = page.gauge("namespace_bytes_max", "Bytes that they may take; absent where unbounded.");
    for (prefix, bytes_max) in totals.iter().filter_map(|(prefix, total)| Some((prefix, total.bytes_max?))) {
        most.of(&[("prefix", prefix)], bytes_max as f64);
    }
}
