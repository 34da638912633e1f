//! Listens to channels, over a connection of its own that is made again when it is lost.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sluice_net::resp::reply::Value;

use crate::client::unexpected;
use crate::fault::Error;
use crate::limit::{ASKED_MAX, CHANNEL_BYTES_MAX, LISTENER_OUTPUT_BYTES_MAX, SUBSCRIBED_MAX};
use crate::listener::{Exchanged, Listener, Opened};

/// What a subscription is told.
///
/// ```no_run
/// use sluice_client::News;
/// # fn example(news: News) {
/// match news {
///     News::Message { payload, .. } => println!("{}", payload.escape_ascii()),
///     News::Lost => println!("ask for what may have been missed"),
///     other => println!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// Somebody published this.
    Message {
        /// Where it was published.
        channel: Vec<u8>,
        /// The pattern that it came by, if it came by one.
        pattern: Option<Vec<u8>>,
        /// What was published.
        payload: Vec<u8>,
    },
    /// From here on messages to this channel or pattern are told.
    Listening {
        /// The channel or the pattern.
        name: Vec<u8>,
    },
    /// The connection was lost and there is another one. What was published meanwhile is not told. `Listening` comes again for
    /// each channel and pattern.
    Lost,
    /// The server does not let this be listened to; it is given up.
    Refused {
        /// The channel or the pattern.
        name: Vec<u8>,
        /// What the server says.
        error: Error,
    },
}

/// Listens to any number of channels and patterns, 16,384 at most. It reads only while [`Subscription::next`] is awaited; a
/// server closes the connection of who does not read for long, and `Lost` is told then.
///
/// ```no_run
/// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
/// use sluice_client::News;
/// let mut subscription = client.subscribe();
/// subscription.add("news")?;
/// subscription.add_pattern("shop:*")?;
/// while let Ok(news) = subscription.next().await {
///     if let News::Message { channel, payload, .. } = news {
///         println!("{channel:?}: {payload:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    listener: Listener,
    /// What is listened to, and whether it is to be told to the server yet.
    names: BTreeMap<Name, bool>,
    /// No longer listened to, and not told yet.
    left: VecDeque<Name>,
    /// Sent and not answered, in order.
    asked: VecDeque<Option<Name>>,
    was_open: bool,
    /// There may be names that the server was not told.
    has_wishes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    is_pattern: bool,
    text: Vec<u8>,
}

impl Subscription {
    pub(crate) fn new(listener: Listener) -> Self {
        Self {
            listener,
            names: BTreeMap::new(),
            left: VecDeque::new(),
            asked: VecDeque::new(),
            was_open: false,
            has_wishes: false,
        }
    }

    /// Listens to the channel `name` too.
    ///
    /// ```
    /// let mut subscription = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?.subscribe();
    /// subscription.add("shop:news")?;
    /// assert!(subscription.add([b'x'; 1_025]).is_err(), "a name has at most 1,024 bytes");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`]: there are too many, or the name is too long.
    pub fn add(&mut self, name: impl AsRef<[u8]>) -> Result<(), Error> {
        self.want(false, name.as_ref())
    }

    /// Listens to all channels that match `pattern` too, in Redis's way of writing.
    ///
    /// ```
    /// let mut subscription = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?.subscribe();
    /// subscription.add_pattern("shop:*")?; // shop:news, shop:prices
    /// subscription.add_pattern("store:[0-9]")?;
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Subscription::add`].
    pub fn add_pattern(&mut self, pattern: impl AsRef<[u8]>) -> Result<(), Error> {
        self.want(true, pattern.as_ref())
    }

    /// Listens to the channel `name` no longer; false where it did not.
    ///
    /// ```
    /// let mut subscription = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?.subscribe();
    /// subscription.add("shop:news")?;
    /// assert!(subscription.remove("shop:news"));
    /// assert!(!subscription.remove("shop:news"), "it is listened to no longer");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        self.leave(Name { is_pattern: false, text: name.as_ref().to_vec() })
    }

    /// Listens to `pattern` no longer; false where it did not.
    ///
    /// ```
    /// let mut subscription = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?.subscribe();
    /// subscription.add_pattern("shop:*")?;
    /// assert!(!subscription.remove("shop:*"), "that would be a channel");
    /// assert!(subscription.remove_pattern("shop:*"));
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn remove_pattern(&mut self, pattern: impl AsRef<[u8]>) -> bool {
        self.leave(Name { is_pattern: true, text: pattern.as_ref().to_vec() })
    }

    /// Waits for what comes next; for ever while nothing is listened to. It loses nothing when it is dropped.
    ///
    /// ```no_run
    /// # async fn example(mut subscription: sluice_client::Subscription) -> Result<(), sluice_client::Error> {
    /// use sluice_client::News;
    /// loop {
    ///     match subscription.next().await? {
    ///         News::Listening { name } => println!("{} is heard from here on", name.escape_ascii()),
    ///         News::Lost => println!("the connection is another one"),
    ///         news => println!("{news:?}"),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoAuth`]: every node refuses the credentials. Anything else is tried again for as long as it takes; so is this
    /// when it is called again.
    pub async fn next(&mut self) -> Result<News, Error> {
        poll_fn(|cx| self.poll_news(cx)).await
    }

    fn want(&mut self, is_pattern: bool, text: &[u8]) -> Result<(), Error> {
        if text.len() > CHANNEL_BYTES_MAX {
            return Err(Error::Invalid("a channel's name has at most 1,024 bytes"));
        }
        if self.names.len() >= SUBSCRIBED_MAX {
            return Err(Error::Invalid("a subscription has at most 16,384 channels and patterns"));
        }
        self.names.entry(Name { is_pattern, text: text.to_vec() }).or_insert(false);
        self.has_wishes = true;
        Ok(())
    }

    fn leave(&mut self, name: Name) -> bool {
        let Some(is_told) = self.names.remove(&name) else { return false };
        if is_told {
            self.left.push_back(name);
        }
        true
    }

    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Result<News, Error>> {
        loop {
            if self.names.is_empty() && self.left.is_empty() {
                return Poll::Pending;
            }
            if ready!(self.listener.poll_open(cx))? == Opened::Fresh {
                self.restart();
                if std::mem::replace(&mut self.was_open, true) {
                    return Poll::Ready(Ok(News::Lost));
                }
            }
            match ready!(self.poll_connection(cx)) {
                Ok(news) => return Poll::Ready(Ok(news)),
                Err(why) => self.listener.lose(&why),
            }
        }
    }

    /// A new connection knows of nothing.
    fn restart(&mut self) {
        self.names.values_mut().for_each(|is_told| *is_told = false);
        self.left.clear();
        self.asked.clear();
        self.has_wishes = true;
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<News, Error>> {
        // More than the names that there can be: a new connection is less to say.
        if self.left.len() > SUBSCRIBED_MAX {
            return Poll::Ready(Err(Error::Disconnected("more to say than to a new connection".to_owned())));
        }
        loop {
            if let Some(news) = self.decode()? {
                return Poll::Ready(Ok(news));
            }
            self.ask();
            match ready!(self.listener.poll_exchange(cx))? {
                Exchanged::Came => {}
                Exchanged::Silent => {
                    crate::encode_command(&mut self.listener.output.bytes, &[b"PING"]);
                    self.asked.push_back(None);
                }
            }
        }
    }

    fn ask(&mut self) {
        let is_full = |listener: &Listener, asked: usize| {
            listener.output.unsent() >= LISTENER_OUTPUT_BYTES_MAX || asked >= ASKED_MAX
        };
        while !is_full(&self.listener, self.asked.len())
            && let Some(name) = self.left.pop_front()
        {
            let command: &[u8] = if name.is_pattern { b"PUNSUBSCRIBE" } else { b"UNSUBSCRIBE" };
            crate::encode_command(&mut self.listener.output.bytes, &[command, &name.text]);
            self.asked.push_back(None);
        }
        if !self.has_wishes {
            return;
        }
        for (name, is_told) in self.names.iter_mut().filter(|(_, is_told)| !**is_told) {
            if is_full(&self.listener, self.asked.len()) {
                return;
            }
            let command: &[u8] = if name.is_pattern { b"PSUBSCRIBE" } else { b"SUBSCRIBE" };
            crate::encode_command(&mut self.listener.output.bytes, &[command, &name.text]);
            *is_told = true;
            self.asked.push_back(Some(name.clone()));
        }
        self.has_wishes = false;
    }

    fn decode(&mut self) -> Result<Option<News>, Error> {
        loop {
            let decoded = self.listener.input.decode();
            let Some((value, consumed)) = decoded.map_err(|error| Error::Protocol(error.to_string()))? else {
                return Ok(None);
            };
            let heard = hear(&value, &mut self.asked, &mut self.names);
            self.listener.input.consume(consumed);
            if let Some(news) = heard? {
                return Ok(Some(news));
            }
        }
    }
}

/// What the server says: a message, or the answer to what was asked first.
fn hear(
    value: &Value<'_>,
    asked: &mut VecDeque<Option<Name>>,
    names: &mut BTreeMap<Name, bool>,
) -> Result<Option<News>, Error> {
    let Value::Push(parts) = value else {
        let name =
            asked.pop_front().ok_or_else(|| Error::Protocol("a reply that answers nothing".to_owned()))?;
        return Ok(match (name, value) {
            (Some(name), Value::Error(text)) if names.remove(&name).is_some() => {
                Some(News::Refused { name: name.text, error: Error::of_reply(text) })
            }
            _ => None,
        });
    };
    let bytes = |at: usize| parts.get(at).and_then(Value::bytes).ok_or_else(|| unexpected(value));
    match bytes(0)? {
        b"message" => Ok(Some(News::Message {
            channel: bytes(1)?.to_vec(),
            pattern: None,
            payload: bytes(2)?.to_vec(),
        })),
        b"pmessage" => Ok(Some(News::Message {
            pattern: Some(bytes(1)?.to_vec()),
            channel: bytes(2)?.to_vec(),
            payload: bytes(3)?.to_vec(),
        })),
        b"subscribe" | b"psubscribe" => {
            let name = asked.pop_front().flatten().filter(|name| names.contains_key(name));
            Ok(name.map(|name| News::Listening { name: name.text }))
        }
        b"unsubscribe" | b"punsubscribe" => {
            asked.pop_front();
            Ok(None)
        }
        _ => Ok(None),
    }
}

impl Stream for Subscription {
    type Item = Result<News, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_news(cx).map(Some)
    }
}
