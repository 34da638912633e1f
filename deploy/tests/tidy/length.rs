//! Files and functions short enough to be read at once.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

const FILE_LINES_MAX: usize = 600;
/// From the line of `fn` to the closing brace, comments and blank lines included.
const FUNCTION_LINES_MAX: usize = 70;

fn length(source: &Source) -> Vec<Breach> {
    let mut functions = Functions { source, breaches: Vec::new() };
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        functions.breaches.push(source.breach(lines, &format!("{lines} lines, {FILE_LINES_MAX} allowed")));
    }
    functions.visit_file(&source.syntax);
    functions.breaches
}

struct Functions<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &Signature, body: &Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{}` has {lines} lines, {FUNCTION_LINES_MAX} allowed", signature.ident);
            self.breaches.push(self.source.breach(first, &what));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, method: &'ast ImplItemFn) {
        self.measure(&method.sig, &method.block);
        visit::visit_impl_item_fn(self, method);
    }

    fn visit_trait_item_fn(&mut self, method: &'ast TraitItemFn) {
        if let Some(body) = &method.default {
            self.measure(&method.sig, body);
        }
        visit::visit_trait_item_fn(self, method);
    }
}

#[test]
fn files_and_functions_stay_short() {
    hold(length);
}

#[test]
fn a_long_file_is_seen() {
    let text = "//! Long.\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(breaches_in(length, "a.rs", &text), ["a.rs:601: 601 lines, 600 allowed"]);
}

#[test]
fn a_long_function_is_seen_wherever_it_stands() {
    let long = format!("fn long() {{{}}}\n", "\n".repeat(FUNCTION_LINES_MAX));
    let just = format!("fn just() {{{}}}\n", "\n".repeat(FUNCTION_LINES_MAX - 1));
    let what = "`long` has 71 lines, 70 allowed";
    assert_eq!(breaches_in(length, "a.rs", &long), [format!("a.rs:1: {what}")]);
    assert_eq!(breaches_in(length, "a.rs", &just), Vec::<Breach>::new());
    assert_eq!(breaches_in(length, "a.rs", &format!("mod m {{\n{long}}}")), [format!("a.rs:2: {what}")]);
    assert_eq!(breaches_in(length, "a.rs", &format!("impl A {{\n{long}}}")), [format!("a.rs:2: {what}")]);
    assert_eq!(breaches_in(length, "a.rs", &format!("trait A {{\n{long}}}")), [format!("a.rs:2: {what}")]);
}
