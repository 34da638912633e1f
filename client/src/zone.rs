//! Calls about one zone.

use std::sync::Arc;

use crate::client::{Client, value_of};
use crate::fault::Error;
use crate::link::{Answer, Want};
use crate::pool::{Call, Kind};
use crate::reply::{Place, ZoneSettings, ZoneStats, flag};
use crate::wait::Wait;

/// What is known of who joins; all of it may be left out.
///
/// ```
/// let join = sluice_client::Join { user: Some("u-17"), ..Default::default() };
/// assert_eq!(join.request, None);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Join<'a> {
    /// The user: the same one in the same zone gets the same place. 1 to 256 bytes.
    pub user: Option<&'a str>,
    /// The user's address, for limits and counts. At most 64 bytes.
    pub ip: Option<&'a str>,
    /// The user's agent, for counts. At most 1,024 bytes.
    pub agent: Option<&'a str>,
    /// Names this join: repeated within two minutes under the same id it is the same place. One is drawn where none is
    /// given. 1 to 256 bytes.
    pub request: Option<&'a str>,
}

/// A zone of a client. Clones are cheap.
///
/// ```no_run
/// # async fn example(client: sluice_client::Client) -> Result<(), sluice_client::Error> {
/// use sluice_client::{Join, ZoneSettings};
/// let zone = client.zone("shop");
/// zone.set(&ZoneSettings { limit: Some(60), ..Default::default() }).await?;
/// let place = zone.join(Join::default()).await?;
/// println!("place {} in the line", zone.poll(&place.token).await?.position);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Zone {
    client: Client,
    name: Arc<str>,
}

impl Zone {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into() }
    }

    /// The zone's name.
    ///
    /// ```
    /// let client = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?;
    /// assert_eq!(client.zone("shop").name(), "shop");
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a place. It is repeated safely, because it has a request id.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
    /// use sluice_client::{Error, Join};
    /// match zone.join(Join { user: Some("u-17"), ip: Some("203.0.113.9"), ..Join::default() }).await {
    ///     Ok(place) => println!("{} is at {}", place.token, place.position),
    ///     Err(Error::Full | Error::Closed) => println!("come back later"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoZone`], [`Error::Full`], [`Error::Closed`], and as [`Client::call`].
    pub async fn join(&self, join: Join<'_>) -> Result<Place, Error> {
        let drawn = match join.request {
            Some(_) => String::new(),
            None => self.client.draw_request(),
        };
        let request = join.request.unwrap_or(&drawn);
        let mut words: Vec<&[u8]> = vec![b"Q.JOIN", self.name.as_bytes(), b"REQUEST", request.as_bytes()];
        for (option, value) in [("USER", join.user), ("IP", join.ip), ("AGENT", join.agent)] {
            words.extend(value.into_iter().flat_map(|value| [option.as_bytes(), value.as_bytes()]));
        }
        self.place(&words, Kind::Change).await
    }

    /// Asks where `token` stands; this counts as its sign of life. When its turn is near, the server may hold the answer
    /// until it has come.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// use sluice_client::Error;
    /// match zone.poll(token).await {
    ///     Ok(place) if place.is_admitted() => println!("enter with {:?}", place.pass),
    ///     Ok(place) => println!("at {}, ask again in {} ms", place.position, place.poll_ms),
    ///     Err(Error::Gone) => println!("join again"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadToken`], [`Error::Gone`], [`Error::NoZone`], and as [`Client::call`].
    pub async fn poll(&self, token: &str) -> Result<Place, Error> {
        self.place(&[b"Q.POLL", self.name.as_bytes(), token.as_bytes()], Kind::Question).await
    }

    /// Gives the place up; false where it was gone already, also by an earlier try of this call.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// if !zone.leave(token).await? {
    ///     println!("it was gone already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn leave(&self, token: &str) -> Result<bool, Error> {
        let words = [b"Q.LEAVE", self.name.as_bytes(), token.as_bytes()];
        self.client.ask(&words, Kind::Change, |reply| Ok(flag(reply)?)).await
    }

    /// The places of `token` from now on, polled for as often as the server says; the last one is admitted.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// let mut wait = zone.wait(token);
    /// while let Some(told) = wait.next().await {
    ///     match told {
    ///         Ok(place) => println!("at {}, about {:?} ms", place.position, place.eta_ms),
    ///         Err(error) => println!("{error}"), // it goes on where the error passes
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self, token: &str) -> Wait {
        Wait::new(self.clone(), token)
    }

    /// Polls until `token` is admitted, across outages; there is no deadline.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    /// match timeout(Duration::from_secs(600), zone.admitted(token)).await {
    ///     Ok(place) => println!("enter with {:?}", place?.pass),
    ///     Err(_) => println!("it still waits: {}", zone.leave(token).await?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those that do not pass by themselves: [`Error::Gone`], [`Error::BadToken`], [`Error::NoZone`] and the like.
    pub async fn admitted(&self, token: &str) -> Result<Place, Error> {
        let mut wait = self.wait(token);
        loop {
            match wait.next().await {
                Some(Ok(place)) if place.is_admitted() => return Ok(place),
                Some(Err(error)) if !error.is_passing() => return Err(error),
                Some(_) => {}
                None => return Err(Error::Protocol("a wait that ends without an admission".to_owned())),
            }
        }
    }

    /// Makes the zone, which needs a limit, or changes what is named. Needs the role operator.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
    /// use sluice_client::ZoneSettings;
    /// let title = vec![("en".to_owned(), "You are in line".to_owned())];
    /// zone.set(&ZoneSettings { limit: Some(600), title, ..ZoneSettings::default() }).await?;
    /// zone.set(&ZoneSettings { mode: Some("paused".into()), ..Default::default() }).await?; // the limit stays
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Server`] for a setting out of its range, [`Error::NoPerm`], and as [`Client::call`].
    pub async fn set(&self, settings: &ZoneSettings) -> Result<(), Error> {
        let words = settings.words();
        let mut command: Vec<&[u8]> = vec![b"Q.ZONE", b"SET", self.name.as_bytes()];
        command.extend(words.iter().map(String::as_bytes));
        self.client.ask(&command, Kind::Change, |_| Ok(())).await
    }

    /// The settings, all of them there.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
    /// let settings = zone.get().await?;
    /// println!("{:?} in {:?} ms, {:?}", settings.limit, settings.window_ms, settings.mode);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoZone`], and as [`Client::call`].
    pub async fn get(&self) -> Result<ZoneSettings, Error> {
        let words = [&b"Q.ZONE"[..], b"GET", self.name.as_bytes()];
        self.client.ask(&words, Kind::Question, |reply| Ok(ZoneSettings::read(reply)?)).await
    }

    /// Removes the zone with everybody in it; false where there was none. Needs the role operator. It is not repeated, as a
    /// repeat might remove a zone that was made since.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
    /// if zone.stats().await?.waiting == 0 && zone.delete().await? {
    ///     println!("{} is gone", zone.name());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoPerm`], and as [`Client::call`].
    pub async fn delete(&self) -> Result<bool, Error> {
        let words = [&b"Q.ZONE"[..], b"DEL", self.name.as_bytes()];
        self.client.ask(&words, Kind::Once, |reply| Ok(flag(reply)?)).await
    }

    /// The zone's counters.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
    /// let stats = zone.stats().await?;
    /// println!("{} wait, {} of {} entered in a minute", stats.waiting, stats.admitted_60s, stats.limit);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoZone`], and as [`Client::call`].
    pub async fn stats(&self) -> Result<ZoneStats, Error> {
        let words = [b"Q.STATS", self.name.as_bytes()];
        self.client.ask(&words, Kind::Question, |reply| Ok(ZoneStats::read(reply)?)).await
    }

    /// Somebody was let in who could not ask.
    #[cfg(feature = "guard")]
    pub(crate) fn count_unasked(&self) {
        self.client.count_unasked();
    }

    async fn place(&self, words: &[&[u8]], kind: Kind) -> Result<Place, Error> {
        let call = Call { commands: &[words], want: Want::Place, kind };
        self.client.make(&call, read_place).await
    }
}

fn read_place(answer: Answer) -> Result<Place, Error> {
    match answer {
        Answer::Place(place) => Ok(place),
        answer => value_of(&answer, |reply| Ok(Place::read(reply)?)),
    }
}
