//! Replicas decide by what is written down: nothing of what apply reads asks the build how large something is.

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

/// Where the replicated state lies, and how it changes.
const APPLIED: &[&str] = &["engine/src/stream/", "engine/src/shard/", "engine/src/zone/"];
/// What an answer takes in memory: questions are answered and changes taken by it before the log, by each node for itself.
const OF_ANSWERS: &[&str] = &["engine/src/stream/price.rs", "engine/src/stream/value.rs"];
/// What depends on the build, the machine or the allocator.
const OF_A_BUILD: &[&str] = &["size_of", "align_of", ".capacity()"];

fn layout(source: &Source) -> Vec<Breach> {
    let is_answers = OF_ANSWERS.contains(&source.path.as_str());
    if source.is_test_file() || is_answers || !APPLIED.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let code = |line: &str| {
        line.split("//").next().is_some_and(|code| OF_A_BUILD.iter().any(|word| code.contains(word)))
    };
    let lines = source.text.lines().zip(1..).filter(|(line, _)| code(line));
    lines
        .map(|(_, line)| source.breach(line, "replicas may differ in this: take it from engine/src/cost.rs"))
        .collect()
}

#[test]
fn what_apply_reads_is_the_same_in_every_build() {
    hold(layout);
}

#[test]
fn a_size_of_this_build_is_seen_where_it_matters() {
    let text = "//! size_of in a comment\nconst A: usize = size_of::<u8>();\nfn f(v: &Vec<u8>) -> usize { v.capacity() }\n";
    let found = breaches_in(layout, "engine/src/stream/a.rs", text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("engine/src/stream/a.rs:2:"));
    assert!(breaches_in(layout, "engine/src/structure/a.rs", text).is_empty());
}
