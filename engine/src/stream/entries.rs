//! Entries on their way to whoever asked for them: one buffer, whatever their number; of a long range the stream's own blocks.
//!
//! ```text
//! ms u64 │ seq u64 │ dense u64 │ length u32 (all ones: no fields, the entry was deleted) │ packed fields
//! ```

use super::clip::Clip;
use super::fields::{Fields, FieldsRef};
use super::id::StreamId;
use super::text::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// What an entry takes beside its fields.
pub(super) const HEAD_BYTES: usize = 28;
const DELETED: u32 = u32::MAX;

/// Entries in some order.
///
/// ```
/// use sluice_engine::stream::{entries::Entries, fields::Fields, id::StreamId};
/// let mut entries = Entries::default();
/// entries.push(StreamId { ms: 5, seq: 0 }, 1, Some(Fields::pack([&b"a"[..], b"b"]).as_ref()));
/// let entry = entries.iter().next().unwrap();
/// assert_eq!((entries.len(), entry.id.ms, entry.dense), (1, 5, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Entries {
    count: usize,
    bytes: Vec<u8>,
    /// Instead of copies.
    shared: Option<Arc<Clip>>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryRef<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its number within the stream's epoch, from 1, dense.
    pub dense: u64,
    /// `None`: only a pending list still knows it.
    pub fields: Option<FieldsRef<'a>>,
}

impl Entries {
    /// Those of a long range.
    pub(super) fn sharing(clip: Clip) -> Entries {
        Entries { count: clip.len(), bytes: Vec::new(), shared: Some(Arc::new(clip)) }
    }

    /// Appends one.
    pub fn push(&mut self, id: StreamId, dense: u64, fields: Option<FieldsRef<'_>>) {
        if self.shared.is_some() {
            *self = self.copied();
        }
        self.count += 1;
        self.bytes.extend_from_slice(&id.ms.to_le_bytes());
        self.bytes.extend_from_slice(&id.seq.to_le_bytes());
        self.bytes.extend_from_slice(&dense.to_le_bytes());
        let fields = fields.map(FieldsRef::bytes);
        let len = fields.map_or(DELETED, |fields| fields.len() as u32);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(fields.unwrap_or_default());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that they take here, or would take at most as copies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.as_ref().map_or(self.bytes.len(), |clip| clip.bytes())
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        self.iter_from(0).map(|(entry, _)| entry)
    }

    /// Those from a place on, each with the place of the next one. The first is at 0.
    ///
    /// ```
    /// use sluice_engine::stream::{entries::Entries, id::StreamId};
    /// let mut entries = Entries::default();
    /// (1..=3).for_each(|dense| entries.push(StreamId { ms: 5, seq: dense }, dense, None));
    /// let (_, second) = entries.iter_from(0).next().unwrap();
    /// let rest = entries.iter_from(second).map(|(entry, _)| entry.dense);
    /// assert!(rest.eq([2, 3]));
    /// ```
    pub fn iter_from(&self, place: usize) -> impl Iterator<Item = (EntryRef<'_>, usize)> + Clone {
        let mut at = place;
        let copies = std::iter::from_fn(move || {
            let rest = self.bytes.get(at..)?;
            let (entry, behind) = split(rest)?;
            at += rest.len() - behind.len();
            Some((entry, at))
        });
        let shared = self.shared.as_ref().map(|clip| clip.iter_from(place));
        copies.chain(shared.into_iter().flatten())
    }

    fn copied(&self) -> Entries {
        let mut copies = Entries { bytes: Vec::with_capacity(self.bytes()), ..Entries::default() };
        self.iter().for_each(|entry| copies.push(entry.id, entry.dense, entry.fields));
        copies
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Entries) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

/// The first entry, and what follows.
fn split(rest: &[u8]) -> Option<(EntryRef<'_>, &[u8])> {
    let (head, rest) = rest.split_first_chunk::<HEAD_BYTES>()?;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let len = u32::from_le_bytes([head[24], head[25], head[26], head[27]]);
    let (fields, rest) = match len {
        DELETED => (None, rest),
        len => {
            let (fields, rest) = rest.split_at_checked(len as usize)?;
            (Some(FieldsRef::packed(fields)), rest)
        }
    };
    Some((EntryRef { id: StreamId { ms: word(0), seq: word(8) }, dense: word(16), fields }, rest))
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.shared {
            Some(_) => to.serialize_bytes(&self.copied().bytes),
            None => to.serialize_bytes(&self.bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Entries, D::Error> {
        let bytes: Box<[u8]> = Text::deserialize(from)?.into();
        let (mut count, mut rest) = (0, &bytes[..]);
        while !rest.is_empty() {
            let (entry, behind) = split(rest).ok_or_else(|| serde::de::Error::custom("not entries"))?;
            let is_sound = entry.fields.is_none_or(|fields| Fields::check(fields.bytes().into()).is_some());
            if !is_sound {
                return Err(serde::de::Error::custom("not packed fields"));
            }
            count += 1;
            rest = behind;
        }
        Ok(Entries { count, bytes: bytes.into_vec(), shared: None })
    }
}

#[cfg(test)]
mod tests {
    use super::Entries;
    use crate::stream::fields::Fields;
    use crate::stream::id::StreamId;

    #[test]
    fn entries_come_back_in_order_also_without_fields() {
        let mut entries = Entries::default();
        let fields = Fields::pack([&b"k"[..], b"\xff\0"]);
        entries.push(StreamId { ms: 1, seq: 2 }, 3, Some(fields.as_ref()));
        entries.push(StreamId::MAX, u64::MAX, None);
        let seen: Vec<_> = entries.iter().collect();
        assert_eq!(seen.len(), entries.len());
        assert_eq!(
            (seen[0].id, seen[0].dense, seen[0].fields),
            (StreamId { ms: 1, seq: 2 }, 3, Some(fields.as_ref()))
        );
        assert_eq!((seen[1].id, seen[1].dense, seen[1].fields), (StreamId::MAX, u64::MAX, None));
    }
}
