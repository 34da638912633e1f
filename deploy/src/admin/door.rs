//! Accepts connections and bounds what each may cost.
//!
//! Whoever says nothing never keeps others out: a new connection is always taken. Where there are too many, one goes for it of
//! the client that has the most, the one that has been silent for longest: a flood from one host pushes out its own.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sluice_net::caller::ClientNetwork;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::watched::{Contact, Watched};
use super::{Shared, routes};
use crate::limit;

/// A connection, as long as it is open.
struct Open {
    client: ClientNetwork,
    contact: Arc<Contact>,
    task: AbortHandle,
}

/// The connections, in the order of their coming.
#[derive(Default)]
struct Opened(Vec<Open>);

impl Opened {
    /// Makes room for one more; false where all are being answered.
    fn make_room(&mut self) -> bool {
        self.0.retain(|open| !open.task.is_finished());
        if self.0.len() < limit::ADMIN_CONNECTIONS_MAX {
            return true;
        }
        let seen: Vec<Seen> = self.0.iter().map(Open::see).collect();
        let Some(open) = who_goes(&seen).map(|at| self.0.remove(at)) else { return false };
        open.task.abort();
        true
    }
}

impl Open {
    fn see(&self) -> Seen {
        Seen { client: self.client, is_busy: self.contact.is_busy(), heard_ms: self.contact.heard_ms() }
    }
}

/// A connection, as it is at a moment.
struct Seen {
    client: ClientNetwork,
    is_busy: bool,
    heard_ms: u64,
}

/// Which of them goes for another: of the client that has the most, the one that has been silent for longest. `None`: all are
/// being answered.
fn who_goes(seen: &[Seen]) -> Option<usize> {
    let mut held: HashMap<ClientNetwork, usize> = HashMap::new();
    seen.iter().for_each(|open| *held.entry(open.client).or_default() += 1);
    let may_go = seen.iter().enumerate().filter(|(_, open)| !open.is_busy);
    let first = may_go.min_by_key(|(_, open)| (Reverse(held.get(&open.client)), open.heard_ms));
    first.map(|(at, _)| at)
}

/// Serves until `stopped` says so.
pub(super) async fn serve(
    listener: StdListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let routes = routes::all(shared);
    let (mut opened, origin) = (Opened::default(), Instant::now());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        match accepted {
            Ok((stream, from)) if opened.make_room() => {
                opened.0.push(open((stream, from), routes.clone(), Contact::new(origin)));
            }
            Ok(_) => tracing::debug!("too many requests to the admin plane are being answered"),
            Err(error) => {
                // Mostly too many open files: going on at once would only burn the processor.
                tracing::warn!(%error, "a connection to the admin plane cannot be accepted");
                tokio::time::sleep(Duration::from_millis(limit::ADMIN_ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

fn open((stream, from): (TcpStream, SocketAddr), routes: axum::Router, contact: Arc<Contact>) -> Open {
    let task = tokio::spawn(attend(stream, routes, Arc::clone(&contact))).abort_handle();
    Open { client: ClientNetwork::of(from.ip()), contact, task }
}

async fn attend(stream: TcpStream, routes: axum::Router, contact: Arc<Contact>) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limit::ADMIN_HEAD_MS_MAX))
        .max_buf_size(limit::ADMIN_HEAD_BYTES_MAX)
        .max_headers(limit::ADMIN_HEADERS_MAX);
    let patience = Duration::from_millis(limit::ADMIN_ANSWER_MS_MAX);
    let stream = Watched::new(stream, Arc::clone(&contact), patience);
    let routes = TowerToHyperService::new(routes);
    let answer = service_fn(move |request| {
        contact.set_busy(true);
        let (answer, contact) = (routes.call(request), Arc::clone(&contact));
        async move {
            let answer: Result<_, Infallible> = answer.await;
            contact.set_busy(false);
            answer
        }
    });
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection to the admin plane ended");
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientNetwork, Seen, who_goes};

    fn seen(from: &str, is_busy: bool, heard_ms: u64) -> Seen {
        Seen { client: ClientNetwork::of(from.parse().unwrap()), is_busy, heard_ms }
    }

    #[test]
    fn a_flood_pushes_out_its_own() {
        let monitor = || seen("192.0.2.1", false, 1);
        let flood = [9, 7, 8].map(|heard_ms| seen("2001:db8::1", false, heard_ms));
        let all: Vec<Seen> = [monitor()].into_iter().chain(flood).collect();
        assert_eq!(who_goes(&all), Some(2), "of the most, the one that was heard of before the others");
        let alike = [seen("192.0.2.1", false, 5), seen("192.0.2.2", false, 4), seen("192.0.2.3", false, 6)];
        assert_eq!(who_goes(&alike), Some(1), "of all, where each has as many");
    }

    #[test]
    fn who_is_being_answered_stays() {
        let home = || "127.0.0.1";
        assert_eq!(who_goes(&[seen(home(), true, 1), seen(home(), false, 2)]), Some(1));
        assert_eq!(who_goes(&[seen(home(), true, 1), seen(home(), true, 2)]), None);
    }
}
