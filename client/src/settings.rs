//! What a client is built with; checked once.

use std::fmt;
use std::time::Duration;

use crate::fault::Error;
use crate::limit;

/// All settings of a client.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) addresses: Vec<String>,
    /// User and password.
    pub(crate) credentials: Option<(String, String)>,
    /// What the server lists the connections as.
    pub(crate) name: Option<String>,
    pub(crate) call_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// Units in flight over one connection.
    pub(crate) in_flight: usize,
    /// Calls that may wait for room.
    pub(crate) waiting: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<std::sync::Arc<tokio_rustls::rustls::ClientConfig>>,
}

impl Settings {
    pub(crate) fn new(addresses: Vec<String>) -> Self {
        Self {
            addresses,
            credentials: None,
            name: None,
            call_timeout: limit::CALL_TIMEOUT,
            connect_timeout: limit::CONNECT_TIMEOUT,
            in_flight: limit::IN_FLIGHT,
            waiting: limit::WAITING,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let addresses = 1..=limit::ADDRESSES_MAX;
        if !addresses.contains(&self.addresses.len()) {
            return Err(Error::Invalid("a client needs 1 to 64 addresses"));
        }
        let timeout = limit::TIMEOUT_MIN..=limit::TIMEOUT_MAX;
        if !timeout.contains(&self.call_timeout) || !timeout.contains(&self.connect_timeout) {
            return Err(Error::Invalid("a timeout is 10 ms to a day"));
        }
        let in_flight = 1..=limit::IN_FLIGHT_MAX;
        if !in_flight.contains(&self.in_flight) {
            return Err(Error::Invalid("1 to 1,048,576 may be in flight"));
        }
        let is_word = |name: &String| name.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.name.iter().all(is_word) {
            return Err(Error::Invalid("a client's name has no spaces, newlines or special characters"));
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    /// Without the password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings")
            .field("addresses", &self.addresses)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
