//! Records with a kind, a length and a checksum; and a cursor that reads them once.

use super::SnapshotError;

const MAGIC: &[u8; 8] = b"SLUICE\x00S";
/// The format that this version writes.
pub(super) const VERSION: u16 = 2;
const HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;

/// What a record holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Shard = 1,
    Zone = 2,
    Block = 3,
    Expiries = 4,
    Requests = 5,
    Holder = 6,
    End = 9,
    Keyspace = 10,
    Key = 11,
    Entries = 12,
    Group = 13,
    Pending = 14,
    AddRequests = 15,
    Consumers = 16,
}

impl Kind {
    fn parse(byte: u8) -> Option<Kind> {
        let kinds = [
            Kind::Shard,
            Kind::Zone,
            Kind::Block,
            Kind::Expiries,
            Kind::Requests,
            Kind::Holder,
            Kind::End,
            Kind::Keyspace,
            Kind::Key,
            Kind::Entries,
            Kind::Group,
            Kind::Pending,
            Kind::AddRequests,
            Kind::Consumers,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Starts a snapshot.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Appends one record whose payload `fill` writes.
pub(crate) fn record(out: &mut Vec<u8>, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(kind as u8);
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let len = u32::try_from(out.len() - start - HEAD_BYTES).expect("a record is far below 4 GiB");
    out[start + 1..start + HEAD_BYTES].copy_from_slice(&len.to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Reads the records of a snapshot.
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Records<'a> {
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Records<'a>, SnapshotError> {
        let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or(SnapshotError::Magic)?;
        if magic != MAGIC {
            return Err(SnapshotError::Magic);
        }
        match (Reader { bytes: rest }).u16().ok_or(SnapshotError::Magic)? {
            VERSION => Ok(Records { bytes, at: MAGIC.len() + 2 }),
            other => Err(SnapshotError::Version(other)),
        }
    }

    /// The next record. The record [`Kind::End`] must be the last thing in the bytes.
    pub(crate) fn next(&mut self) -> Result<(Kind, Reader<'a>), SnapshotError> {
        let damaged = SnapshotError::Damaged { at_byte: self.at };
        let rest = &self.bytes[self.at..];
        let Some((head, _)) = rest.split_first_chunk::<HEAD_BYTES>() else { return Err(damaged) };
        let end = HEAD_BYTES + u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some(crc) = rest.get(end..end + CRC_BYTES) else { return Err(damaged) };
        if crc32fast::hash(&rest[..end]).to_le_bytes() != *crc {
            return Err(damaged);
        }
        let kind = Kind::parse(head[0]).ok_or(SnapshotError::Inconsistent("a record of an unknown kind"))?;
        self.at += end + CRC_BYTES;
        if kind == Kind::End && self.at != self.bytes.len() {
            return Err(SnapshotError::Inconsistent("bytes after the end"));
        }
        Ok((kind, Reader { bytes: &rest[HEAD_BYTES..end] }))
    }
}

/// A cursor over a payload. `None`: it ended early.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        String::from_utf8(self.bytes(len)?.to_vec()).ok()
    }

    /// Bytes with their length.
    pub(crate) fn blob(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        self.bytes(len)
    }

    /// A count of items of at least `item_bytes` each, refused where the payload cannot hold them.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Option<usize> {
        let count = self.u32()? as usize;
        (count.checked_mul(item_bytes)? <= self.bytes.len()).then_some(count)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Writes a text with its length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Writes bytes with their length.
pub(crate) fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes a count.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("lists in a record are bounded far below 2^32");
    out.extend_from_slice(&count.to_le_bytes());
}
