//! House rules that a machine can keep, over every Rust file of the project (tests and this one included).
//!
//! | file | rule |
//! |---|---|
//! | `length.rs` | no file over 600 lines, no function over 70 |
//! | `wording.rs` | every file opens with `//!`; nothing is left for later; no module with a name that says nothing |
//! | `imports.rs` | no glob imports |
//! | `danger.rs` | `unsafe` only where it is allowed, each with its `// SAFETY:` |
//! | `honesty.rs` | no sleeping in tests, no lint or test switched off without a reason beside it |
//! | `layout.rs` | what apply reads depends on no build: no `size_of`, no capacities |
//! | `code_map.rs` | the code map of SPEC.md names only what exists |
//!
//! Each rule is a function from a [`Source`] to breaches, and each has a test on a bad sample, so that it is seen to fail.

mod code_map;
mod danger;
mod honesty;
mod imports;
mod layout;
mod length;
mod source;
mod wording;

use source::Source;

/// Where a rule is broken, and how: `path:line: what`.
type Breach = String;

/// Applies `rule` to every Rust file and fails with all breaches at once.
fn hold(rule: fn(&Source) -> Vec<Breach>) {
    let sources = source::all();
    assert!(sources.len() > 10, "only {} Rust files found: the list is broken", sources.len());
    let breaches: Vec<Breach> = sources.iter().flat_map(rule).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// The breaches of `rule` in a sample that pretends to stand at `path`.
fn breaches_in(rule: fn(&Source) -> Vec<Breach>, path: &str, text: &str) -> Vec<Breach> {
    rule(&Source::new(path, text.to_owned()))
}
