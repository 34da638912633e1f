//! Fields and values of an entry, packed: what is logged, stored, and shared by everybody who reads it.
//!
//! ```text
//! count of texts, varint │ length, varint │ bytes │ length │ bytes │ …        field, value, field, value
//! ```
//! One byte beside each text of less than 128 bytes, and one for the whole. Packed once, where the request is read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The fields of one entry.
///
/// ```
/// use sluice_engine::stream::fields::Fields;
/// let fields = Fields::pack([&b"temperature"[..], b"21"]);
/// assert_eq!(fields.as_ref().texts().collect::<Vec<_>>(), [&b"temperature"[..], b"21"]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fields(Box<[u8]>);

/// The same, borrowed. Made only of bytes that [`Fields`] packed or checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldsRef<'a>(&'a [u8]);

impl Fields {
    /// Packs fields and values, one behind the other.
    #[must_use]
    pub fn pack<'t>(texts: impl IntoIterator<Item = &'t [u8], IntoIter: Clone>) -> Fields {
        let texts = texts.into_iter();
        let (count, bytes) = texts.clone().fold((0usize, 0usize), |(count, bytes), text| {
            (count + 1, bytes + varint_len(text.len() as u64) + text.len())
        });
        let mut out = Vec::with_capacity(varint_len(count as u64) + bytes);
        put_varint(&mut out, count as u64);
        for text in texts {
            put_varint(&mut out, text.len() as u64);
            out.extend_from_slice(text);
        }
        Fields(out.into_boxed_slice())
    }

    /// Bytes that came from elsewhere; `None` where they are not packed fields.
    #[must_use]
    pub fn check(bytes: Box<[u8]>) -> Option<Fields> {
        FieldsRef::is_packed(&bytes).then_some(Fields(bytes))
    }

    /// To be read.
    #[must_use]
    pub fn as_ref(&self) -> FieldsRef<'_> {
        FieldsRef(&self.0)
    }
}

impl<'a> FieldsRef<'a> {
    /// The same fields again, from the bytes that [`FieldsRef::bytes`] gave. Of other bytes nothing is promised but that
    /// reading them ends.
    #[must_use]
    pub fn packed(bytes: &'a [u8]) -> FieldsRef<'a> {
        FieldsRef(bytes)
    }

    /// Whether bytes from elsewhere are packed fields.
    pub(crate) fn is_packed(bytes: &[u8]) -> bool {
        let mut rest = bytes;
        let Some(count) = take_varint(&mut rest) else { return false };
        for _ in 0..count {
            let len = take_varint(&mut rest).and_then(|len| usize::try_from(len).ok());
            let Some(behind) = len.and_then(|len| rest.get(len..)) else { return false };
            rest = behind;
        }
        rest.is_empty() && count.is_multiple_of(2)
    }

    /// The packed form.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// How many texts there are: twice the number of fields.
    #[must_use]
    pub fn count(self) -> usize {
        let mut rest = self.0;
        take_varint(&mut rest).unwrap_or(0) as usize
    }

    /// Field, value, field, value.
    pub fn texts(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let mut rest = self.0;
        let count = take_varint(&mut rest).unwrap_or(0);
        let mut left = count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let len = take_varint(&mut rest)? as usize;
            let (text, behind) = rest.split_at_checked(len)?;
            rest = behind;
            Some(text)
        })
    }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front; `None` where there is none.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Bytes that [`put_varint`] writes.
pub(crate) fn varint_len(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        let bytes: super::text::Text = Deserialize::deserialize(from)?;
        Fields::check(bytes.into()).ok_or_else(|| serde::de::Error::custom("not packed fields"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, put_varint, take_varint, varint_len};

    #[test]
    fn numbers_come_back_and_have_the_length_foretold() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(out.len(), varint_len(number), "{number}");
            assert_eq!(take_varint(&mut &out[..]), Some(number));
        }
        assert_eq!(take_varint(&mut &[0x80][..]), None, "it ends early");
    }

    #[test]
    fn only_packed_fields_are_taken_from_elsewhere() {
        let fields = Fields::pack([&b"a"[..], b"", &[0xff; 300], b"\r\n\0"]);
        let bytes: Box<[u8]> = fields.as_ref().bytes().into();
        assert_eq!(Fields::check(bytes.clone()), Some(fields));
        for end in 0..bytes.len() {
            assert_eq!(Fields::check(bytes[..end].into()), None, "cut at {end}");
        }
        assert_eq!(Fields::check([1, 1, b'x'][..].into()), None, "a field without its value");
    }
}
