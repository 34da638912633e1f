//! How a client is set up.

use std::time::Duration;

use crate::client::Client;
use crate::fault::Error;
use crate::settings::Settings;

/// The settings of a client to be; begun by [`Client::builder`].
///
/// ```
/// use std::time::Duration;
/// use sluice_client::Client;
/// let client = Client::builder(["127.0.0.1:7379", "127.0.0.1:7479"])
///     .credentials("gateway", "secret")
///     .name("gateway-1")
///     .call_timeout(Duration::from_secs(3))
///     .connect_timeout(Duration::from_millis(500))
///     .in_flight(4_096)
///     .waiting(10_000)
///     .build()?;
/// # Ok::<(), sluice_client::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Logs every connection in.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.credentials = Some((user.into(), password.into()));
        self
    }

    /// What the server lists the connections as: printable ASCII without spaces.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Encrypts every connection. The part of an address before its last colon is the name that the server's certificate
    /// must have.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: std::sync::Arc<crate::rustls::ClientConfig>) -> Self {
        self.settings.tls = Some(config);
        self
    }

    /// How long a call takes at most; 5 s unless said otherwise, 10 ms to a day. A node that owes replies and says nothing for
    /// 35 % of it is probed, and called no more while another one answers; after 70 % it is given up.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = timeout;
        self
    }

    /// How long making a connection takes at most, login included; 1 s unless said otherwise, 10 ms to
    /// a day.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How much may be in flight over one connection: calls, of which one counts once for each KiB begun of its request;
    /// 8,192 unless said otherwise, 1 to 1,048,576. Further calls wait.
    pub fn in_flight(mut self, in_flight: usize) -> Self {
        self.settings.in_flight = in_flight;
        self
    }

    /// How many calls may wait until there is room in flight; 65,536 unless said otherwise. Further ones are
    /// [`Error::Overloaded`] at once.
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.settings.waiting = waiting;
        self
    }

    /// The client. Nothing is connected yet, and no runtime is needed yet.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a setting is out of its range.
    pub fn build(self) -> Result<Client, Error> {
        self.settings.check()?;
        Ok(Client::new(self.settings))
    }
}
