//! The admin plane: health, metrics and administration over HTTP, on a thread of its own, never on the data path.
//!
//! ```text
//!  listener ─▶ door: bounds, timeouts ─▶ routes ─┬─▶ health                      anybody
//!                                                ├─▶ guard ─▶ metrics ─▶ page    bearer token, where tokens are configured
//!                                                └─▶ guard ─▶ cluster            status, and one change at a time
//! ```
//! It is there before the rest of the server, so that a node that waits to be added can be asked how it is.

mod cluster;
mod door;
mod guard;
mod health;
mod host;
mod metrics;
mod namespaces;
mod page;
mod problem;
mod routes;
mod watched;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use sluice_net::auth::AuthTable;
use sluice_net::cluster::Cluster;
use sluice_net::observer::Observer;
use tokio::sync::watch;

/// What the handlers share.
pub(crate) struct Shared {
    cluster: Arc<dyn Cluster>,
    /// Who may administer. Tokens are kept as those of writers, which is what the table calls bearers.
    tokens: AuthTable,
    /// Whether a token is asked for.
    is_guarded: bool,
    reach: Reach,
    /// The server, once it serves.
    server: OnceLock<Observer>,
}

/// From where the plane can be called.
#[derive(Default)]
pub(crate) struct Reach {
    /// From other machines, too.
    pub(crate) is_open: bool,
    /// Names of this machine, beside its addresses and `localhost`.
    pub(crate) names: Vec<String>,
}

/// Who may administer: hashes of bearer tokens; none asks nobody.
pub(crate) fn shared(
    cluster: Arc<dyn Cluster>,
    tokens: impl IntoIterator<Item = [u8; 32]>,
    reach: Reach,
) -> Arc<Shared> {
    let mut table = AuthTable::open();
    let mut is_guarded = false;
    for token in tokens {
        table.add_writer(token);
        is_guarded = true;
    }
    Arc::new(Shared { cluster, tokens: table, is_guarded, reach, server: OnceLock::new() })
}

impl Shared {
    /// From now on this server's figures are shown.
    pub(crate) fn show(&self, server: Observer) {
        // Called once, when the server starts; a second one would be the same server.
        let _ = self.server.set(server);
    }
}

/// The running plane. Dropping it closes every connection.
pub(crate) struct Admin {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Serves on a listener that is bound already.
    pub(crate) fn start(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Admin> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let serve = move || match runtime.block_on(door::serve(listener, shared, stopped)) {
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "the admin plane has ended"),
        };
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(serve)?;
        Ok(Admin { stop, thread: Some(thread) })
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the admin plane panicked");
        }
    }
}

#[cfg(test)]
mod tests;
