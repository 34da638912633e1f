//! Reads many streams over one connection, each entry once and in order, across lost connections.
//!
//! `table.rs` knows what is followed and how far, pure; this file moves it over a [`Listener`].

mod table;

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use crate::cursor::Cursor;
use crate::fault::Error;
use crate::limit::LISTENER_OUTPUT_BYTES_MAX;
use crate::listener::{Exchanged, Listener, Opened};
use crate::node::jittered;
use crate::stream::Fields;
use table::{Outcome, Table};

/// Where following begins.
///
/// ```
/// use sluice_client::After;
/// let kept = Some("7.12"); // what a reader wrote down before it was restarted
/// let after = match kept {
///     Some(cursor) => After::Cursor(cursor.parse()?),
///     None => After::Oldest,
/// };
/// # Ok::<(), sluice_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// With the oldest entry that there is.
    Oldest,
    /// With the next one that is appended.
    Newest,
    /// Behind this place.
    Cursor(Cursor),
}

/// Why a place in a stream was lost.
///
/// ```no_run
/// use sluice_client::Reason;
/// # fn example(reason: Reason) {
/// match reason {
///     Reason::Deleted => println!("a hole; what is kept still holds"),
///     _ => println!("fetch everything anew"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// What followed was trimmed.
    Trimmed,
    /// What followed was removed one by one; it goes on behind the hole.
    Deleted,
    /// The key is gone, or is another stream.
    Epoch,
    /// There is no such place, or what was missed cannot be told.
    Unknown,
}

/// What a follower is told of a stream.
///
/// ```no_run
/// use sluice_client::Event;
/// # fn example(event: Event) {
/// match event {
///     Event::Entry { cursor, fields, .. } => println!("keep {cursor} when {fields:?} is done with"),
///     Event::Gap { oldest, .. } => println!("it goes on at {oldest:?}"),
///     Event::End { key, .. } => println!("{} is complete", key.escape_ascii()),
///     other => println!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The next entry.
    Entry {
        /// Of the stream.
        key: Arc<[u8]>,
        /// The place behind it: to follow on from here, also after a restart.
        cursor: Cursor,
        /// `ms-seq`, as Redis has it.
        id: String,
        /// Names and values, in order.
        fields: Fields,
    },
    /// Entries were missed. It goes on with the oldest entry that there is.
    Gap {
        /// Of the stream.
        key: Arc<[u8]>,
        /// Why.
        reason: Reason,
        /// The oldest entry that there is; `None` where there is no stream.
        oldest: Option<Cursor>,
        /// The newest one.
        newest: Option<Cursor>,
    },
    /// The stream is complete, and followed no longer.
    End {
        /// Of the stream.
        key: Arc<[u8]>,
        /// The place behind its last entry.
        cursor: Cursor,
    },
    /// The server does not let this stream be followed; it is followed no longer.
    Refused {
        /// Of the stream.
        key: Arc<[u8]>,
        /// What the server says.
        error: Error,
    },
}

/// Reads any number of streams, 131,072 at most, over one connection of its own. It has no task: it reads only while
/// [`Follower::next`] is awaited, and who is slow to await is told no more by the server than fits the connection's buffers.
///
/// When the connection is lost it goes on at the next node, behind what it told last of each stream: each entry is told once
/// and in order, or a gap is told. Entries of different streams have no order among them.
///
/// ```no_run
/// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
/// use sluice_client::{After, Event};
/// let mut follower = client.follow();
/// follower.add("scan:7", After::Oldest)?;
/// loop {
///     match follower.next().await? {
///         Event::Entry { cursor, fields, .. } => println!("{cursor}: {fields:?}"),
///         Event::Gap { reason, .. } => println!("something was missed: {reason:?}"),
///         Event::End { .. } => break,
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Follower {
    listener: Listener,
    table: Table,
    /// The server asked to be left alone until then.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Follower {
    pub(crate) fn new(listener: Listener) -> Self {
        Self { listener, table: Table::default(), pause: None }
    }

    /// Follows `key` too; in place of an earlier following of it, of which nothing more is told then.
    ///
    /// ```
    /// use sluice_client::{After, Client};
    /// let mut follower = Client::builder(["127.0.0.1:7379"]).build()?.follow();
    /// follower.add("scan:7", After::Oldest)?;
    /// follower.add("scan:8", After::Cursor("7.12".parse()?))?;
    /// assert!(follower.add([0; 65_537], After::Newest).is_err(), "a key has at most 65,536 bytes");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`]: there are too many, or the key is too long.
    pub fn add(&mut self, key: impl AsRef<[u8]>, after: After) -> Result<(), Error> {
        if key.as_ref().len() > sluice_net::resp::limit::BULK_BYTES_MAX {
            return Err(Error::Invalid("a key has at most 65,536 bytes"));
        }
        self.table.add(key.as_ref(), after)
    }

    /// Follows `key` no longer; false where it did not. Nothing more is told of it.
    ///
    /// ```
    /// use sluice_client::{After, Client};
    /// let mut follower = Client::builder(["127.0.0.1:7379"]).build()?.follow();
    /// follower.add("scan:7", After::Oldest)?;
    /// assert!(follower.remove("scan:7"));
    /// assert!(!follower.remove("scan:7"), "it is followed no longer");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.table.remove(key.as_ref())
    }

    /// Waits for what comes next; for ever while nothing is followed. It loses nothing when it is dropped.
    ///
    /// ```no_run
    /// # async fn example(mut follower: sluice_client::Follower) -> Result<(), sluice_client::Error> {
    /// use std::time::Duration;
    /// match tokio::time::timeout(Duration::from_secs(30), follower.next()).await {
    ///     Ok(event) => println!("{:?}", event?),
    ///     Err(_) => println!("nothing came for 30 s"), // and nothing is lost
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoAuth`]: every node refuses the credentials. Anything else is tried again for as long as it takes; so is this
    /// when it is called again.
    pub async fn next(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if self.table.is_empty() {
                return Poll::Pending;
            }
            if ready!(self.listener.poll_open(cx))? == Opened::Fresh {
                self.table.restart();
                self.pause = None;
            }
            let event = match self.poll_connection(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(event) => event,
            };
            match event {
                Ok(event) => return Poll::Ready(Ok(event)),
                Err(why) => self.listener.lose(&why),
            }
        }
    }

    /// The next event of this connection, or why it is lost.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        if self.table.is_overgrown() {
            return Poll::Ready(Err(Error::Disconnected("more to say than to a new connection".to_owned())));
        }
        loop {
            if let Some(event) = self.decode()? {
                return Poll::Ready(Ok(event));
            }
            if let Some(event) = self.ask(cx) {
                return Poll::Ready(Ok(event));
            }
            match ready!(self.listener.poll_exchange(cx))? {
                Exchanged::Came => {}
                Exchanged::Silent => self.table.probe(&mut self.listener.output.bytes),
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let decoded = self.listener.input.decode();
            let Some((value, consumed)) = decoded.map_err(|error| Error::Protocol(error.to_string()))? else {
                return Ok(None);
            };
            let heard = self.table.hear(&value);
            self.listener.input.consume(consumed);
            match heard? {
                Outcome::Quiet => {}
                Outcome::Told(event) => return Ok(Some(event)),
                Outcome::Pause(ms) => {
                    self.pause = Some(Box::pin(sleep(jittered(Duration::from_millis(2 * ms)))))
                }
            }
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return None;
            }
            self.pause = None;
        }
        while self.listener.output.unsent() < LISTENER_OUTPUT_BYTES_MAX {
            if let Outcome::Told(event) = self.table.ask(&mut self.listener.output.bytes)? {
                return Some(event);
            }
        }
        None
    }
}

impl Reason {
    fn of(word: &[u8]) -> Self {
        match word {
            b"trimmed" => Self::Trimmed,
            b"deleted" => Self::Deleted,
            b"epoch" => Self::Epoch,
            _ => Self::Unknown,
        }
    }
}

impl Stream for Follower {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx).map(Some)
    }
}
