//! The client for threads that may wait: calls that block, over a runtime with a thread of its own.
//!
//! ```no_run
//! use sluice_client::{Client, Join, blocking};
//! let client = blocking::Client::new(Client::builder(["127.0.0.1:7379"]).build()?)?;
//! std::thread::scope(|threads| {
//!     for user in ["u-17", "u-18"] {
//!         let client = &client;
//!         threads.spawn(move || client.join("shop", Join { user: Some(user), ..Join::default() }));
//!     }
//! });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::client::Client as Async;
use crate::fault::Error;
use crate::reply::Place;
use crate::stream::Append;
use crate::zone::Join;

/// A client whose calls block. Any number of threads may use it at once; their calls share its connections.
///
/// ```no_run
/// use sluice_client::{Client, Join, blocking};
/// let client = blocking::Client::new(Client::builder(["127.0.0.1:7379"]).build()?)?;
/// let place = client.join("shop", Join::default())?;
/// println!("{}", client.poll("shop", &place.token)?.position);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    client: Async,
    runtime: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Starts the thread. Nothing is connected yet.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::{Client, blocking};
    /// let patient = Client::builder(["127.0.0.1:7379"]).call_timeout(Duration::from_secs(30)).build()?;
    /// let client = blocking::Client::new(patient)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system gives no thread, or no means to watch sockets.
    pub fn new(client: Async) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        let run = move || {
            // Ends when the sender is dropped.
            let _ = runtime.block_on(stopped);
        };
        let thread = thread::Builder::new().name("sluice-client".to_owned()).spawn(run)?;
        Ok(Self { client, runtime: handle, stop: Some(stop), thread: Some(thread) })
    }

    /// As [`Zone::join`](crate::Zone::join). Like every call here it must not be made within a runtime, where it panics.
    ///
    /// ```no_run
    /// # fn example(client: sluice_client::blocking::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Join;
    /// let place = client.join("shop", Join { user: Some("u-17"), ..Join::default() })?;
    /// println!("{} is at {}", place.token, place.position);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Zone::join`](crate::Zone::join).
    pub fn join(&self, zone: &str, join: Join<'_>) -> Result<Place, Error> {
        self.runtime.block_on(self.client.zone(zone).join(join))
    }

    /// As [`Zone::poll`](crate::Zone::poll).
    ///
    /// ```no_run
    /// # fn example(client: sluice_client::blocking::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::{Error, Join};
    /// let token = client.join("shop", Join::default())?.token;
    /// match client.poll("shop", &token) {
    ///     Err(Error::Gone) => println!("join again"),
    ///     place => println!("at {}", place?.position),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Zone::poll`](crate::Zone::poll).
    pub fn poll(&self, zone: &str, token: &str) -> Result<Place, Error> {
        self.runtime.block_on(self.client.zone(zone).poll(token))
    }

    /// As [`Zone::leave`](crate::Zone::leave).
    ///
    /// ```no_run
    /// # fn example(client: sluice_client::blocking::Client) -> Result<(), sluice_client::Error> {
    /// let token = client.join("shop", sluice_client::Join::default())?.token;
    /// assert!(client.leave("shop", &token)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Zone::leave`](crate::Zone::leave).
    pub fn leave(&self, zone: &str, token: &str) -> Result<bool, Error> {
        self.runtime.block_on(self.client.zone(zone).leave(token))
    }

    /// As [`Stream::append`](crate::Stream::append).
    ///
    /// ```no_run
    /// # fn example(client: sluice_client::blocking::Client) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Append;
    /// let append = Append { maxlen: Some(50), ..Append::default() };
    /// println!("{}", client.append("orders:seoul", &[("item", "tea"), ("count", "2")], append)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Stream::append`](crate::Stream::append).
    pub fn append<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[(N, V)],
        append: Append<'_>,
    ) -> Result<String, Error> {
        self.runtime.block_on(self.client.stream(key).append(fields, append))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop = None;
        // A thread that panicked has ended too.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
