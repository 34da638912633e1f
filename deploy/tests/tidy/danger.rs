//! `unsafe` stays in two folders of the engine and where the allocator is told to give memory back, and each use says why it is
//! sound.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ExprUnsafe, ItemImpl, Macro, Signature};

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

const ALLOWED: &[&str] = &["engine/src/structure", "engine/src/mailbox", "deploy/src/serve/resident.rs"];

fn danger(source: &Source) -> Vec<Breach> {
    let mut uses = Uses { source, breaches: Vec::new() };
    uses.visit_file(&source.syntax);
    uses.breaches
}

struct Uses<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl Uses<'_> {
    fn place(&mut self, line: usize) {
        if !ALLOWED.iter().any(|folder| self.source.path.starts_with(folder)) {
            self.breaches.push(self.source.breach(line, "`unsafe` outside the places that may use it"));
        }
    }

    fn reason(&mut self, line: usize) {
        if !has_reason_above(&self.source.text, line) {
            self.breaches
                .push(self.source.breach(line, "`unsafe` without a `// SAFETY:` comment right above"));
        }
    }

    /// The parser does not look inside macros: there every `unsafe` must be placed and explained too.
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "unsafe" => {
                    let line = ident.span().start().line;
                    self.place(line);
                    self.reason(line);
                }
                _ => {}
            }
        }
    }
}

/// Walks up over the statement and the comment that precede `line` until something else ends: a blank line, another
/// statement or the opening of the block around it.
fn has_reason_above(text: &str, line: usize) -> bool {
    let above: Vec<&str> = text.lines().take(line - 1).map(str::trim).collect();
    for earlier in above.iter().rev() {
        if earlier.starts_with("// SAFETY:") {
            return true;
        }
        let is_comment = earlier.starts_with("//");
        if earlier.is_empty() || (!is_comment && earlier.ends_with([';', '{', '}'])) {
            return false;
        }
    }
    false
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
        let line = block.unsafe_token.span.start().line;
        self.place(line);
        self.reason(line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let Some(token) = &item.unsafety {
            let line = token.span.start().line;
            self.place(line);
            self.reason(line);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        if let Some(token) = &signature.unsafety {
            self.place(token.span.start().line);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(item.tokens.clone());
    }
}

#[test]
fn danger_stays_where_it_is_allowed_and_is_explained() {
    hold(danger);
}

#[test]
fn danger_elsewhere_is_seen() {
    let text = "fn f() {\n    // SAFETY: fine.\n    unsafe { g() }\n}\nunsafe fn g() {}\n";
    let what = "`unsafe` outside the places that may use it";
    assert_eq!(
        breaches_in(danger, "net/src/a.rs", text),
        [format!("net/src/a.rs:3: {what}"), format!("net/src/a.rs:5: {what}")]
    );
    assert_eq!(breaches_in(danger, "engine/src/structure/a.rs", text), Vec::<Breach>::new());
}

#[test]
fn danger_without_a_reason_is_seen() {
    let path = "engine/src/mailbox/a.rs";
    let breach = |line: usize| format!("{path}:{line}: `unsafe` without a `// SAFETY:` comment right above");
    let block = "fn f() {\n    // SAFETY: of another statement.\n    h();\n    unsafe { g() }\n}\n";
    assert_eq!(breaches_in(danger, path, block), [breach(4)]);
    assert_eq!(breaches_in(danger, path, "\nunsafe impl Send for A {}\n"), [breach(2)]);
    assert_eq!(breaches_in(danger, path, "fn f() {\n    m!(unsafe { g() });\n}\n"), [breach(2)]);
    let explained =
        "fn f() {\n    // SAFETY: two lines\n    // of reason.\n    let x =\n        unsafe { g() };\n}\n";
    assert_eq!(breaches_in(danger, path, explained), Vec::<Breach>::new());
}
