//! A block: entries of one stream, packed behind each other in one buffer.
//!
//! ```text
//! dead bytes │ entry │ entry │ …       entry:  ms - base, seq, number - base, length (varints) │ packed fields
//! ```
//! Numbers count from the block's base and not from the entry before, so an entry goes away without a change to the
//! next. Entries leave at the front by moving the end of the dead part. What a block is said to take is its `room`, which
//! is part of the state: it depends on the operations alone, never on an allocator, a snapshot or a restart. The
//! buffer follows it.
//!
//! Costs: an append writes the entry once; at a steady length the buffer is moved once in an eighth of its length.

use super::entries::EntryRef;
use super::fields::{FieldsRef, put_varint, take_varint, varint_len};
use super::id::StreamId;

/// Spare room grows by this part of what a block holds.
const SPARE_PART: usize = 8;
/// The least spare room.
const SPARE_BYTES: usize = 32;

/// Entries of one stream.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// No entry has a lower id.
    pub(crate) base: StreamId,
    /// No entry has a lower number.
    pub(crate) base_dense: u64,
    /// Entries.
    pub(crate) count: usize,
    /// Bytes at the front that are no longer used.
    dead: usize,
    /// Bytes that the buffer may hold.
    room: usize,
    bytes: Vec<u8>,
}

impl Clone for Block {
    fn clone(&self) -> Block {
        let mut bytes = Vec::new();
        bytes.reserve_exact(self.room);
        bytes.extend_from_slice(&self.bytes);
        Block { bytes, ..*self }
    }
}

/// Where an entry lies in its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Offset of its first byte.
    pub(crate) at: usize,
    /// Offset behind its last byte.
    pub(crate) end: usize,
    pub(crate) entry: EntryRef<'a>,
}

impl Block {
    /// Puts a block together from its parts; `None` where they are not a block.
    pub(crate) fn from_parts(
        base: StreamId,
        base_dense: u64,
        dead: usize,
        room: usize,
        live: &[u8],
    ) -> Option<Block> {
        // Operations leave no more: a block that is half empty is shrunk.
        let room_max = live.len().saturating_mul(2).saturating_add(2 * SPARE_BYTES);
        let len = dead.checked_add(live.len()).filter(|len| *len <= room && room <= room_max)?;
        let mut block = Block { base, base_dense, count: 0, dead, room, bytes: Vec::new() };
        block.bytes.reserve_exact(room);
        block.bytes.resize(dead, 0);
        block.bytes.extend_from_slice(live);
        let mut rest = dead;
        let mut before = None;
        while rest < len {
            let place = block.checked_entry(rest)?;
            let now = (place.entry.id, place.entry.dense);
            if before.is_some_and(|(id, dense)| id >= now.0 || dense >= now.1) {
                return None;
            }
            (before, rest) = (Some(now), place.end);
            block.count += 1;
        }
        Some(block)
    }

    /// Bytes of the entries.
    pub(crate) fn live(&self) -> &[u8] {
        &self.bytes[self.dead..]
    }

    /// Bytes at the front that are no longer used.
    pub(crate) fn dead(&self) -> usize {
        self.dead
    }

    /// What it is counted as in memory, beside its overhead.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Bytes that an entry would take.
    pub(crate) fn entry_bytes(&self, id: StreamId, dense: u64, fields: FieldsRef<'_>) -> usize {
        let (base, base_dense) = if self.count == 0 { (id, dense) } else { (self.base, self.base_dense) };
        varint_len(id.ms - base.ms)
            + varint_len(id.seq)
            + varint_len(dense - base_dense)
            + varint_len(fields.bytes().len() as u64)
            + fields.bytes().len()
    }

    /// The room that it will have with an entry of so many bytes.
    pub(crate) fn room_with(&self, entry_bytes: usize) -> usize {
        let live = self.live().len();
        let fits_behind = self.bytes.len() + entry_bytes <= self.room;
        let fits_moved = live + entry_bytes <= self.room && self.dead >= live / SPARE_PART;
        if fits_behind || fits_moved {
            return self.room;
        }
        let need = live + entry_bytes;
        need + need / SPARE_PART + SPARE_BYTES
    }

    /// Appends an entry of `entry_bytes`, as [`Block::entry_bytes`] said. Its id and number are above all others here.
    pub(crate) fn push(&mut self, id: StreamId, dense: u64, fields: FieldsRef<'_>, entry_bytes: usize) {
        if self.count == 0 {
            (self.base, self.base_dense) = (id, dense);
        }
        let room = self.room_with(entry_bytes);
        if self.bytes.len() + entry_bytes > self.room {
            self.set_room(room);
        }
        put_varint(&mut self.bytes, id.ms - self.base.ms);
        put_varint(&mut self.bytes, id.seq);
        put_varint(&mut self.bytes, dense - self.base_dense);
        put_varint(&mut self.bytes, fields.bytes().len() as u64);
        self.bytes.extend_from_slice(fields.bytes());
        self.count += 1;
        debug_assert!(self.bytes.len() <= self.room, "an entry is as long as it was said to be");
    }

    /// Drops the dead part and makes the buffer hold so many bytes.
    fn set_room(&mut self, room: usize) {
        if room == self.room {
            self.bytes.drain(..self.dead);
        } else {
            let mut bytes = Vec::new();
            bytes.reserve_exact(room);
            bytes.extend_from_slice(self.live());
            self.bytes = bytes;
            self.room = room;
        }
        self.dead = 0;
    }

    /// No more room than the entries need.
    pub(crate) fn shrink(&mut self) {
        self.set_room(self.live().len());
    }

    /// Whether more than half of it is unused.
    pub(crate) fn is_sparse(&self) -> bool {
        self.live().len() < self.room / 2
    }

    /// Removes an entry; the caller found it.
    pub(crate) fn remove(&mut self, at: usize, end: usize) {
        if at == self.dead {
            self.dead = end;
        } else {
            self.bytes.drain(at..end);
        }
        self.count -= 1;
    }

    /// The entries in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Place<'_>> + Clone {
        let mut at = self.dead;
        std::iter::from_fn(move || {
            let place = self.entry(at)?;
            at = place.end;
            Some(place)
        })
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<Place<'_>> {
        self.entry(self.dead)
    }

    fn entry(&self, at: usize) -> Option<Place<'_>> {
        let mut rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let ms = self.base.ms + take_varint(&mut rest)?;
        let seq = take_varint(&mut rest)?;
        let dense = self.base_dense + take_varint(&mut rest)?;
        let len = take_varint(&mut rest)? as usize;
        let fields = Some(FieldsRef::packed(rest.get(..len)?));
        let end = self.bytes.len() - rest.len() + len;
        Some(Place { at, end, entry: EntryRef { id: StreamId { ms, seq }, dense, fields } })
    }

    /// The same for bytes that came from elsewhere.
    fn checked_entry(&self, at: usize) -> Option<Place<'_>> {
        let mut rest = self.bytes.get(at..)?;
        let ms = self.base.ms.checked_add(take_varint(&mut rest)?)?;
        let seq = take_varint(&mut rest)?;
        self.base_dense.checked_add(take_varint(&mut rest)?)?;
        let len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let is_sound = FieldsRef::is_packed(rest.get(..len)?) && StreamId { ms, seq } >= self.base;
        if is_sound { self.entry(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Block;
    use crate::stream::fields::Fields;
    use crate::stream::id::StreamId;

    fn push(block: &mut Block, ms: u64, dense: u64, text: &[u8]) {
        let fields = Fields::pack([b"f", text]);
        let id = StreamId { ms, seq: 0 };
        let bytes = block.entry_bytes(id, dense, fields.as_ref());
        let room = block.room_with(bytes);
        block.push(id, dense, fields.as_ref(), bytes);
        assert_eq!(block.room(), room, "the room is foretold");
    }

    #[test]
    fn a_block_of_steady_length_stays_small() {
        let mut block = Block::default();
        for ms in 1..=10_000 {
            push(&mut block, ms, ms, &[b'v'; 30]);
            if block.count > 50 {
                let first = block.first().map(|place| (place.at, place.end));
                first.into_iter().for_each(|(at, end)| block.remove(at, end));
            }
        }
        assert!(block.room() < block.live().len() * 4 / 3, "{} for {}", block.room(), block.live().len());
        let ids: Vec<u64> = block.iter().map(|place| place.entry.id.ms).collect();
        assert_eq!(ids, (9_951..=10_000).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_in_the_middle_goes_and_its_neighbours_stay() {
        let mut block = Block::default();
        for ms in [5, 6, 300] {
            push(&mut block, ms, ms - 4, b"v");
        }
        let middle = block.iter().nth(1).map(|place| (place.at, place.end)).unwrap();
        block.remove(middle.0, middle.1);
        let left: Vec<_> = block.iter().map(|place| (place.entry.id.ms, place.entry.dense)).collect();
        assert_eq!(left, [(5, 1), (300, 296)]);
        let parts = Block::from_parts(block.base, block.base_dense, block.dead(), block.room(), block.live());
        assert_eq!(parts.unwrap().count, 2);
        assert!(Block::from_parts(block.base, block.base_dense, 0, 4, &block.live()[..4]).is_none());
        let roomy = |room| Block::from_parts(block.base, block.base_dense, 0, room, block.live());
        assert!(roomy(block.room()).is_some() && roomy(usize::MAX).is_none() && roomy(1 << 40).is_none());
    }
}
