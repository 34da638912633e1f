//! A connection that notes when its client was last heard of, and ends where nobody takes what is written.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What is known of a client. Its connection's task writes it, whoever accepts connections reads it.
pub(super) struct Contact {
    /// From when milliseconds are counted.
    origin: Instant,
    /// When something last came or was taken.
    heard_ms: AtomicU64,
    /// A request of it is being answered.
    is_busy: AtomicBool,
}

impl Contact {
    /// Of a client that has just come.
    pub(super) fn new(origin: Instant) -> Arc<Contact> {
        let contact = Contact { origin, heard_ms: AtomicU64::new(0), is_busy: AtomicBool::new(false) };
        contact.hear();
        Arc::new(contact)
    }

    fn hear(&self) {
        self.heard_ms.store(self.origin.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// When it was last heard of, in ms since the origin.
    pub(super) fn heard_ms(&self) -> u64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    /// Whether a request of it is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Acquire)
    }

    /// A request of it is, or is not any more.
    pub(super) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Release);
    }
}

/// The connection.
pub(super) struct Watched<S> {
    stream: S,
    contact: Arc<Contact>,
    /// How long what is written may wait for its reader.
    patience: Duration,
    /// Runs while it waits.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, contact: Arc<Contact>, patience: Duration) -> Watched<S> {
        Watched { stream, contact, patience, waits: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.contact.hear();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.waits = None;
            self.contact.hear();
            return written;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        waits.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{Contact, Watched};

    #[test]
    fn what_nobody_reads_ends_the_connection() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(8);
            let mut watched = Watched::new(ours, Contact::new(Instant::now()), Duration::from_millis(20));
            watched.write_all(b"12345678").await.unwrap();
            let refused = watched.write_all(b"9").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::TimedOut);
            let mut taken = [0; 8];
            theirs.read_exact(&mut taken).await.unwrap();
            watched.write_all(b"9").await.expect("who reads again is written to");
        });
    }
}
