//! Names of hosts and their addresses.
//!
//! Invariants: the system's resolver blocks, and for long where nobody answers it, so it is asked on threads of its own, and never on
//! those that wait for the disk; a link has one question under way, however often it gives up, and all together [`NAMES_MAX`].

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use tokio::sync::{Semaphore, oneshot};

use super::super::limit::NAMES_MAX;

type Found = io::Result<Vec<SocketAddr>>;
type Lookup = dyn Fn(&str) -> Found + Send + Sync;

/// The resolver.
pub(super) struct Names {
    lookup: Arc<Lookup>,
    room: Arc<Semaphore>,
}

impl Names {
    /// The system's.
    pub(super) fn of_system() -> Arc<Names> {
        Names::new(Arc::new(|address: &str| address.to_socket_addrs().map(Iterator::collect)))
    }

    fn new(lookup: Arc<Lookup>) -> Arc<Names> {
        Arc::new(Names { lookup, room: Arc::new(Semaphore::new(NAMES_MAX)) })
    }

    fn begin(&self, address: &str) -> io::Result<oneshot::Receiver<Found>> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room =
            room.map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "too many names are looked up"))?;
        let (lookup, address) = (Arc::clone(&self.lookup), address.to_owned());
        let (answer, answered) = oneshot::channel();
        thread::Builder::new().name("names".to_owned()).spawn(move || {
            let found = lookup(&address);
            drop(room);
            // The link may have ended.
            let _ = answer.send(found);
        })?;
        Ok(answered)
    }
}

/// One link's question.
pub(super) struct Question {
    names: Arc<Names>,
    under_way: Option<oneshot::Receiver<Found>>,
}

impl Question {
    pub(super) fn new(names: &Arc<Names>) -> Question {
        Question { names: Arc::clone(names), under_way: None }
    }

    /// The addresses of `host:port`, always the same one. May be dropped and called again: it goes on then.
    pub(super) async fn addresses(&mut self, address: &str) -> Found {
        if let Ok(address) = address.parse() {
            return Ok(vec![address]);
        }
        let answer = match &mut self.under_way {
            Some(answer) => answer,
            none => none.insert(self.names.begin(address)?),
        };
        let found = answer.await;
        self.under_way = None;
        found.unwrap_or_else(|_| Err(io::Error::other("the name was not looked up")))
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES_MAX, Names, Question};
    use futures_util::FutureExt;
    use std::net::SocketAddr;
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex};

    const FOUND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7);

    /// A resolver that answers whenever the test says so.
    fn slow() -> (Arc<Names>, Sender<()>) {
        let (go, waits) = channel();
        let waits = Mutex::new(waits);
        let lookup = move |_: &str| {
            let told = waits.lock().map(|waits| waits.recv().is_ok()).unwrap_or(false);
            if told { Ok(vec![FOUND]) } else { Err(std::io::ErrorKind::TimedOut.into()) }
        };
        (Names::new(Arc::new(lookup)), go)
    }

    #[tokio::test]
    async fn a_link_that_gives_up_asks_the_same_question_on() {
        let (names, go) = slow();
        let mut question = Question::new(&names);
        for _ in 0..3 {
            assert!(question.addresses("dead:1").now_or_never().is_none(), "nobody has answered");
        }
        assert_eq!(names.room.available_permits(), NAMES_MAX - 1, "one thread waits");
        go.send(()).expect("is awaited");
        assert_eq!(question.addresses("dead:1").await.expect("found"), [FOUND]);
        assert_eq!(names.room.available_permits(), NAMES_MAX);
    }

    #[tokio::test]
    async fn threads_for_names_are_bounded_also_where_links_come_and_go() {
        let (names, go) = slow();
        for _ in 0..NAMES_MAX {
            assert!(Question::new(&names).addresses("dead:1").now_or_never().is_none());
        }
        assert!(Question::new(&names).addresses("dead:1").await.is_err(), "no room");
        assert!(Question::new(&names).addresses("127.0.0.1:7").await.is_ok(), "that is no name");
        drop(go);
    }
}
