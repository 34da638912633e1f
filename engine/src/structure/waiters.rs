//! Who waits in a zone, in join order: a deterministic, unrolled, indexable skip list.
//!
//! **Source.** Pugh's indexable skip list (1990) keeps with each forward link its *span*, the number of
//! elements it jumps over, and sums spans on the way down to tell a rank. Two departures. Joins only append, so a
//! waiter's place is its sequence number: the shape follows from the number, heights are not drawn at random, and
//! a search walks down without comparing. And nodes are unrolled: a leaf is a bitmap of 512 places, a level
//! above packs the spans of 64 nodes into a few cache lines.
//!
//! **Threads.** One owner changes the list through [`Waiters`], any thread reads through [`WaitersView`]. A last
//! poll is the only thing that readers store.
//!
//! **Invariants.**
//! - A span equals the live bits below it whenever the owner is between two calls.
//! - A sequence number below the tail is live, admitted or gone, and only moves on in that order.
//! - A reader never finds an admitted waiter gone before its block is freed.
//! - The rank of a waiter never rises (see [`Handle::rank`](super::Handle::rank)).
//! - A block without live waiters may be freed wherever it lies, the one at the tail too: the next join makes it anew.
//!
//! **Costs.** 4.3 bytes a waiter, 8.3 when all are admitted and remembered, 4 KiB at least for a list that is
//! not empty. Join, leave, admission: three counters and a bit, 7 ns a join. Lookup, rank: 4 pointers, then on
//! average 8 + 16 words of spans, 8 bytes for each 2,097,152 places spanned, and one line of bits. Measured at
//! random places, lookup, last-poll store and rank together: 27 ns of 100 thousand, 35 ns of 1 million, 64 ns of 10 million.
//! (Huge pages and branch-free prefix sums were tried, and were slower.) Scans skip an empty block, chunk or
//! region in one step.

use std::{cell::Cell, sync::Arc};

use super::{
    block::Block,
    directory::Directory,
    epoch::{EpochPtr, Guard, pin, unprotected},
    image::{BlockImage, ImageError, fill},
    shape::{LiveWords, Path, SEQ_END, SLOTS, WORDS, bit, only, split},
    span::{Chunk, Region},
    view::{Ends, Lookup, Shared, WaitersView},
};
use crate::{
    id::Seq,
    sync::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
    time::LogTime,
};

/// Regions between the first block and the last of a list that is restored: 2^41 places, which nobody waits through.
const REGIONS_MAX: u64 = 1 << 20;

/// The owner half of a waiters' list. It may move to another thread, but only one has it at a time.
///
/// Blocks are numbered from 0; block `b` holds the sequence numbers from `b * SLOTS` on.
///
/// ```
/// use sluice_engine::{structure::{Lookup, Waiters, pin}, time::LogTime};
/// let mut waiters = Waiters::new();
/// let first = waiters.append(LogTime(1_000));
/// let second = waiters.append(LogTime(1_001));
/// assert!(waiters.admit(first, LogTime(2_000)));
///
/// let view = waiters.view(); // for any thread
/// let guard = pin();
/// assert!(matches!(view.lookup(first, &guard), Lookup::Admitted(LogTime(2_000))));
/// let Lookup::Live(waiter) = view.lookup(second, &guard) else { panic!("waits") };
/// waiter.touch(LogTime(3_000));
/// assert_eq!(waiter.rank(), 0);
/// ```
pub struct Waiters {
    shared: Arc<Shared>,
    tail: u64,
    live: u64,
    /// No block before this one has a live waiter. Also what keeps `Waiters` from being `Sync`.
    first_live: Cell<u64>,
    held: Held,
}

/// Nodes that are allocated, freed ones that readers may still hold not included.
#[derive(Clone, Copy, Default)]
struct Held {
    regions: usize,
    chunks: usize,
    blocks: usize,
    stamped: usize,
}

/// The admissions that a block remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdmittedSummary {
    /// How many.
    pub count: u32,
    /// The latest of them.
    pub latest: LogTime,
}

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters::new()
    }
}

impl Waiters {
    /// An empty list; it allocates nothing but its head.
    #[must_use]
    pub fn new() -> Waiters {
        let ends = Ends { tail: AtomicU64::new(0), live: AtomicU64::new(0) };
        Waiters {
            shared: Arc::new(Shared { directory: EpochPtr::null(), ends }),
            tail: 0,
            live: 0,
            first_live: Cell::new(0),
            held: Held::default(),
        }
    }

    /// The list that `images` (ascending, from [`Waiters::block_image`]) describe, ending at `tail`. Everybody
    /// counts as having polled at `now`.
    ///
    /// # Errors
    /// [`ImageError`] where the images contradict each other or `tail`.
    pub fn restore(
        images: impl IntoIterator<Item = BlockImage>,
        tail: u64,
        now: LogTime,
    ) -> Result<Waiters, ImageError> {
        let mut waiters = Waiters::new();
        let (mut next, mut first) = (0, None);
        if tail > SEQ_END {
            return Err(ImageError::PastTail { block: tail / SLOTS as u64 });
        }
        for image in images {
            image.check(tail)?;
            if image.block < next {
                return Err(ImageError::Order { block: image.block });
            }
            // The directory has room for every region between two blocks.
            let regions = Path::of(image.block - *first.get_or_insert(image.block)).region;
            if regions > REGIONS_MAX {
                return Err(ImageError::Distant { block: image.block });
            }
            next = image.block + 1;
            waiters.restore_block(&image, now);
        }
        waiters.tail = tail;
        waiters.shared.ends.tail.store(tail, Release);
        Ok(waiters)
    }

    /// A reader half.
    #[must_use]
    pub fn view(&self) -> WaitersView {
        WaitersView { shared: Arc::clone(&self.shared) }
    }

    /// Somebody joins at `now`, which counts as its first poll.
    ///
    /// # Panics
    /// After 2^48 joins.
    pub fn append(&mut self, now: LogTime) -> Seq {
        let seq = self.tail;
        assert!(seq < SEQ_END, "a zone has given out all of its 48-bit sequence numbers");
        let (index, slot) = split(seq);
        self.ensure_block(index, now);
        self.raise(index, 1);
        self.expect_block(index).join(slot, now);
        self.tail = seq + 1;
        self.shared.ends.tail.store(self.tail, Release);
        Seq(seq)
    }

    /// Somebody leaves, or is evicted; false where it did not wait.
    pub fn remove(&mut self, seq: Seq) -> bool {
        let (index, slot) = split(seq.0);
        self.remove_slots(index, &only(slot)) != [0; WORDS]
    }

    /// Removes those of `mask` who wait in `block`; returns who they were.
    pub fn remove_slots(&mut self, block: u64, mask: &LiveWords) -> LiveWords {
        let Some(there) = self.block(block) else { return [0; WORDS] };
        let removed = there.clear(mask);
        self.lower(block, removed.iter().map(|word| u64::from(word.count_ones())).sum());
        removed
    }

    /// Somebody is admitted at `stamp`; false where it did not wait. At no moment does a reader find it gone.
    /// A stamp more than 49 days after its block's first join is remembered as 49 days.
    pub fn admit(&mut self, seq: Seq, stamp: LogTime) -> bool {
        let (index, slot) = split(seq.0);
        let Some(block) = self.block(index).filter(|block| block.waits(slot)) else { return false };
        let fresh = block.stamp(slot, stamp, self.guard());
        block.clear(&only(slot));
        self.held.stamped += usize::from(fresh);
        self.lower(index, 1);
        true
    }

    /// Forgets a block that has no live waiter: its admitted and gone are `Gone` from now on. Frees what lies above
    /// it when that is empty. False where somebody waits there, or there is no such block.
    pub fn free_block(&mut self, block: u64) -> bool {
        let path = Path::of(block);
        let Some(directory) = self.shared.directory.load(self.guard()) else { return false };
        let Some(region) = directory.region(path.region, self.guard()) else { return false };
        let Some(chunk) = region.child(path.chunk, self.guard()) else { return false };
        let Some(stamped) = self.block(block).map(|there| there.has_stamps(self.guard())) else {
            return false;
        };
        if chunk.counts.get(path.block) > 0 {
            return false;
        }
        let mut held = self.held;
        let guard = pin();
        chunk.unlink(path.block, &guard);
        held.blocks -= 1;
        held.stamped -= usize::from(stamped);
        if chunk.next_child(0, self.guard()).is_none() {
            region.unlink(path.chunk, &guard);
            held.chunks -= 1;
        }
        if region.next_child(0, self.guard()).is_none() {
            directory.unlink(path.region, &guard);
            held.regions -= 1;
        }
        self.held = held;
        true
    }

    /// What a sequence number stands for; the owner needs no guard.
    #[must_use]
    pub fn lookup(&self, seq: Seq) -> Lookup<'_> {
        self.shared.lookup(seq.0, self.guard())
    }

    /// The sequence number that the next waiter gets.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.tail
    }

    /// How many wait.
    #[must_use]
    pub fn live_total(&self) -> u64 {
        self.live
    }

    /// The first block with a live waiter, if any waits. Starts where the last call ended.
    #[must_use]
    pub fn first_live_block(&self) -> Option<u64> {
        let found = self.next_live_block(self.first_live.get());
        self.first_live.set(found.unwrap_or(self.tail / SLOTS as u64));
        found
    }

    /// The first block from `from` on with a live waiter: skips an empty block, chunk or region in one step.
    #[must_use]
    pub fn next_live_block(&self, from: u64) -> Option<u64> {
        let directory = self.shared.directory.load(self.guard())?;
        let mut path = Path::of(from);
        while let Some(region) = directory.next_live(path.region) {
            if region > path.region {
                path = Path { region, chunk: 0, block: 0 };
            }
            if let Some(found) = self.next_live_in(directory.region(region, self.guard())?, path) {
                return Some(found.index());
            }
            path = Path { region: region + 1, chunk: 0, block: 0 };
        }
        None
    }

    /// The first block from `from` on that is allocated, whether anybody waits there or not.
    #[must_use]
    pub fn next_block(&self, from: u64) -> Option<u64> {
        let guard = self.guard();
        let directory = self.shared.directory.load(guard)?;
        let mut path = Path::of(from);
        while let Some(at) = directory.next_region(path.region, guard) {
            if at > path.region {
                path = Path { region: at, chunk: 0, block: 0 };
            }
            let region = directory.region(at, guard)?;
            while let Some(chunk) = region.next_child(path.chunk, guard) {
                let from = if chunk > path.chunk { 0 } else { path.block };
                if let Some(block) = region.child(chunk, guard)?.next_child(from, guard) {
                    return Some(Path { region: at, chunk, block }.index());
                }
                path = Path { region: at, chunk: chunk + 1, block: 0 };
            }
            path = Path { region: at + 1, chunk: 0, block: 0 };
        }
        None
    }

    /// How many wait in `block`.
    #[must_use]
    pub fn block_count_live(&self, block: u64) -> u32 {
        let path = Path::of(block);
        self.shared.chunk(path, self.guard()).map_or(0, |chunk| chunk.counts.get(path.block) as u32)
    }

    /// Who waits in `block`, a bit for each place.
    #[must_use]
    pub fn live_words(&self, block: u64) -> LiveWords {
        self.block(block).map_or([0; WORDS], Block::live_words)
    }

    /// Low 32 bits of the latest poll of a place; 0 where there is no such block.
    #[must_use]
    pub fn polled_ms(&self, block: u64, slot: usize) -> u32 {
        self.block(block).map_or(0, |block| block.polled(slot))
    }

    /// A moment at or after every poll of `block` that this thread can know of, at most 1,023 ms after the latest;
    /// `None` where there is no such block.
    #[must_use]
    pub fn mark(&self, block: u64) -> Option<LogTime> {
        self.block(block).map(Block::mark)
    }

    /// When the first and the latest of `block` joined.
    #[must_use]
    pub fn joined(&self, block: u64) -> Option<(LogTime, LogTime)> {
        self.block(block).map(Block::joined)
    }

    /// The admissions that `block` remembers; `None` where there are none.
    #[must_use]
    pub fn admitted_in(&self, block: u64) -> Option<AdmittedSummary> {
        let (count, latest) = self.block(block)?.admitted();
        (count > 0).then_some(AdmittedSummary { count, latest })
    }

    /// Blocks that are allocated.
    #[must_use]
    pub fn blocks_allocated(&self) -> usize {
        self.held.blocks
    }

    /// Bytes that the list holds. What was freed is not counted, although a reader may hold it for a moment longer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Held { regions, chunks, blocks, stamped } = self.held;
        size_of::<Shared>()
            + self.shared.directory.load(self.guard()).map_or(0, Directory::bytes)
            + regions * size_of::<Region>()
            + chunks * size_of::<Chunk>()
            + blocks * size_of::<Block>()
            + stamped * SLOTS * size_of::<u32>()
    }

    /// What `block` remembers, by value.
    #[must_use]
    pub fn block_image(&self, block: u64) -> Option<BlockImage> {
        let there = self.block(block)?;
        let (joined_first, joined_last) = there.joined();
        let fill = fill(block, self.tail);
        let at = |slot| there.admitted_at(slot, self.guard()).map(|at| (slot as u16, at));
        let places = if there.has_stamps(self.guard()) { 0..fill } else { 0..0 };
        let admitted = places.filter_map(at).collect();
        Some(BlockImage { block, fill, live: there.live_words(), joined_first, joined_last, admitted })
    }

    fn restore_block(&mut self, image: &BlockImage, now: LogTime) {
        self.ensure_block(image.block, image.joined_first);
        let waits = |slot: usize| image.live[bit(slot).0] & bit(slot).1 != 0;
        let slots: Vec<usize> = (0..image.fill).filter(|&slot| waits(slot)).collect();
        self.raise(image.block, slots.len() as u64);
        let mut fresh = false;
        let block = self.expect_block(image.block);
        for slot in slots {
            block.join(slot, now);
        }
        block.joined_until(image.joined_last);
        for &(slot, at) in &image.admitted {
            fresh |= block.stamp(usize::from(slot), at, self.guard());
        }
        self.held.stamped += usize::from(fresh);
    }

    /// Makes the path to a block where it is missing; `now` is the first join of a block made here.
    fn ensure_block(&mut self, index: u64, now: LogTime) {
        let path = Path::of(index);
        self.ensure_directory(path.region);
        let guard = self.guard();
        let directory = self.shared.directory.load(guard).expect("just ensured");
        let (region, region_made) = directory.region_or_new(path.region, guard);
        let (chunk, chunk_made) = region.child_or(path.chunk, guard, Chunk::new);
        let (_, block_made) = chunk.child_or(path.block, guard, || Block::starting_at(now));
        self.held.regions += usize::from(region_made);
        self.held.chunks += usize::from(chunk_made);
        self.held.blocks += usize::from(block_made);
    }

    fn ensure_directory(&mut self, region: u64) {
        let directory = match self.shared.directory.load(self.guard()) {
            Some(there) if there.covers(region) => return,
            Some(there) => there.grown_to(region, self.guard()),
            None => Directory::starting_at(region),
        };
        // SAFETY: directories are never aliased; the regions that they share are not owned by them.
        unsafe { self.shared.directory.replace(Some(directory), &pin()) }
    }

    /// Counts `n` more live waiters in `block`, which exists.
    fn raise(&mut self, block: u64, n: u64) {
        self.live += n;
        self.shared.ends.live.store(self.live, Relaxed);
        let (directory, region, chunk, path) = self.spans(block);
        chunk.counts.add(path.block, n);
        region.counts.add(path.chunk, n);
        directory.set_count(path.region, directory.count(path.region) + n);
    }

    /// Counts `n` fewer live waiters in `block`, which exists.
    fn lower(&mut self, block: u64, n: u64) {
        self.live = self.live.checked_sub(n).expect("removed more than were there");
        self.shared.ends.live.store(self.live, Relaxed);
        let (directory, region, chunk, path) = self.spans(block);
        chunk.counts.sub(path.block, n);
        region.counts.sub(path.chunk, n);
        directory.set_count(path.region, directory.count(path.region) - n);
    }

    fn spans(&self, block: u64) -> (&Directory, &Region, &Chunk, Path) {
        let path = Path::of(block);
        let directory = self.shared.directory.load(self.guard()).expect("a block has a directory");
        let region = directory.region(path.region, self.guard()).expect("a block has a region");
        let chunk = region.child(path.chunk, self.guard()).expect("a block has a chunk");
        (directory, region, chunk, path)
    }

    fn next_live_in(&self, region: &Region, from: Path) -> Option<Path> {
        let mut block = from.block;
        let mut next = region.counts.next_nonzero(from.chunk);
        while let Some(chunk) = next {
            if chunk > from.chunk {
                block = 0;
            }
            let spans = &region.child(chunk, self.guard())?.counts;
            if let Some(block) = spans.next_nonzero(block) {
                return Some(Path { chunk, block, ..from });
            }
            next = region.counts.next_nonzero(chunk + 1);
        }
        None
    }

    fn expect_block(&self, index: u64) -> &Block {
        self.block(index).expect("the block was made before")
    }

    fn block(&self, index: u64) -> Option<&Block> {
        self.shared.block(index, self.guard())
    }

    fn guard(&self) -> &Guard {
        // SAFETY: only the owner unlinks, through `&mut self`; what is loaded under this guard borrows `self`.
        unsafe { unprotected() }
    }
}
