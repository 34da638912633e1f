//! A page of metrics in Prometheus's text format.

use std::fmt::Write as _;

/// The page while it is written. Writing to a string cannot fail, so results are let go.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

/// A label's name and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

impl Page {
    /// Begins a family of figures that go up and down.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// Begins a family of figures that only grow; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        debug_assert!(name.ends_with("_total"), "{name} is a counter");
        self.family(name, "counter", help)
    }

    /// The whole.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        let _ = write!(self.text, "# HELP sluice_{name} {help}\n# TYPE sluice_{name} {kind}\n");
        Family { name, text: &mut self.text }
    }
}

/// Samples of one name.
pub(super) struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Family<'_> {
    /// A sample without labels.
    pub(super) fn is(&mut self, value: f64) {
        self.of(&[], value);
    }

    /// A sample with labels.
    pub(super) fn of(&mut self, labels: &[Label<'_>], value: f64) {
        let _ = write!(self.text, "sluice_{}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if index == 0 { '{' } else { ',' });
            escape(value, self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn a_family_has_a_head_and_its_samples() {
        let mut page = Page::default();
        page.gauge("connections", "Connections now.").is(3.0);
        let mut polls = page.counter("polls_total", "Polls.");
        polls.of(&[("zone", "a\"b\\\n"), ("x", "y")], 1e15);
        polls.of(&[("zone", "c")], 0.5);
        assert_eq!(
            page.finish(),
            "# HELP sluice_connections Connections now.\n# TYPE sluice_connections gauge\nsluice_connections 3\n\
             # HELP sluice_polls_total Polls.\n# TYPE sluice_polls_total counter\n\
             sluice_polls_total{zone=\"a\\\"b\\\\\\n\",x=\"y\"} 1000000000000000\nsluice_polls_total{zone=\"c\"} 0.5\n"
        );
    }
}
