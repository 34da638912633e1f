//! I1: no window ever holds more admissions than the limit, no slice before an admission from the queue more than its share.

use crate::cluster::client::ZoneRules;
use crate::cluster::judge::Look;
use sluice_engine::reply::Standing;
use std::collections::BTreeMap;

/// Text of a token that stands for a place in the queue is shorter than that of one that never waited.
const QUEUE_TEXT_BYTES: usize = 32;

/// Every admission that was seen, by zone: its stamp, and whether it came from the queue.
#[derive(Default)]
pub(crate) struct Caps {
    seen: BTreeMap<&'static str, Vec<(u64, bool)>>,
}

impl Caps {
    /// A token was seen admitted for the first time. Admissions become known in any order.
    pub(crate) fn admitted(&mut self, look: &Look<'_>, rules: &ZoneRules) {
        let Ok(Standing::Admitted(stamp)) = look.answer else { return };
        let seen = self.seen.entry(look.zone).or_default();
        let admission = (stamp.0, look.token.len() == QUEUE_TEXT_BYTES);
        seen.insert(seen.partition_point(|other| *other < admission), admission);
        // Only windows that end soon enough after this one hold it.
        let span_ms = rules.window_ms.max(rules.slice_ms);
        for (end, queued) in seen.iter().filter(|(at, _)| *at >= stamp.0 && *at < stamp.0 + span_ms) {
            let window =
                seen.iter().filter(|(at, _)| at <= end && at + rules.window_ms > *end).count() as u64;
            assert!(
                window <= rules.limit,
                "I1: {window} of {} admissions of {} in the window that ends at {end}",
                rules.limit,
                look.zone
            );
            // Who never waited and has the same stamp may have come after.
            let counts = |(at, queued): &&(u64, bool)| {
                at + rules.slice_ms > *end && (at < end || (at == end && *queued))
            };
            let slice = seen.iter().filter(counts).count() as u64;
            let share = rules.slice_share();
            assert!(
                !queued || slice <= share,
                "I1: {slice} of {share} admissions of {} in the slice that ends at {end}",
                look.zone
            );
        }
    }
}
