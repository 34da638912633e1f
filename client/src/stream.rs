//! Calls about one stream.

use std::sync::Arc;

use sluice_net::resp::reply::Value;

use crate::client::{Client, count, unexpected, word};
use crate::fault::Error;
use crate::pool::Kind;
use crate::reply::flag;

/// What an append does besides; all of it may be left out.
///
/// ```
/// let append = sluice_client::Append { maxlen: Some(50), ..Default::default() };
/// assert!(!append.end);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Append<'a> {
    /// Entries that the stream keeps at most; the oldest go.
    pub maxlen: Option<u64>,
    /// How long the stream lives from then on.
    pub ttl_ms: Option<u64>,
    /// Ends the stream behind this entry.
    pub end: bool,
    /// Names this append: repeated within two minutes under the same id it is the same entry. One is drawn where none is
    /// given. 1 to 256 bytes.
    pub request: Option<&'a str>,
}

/// Names and values of an entry, in order; any bytes.
///
/// ```
/// use sluice_client::Fields;
/// let fields: Fields = vec![(b"item".to_vec(), b"tea".to_vec())];
/// let item = fields.iter().find(|(name, _)| name == b"item").map(|(_, value)| &value[..]);
/// assert_eq!(item, Some(&b"tea"[..]));
/// ```
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// An entry of a stream.
///
/// ```no_run
/// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
/// for entry in stream.range("-", "+", Some(10)).await? {
///     for (name, value) in &entry.fields {
///         println!("{}: {} = {}", entry.id, name.escape_ascii(), value.escape_ascii());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `ms-seq`, as Redis has it.
    pub id: String,
    /// Names and values, in order.
    pub fields: Fields,
}

/// A stream of a client. Clones are cheap.
///
/// ```no_run
/// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
/// use sluice_client::Append;
/// let scan = client.stream("scan:7");
/// scan.append(&[("state", "begun")], Append { maxlen: Some(50), ..Append::default() }).await?;
/// scan.append(&[("state", "done")], Append { ttl_ms: Some(3_600_000), end: true, ..Append::default() }).await?;
/// assert_eq!(scan.range("-", "+", None).await?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Stream {
    client: Client,
    key: Arc<[u8]>,
}

impl Stream {
    pub(crate) fn new(client: Client, key: &[u8]) -> Self {
        Self { client, key: key.into() }
    }

    /// The stream's key.
    ///
    /// ```
    /// let client = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?;
    /// assert_eq!(client.stream("scan:7").key(), b"scan:7");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Appends an entry with these names and values, and makes the stream where there is none; the entry's id. It is repeated
    /// safely, because it has a request id. What else `append` says happens in the same step.
    ///
    /// ```no_run
    /// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Append;
    /// let append = Append { maxlen: Some(50), request: Some("order-91"), ..Append::default() };
    /// let id = stream.append(&[("item", "tea"), ("count", "2")], append).await?;
    /// let again = stream.append(&[("item", "tea"), ("count", "2")], append).await?;
    /// assert_eq!(id, again, "the same request is the same entry");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Server`] where the stream has ended or its namespace is full, and as [`Client::call`].
    pub async fn append<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        fields: &[(N, V)],
        append: Append<'_>,
    ) -> Result<String, Error> {
        if fields.is_empty() {
            return Err(Error::Invalid("an entry has a field at least"));
        }
        let drawn = match append.request {
            Some(_) => String::new(),
            None => self.client.draw_request(),
        };
        let request = append.request.unwrap_or(&drawn);
        let maxlen = append.maxlen.map(|maxlen| maxlen.to_string());
        let mut add: Vec<&[u8]> = vec![b"XADD", &self.key];
        add.extend(maxlen.iter().flat_map(|maxlen| [b"MAXLEN", maxlen.as_bytes()]));
        add.extend([&b"REQUEST"[..], request.as_bytes(), b"*"]);
        add.extend(fields.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]));
        if append.ttl_ms.is_none() && !append.end {
            return self.client.ask(&add, Kind::Change, word).await;
        }
        let ttl_ms = append.ttl_ms.map(|ttl_ms| ttl_ms.to_string());
        let expire: Option<[&[u8]; 3]> =
            ttl_ms.as_ref().map(|ttl_ms| [&b"PEXPIRE"[..], &self.key, ttl_ms.as_bytes()]);
        let end: [&[u8]; 2] = [b"X.END", &self.key];
        let mut commands: Vec<&[&[u8]]> = vec![&[b"MULTI"], &add];
        commands.extend(expire.iter().map(|expire| &expire[..]));
        commands.extend(append.end.then_some(&end[..]));
        commands.push(&[b"EXEC"]);
        self.client.ask_all(&commands, Kind::Change, executed).await
    }

    /// Entries from the id `start` to the id `end`, both included (`-` and `+`: the first and the last), `count` of them at
    /// most.
    ///
    /// ```no_run
    /// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
    /// let first = stream.range("-", "+", Some(1)).await?;
    /// let since = stream.range("1700000000000", "+", None).await?; // ms since 1970
    /// println!("{:?}, and {} since", first.first(), since.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Server`] for what is no id, and as [`Client::call`], but it is repeated.
    pub async fn range(&self, start: &str, end: &str, count: Option<u64>) -> Result<Vec<Entry>, Error> {
        let count = count.map(|count| count.to_string());
        let mut words: Vec<&[u8]> = vec![b"XRANGE", &self.key, start.as_bytes(), end.as_bytes()];
        words.extend(count.iter().flat_map(|count| [b"COUNT", count.as_bytes()]));
        self.client
            .ask(&words, Kind::Question, |reply| match reply {
                Value::Array(entries) => entries.iter().map(Entry::read).collect(),
                other => Err(unexpected(other)),
            })
            .await
    }

    /// Ends the stream: readers are told so behind its last entry. False where it had ended, also by an earlier try of this
    /// call, or is not there.
    ///
    /// ```no_run
    /// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Append;
    /// stream.append(&[("state", "done")], Append::default()).await?;
    /// assert!(stream.end().await?);
    /// assert!(stream.append(&[("state", "late")], Append::default()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::call`], but it is repeated.
    pub async fn end(&self) -> Result<bool, Error> {
        self.client.ask(&[b"X.END", &self.key], Kind::Change, |reply| Ok(flag(reply)?)).await
    }

    /// How many entries it has; 0 where it is not there.
    ///
    /// ```no_run
    /// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
    /// println!("{} of at most 50 entries", stream.len().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::call`], but it is repeated.
    pub async fn len(&self) -> Result<u64, Error> {
        self.client.ask(&[b"XLEN", &self.key], Kind::Question, count).await
    }

    /// Whether it has no entries.
    ///
    /// ```no_run
    /// # async fn example(stream: sluice_client::Stream) -> Result<(), sluice_client::Error> {
    /// if stream.is_empty().await? {
    ///     println!("nothing was appended, or it is not there");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Stream::len`].
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len().await? == 0)
    }
}

/// The id out of the replies of a transaction, unless one of them is an error.
fn executed(reply: &Value<'_>) -> Result<String, Error> {
    let Value::Array(replies) = reply else { return Err(unexpected(reply)) };
    if let Some(Value::Error(text)) = replies.iter().find(|reply| matches!(reply, Value::Error(_))) {
        return Err(Error::of_reply(text));
    }
    word(replies.first().ok_or_else(|| unexpected(reply))?)
}

impl Entry {
    fn read(reply: &Value<'_>) -> Result<Self, Error> {
        match reply {
            Value::Array(parts) if parts.len() == 2 => {
                Ok(Self { id: word(&parts[0])?, fields: fields(&parts[1])? })
            }
            other => Err(unexpected(other)),
        }
    }
}

/// Names and values out of a flat array.
pub(crate) fn fields(reply: &Value<'_>) -> Result<Fields, Error> {
    let Value::Array(words) = reply else { return Err(unexpected(reply)) };
    let bytes = |word: &Value<'_>| word.bytes().map(<[u8]>::to_vec).ok_or_else(|| unexpected(word));
    words.chunks_exact(2).map(|pair| Ok((bytes(&pair[0])?, bytes(&pair[1])?))).collect()
}
