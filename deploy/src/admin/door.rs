//! Accepts connections and bounds what each may cost.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Shared, routes};
use crate::limit;

/// Serves until `stopped` says so.
pub(super) async fn serve(
    listener: StdListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let routes = routes::all(shared);
    let places = Arc::new(Semaphore::new(limit::ADMIN_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(attend(stream, routes.clone(), place))),
            Err(error) => {
                // Mostly too many open files: going on at once would only burn the processor.
                tracing::warn!(%error, "a connection to the admin plane cannot be accepted");
                tokio::time::sleep(Duration::from_millis(limit::ADMIN_ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

async fn attend(stream: TcpStream, routes: axum::Router, place: OwnedSemaphorePermit) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limit::ADMIN_HEAD_MS_MAX))
        .max_buf_size(limit::ADMIN_HEAD_BYTES_MAX)
        .max_headers(limit::ADMIN_HEADERS_MAX);
    let served = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the admin plane ended");
    }
    drop(place);
}
