//! The arguments of one request, borrowed from where they arrived.

use std::ops::Range;

/// Where the decoder notes arguments. One a worker, used again and again: after a few requests it no longer allocates.
#[derive(Default, Debug)]
pub struct ArgsBuf {
    spans: Vec<Span>,
    /// Arguments of an inline request, where quotes were taken off; unused by others.
    unquoted: Vec<u8>,
}

/// A part of the input, or of `unquoted`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl ArgsBuf {
    /// An empty one.
    #[must_use]
    pub fn new() -> ArgsBuf {
        ArgsBuf::default()
    }

    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.unquoted.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Notes an argument. The range lies inside a request, so its ends fit 32 bits.
    pub(super) fn push(&mut self, range: Range<usize>) {
        self.spans.push(Span { start: range.start as u32, end: range.end as u32 });
    }

    pub(super) fn unquoted(&mut self) -> &mut Vec<u8> {
        &mut self.unquoted
    }

    pub(super) fn of_input<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args { bytes: input, spans: &self.spans }
    }

    pub(super) fn of_unquoted(&self) -> Args<'_> {
        Args { bytes: &self.unquoted, spans: &self.spans }
    }
}

/// The arguments of one request, its name first. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// How many there are; a decoded request has one or more.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, the request's name being 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(index)?;
        self.bytes.get(span.start as usize..span.end as usize)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let args = *self;
        (0..args.len()).filter_map(move |index| args.get(index))
    }

    /// All from `index` on.
    #[must_use]
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(index..).unwrap_or(&[]) }
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}
