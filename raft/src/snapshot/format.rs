//! The bytes of a snapshot file.
//!
//! ```text
//! head    magic 8 │ format 4 │ group 2 │ index 8 │ cluster 16 │ meta bytes 4 │ meta, postcard │ CRC of all that 4
//! chunk   bytes 4 │ CRC of position and bytes 4 │ bytes …
//! end     0 4     │ CRC of position 4
//! ```
//! Integers are little-endian. A chunk's CRC covers its position, so that chunks cannot change places.

use super::SnapshotMeta;
use crate::disk::File;
use crate::limit::SNAPSHOT_META_BYTES_MAX;
use crate::log::LogError;
use sluice_engine::id::GroupId;
use std::io;

const MAGIC: &[u8; 8] = b"sluicesn";
/// The format that is written and read.
const FORMAT: u32 = 4;
/// Bytes before the meta.
const HEAD_BYTES: usize = 42;
/// Bytes before a chunk's own, and bytes of the end.
pub(super) const CHUNK_HEAD_BYTES: usize = 8;

/// What a file's head says, beside the meta.
pub(super) struct Head {
    pub(super) group: GroupId,
    pub(super) index: u64,
    pub(super) cluster: u128,
}

/// The head of a file, ready to write.
pub(super) fn head(head: &Head, meta: &SnapshotMeta) -> io::Result<Vec<u8>> {
    let meta = postcard::to_stdvec(meta).map_err(io::Error::other)?;
    if meta.len() > SNAPSHOT_META_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the membership in a snapshot is too large"));
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES + meta.len() + 4);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&head.group.0.to_le_bytes());
    bytes.extend_from_slice(&head.index.to_le_bytes());
    bytes.extend_from_slice(&head.cluster.to_le_bytes());
    bytes.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&meta);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// Reads the head of `file`, and checks that it is the snapshot `expected`. Returns the meta and where the chunks begin.
pub(super) async fn read_head(
    file: &dyn File,
    path: &str,
    expected: &Head,
) -> Result<(SnapshotMeta, u64), LogError> {
    let corrupt = |what| LogError::Corrupt { file: path.to_owned(), offset: 0, what };
    let mut bytes = vec![0; HEAD_BYTES + SNAPSHOT_META_BYTES_MAX + 4];
    let count = file.read_at(&mut bytes, 0).await.map_err(LogError::io(format!("cannot read {path}")))?;
    let bytes = &bytes[..count];
    let fixed = bytes.first_chunk::<HEAD_BYTES>().ok_or(corrupt("the head is missing"))?;
    if fixed[..8] != *MAGIC {
        return Err(corrupt("this is not a snapshot"));
    }
    let meta_bytes = u32::from_le_bytes(part(fixed, 38)) as usize;
    let end = HEAD_BYTES + meta_bytes.min(SNAPSHOT_META_BYTES_MAX);
    let crc =
        bytes.get(end..).and_then(|rest| rest.first_chunk::<4>()).ok_or(corrupt("the head is cut short"))?;
    if crc32fast::hash(&bytes[..end]) != u32::from_le_bytes(*crc) {
        return Err(corrupt("the head does not match its checksum"));
    }
    // Only a whole head says truly that it is newer.
    let format = u32::from_le_bytes(part(fixed, 8));
    LogError::check_format(path, format, FORMAT)?;
    let cluster = u128::from_le_bytes(part(fixed, 22));
    if cluster != expected.cluster {
        let what = format!("is of cluster {cluster:032x}, not of {:032x}", expected.cluster);
        return Err(LogError::Foreign { file: path.to_owned(), what });
    }
    let named = (u16::from_le_bytes(part(fixed, 12)), u64::from_le_bytes(part(fixed, 14)));
    if named != (expected.group.0, expected.index) {
        return Err(corrupt("the file has another snapshot's name"));
    }
    let meta =
        postcard::from_bytes(&bytes[HEAD_BYTES..end]).map_err(|_| corrupt("what it holds cannot be read"))?;
    Ok((meta, end as u64 + 4))
}

fn part<const N: usize>(head: &[u8; HEAD_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

/// What stands before a chunk at byte `position`; an empty one is the end.
pub(super) fn chunk_head(position: u64, chunk: &[u8]) -> [u8; CHUNK_HEAD_BYTES] {
    let mut head = [0; CHUNK_HEAD_BYTES];
    head[..4].copy_from_slice(&(chunk.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&chunk_crc(position, chunk).to_le_bytes());
    head
}

fn chunk_crc(position: u64, chunk: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&position.to_le_bytes());
    crc.update(chunk);
    crc.finalize()
}

/// Bytes of the chunk with this head.
pub(super) fn chunk_bytes(head: &[u8; CHUNK_HEAD_BYTES]) -> usize {
    u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize
}

/// Whether `file` ends as a finished one does.
pub(super) async fn has_end(file: &dyn File, start: u64, bytes: u64) -> io::Result<bool> {
    let Some(position) = bytes.checked_sub(CHUNK_HEAD_BYTES as u64).filter(|position| *position >= start)
    else {
        return Ok(false);
    };
    let mut end = [0; CHUNK_HEAD_BYTES];
    file.read_at(&mut end, position).await?;
    Ok(end == chunk_head(position, &[]))
}
