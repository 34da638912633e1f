//! What of a first-in-first-out list is still to be written, while entries leave it at the front and come at the end.

/// Entries of one record of a list.
pub(super) const LIST_CHUNK: usize = 512;

/// What of a first-in-first-out list is still to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListCut {
    /// Entries at the front that are written and still there.
    written: usize,
    /// Entries at the front that were there at the cut.
    end: usize,
}

impl ListCut {
    pub(super) fn of(len: usize) -> ListCut {
        ListCut { written: 0, end: len }
    }

    /// The front entry went away; true where it has to be written first.
    pub(super) fn popped(&mut self) -> bool {
        if self.end == 0 {
            return false;
        }
        self.end -= 1;
        let unwritten = self.written == 0;
        self.written = self.written.saturating_sub(1);
        unwritten
    }

    pub(super) fn next_chunk(&mut self) -> std::ops::Range<usize> {
        let from = self.written;
        self.written = (from + LIST_CHUNK).min(self.end);
        from..self.written
    }

    pub(super) fn is_done(&self) -> bool {
        self.written == self.end
    }
}
