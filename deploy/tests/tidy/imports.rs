//! Every name in a file can be traced to a line of that file.

use syn::UseGlob;
use syn::visit::{self, Visit};

use crate::source::Source;
use crate::{Breach, breaches_in, hold};

fn globs(source: &Source) -> Vec<Breach> {
    let mut globs = Globs { source, breaches: Vec::new() };
    globs.visit_file(&source.syntax);
    globs.breaches
}

struct Globs<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl<'ast> Visit<'ast> for Globs<'_> {
    fn visit_use_glob(&mut self, glob: &'ast UseGlob) {
        let line = glob.star_token.spans[0].start().line;
        self.breaches.push(self.source.breach(line, "glob import: name what is used"));
        visit::visit_use_glob(self, glob);
    }
}

#[test]
fn imports_name_what_they_bring() {
    hold(globs);
}

#[test]
fn a_glob_is_seen_at_any_depth() {
    let text = "use a::b;\nmod m {\n    use super::*;\n}\nfn f() {\n    use x::{y, z::*};\n}\n";
    let what = "glob import: name what is used";
    assert_eq!(breaches_in(globs, "a.rs", text), [format!("a.rs:3: {what}"), format!("a.rs:6: {what}")]);
}
