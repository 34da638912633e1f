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
    ///
    /// ```
    /// use sluice_client::Client;
    /// let client = Client::builder(["10.0.0.1:7379"]).credentials("gateway", "9f2c").build()?;
    /// assert!(!format!("{client:?}").contains("9f2c"), "a password is not printed");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.credentials = Some((user.into(), password.into()));
        self
    }

    /// What the server lists the connections as: printable ASCII without spaces.
    ///
    /// ```
    /// use sluice_client::{Client, Error};
    /// let client = Client::builder(["10.0.0.1:7379"]).name("gateway-1").build()?;
    /// let refused = Client::builder(["10.0.0.1:7379"]).name("gateway 1").build();
    /// assert!(matches!(refused, Err(Error::Invalid(_))), "a name has no spaces");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Encrypts every connection. The part of an address before its last colon is the name that the server's certificate
    /// must have.
    ///
    /// ```no_run
    /// use sluice_client::{Client, rustls::{ClientConfig, RootCertStore}};
    /// use sluice_client::rustls::pki_types::{CertificateDer, pem::PemObject};
    /// let mut roots = RootCertStore::empty();
    /// roots.add(CertificateDer::from_pem_file("cluster.pem")?)?;
    /// let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    /// let client = Client::builder(["sluice.example:7379"]).tls(config.into()).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: std::sync::Arc<crate::rustls::ClientConfig>) -> Self {
        self.settings.tls = Some(config);
        self
    }

    /// How long a call takes at most; 5 s unless said otherwise, 10 ms to a day. A node that owes replies and says nothing for
    /// 35 % of it is probed, and called no more while another one answers; after 70 % it is given up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::Client;
    /// let client = Client::builder(["10.0.0.1:7379"]).call_timeout(Duration::from_secs(2)).build()?;
    /// assert!(Client::builder(["10.0.0.1:7379"]).call_timeout(Duration::ZERO).build().is_err());
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.settings.call_timeout = timeout;
        self
    }

    /// How long making a connection takes at most, login included; 1 s unless said otherwise, 10 ms to
    /// a day.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::Client;
    /// let nodes = ["10.0.0.1:7379", "10.0.0.2:7379"];
    /// // A call of 5 s has time to try both.
    /// let client = Client::builder(nodes).connect_timeout(Duration::from_millis(500)).build()?;
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How much may be in flight over one connection: calls, of which one counts once for each KiB begun of its request;
    /// 8,192 unless said otherwise, 1 to 1,048,576. Further calls wait.
    ///
    /// ```
    /// use sluice_client::Client;
    /// // Further calls wait here and not at the server.
    /// let client = Client::builder(["10.0.0.1:7379"]).in_flight(1_024).build()?;
    /// assert!(Client::builder(["10.0.0.1:7379"]).in_flight(0).build().is_err());
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn in_flight(mut self, in_flight: usize) -> Self {
        self.settings.in_flight = in_flight;
        self
    }

    /// How many calls may wait until there is room in flight; 65,536 unless said otherwise. Further ones are
    /// [`Error::Overloaded`] at once.
    ///
    /// ```
    /// use sluice_client::Client;
    /// // Where there is no room in flight a call fails at once.
    /// let client = Client::builder(["10.0.0.1:7379"]).waiting(0).build()?;
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.settings.waiting = waiting;
        self
    }

    /// The client. Nothing is connected yet, and no runtime is needed yet.
    ///
    /// ```
    /// use sluice_client::{Client, Error};
    /// let nobody = Client::builder(Vec::<String>::new()).build();
    /// assert_eq!(nobody.err(), Some(Error::Invalid("a client needs 1 to 64 addresses")));
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`]: a setting is out of its range.
    pub fn build(self) -> Result<Client, Error> {
        self.settings.check()?;
        Ok(Client::new(self.settings))
    }
}
