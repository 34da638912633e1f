//! Segments: the files that the log is cut into.
//!
//! `log/0000000001.seg` and so on, without gaps; `log/spare` is the next one, preallocated. A segment has 64 bytes of
//! head, then records, then zeros. All but the last end in a seal.

use super::LogOptions;
use super::error::LogError;
use super::record::EMPTY_BYTES;
use crate::disk::{Disk, File};
use crate::types::NodeId;
use std::sync::Arc;

/// The folder of the log.
pub(super) const FOLDER: &str = "log";
/// The segment that will be next.
pub(super) const SPARE: &str = "log/spare";
/// Bytes before the first record.
pub(super) const HEAD: usize = 64;
/// Bytes at the end that only the seal may use.
pub(super) const SEAL_BYTES: u64 = EMPTY_BYTES as u64;

const MAGIC: &[u8; 8] = b"sluicelg";
/// The format that is written and read: that of segments, of what [`crate::codec`] wrote into them, and of the rules by which it makes a state.
const FORMAT: u32 = 4;

/// Where a record lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// Bytes of the whole record.
    pub(super) bytes: u32,
}

/// An open segment.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(super) number: u32,
    pub(super) salt: u64,
    /// Its size.
    pub(super) bytes: u64,
    pub(super) file: Arc<dyn File>,
}

/// The name of a segment.
pub(super) fn path(number: u32) -> String {
    format!("{FOLDER}/{number:010}.seg")
}

/// The number of the segment with this name, without folder.
pub(super) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() == 10 { digits.parse().ok() } else { None }
}

/// The salt of a segment's records.
pub(super) fn salt(seed: u64, number: u32) -> u64 {
    // One step of splitmix64: segments of one log get unlike salts.
    let mut x = seed.wrapping_add(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The head of a segment.
pub(super) struct Head {
    pub(super) number: u32,
    pub(super) salt: u64,
    pub(super) node: NodeId,
    pub(super) cluster: u128,
    /// The size of the file.
    pub(super) bytes: u64,
}

impl Head {
    pub(super) fn new(number: u32, options: &LogOptions) -> Head {
        Head {
            number,
            salt: salt(options.salt, number),
            node: options.node,
            cluster: options.cluster,
            bytes: options.segment_bytes,
        }
    }

    pub(super) fn write(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        head[12..16].copy_from_slice(&self.number.to_le_bytes());
        head[16..24].copy_from_slice(&self.salt.to_le_bytes());
        head[24..32].copy_from_slice(&self.node.to_le_bytes());
        head[32..48].copy_from_slice(&self.cluster.to_le_bytes());
        head[48..56].copy_from_slice(&self.bytes.to_le_bytes());
        let crc = crc32fast::hash(&head[..HEAD - 4]);
        head[HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
        head
    }

    /// Reads the head of `file`, and checks that it is segment `number` of this node's log.
    pub(super) fn read(bytes: &[u8], number: u32, options: &LogOptions) -> Result<Head, LogError> {
        let file = path(number);
        let corrupt = |what| LogError::Corrupt { file: file.clone(), offset: 0, what };
        let head = bytes.first_chunk::<HEAD>().ok_or(corrupt("the head of the segment is missing"))?;
        let crc = u32::from_le_bytes(part(head, HEAD - 4));
        if crc32fast::hash(&head[..HEAD - 4]) != crc || head[..8] != *MAGIC {
            return Err(corrupt("the head of the segment does not match its checksum"));
        }
        let format = u32::from_le_bytes(part(head, 8));
        LogError::check_format(&file, format, FORMAT)?;
        let found = Head {
            number: u32::from_le_bytes(part(head, 12)),
            salt: u64::from_le_bytes(part(head, 16)),
            node: u64::from_le_bytes(part(head, 24)),
            cluster: u128::from_le_bytes(part(head, 32)),
            bytes: u64::from_le_bytes(part(head, 48)),
        };
        if found.number != number {
            return Err(corrupt("the segment has another segment's number"));
        }
        if bytes.len() as u64 > found.bytes {
            return Err(corrupt("the segment is longer than it was made"));
        }
        if (found.node, found.cluster) != (options.node, options.cluster) {
            let (node, cluster) = (found.node, found.cluster);
            let what = format!(
                "is of node {node} of cluster {cluster:032x}, not of node {} of cluster {:032x}",
                options.node, options.cluster
            );
            return Err(LogError::Foreign { file, what });
        }
        Ok(found)
    }
}

fn part<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

/// Preallocates the spare.
pub(super) async fn reserve(disk: &dyn Disk, bytes: u64) -> std::io::Result<Arc<dyn File>> {
    disk.create(SPARE, bytes).await
}

/// Makes the spare a segment: durable under its name, with its head, when this returns.
pub(super) async fn install(disk: &dyn Disk, spare: Arc<dyn File>, head: Head) -> std::io::Result<Segment> {
    spare.write_at(&head.write(), 0).await?;
    spare.sync().await?;
    disk.rename(SPARE, &path(head.number)).await?;
    disk.sync_folder(FOLDER).await?;
    Ok(Segment { number: head.number, salt: head.salt, bytes: head.bytes, file: spare })
}
