//! The frame around every message between nodes. Its layout never changes; what a body means may, with the format.
//!
//! ```text
//! magic "SLPR" | format u8 | kind u8 | reserved u16 | body's length u32 | CRC32 u32 | body        (little endian)
//! ```
//! The checksum covers the twelve bytes before it and the body. Whatever is wrong with a frame ends its connection: a kind
//! that is skipped is a message that was lost without a word.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

use super::limit::{BODY_BYTES_MAX, HEADER_BYTES};

/// The oldest format of bodies that this node speaks: with those before it, the same log would not make the same state.
pub const FORMAT_MIN: u8 = 4;
/// The newest one.
pub const FORMAT_MAX: u8 = 4;
/// The format of frames and of handshakes, for ever.
pub const FORMAT_FRAME: u8 = 1;

const MAGIC: [u8; 4] = *b"SLPR";
/// Bytes that the checksum covers before the body.
const CHECKED: usize = 12;

/// What a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Says who the caller is.
    Hello,
    /// Answers it.
    Welcome,
    /// Asks for a response.
    Request,
    /// Answers a request.
    Response,
    /// Asks for nothing.
    Cast,
    /// Says what a side of a new connection knows, before anything else.
    Proof,
}

const KINDS: [Kind; 6] = [Kind::Hello, Kind::Welcome, Kind::Request, Kind::Response, Kind::Cast, Kind::Proof];

impl Kind {
    fn byte(self) -> u8 {
        self as u8 + 1
    }

    fn from_byte(byte: u8) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// One whole frame whose checksum was right.
#[derive(Debug)]
pub struct Frame {
    /// What the body is.
    pub kind: Kind,
    /// The body, still encoded.
    pub body: Bytes,
}

/// Why bytes are no frame, or a value cannot become one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// Something else than a peer is talking.
    Magic,
    /// A newer version of the software is talking.
    Newer {
        /// The format it speaks.
        format: u8,
    },
    /// A kind that this version does not know, or a reserved field that is set.
    Kind(u8),
    /// The body is larger than allowed.
    Oversize {
        /// Its length in bytes.
        bytes: usize,
        /// What would be allowed.
        bytes_max: usize,
    },
    /// Bytes were damaged on the way.
    Checksum,
    /// The body does not hold what its kind says.
    Body,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Magic => f.write_str("not the protocol between nodes of sluice"),
            FrameError::Newer { format } => {
                write!(
                    f,
                    "frames of format {format}, not {FORMAT_FRAME}, the one known here: upgrade this node"
                )
            }
            FrameError::Kind(kind) => write!(f, "frame of unknown kind {kind}"),
            FrameError::Oversize { bytes, bytes_max } => {
                write!(f, "frame of {bytes} bytes, over the {bytes_max} allowed")
            }
            FrameError::Checksum => f.write_str("frame with a wrong checksum"),
            FrameError::Body => f.write_str("frame whose body cannot be read"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Writes a frame.
///
/// # Errors
/// [`FrameError::Oversize`]; [`FrameError::Body`] for a value that cannot be written at all.
pub fn encode<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<Bytes, FrameError> {
    let mut frame = postcard::to_extend(value, vec![0; HEADER_BYTES]).map_err(|_| FrameError::Body)?;
    let bytes = frame.len() - HEADER_BYTES;
    if bytes > BODY_BYTES_MAX {
        return Err(FrameError::Oversize { bytes, bytes_max: BODY_BYTES_MAX });
    }
    frame[..4].copy_from_slice(&MAGIC);
    frame[4] = FORMAT_FRAME;
    frame[5] = kind.byte();
    frame[8..CHECKED].copy_from_slice(&(bytes as u32).to_le_bytes());
    let checksum = checksum(&frame[..CHECKED], &frame[HEADER_BYTES..]);
    frame[CHECKED..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(frame.into())
}

/// Takes one frame off the front of `buffer`, or none while it is incomplete. A header is judged as soon as it is there,
/// so that nothing is read for a body that would be refused.
///
/// # Errors
/// Any [`FrameError`]; nothing that follows on this connection can then be read.
pub fn take(buffer: &mut BytesMut, body_bytes_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let (kind, bytes, expected) = read_header(header, body_bytes_max)?;
    if buffer.len() < HEADER_BYTES + bytes {
        return Ok(None);
    }
    let mut frame = buffer.split_to(HEADER_BYTES + bytes).freeze();
    let body = frame.split_off(HEADER_BYTES);
    if checksum(&frame[..CHECKED], &body) != expected {
        return Err(FrameError::Checksum);
    }
    Ok(Some(Frame { kind, body }))
}

fn read_header(header: &[u8; HEADER_BYTES], body_bytes_max: usize) -> Result<(Kind, usize, u32), FrameError> {
    let mut rest = &header[..];
    let mut magic = [0; 4];
    rest.copy_to_slice(&mut magic);
    let (format, kind, reserved) = (rest.get_u8(), rest.get_u8(), rest.get_u16_le());
    let (bytes, checksum) = (rest.get_u32_le() as usize, rest.get_u32_le());
    if magic != MAGIC {
        return Err(FrameError::Magic);
    }
    if format != FORMAT_FRAME {
        return Err(FrameError::Newer { format });
    }
    let known = Kind::from_byte(kind).filter(|_| reserved == 0).ok_or(FrameError::Kind(kind))?;
    if bytes > body_bytes_max {
        return Err(FrameError::Oversize { bytes, bytes_max: body_bytes_max });
    }
    Ok((known, bytes, checksum))
}

/// Reads the whole of a body: bytes left over are an error.
///
/// # Errors
/// [`FrameError::Body`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(FrameError::Body),
    }
}

/// Reads what a body begins with.
pub(super) fn decode_first<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    postcard::take_from_bytes(body).map(|(value, _)| value).map_err(|_| FrameError::Body)
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}
