//! What a file says about itself: a header, names that mean something, nothing left for later.

use syn::ItemMod;
use syn::visit::{self, Visit};

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

/// Built from halves, so that this file does not break its own rule.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("un", "implemented!"),
];

const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

fn header(source: &Source) -> Vec<Breach> {
    let opens = source.text.starts_with("//! ");
    if opens { Vec::new() } else { vec![source.breach(1, "does not open with a `//!` header")] }
}

fn leftovers(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for word in LEFTOVERS.iter().filter(|word| contains_word(line, word)) {
            breaches.push(source.breach(index + 1, &format!("`{word}` left behind")));
        }
    }
    breaches
}

/// Whole words only: a name that merely contains the letters is fine.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn names(source: &Source) -> Vec<Breach> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    let empty = parts.filter(|part| EMPTY_NAMES.contains(part));
    let breaches = empty.map(|part| source.breach(1, &format!("`{part}` says nothing about what is inside")));
    let mut modules = Modules { source, breaches: breaches.collect() };
    modules.visit_file(&source.syntax);
    modules.breaches
}

struct Modules<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl<'ast> Visit<'ast> for Modules<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        if EMPTY_NAMES.contains(&name.as_str()) {
            let line = module.ident.span().start().line;
            self.breaches
                .push(self.source.breach(line, &format!("`{name}` says nothing about what is inside")));
        }
        visit::visit_item_mod(self, module);
    }
}

#[test]
fn every_file_opens_with_a_header() {
    hold(header);
}

#[test]
fn nothing_is_left_for_later() {
    hold(leftovers);
}

#[test]
fn modules_have_names_that_say_something() {
    hold(names);
}

#[test]
fn a_missing_header_is_seen() {
    assert_eq!(
        breaches_in(header, "a.rs", "// A.\nfn a() {}"),
        ["a.rs:1: does not open with a `//!` header"]
    );
    assert_eq!(breaches_in(header, "a.rs", "\n//! A.\n"), ["a.rs:1: does not open with a `//!` header"]);
    assert_eq!(breaches_in(header, "a.rs", "//! A.\n"), Vec::<Breach>::new());
}

#[test]
fn every_kind_of_leftover_is_seen() {
    for word in LEFTOVERS {
        let found = breaches_in(leftovers, "a.rs", &format!("//! A.\n// {word}(x)\n"));
        assert_eq!(found, [format!("a.rs:2: `{word}` left behind")]);
    }
    let harmless = format!("//! {}LIST {}X\n", LEFTOVERS[0], LEFTOVERS[2]);
    assert_eq!(breaches_in(leftovers, "a.rs", &harmless), Vec::<Breach>::new());
}

#[test]
fn an_empty_name_is_seen_in_the_path_and_in_the_text() {
    let what = "says nothing about what is inside";
    assert_eq!(breaches_in(names, "net/src/util.rs", ""), [format!("net/src/util.rs:1: `util` {what}")]);
    assert_eq!(breaches_in(names, "net/common/a.rs", ""), [format!("net/common/a.rs:1: `common` {what}")]);
    assert_eq!(breaches_in(names, "a.rs", "\nmod helpers {}"), [format!("a.rs:2: `helpers` {what}")]);
    assert_eq!(breaches_in(names, "a/utility.rs", "mod communication;"), Vec::<Breach>::new());
}
