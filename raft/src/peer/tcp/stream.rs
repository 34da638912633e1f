//! Whole frames from a socket, and frames to it.

use bytes::{Bytes, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::frame::{self, Frame, FrameError};
use super::super::limit::{READ_BYTES, READ_KEEP_BYTES, WRITE_BYTES, WRITE_STALL_MS};

/// Both directions of a connection, whatever it runs over.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The other closed it between two frames.
    Closed,
    /// It broke.
    Io(io::Error),
    /// What it said cannot be read.
    Frame(FrameError),
    /// It was answered too slowly, or not at all.
    Stalled,
    /// Nobody needs it.
    Idle,
    /// The secret that it was opened with makes nobody a member any more.
    Distrusted,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Closed => f.write_str("closed by the peer"),
            End::Io(error) => error.fmt(f),
            End::Frame(error) => error.fmt(f),
            End::Stalled => f.write_str("stalled"),
            End::Idle => f.write_str("idle"),
            End::Distrusted => f.write_str("opened with a secret of before a rotation"),
        }
    }
}

/// Reads frames. [`FrameReader::next`] may be dropped and called again: nothing is lost.
pub(super) struct FrameReader<S> {
    socket: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    pub(super) fn new(socket: S) -> Self {
        FrameReader { socket, buffer: BytesMut::new() }
    }

    /// The next frame. Memory grows with what arrived, never with what a header promised.
    pub(super) async fn next(&mut self, body_bytes_max: usize) -> Result<Frame, End> {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer, body_bytes_max).map_err(End::Frame)? {
                return Ok(frame);
            }
            if self.buffer.is_empty() && self.buffer.capacity() > READ_KEEP_BYTES {
                self.buffer = BytesMut::new();
            }
            self.buffer.reserve(READ_BYTES);
            let read = self.socket.read_buf(&mut self.buffer).await.map_err(End::Io)?;
            if read == 0 {
                let cut = !self.buffer.is_empty();
                return Err(if cut { End::Io(io::ErrorKind::UnexpectedEof.into()) } else { End::Closed });
            }
        }
    }
}

/// Collects frames and writes them together.
pub(super) struct FrameWriter<S> {
    socket: S,
    buffer: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    pub(super) fn new(socket: S) -> Self {
        FrameWriter { socket, buffer: Vec::new() }
    }

    /// Whether enough is collected for a write of its own.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= WRITE_BYTES
    }

    /// Adds a frame; a large one is written straight from where it lies, after what was collected.
    pub(super) async fn add(&mut self, frame: Bytes) -> Result<(), End> {
        if frame.len() < WRITE_BYTES {
            self.buffer.extend_from_slice(&frame);
            return Ok(());
        }
        self.flush().await?;
        Self::within(self.socket.write_all(&frame)).await
    }

    /// Writes what was collected.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        Self::within(async {
            self.socket.write_all(&self.buffer).await?;
            self.socket.flush().await
        })
        .await?;
        self.buffer.clear();
        Ok(())
    }

    async fn within(write: impl Future<Output = io::Result<()>>) -> Result<(), End> {
        match tokio::time::timeout(Duration::from_millis(WRITE_STALL_MS), write).await {
            Ok(written) => written.map_err(End::Io),
            Err(_) => Err(End::Stalled),
        }
    }
}
