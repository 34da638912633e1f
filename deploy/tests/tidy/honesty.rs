//! Tests wait for events, not for time; and nothing is switched off without saying why.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprCall, ExprMethodCall, ItemFn, ItemMod, Macro, Meta, Path};

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

fn sleeps(source: &Source) -> Vec<Breach> {
    let mut sleeps = Sleeps { source, in_tests: source.is_test_file(), breaches: Vec::new() };
    sleeps.visit_file(&source.syntax);
    sleeps.breaches
}

struct Sleeps<'a> {
    source: &'a Source,
    in_tests: bool,
    breaches: Vec<Breach>,
}

impl Sleeps<'_> {
    fn met(&mut self, line: usize) {
        if self.in_tests {
            self.breaches.push(self.source.breach(line, "a test that sleeps: wait for the event itself"));
        }
    }

    /// Calls inside macros are not parsed: the name followed by parentheses is taken for one.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut after_sleep = None;
        for token in tokens {
            match &token {
                TokenTree::Group(group) => {
                    if let Some(line) = after_sleep {
                        self.met(line);
                    }
                    self.tokens(group.stream());
                }
                TokenTree::Ident(ident) if ident == "sleep" => {
                    after_sleep = Some(ident.span().start().line);
                    continue;
                }
                _ => {}
            }
            after_sleep = None;
        }
    }

    fn inside(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        let outer = self.in_tests;
        self.in_tests |= attributes.iter().any(marks_test);
        visit(self);
        self.in_tests = outer;
    }
}

/// The simulator's runtime, by its names or as the parameter that code is generic over, sleeps in virtual time: there the
/// passing of time is the event itself.
fn is_virtual(path: &Path) -> bool {
    path.segments.len() == 2
        && path
            .segments
            .first()
            .is_some_and(|of| ["SimRuntime", "Runtime", "R"].iter().any(|name| of.ident == name))
}

/// `#[test]`, `#[cfg(test)]` and `#[cfg(all(test, …))]`.
fn marks_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let names_test = |token: TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "test");
            let all = list.tokens.clone().into_iter().flat_map(|token| match token {
                TokenTree::Group(group) => group.stream(),
                other => other.into(),
            });
            list.path.is_ident("cfg") && all.into_iter().any(names_test)
        }
        Meta::NameValue(_) => false,
    }
}

impl<'ast> Visit<'ast> for Sleeps<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.inside(&module.attrs, |sleeps| visit::visit_item_mod(sleeps, module));
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.inside(&function.attrs, |sleeps| visit::visit_item_fn(sleeps, function));
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func
            && let Some(last) = function.path.segments.last()
            && last.ident == "sleep"
            && !is_virtual(&function.path)
        {
            self.met(last.ident.span().start().line);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == "sleep" {
            self.met(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(item.tokens.clone());
    }
}

fn switched_off(source: &Source) -> Vec<Breach> {
    let mut switches = Switches { source, breaches: Vec::new() };
    switches.visit_file(&source.syntax);
    switches.breaches
}

struct Switches<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl<'ast> Visit<'ast> for Switches<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let path = attribute.path();
        let silences = ["allow", "expect", "ignore"].iter().any(|name| path.is_ident(name));
        let explained = match &attribute.meta {
            Meta::List(list) => list.tokens.clone().into_iter().any(|token| match token {
                TokenTree::Ident(ident) => ident == "reason",
                _ => false,
            }),
            // `#[ignore = "…"]`
            Meta::NameValue(_) => true,
            Meta::Path(_) => false,
        };
        if silences && !explained {
            let line = attribute.pound_token.spans[0].start().line;
            self.breaches.push(self.source.breach(line, "switched off without a `reason = …`"));
        }
    }
}

#[test]
fn tests_do_not_sleep() {
    hold(sleeps);
}

#[test]
fn nothing_is_switched_off_without_a_reason() {
    hold(switched_off);
}

#[test]
fn a_sleeping_test_is_seen() {
    let breach =
        |path: &str, line: usize| format!("{path}:{line}: a test that sleeps: wait for the event itself");
    let plain = "fn f() {\n    std::thread::sleep(d);\n}\n";
    assert_eq!(breaches_in(sleeps, "net/tests/a.rs", plain), [breach("net/tests/a.rs", 2)]);
    assert_eq!(breaches_in(sleeps, "net/src/a.rs", plain), Vec::<Breach>::new());
    let unit = "#[cfg(all(test, not(loom)))]\nmod t {\n    fn f() {\n        sleep(d)\n    }\n}\nfn g() { sleep(d) }\n";
    assert_eq!(breaches_in(sleeps, "a.rs", unit), [breach("a.rs", 4)]);
    let marked = "#[test]\nfn f() {\n    timer.sleep(d);\n    assert!(thread::sleep(d));\n}\n";
    assert_eq!(breaches_in(sleeps, "a.rs", marked), [breach("a.rs", 3), breach("a.rs", 4)]);
    let simulated =
        "#[test]\nfn f() {\n    SimRuntime::sleep(d);\n    R::sleep(d);\n    TokioRuntime::sleep(d);\n}\n";
    assert_eq!(breaches_in(sleeps, "a.rs", simulated), [breach("a.rs", 5)]);
}

#[test]
fn a_switch_without_a_reason_is_seen() {
    let what = "switched off without a `reason = …`";
    let text =
        "#![allow(dead_code)]\n#[ignore]\nfn f() {}\n#[expect(unused, reason = \"because\")]\nfn g() {}\n";
    assert_eq!(
        breaches_in(switched_off, "a.rs", text),
        [format!("a.rs:1: {what}"), format!("a.rs:2: {what}")]
    );
}
