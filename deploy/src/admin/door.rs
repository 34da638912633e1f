//! Accepts connections and bounds what each may cost.
//!
//! Whoever says nothing never keeps others out: a new connection is always taken, and where there are too many the one that has
//! been silent since before all others goes for it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Shared, routes};
use crate::limit;

/// A connection, as long as it is open.
struct Open {
    /// A request of it is being answered.
    is_busy: Arc<AtomicBool>,
    task: AbortHandle,
}

/// The connections, in the order of their coming.
#[derive(Default)]
struct Opened(VecDeque<Open>);

impl Opened {
    /// Makes room for one more; false where all are being answered.
    fn make_room(&mut self) -> bool {
        self.0.retain(|open| !open.task.is_finished());
        if self.0.len() < limit::ADMIN_CONNECTIONS_MAX {
            return true;
        }
        let silent = self.0.iter().position(|open| !open.is_busy.load(Ordering::Acquire));
        let Some(open) = silent.and_then(|at| self.0.remove(at)) else { return false };
        open.task.abort();
        true
    }
}

/// Serves until `stopped` says so.
pub(super) async fn serve(
    listener: StdListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let routes = routes::all(shared);
    let mut opened = Opened::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) if opened.make_room() => {
                let is_busy = Arc::new(AtomicBool::new(false));
                let task = tokio::spawn(attend(stream, routes.clone(), Arc::clone(&is_busy)));
                opened.0.push_back(Open { is_busy, task: task.abort_handle() });
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

async fn attend(stream: TcpStream, routes: axum::Router, is_busy: Arc<AtomicBool>) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limit::ADMIN_HEAD_MS_MAX))
        .max_buf_size(limit::ADMIN_HEAD_BYTES_MAX)
        .max_headers(limit::ADMIN_HEADERS_MAX);
    let routes = TowerToHyperService::new(routes);
    let answer = service_fn(move |request| {
        is_busy.store(true, Ordering::Release);
        let (answer, is_busy) = (routes.call(request), Arc::clone(&is_busy));
        async move {
            let answer: Result<_, Infallible> = answer.await;
            is_busy.store(false, Ordering::Release);
            answer
        }
    });
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        tracing::debug!(%error, "a connection to the admin plane ended");
    }
}
