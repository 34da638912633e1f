//! All histories together: what one reader was told, all were told, and what was appended is there once.

use std::collections::{BTreeMap, HashMap, HashSet};

use sluice_net::cursor::Cursor;

use crate::history::History;
use crate::plan::{Fate, Plan};
use crate::reader::Told;
use crate::writer::{LAST, PER_WRITER, Written};

pub(crate) struct Truth {
    command: String,
    acknowledged: Vec<Vec<u64>>,
    histories: Vec<History>,
    blocking: Vec<(usize, Vec<u64>)>,
}

impl Truth {
    pub(crate) fn new(plan: &Plan) -> Truth {
        let acknowledged = vec![Vec::new(); plan.streams];
        Truth { command: plan.command(), acknowledged, histories: Vec::new(), blocking: Vec::new() }
    }

    pub(crate) fn was_acknowledged(&mut self, written: Vec<Written>) {
        written.into_iter().for_each(|one| self.acknowledged[one.stream].push(one.payload));
    }

    pub(crate) fn was_told(&mut self, told: Told) {
        match told {
            Told::Dense(histories) => self.histories.extend(histories),
            Told::Payloads { stream, payloads } => self.blocking.push((stream, payloads)),
        }
    }

    /// Judges each stream; how much there was.
    pub(crate) fn check(&self, plan: &Plan) -> String {
        let resets: usize = self.histories.iter().map(|history| history.resets.len()).sum();
        let entries: usize = self.histories.iter().map(|history| history.entries.len()).sum();
        (0..plan.streams).for_each(|stream| self.check_stream(stream));
        let readers = self.histories.len() + self.blocking.len();
        let calm = |history: &&History| Plan::fate(history.stream) == Fate::Calm;
        let untouched: usize = self.histories.iter().filter(calm).map(|history| history.resets.len()).sum();
        format!(
            "{readers} histories, {entries} entries with numbers, {resets} resets, \
             {untouched} of them of streams that lost nothing"
        )
    }

    fn check_stream(&self, stream: usize) {
        let of_it = || self.histories.iter().filter(|history| history.stream == stream);
        let truth = self.agreed(stream, of_it());
        let places: HashMap<u64, Cursor> = truth
            .iter()
            .map(|(at, payload)| ((at.0, at.1), *payload))
            .map(|((epoch, dense), payload)| (payload, Cursor { epoch, dense }))
            .collect();
        let acknowledged: HashSet<u64> = self.acknowledged[stream].iter().copied().collect();
        self.must(stream, places.len() == truth.len(), "an append is there once");
        self.must(
            stream,
            places.keys().all(|payload| acknowledged.contains(payload)),
            "nothing else is there",
        );
        let mut last: HashMap<u64, u64> = HashMap::new();
        for payload in truth.values().filter(|payload| **payload != LAST) {
            let before = last.insert(payload / PER_WRITER, *payload);
            self.must(stream, before.is_none_or(|before| before < *payload), "a writer's are in its order");
        }
        let end = truth.last_key_value().map(|(at, payload)| (*at, *payload));
        for history in of_it() {
            let told = history.end.map(|at| ((at.epoch, at.dense), LAST));
            self.must(stream, told == end, "each reader was told the end, where it is");
        }
        for (_, payloads) in self.blocking.iter().filter(|(of, _)| *of == stream) {
            let read: Vec<_> = payloads
                .iter()
                .filter_map(|payload| places.get(payload))
                .map(|at| (at.epoch, at.dense))
                .collect();
            self.must(stream, read.is_sorted_by(|one, next| one < next), "XREAD reads once and in order");
            let all = Plan::fate(stream) != Fate::Calm || payloads.len() == acknowledged.len();
            self.must(stream, all, "XREAD misses nothing of a stream that lost nothing");
        }
        if Plan::fate(stream) == Fate::Calm {
            self.must(stream, truth.len() == acknowledged.len(), "what was acknowledged is there");
        }
    }

    /// What is at each place, about which all agree.
    fn agreed<'h>(
        &self,
        stream: usize,
        histories: impl Iterator<Item = &'h History>,
    ) -> BTreeMap<(u64, u64), u64> {
        let mut truth = BTreeMap::new();
        for (at, payload) in histories.flat_map(|history| &history.entries) {
            let known = *truth.entry((at.epoch, at.dense)).or_insert(*payload);
            self.must(stream, known == *payload, "all are told the same");
        }
        truth
    }

    fn must(&self, stream: usize, holds: bool, what: &str) {
        assert!(holds, "{}: {what}\nagain: {}", Plan::key(stream), self.command);
    }
}
