//! One blocking connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use sluice_net::resp::encode::{Proto, Writer};
use sluice_net::resp::reply::{Reply, Value, decode};

use crate::error::ClientError;
use crate::limit::{JOINS_IN_FLIGHT_MAX, READ_BYTES, REPLY_BYTES_MAX, TIMEOUT_MS};
use crate::reply::{Place, ZoneSettings, ZoneStats, flag};

/// A connection that speaks RESP3.
///
/// ```no_run
/// use sluice_client::{Connection, ZoneSettings};
/// let mut connection = Connection::connect("127.0.0.1:7379")?;
/// connection.zone_set("shop", &ZoneSettings { limit: Some(60), ..Default::default() })?;
/// let place = connection.join("shop")?;
/// println!("{} is at {}", place.token, connection.poll("shop", &place.token)?.position);
/// # Ok::<(), sluice_client::ClientError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// How much of `input` was decoded already.
    decoded: usize,
}

impl Connection {
    /// Connects and asks for RESP3.
    ///
    /// ```no_run
    /// use sluice_client::Connection;
    /// let mut connection = Connection::connect(("sluice.example", 7379))?; // looked up by name
    /// connection.call(&[b"CLIENT", b"SETNAME", b"nightly-job"], |_| Ok(()))?;
    /// # Ok::<(), sluice_client::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// Nobody listens there, or the server refuses RESP3.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self, ClientError> {
        Self::begin(TcpStream::connect(address)?, Duration::from_millis(TIMEOUT_MS))
    }

    /// Connects as [`Connection::connect`] does, and gives each wait for the server at most `timeout`: a call that
    /// takes longer fails, and ends the connection.
    ///
    /// ```
    /// use std::{net::TcpListener, time::Duration};
    /// use sluice_client::{ClientError, Connection};
    /// let silent = TcpListener::bind("127.0.0.1:0")?; // it connects, and says nothing
    /// let lost = Connection::connect_within(silent.local_addr()?, Duration::from_millis(20));
    /// assert!(matches!(lost, Err(ClientError::Io(_))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Connection::connect`].
    pub fn connect_within(address: SocketAddr, timeout: Duration) -> Result<Self, ClientError> {
        Self::begin(TcpStream::connect_timeout(&address, timeout)?, timeout)
    }

    fn begin(stream: TcpStream, timeout: Duration) -> Result<Self, ClientError> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let mut connection = Self { stream, output: Vec::new(), input: Vec::new(), decoded: 0 };
        connection.call(&[b"HELLO", b"3"], |_| Ok(()))?;
        Ok(connection)
    }

    /// Sends any command and hands its reply to `read`.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// use sluice_client::ClientError;
    /// let keys = connection.call(&[b"DBSIZE"], |reply| {
    ///     reply.integer().ok_or_else(|| ClientError::Unexpected(format!("{reply:?}")))
    /// })?;
    /// println!("{keys} keys");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an error reply, and what `read` says; anything else ends the connection.
    pub fn call<T>(
        &mut self,
        arguments: &[&[u8]],
        read: impl FnOnce(&Value<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        encode_command(&mut self.output, arguments);
        self.flush()?;
        self.receive(read)
    }

    /// Takes a place in `zone`.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// match connection.join("shop") {
    ///     Ok(place) => println!("{} is at {}", place.token, place.position),
    ///     Err(error) if error.code() == Some("FULL") => println!("come back later"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`]; among the refusals are `NOZONE`, `FULL` and `CLOSED`.
    pub fn join(&mut self, zone: &str) -> Result<Place, ClientError> {
        self.call(&[b"Q.JOIN", zone.as_bytes()], Place::read)
    }

    /// Takes a place in `zone` under a request id: repeated with the same id, it is the same place.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// let first = connection.join_once("shop", "request-91")?;
    /// let again = connection.join_once("shop", "request-91")?;
    /// assert_eq!(first.token, again.token);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::join`].
    pub fn join_once(&mut self, zone: &str, request: &str) -> Result<Place, ClientError> {
        self.call(&[b"Q.JOIN", zone.as_bytes(), b"REQUEST", request.as_bytes()], Place::read)
    }

    /// Takes `count` places in `zone`, many at a time, and hands each to `each`.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// let mut tokens = Vec::new();
    /// connection.join_many("shop", 10_000, |place| tokens.push(place.token))?;
    /// assert_eq!(tokens.len(), 10_000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::join`], for the first that fails; replies to later ones may still be on the way, so the
    /// connection is of no further use then.
    pub fn join_many(
        &mut self,
        zone: &str,
        count: u64,
        mut each: impl FnMut(Place),
    ) -> Result<(), ClientError> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(JOINS_IN_FLIGHT_MAX);
            for _ in 0..batch {
                encode_command(&mut self.output, &[b"Q.JOIN", zone.as_bytes()]);
            }
            self.flush()?;
            for _ in 0..batch {
                each(self.receive(Place::read)?);
            }
            left -= batch;
        }
        Ok(())
    }

    /// Asks where `token` stands; this counts as its sign of life.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// let token = connection.join("shop")?.token;
    /// let place = connection.poll("shop", &token)?;
    /// println!("at {}, ask again in {} ms", place.position, place.poll_ms);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`]; among the refusals are `NOZONE`, `BADTOKEN` and `GONE`.
    pub fn poll(&mut self, zone: &str, token: &str) -> Result<Place, ClientError> {
        self.call(&[b"Q.POLL", zone.as_bytes(), token.as_bytes()], Place::read)
    }

    /// Gives the place up; false where it was gone already.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// let token = connection.join("shop")?.token;
    /// assert!(connection.leave("shop", &token)?);
    /// assert!(!connection.leave("shop", &token)?, "it was gone already");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn leave(&mut self, zone: &str, token: &str) -> Result<bool, ClientError> {
        self.call(&[b"Q.LEAVE", zone.as_bytes(), token.as_bytes()], flag)
    }

    /// Creates `zone` or changes its settings.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// use sluice_client::ZoneSettings;
    /// connection.zone_set("shop", &ZoneSettings { limit: Some(600), ..Default::default() })?;
    /// connection.zone_set("shop", &ZoneSettings { mode: Some("paused".into()), ..Default::default() })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`]; a setting out of its bounds is refused.
    pub fn zone_set(&mut self, zone: &str, settings: &ZoneSettings) -> Result<(), ClientError> {
        let words = settings.words();
        let mut arguments: Vec<&[u8]> = vec![b"Q.ZONE", b"SET", zone.as_bytes()];
        arguments.extend(words.iter().map(String::as_bytes));
        self.call(&arguments, |_| Ok(()))
    }

    /// Removes `zone` with everybody in it; false where there was none.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// if connection.stats("shop")?.waiting == 0 {
    ///     connection.zone_del("shop")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn zone_del(&mut self, zone: &str) -> Result<bool, ClientError> {
        self.call(&[b"Q.ZONE", b"DEL", zone.as_bytes()], flag)
    }

    /// The counters of `zone`.
    ///
    /// ```no_run
    /// # fn example(connection: &mut sluice_client::Connection) -> Result<(), sluice_client::ClientError> {
    /// let stats = connection.stats("shop")?;
    /// println!("{} wait, {} of them keep polling", stats.waiting, stats.present);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Connection::call`]; among the refusals is `NOZONE`.
    pub fn stats(&mut self, zone: &str) -> Result<ZoneStats, ClientError> {
        self.call(&[b"Q.STATS", zone.as_bytes()], ZoneStats::read)
    }

    fn flush(&mut self) -> Result<(), ClientError> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Hands the next reply to `read`, in the order of the commands. Pushes answer no command and are passed over.
    fn receive<T>(
        &mut self,
        read: impl FnOnce(&Value<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            let needed = match decode(&self.input[self.decoded..])? {
                Reply::Value { value, consumed } => {
                    self.decoded += consumed;
                    match value {
                        Value::Push(_) => continue,
                        Value::Error(text) => return Err(ClientError::refused(text)),
                        value => return read(&value),
                    }
                }
                Reply::Incomplete { needed } => needed,
            };
            self.fill(needed)?;
        }
    }

    /// Drops what was decoded and reads on, towards a reply of at least `needed` bytes.
    fn fill(&mut self, needed: usize) -> Result<(), ClientError> {
        if needed > REPLY_BYTES_MAX {
            return Err(ClientError::Unexpected(format!("a reply of {needed} bytes")));
        }
        self.input.drain(..self.decoded);
        self.decoded = 0;
        let held = self.input.len();
        self.input.resize(held + READ_BYTES.max(needed.saturating_sub(held)), 0);
        let read = loop {
            match self.stream.read(&mut self.input[held..]) {
                // A process that was stopped and goes on is told so by this.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.input.truncate(held + read.as_ref().copied().unwrap_or(0));
        match read? {
            0 => Err(ClientError::Closed),
            _ => Ok(()),
        }
    }
}

/// Appends one command to `out` as clients send it: an array of bulk strings.
///
/// ```
/// let mut out = Vec::new();
/// sluice_client::encode_command(&mut out, &[b"PING"]);
/// assert_eq!(out, b"*1\r\n$4\r\nPING\r\n");
/// ```
pub fn encode_command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    let mut writer = Writer::new(out, Proto::Resp3);
    writer.array(arguments.len());
    arguments.iter().for_each(|argument| writer.bulk(argument));
}
