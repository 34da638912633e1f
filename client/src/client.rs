//! The client: a cheap handle that any number of tasks use at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sluice_net::resp::reply::{Reply, Value, decode};

use crate::builder::Builder;
use crate::error::ClientError;
use crate::fault::Error;
use crate::follow::Follower;
use crate::limit::{TIMEOUT_MAX, TIMEOUT_MIN};
use crate::link::{Answer, Want};
use crate::listener::Listener;
use crate::metrics::{Counters, Metrics};
use crate::pool::{Call, Kind, Pool};
use crate::settings::Settings;
use crate::stream::Stream;
use crate::subscribe::Subscription;
use crate::zone::Zone;

/// Talks to a cluster of sluice over two connections to the node that it uses: one for questions and one for changes. Clones
/// share everything; when the last one is gone, the connections are closed.
///
/// Replies of a connection keep the order of its requests, and a change is answered when a majority has it on disk; a poll that
/// shares no connection with changes does not wait for that.
///
/// Calls are awaited within a tokio runtime that has time and I/O. Nothing is connected before the first call. Each call has one deadline for all that it takes: connecting, waiting for
/// room, being sent again after a refusal that asks for patience, or to another node. Calls that change nothing when
/// repeated are repeated when the connection is lost; the others end with [`Error::Unanswered`] then. A call that is
/// dropped leaves nothing behind, but what was sent may be carried out.
///
/// ```no_run
/// # async fn example() -> Result<(), sluice_client::Error> {
/// use sluice_client::{Client, Join};
/// let client = Client::builder(["10.0.0.1:7379", "10.0.0.2:7379"]).build()?;
/// let zone = client.zone("shop");
/// let place = zone.join(Join { user: Some("u-17"), ..Join::default() }).await?;
/// let place = zone.admitted(&place.token).await?;
/// println!("{:?}", place.pass);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    questions: Pool,
    changes: Pool,
    /// Keys of the function that makes request ids, drawn from the system.
    secret: RandomState,
    drawn: AtomicU64,
}

impl Client {
    /// Begins a client of the nodes at `addresses`, each `host:port`. Calls go to the first one until it fails.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::Client;
    /// let client = Client::builder(["127.0.0.1:7379"]).call_timeout(Duration::from_secs(2)).build()?;
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn builder<A: Into<String>>(addresses: impl IntoIterator<Item = A>) -> Builder {
        Builder::new(Settings::new(addresses.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn new(settings: Settings) -> Self {
        let (timeout, settings, counters) =
            (settings.call_timeout, Arc::new(settings), Arc::<Counters>::default());
        let shared = Shared {
            questions: Pool::new(settings.clone(), counters.clone()),
            changes: Pool::new(settings.clone(), counters.clone()),
            settings,
            counters,
            secret: RandomState::new(),
            drawn: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), timeout }
    }

    /// The same client, whose calls take at most `timeout`, of 10 ms to a day.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// use std::time::Duration;
    /// let quick = client.with_timeout(Duration::from_millis(200));
    /// let stats = quick.zone("shop").stats().await?; // over the connections of `client`
    /// println!("{} wait", stats.waiting);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { shared: self.shared.clone(), timeout: timeout.clamp(TIMEOUT_MIN, TIMEOUT_MAX) }
    }

    /// The zone `name`, which need not exist yet.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Error;
    /// if let Err(Error::NoZone) = client.zone("shop").get().await {
    ///     println!("nobody made it yet");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn zone(&self, name: &str) -> Zone {
        Zone::new(self.clone(), name)
    }

    /// The names of all zones, sorted.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// for name in client.zones().await? {
    ///     println!("{name}: {} wait", client.zone(&name).stats().await?.waiting);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::call`], but it is repeated.
    pub async fn zones(&self) -> Result<Vec<String>, Error> {
        self.ask(&[b"Q.ZONE", b"LIST"], Kind::Question, |reply| match reply {
            Value::Array(names) => names.iter().map(word).collect(),
            other => Err(unexpected(other)),
        })
        .await
    }

    /// The stream under `key`, which need not exist yet.
    ///
    /// ```
    /// let client = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?;
    /// let orders = client.stream(format!("orders:{}", "seoul"));
    /// assert_eq!(orders.key(), b"orders:seoul");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    #[must_use]
    pub fn stream(&self, key: impl AsRef<[u8]>) -> Stream {
        Stream::new(self.clone(), key.as_ref())
    }

    /// A reader of any number of streams, with a connection of its own.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::After;
    /// let mut follower = client.follow();
    /// for store in ["seoul", "busan"] {
    ///     follower.add(format!("orders:{store}"), After::Newest)?;
    /// }
    /// println!("{:?}", follower.next().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn follow(&self) -> Follower {
        Follower::new(self.listener())
    }

    /// Tells everybody who listens to `channel`; how many that were at the node that was asked.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// let heard = client.publish("shop:news", "sold out").await?;
    /// println!("{heard} were told by this node");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::call`]. It is never sent twice.
    pub async fn publish(&self, channel: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<u64, Error> {
        let words = [b"PUBLISH", channel.as_ref(), payload.as_ref()];
        self.ask(&words, Kind::Once, count).await
    }

    /// A listener, with a connection of its own, that is told nothing until channels or patterns are added.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// let mut subscription = client.subscribe();
    /// subscription.add("shop:news")?;
    /// println!("{:?}", subscription.next().await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.listener())
    }

    /// Sends any command and has its reply read. It is sent again where the server refused it as `BUSY`, and never once it
    /// may have been carried out.
    ///
    /// Commands that change the connection for everybody on it, or keep others waiting, are not taken: subscriptions,
    /// transactions, `HELLO`, `AUTH`, `SELECT`, `RESET`, `QUIT`, and reads that block.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// let keys = client.call(&[b"DBSIZE"], |reply| Ok(reply.integer())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the server says, typed; what `read` says; [`Error::Unanswered`] where it may have been carried out,
    /// [`Error::Disconnected`] and [`Error::Overloaded`] where it was not sent.
    pub async fn call<T>(
        &self,
        command: &[&[u8]],
        read: impl Fn(&Value<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !may_share(command) {
            return Err(Error::Invalid("this command is not for a connection that is shared"));
        }
        self.ask(command, Kind::Once, read).await
    }

    /// What was counted so far.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// let before = client.metrics();
    /// client.zones().await?;
    /// println!("{} calls were sent again", client.metrics().retries - before.retries);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.counters.snapshot()
    }

    /// A guard let somebody in without an answer.
    #[cfg(feature = "guard")]
    pub(crate) fn count_unasked(&self) {
        crate::metrics::count(&self.shared.counters.unasked);
    }

    fn listener(&self) -> Listener {
        Listener::new(self.shared.settings.clone(), self.shared.questions.preferred())
    }

    /// Makes a call with one command.
    pub(crate) async fn ask<T>(
        &self,
        command: &[&[u8]],
        kind: Kind,
        read: impl Fn(&Value<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.ask_all(&[command], kind, read).await
    }

    /// Makes a call with several commands, of which the last one's reply counts.
    pub(crate) async fn ask_all<T>(
        &self,
        commands: &[&[&[u8]]],
        kind: Kind,
        read: impl Fn(&Value<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.make(&Call { commands, want: Want::Raw, kind }, |answer| value_of(&answer, &read)).await
    }

    /// Makes a call and has its answer read.
    pub(crate) async fn make<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let pool = match call.kind {
            Kind::Question => &self.shared.questions,
            Kind::Change | Kind::Once => &self.shared.changes,
        };
        pool.ask(call, self.timeout, read).await
    }

    /// A request id that nobody else has and nobody can guess: 128 bits of a keyed hash of a count.
    pub(crate) fn draw_request(&self) -> String {
        let drawn = self.shared.drawn.fetch_add(1, Relaxed);
        let half = |which: u8| self.shared.secret.hash_one((which, drawn));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

/// Has the value in `answer` read, or the error that it is.
pub(crate) fn value_of<T>(
    answer: &Answer,
    read: impl Fn(&Value<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let Answer::Raw(bytes) = answer else {
        return Err(Error::Protocol("a place where none was asked for".to_owned()));
    };
    match decode(bytes).map_err(ClientError::from)? {
        Reply::Value { value: Value::Error(text), .. } => Err(Error::of_reply(text)),
        Reply::Value { value, .. } => read(&value),
        Reply::Incomplete { .. } => Err(Error::Protocol("a part of a reply".to_owned())),
    }
}

/// A reply that is not what the command promises.
pub(crate) fn unexpected(reply: &Value<'_>) -> Error {
    Error::Protocol(format!("{reply:?}"))
}

/// A count.
pub(crate) fn count(reply: &Value<'_>) -> Result<u64, Error> {
    reply.integer().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| unexpected(reply))
}

/// A string as text.
pub(crate) fn word(reply: &Value<'_>) -> Result<String, Error> {
    let bytes = reply.bytes().ok_or_else(|| unexpected(reply))?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Commands after which the replies on a connection would not be what the other callers expect.
const ALONE: &[&str] = &[
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SSUBSCRIBE",
    "SUNSUBSCRIBE",
    "X.SUB",
    "X.UNSUB",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH",
    "MONITOR",
    "HELLO",
    "AUTH",
    "SELECT",
    "RESET",
    "QUIT",
    "SYNC",
    "PSYNC",
];

fn may_share(command: &[&[u8]]) -> bool {
    let Some((name, rest)) = command.split_first() else { return false };
    let is = |text: &&str| name.eq_ignore_ascii_case(text.as_bytes());
    // A reply that may be left out leaves the others without their places.
    let is_reply = is(&"CLIENT") && rest.first().is_some_and(|word| word.eq_ignore_ascii_case(b"REPLY"));
    let reads = ["XREAD", "XREADGROUP"].iter().any(is);
    let blocks = reads && rest.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
    !ALONE.iter().any(is) && !is_reply && !blocks
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Client, may_share};

    #[test]
    fn commands_that_would_confuse_the_others_are_kept_off() {
        for alone in
            ["subscribe a", "MULTI", "client reply off", "XREAD BLOCK 0 STREAMS a $", "quit", "X.SUB a"]
        {
            let words: Vec<&[u8]> = alone.split(' ').map(str::as_bytes).collect();
            assert!(!may_share(&words), "{alone}");
        }
        assert!(!may_share(&[]));
        for shared in ["PING", "CLIENT ID", "XREAD COUNT 1 STREAMS a 0", "PUBLISH a block"] {
            let words: Vec<&[u8]> = shared.split(' ').map(str::as_bytes).collect();
            assert!(may_share(&words), "{shared}");
        }
    }

    #[test]
    fn request_ids_are_drawn_once() {
        let client = Client::builder(["a:1"]).build().expect("has an address");
        let ids: HashSet<String> = (0..10_000).map(|_| client.draw_request()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
