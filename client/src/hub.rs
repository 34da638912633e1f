//! One upstream connection for the many who listen to a gateway.
//!
//! ```text
//! server ── Follower ─▶ task: the last entries of each stream ─┬─▶ Listening (a browser)
//!                                                              ├─▶ Listening (another one)
//!                                                              └─▶ …
//! ```
//! Each stream is read once, from its oldest entry, for as long as anybody listens to it; its last 64
//! entries are kept, so who comes later or comes back is told the same ones from where it left off. A listener that does not
//! take what it is told is let go rather than waited for: it comes back with its cursor.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::cursor::Cursor;
use crate::fault::Error;
use crate::follow::{After, Event, Follower, Reason};
use crate::limit::{HUB_AGAIN_AFTER, HUB_ASKED, HUB_KEPT, HUB_SWEEP, LISTENING_BUFFER};

struct Wish {
    key: Arc<[u8]>,
    after: Option<Cursor>,
    told: mpsc::Sender<Event>,
}

/// Reads streams for many listeners over one connection. Clones share it; its task ends with the last of them and of what they
/// listen to.
///
/// ```no_run
/// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
/// let hub = sluice_client::Hub::new(&client);
/// let mut job = hub.listen("job:7", None).await?;
/// while let Some(event) = job.next().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    wishes: mpsc::Sender<Wish>,
}

/// What one listener is told of one stream. Dropped, it listens no longer.
///
/// ```no_run
/// # async fn example(hub: sluice_client::Hub) -> Result<(), sluice_client::Error> {
/// let mut browser = hub.listen("job:7", None).await?;
/// println!("{:?}", browser.next().await);
/// drop(browser); // the stream is read for as long as somebody else listens
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listening {
    told: mpsc::Receiver<Event>,
}

impl Hub {
    /// A hub of this client, with a task of its own. Needs a tokio runtime.
    ///
    /// ```no_run
    /// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Hub;
    /// let hub = Hub::new(&client); // one for the whole service
    /// let (mut first, mut second) = (hub.listen("job:7", None).await?, hub.listen("job:7", None).await?);
    /// // The stream is read once for both.
    /// println!("{:?} {:?}", first.next().await, second.next().await);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(client: &Client) -> Hub {
        let (wishes, asked) = mpsc::channel(HUB_ASKED);
        tokio::spawn(Desk { follower: client.follow(), topics: HashMap::new() }.run(asked));
        Hub { wishes }
    }

    /// Listens to a stream behind this cursor, or from its oldest entry on: what is there is told first, and then what comes, each
    /// entry once and in order. What was lost in between is told as [`Event::Gap`], and so is what lies further back than a hub
    /// keeps.
    ///
    /// ```no_run
    /// # async fn example(hub: sluice_client::Hub) -> Result<(), sluice_client::Error> {
    /// let last_event_id = "7.12"; // of a browser that comes back
    /// let mut browser = hub.listen("job:7", last_event_id.parse().ok()).await?;
    /// println!("{:?}", browser.next().await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Overloaded`]: the hub's task has ended with its runtime.
    pub async fn listen(&self, key: impl AsRef<[u8]>, after: Option<Cursor>) -> Result<Listening, Error> {
        let (told, listening) = mpsc::channel(LISTENING_BUFFER);
        let wish = Wish { key: key.as_ref().into(), after, told };
        self.wishes.send(wish).await.map_err(|_| Error::Overloaded)?;
        Ok(Listening { told: listening })
    }
}

impl Listening {
    /// What comes next. `None`: nothing more is told, because the stream has ended, or because this listener was too slow; then
    /// it listens again behind the cursor of the last entry that it was told.
    ///
    /// ```no_run
    /// # async fn example(hub: sluice_client::Hub) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Event;
    /// let (mut told, mut browser) = (None, hub.listen("job:7", None).await?);
    /// while let Some(event) = browser.next().await {
    ///     if let Event::Entry { cursor, .. } = event {
    ///         told = Some(cursor);
    ///     }
    /// }
    /// println!("where the stream has not ended, listen again behind {told:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        self.told.recv().await
    }
}

/// Who is told, and up to where it was; `None`: it begins with the oldest.
struct Listener {
    told: mpsc::Sender<Event>,
    at: Option<Cursor>,
}

/// A stream that somebody listens to.
#[derive(Default)]
struct Topic {
    /// Its last events, all of them entries, with their cursors.
    kept: VecDeque<(Cursor, Event)>,
    listeners: Vec<Listener>,
}

struct Desk {
    follower: Follower,
    topics: HashMap<Arc<[u8]>, Topic>,
}

impl Desk {
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) {
        let mut sweep = tokio::time::interval(HUB_SWEEP);
        let mut is_shared = true;
        while is_shared || !self.topics.is_empty() {
            tokio::select! {
                wish = wishes.recv(), if is_shared => match wish {
                    Some(wish) => self.take(wish),
                    // The hub is gone; those who listen still do.
                    None => is_shared = false,
                },
                event = self.follower.next() => self.tell(event).await,
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    fn take(&mut self, wish: Wish) {
        let topic = match self.topics.get_mut(&wish.key) {
            Some(topic) => topic,
            None => {
                if let Err(error) = self.follower.add(&wish.key, After::Oldest) {
                    // There is room in a new channel.
                    let _ = wish.told.try_send(Event::Refused { key: wish.key, error });
                    return;
                }
                self.topics.entry(wish.key).or_default()
            }
        };
        let mut listener = Listener { told: wish.told, at: wish.after };
        if topic.kept.iter().all(|(cursor, event)| listener.offer(*cursor, event)) {
            topic.listeners.push(listener);
        }
    }

    /// Forgets streams that nobody listens to any more.
    fn sweep(&mut self) {
        let (follower, topics) = (&mut self.follower, &mut self.topics);
        topics.retain(|key, topic| {
            topic.listeners.retain(|listener| !listener.told.is_closed());
            let is_heard = !topic.listeners.is_empty();
            if !is_heard {
                follower.remove(key);
            }
            is_heard
        });
    }

    async fn tell(&mut self, event: Result<Event, Error>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "streams cannot be followed");
                tokio::time::sleep(HUB_AGAIN_AFTER).await;
                return;
            }
        };
        match &event {
            Event::Entry { key, cursor, .. } => {
                let cursor = *cursor;
                let Some(topic) = self.topics.get_mut(key) else { return };
                topic.listeners.retain_mut(|listener| listener.offer(cursor, &event));
                if topic.kept.len() >= HUB_KEPT {
                    topic.kept.pop_front();
                }
                topic.kept.push_back((cursor, event));
            }
            Event::Gap { key, .. } => {
                let Some(topic) = self.topics.get_mut(key) else { return };
                // What is kept cannot be joined to what comes.
                topic.kept.clear();
                topic.listeners.retain_mut(|listener| listener.lose(&event));
            }
            Event::End { key, .. } | Event::Refused { key, .. } => {
                let Some(topic) = self.topics.remove(key) else { return };
                for listener in topic.listeners {
                    let _ = listener.told.try_send(event.clone());
                }
            }
        }
    }
}

impl Listener {
    /// Tells an entry that it has not been told. False where it listens no longer.
    fn offer(&mut self, cursor: Cursor, event: &Event) -> bool {
        let follows = match self.at {
            None => true,
            Some(at) if at.epoch == cursor.epoch && at.seq >= cursor.seq => return !self.told.is_closed(),
            Some(at) => at.epoch == cursor.epoch && at.seq + 1 == cursor.seq,
        };
        if !follows && !self.lose(&gap(cursor, event)) {
            return false;
        }
        self.at = Some(cursor);
        self.told.try_send(event.clone()).is_ok()
    }

    /// Tells that its place is lost, where it had one.
    fn lose(&mut self, gap: &Event) -> bool {
        if self.at.take().is_some() {
            self.told.try_send(gap.clone()).is_ok()
        } else {
            !self.told.is_closed()
        }
    }
}

/// What lies between a listener's place and this entry is not here any more.
fn gap(cursor: Cursor, event: &Event) -> Event {
    let key = match event {
        Event::Entry { key, .. } | Event::Gap { key, .. } | Event::End { key, .. } => Arc::clone(key),
        Event::Refused { key, .. } => Arc::clone(key),
    };
    Event::Gap { key, reason: Reason::Trimmed, oldest: Some(cursor), newest: None }
}

#[cfg(test)]
mod tests {
    use super::{Listener, Topic};
    use crate::cursor::Cursor;
    use crate::follow::Event;
    use tokio::sync::mpsc;

    fn entry(seq: u64) -> (Cursor, Event) {
        let cursor = Cursor { epoch: 3, seq };
        (cursor, Event::Entry { key: b"k"[..].into(), cursor, id: format!("{seq}-0"), fields: Vec::new() })
    }

    /// What a listener with this cursor is told of these numbers: `-` for a gap.
    fn told(at: Option<(u64, u64)>, seqs: &[u64]) -> String {
        let (told, mut heard) = mpsc::channel(64);
        let at = at.map(|(epoch, seq)| Cursor { epoch, seq });
        let mut listener = Listener { told, at };
        assert!(
            seqs.iter().all(|seq| entry(*seq).0.seq == *seq && listener.offer(entry(*seq).0, &entry(*seq).1))
        );
        let mut said = String::new();
        while let Ok(event) = heard.try_recv() {
            match event {
                Event::Entry { cursor, .. } => said += &cursor.seq.to_string(),
                _ => said.push('-'),
            }
        }
        said
    }

    #[test]
    fn each_listener_is_told_what_it_lacks_and_where_something_is_missing() {
        assert_eq!(told(None, &[4, 5, 6]), "456");
        assert_eq!(told(Some((3, 4)), &[4, 5, 6]), "56");
        assert_eq!(told(Some((3, 3)), &[4, 5]), "45");
        assert_eq!(told(Some((3, 1)), &[4, 5]), "-45", "2 and 3 are not kept");
        assert_eq!(told(Some((2, 9)), &[1, 2]), "-12", "another stream under the same key");
        assert_eq!(told(Some((3, 6)), &[4, 5]), "", "it was told more elsewhere");
    }

    #[test]
    fn who_takes_nothing_is_let_go() {
        let (told, heard) = mpsc::channel(1);
        let mut topic = Topic::default();
        topic.listeners.push(Listener { told, at: None });
        let mut tell = |seq| {
            let (cursor, event) = entry(seq);
            topic.listeners.retain_mut(|listener| listener.offer(cursor, &event));
            topic.listeners.len()
        };
        assert_eq!((tell(1), tell(2)), (1, 0));
        assert_eq!(heard.len(), 1, "what it was told stays");
    }
}
