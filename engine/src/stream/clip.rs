//! A long range of a stream on its way to whoever asked for it: it shares the stream's blocks, so nothing is copied.
//!
//! A change of a shared block copies that block first, so the range stays as it was.

use super::block::Block;
use super::entries::EntryRef;
use super::id::StreamId;
use super::run::{Run, weigh};
use std::sync::Arc;

/// Entries between two ids, in either order.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    /// In the order in which they are told.
    blocks: Vec<Arc<Block>>,
    start: StreamId,
    end: StreamId,
    is_back: bool,
    /// Entries.
    count: usize,
    bytes: usize,
}

impl Clip {
    /// The first `most` entries of a run between two ids; the last ones, newest first, where `is_back`. Where they take `bytes_max`,
    /// the rest is left out. Looks into two blocks or three.
    pub(super) fn of(
        run: &Run,
        (start, end): (StreamId, StreamId),
        is_back: bool,
        most: u64,
        bytes_max: usize,
    ) -> Clip {
        let mut clip = Clip { blocks: Vec::new(), start, end, is_back, count: 0, bytes: 0 };
        let places = run.places_between(start, end);
        for nth in 0..places.len() {
            let block = run.share(if is_back { places.end - 1 - nth } else { places.start + nth });
            let left = usize::try_from(most).unwrap_or(usize::MAX) - clip.count;
            let is_inner = nth > 0 && nth + 1 < places.len() && block.count < left;
            let held = if is_inner { block.count } else { clip.told_of(&block).len() };
            let (held, is_over) = (held.min(left), held >= left);
            if is_over {
                let cut = clip.told_of(&block).get(left.wrapping_sub(1)).map(|entry| entry.id);
                let bound = if is_back { &mut clip.start } else { &mut clip.end };
                *bound = cut.unwrap_or(*bound);
            }
            if held > 0 {
                clip.count += held;
                clip.bytes += weigh(&block);
                clip.blocks.push(block);
            }
            if is_over || clip.bytes >= bytes_max {
                break;
            }
        }
        clip
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes that they would take as copies, at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those from a place on, each with the place of the next one. The first is at 0.
    pub(super) fn iter_from(&self, place: usize) -> Told<'_> {
        let (block, nth) = (place / PLACES_A_BLOCK, place % PLACES_A_BLOCK);
        let mut told = Told { clip: self, block, nth: 0, entries: self.entries(block) };
        told.entries.by_ref().take(nth).for_each(drop);
        told.nth = nth;
        told
    }

    fn entries(&self, block: usize) -> std::vec::IntoIter<EntryRef<'_>> {
        self.blocks.get(block).map_or_else(Vec::new, |block| self.told_of(block)).into_iter()
    }

    /// What is told of a block, in order.
    fn told_of<'b>(&self, block: &'b Block) -> Vec<EntryRef<'b>> {
        let is_told = |entry: &EntryRef<'_>| entry.id >= self.start && entry.id <= self.end;
        let mut told: Vec<_> = block.iter().map(|place| place.entry).filter(is_told).collect();
        if self.is_back {
            told.reverse();
        }
        told
    }
}

/// No block has so many entries: an entry takes four bytes at least, and one that takes more than a block's has it for itself.
const PLACES_A_BLOCK: usize = 1 << 20;
const _: () = assert!(crate::limit::STREAM_BLOCK_BYTES < PLACES_A_BLOCK);

/// Goes through a [`Clip`].
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    clip: &'a Clip,
    block: usize,
    nth: usize,
    entries: std::vec::IntoIter<EntryRef<'a>>,
}

impl<'a> Iterator for Told<'a> {
    type Item = (EntryRef<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                self.nth += 1;
                return Some((entry, self.block * PLACES_A_BLOCK + self.nth));
            }
            if self.block >= self.clip.blocks.len() {
                return None;
            }
            (self.block, self.nth) = (self.block + 1, 0);
            self.entries = self.clip.entries(self.block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clip;
    use crate::stream::fields::Fields;
    use crate::stream::id::StreamId;
    use crate::stream::run::Run;

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    /// Entries of even ids, in several blocks, some of them alone in theirs, some removed.
    fn run(entries: u64) -> Run {
        let mut run = Run::default();
        for number in 1..=entries {
            let value = vec![b'v'; if number % 50 == 0 { 5_000 } else { 90 }];
            run.append(id(2 * number), number, Fields::pack([&b"f"[..], &value]).as_ref());
        }
        for number in (1..=entries).filter(|number| number % 7 == 3) {
            run.remove(id(2 * number)).expect("it is there");
        }
        run
    }

    #[test]
    fn a_clip_tells_what_a_walk_over_the_run_does_from_any_place_on() {
        let run = run(200);
        for (start, end) in [(0, 500), (1, 399), (90, 210), (100, 100), (101, 101), (300, 200), (401, 900)] {
            for most in [0, 1, 2, 45, 90, 1_000] {
                for is_back in [false, true] {
                    let range = (id(start), id(end));
                    let clip = Clip::of(&run, range, is_back, most, usize::MAX);
                    let mut expected: Vec<_> = run.range(range.0, range.1).collect();
                    if is_back {
                        expected.reverse();
                    }
                    expected.truncate(most as usize);
                    let what = format!("{start} to {end}, {most}, back {is_back}");
                    assert_eq!(clip.len(), expected.len(), "{what}");
                    let told: Vec<_> = clip.iter_from(0).collect();
                    assert!(told.iter().map(|(entry, _)| *entry).eq(expected.iter().copied()), "{what}");
                    for (nth, (_, next)) in told.iter().enumerate() {
                        let rest = clip.iter_from(*next).map(|(entry, _)| entry);
                        assert!(rest.eq(expected[nth + 1..].iter().copied()), "{what}: behind {nth}");
                    }
                    let copies: usize =
                        expected.iter().filter_map(|it| it.fields).map(|it| it.bytes().len() + 28).sum();
                    assert!(clip.bytes() >= copies, "{what}: {} for {copies}", clip.bytes());
                }
            }
        }
    }

    #[test]
    fn a_clip_stays_as_it_was() {
        let mut run = run(200);
        let before: Vec<_> = run.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
        let clip = Clip::of(&run, (StreamId::MIN, StreamId::MAX), false, u64::MAX, usize::MAX);
        run.remove(before[60]).expect("it is there");
        run.drop_front(50);
        run.append(id(1_000), 1_000, Fields::pack([&b"f"[..], b"new"]).as_ref());
        assert!(clip.iter_from(0).map(|(entry, _)| entry.id).eq(before));
    }
}
