//! Typed replies, read from maps (RESP3) or flat arrays (RESP2).

use sluice_net::resp::reply::Value;

use crate::error::ClientError;

/// Whether a token may enter.
///
/// ```no_run
/// use sluice_client::State;
/// # fn example(place: sluice_client::Place) {
/// match place.state {
///     State::Waiting => println!("poll again in {} ms", place.poll_ms),
///     State::Admitted => println!("enter with {:?}", place.pass),
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// It may enter.
    Admitted,
}

/// Where a token stands: the reply to a join or a poll.
///
/// ```no_run
/// # async fn example(zone: sluice_client::Zone) -> Result<(), sluice_client::Error> {
/// let place = zone.join(sluice_client::Join::default()).await?;
/// let minutes = place.eta_ms.map(|ms| ms.div_ceil(60_000));
/// println!("number {}, {minutes:?} minutes to go", place.position);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Waiting or admitted.
    pub state: State,
    /// The token's text.
    pub token: String,
    /// 1 is next, 0 is admitted.
    pub position: u64,
    /// Expected wait; `None` where it is unknown.
    pub eta_ms: Option<u64>,
    /// When to poll again.
    pub poll_ms: u64,
    /// What proves the admission to the protected service, where the server issues it.
    pub pass: Option<String>,
    /// When it was admitted, in the zone's own time.
    pub admitted_at_ms: Option<u64>,
    /// True where a node cut off from its cluster answered from what it last knew.
    pub stale: bool,
}

/// What `zone_set` changes; `None` keeps what is, or the default of a new zone.
///
/// ```
/// let settings = sluice_client::ZoneSettings { limit: Some(600), ..Default::default() };
/// assert_eq!(settings.abandon_ms, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneSettings {
    /// Admissions in any window.
    pub limit: Option<u64>,
    /// The window.
    pub window_ms: Option<u64>,
    /// The part of it in which admissions are spread evenly.
    pub slice_ms: Option<u64>,
    /// How often waiters poll.
    pub poll_ms: Option<u64>,
    /// Silence after which a waiter is out.
    pub abandon_ms: Option<u64>,
    /// Waiters the zone may hold.
    pub max_waiting: Option<u64>,
    /// How long an admission is remembered.
    pub pass_ttl_ms: Option<u64>,
    /// `auto`, `paused`, `open` or `closed`.
    pub mode: Option<String>,
    /// Of the waiting page: pairs of a language and the text in it. Those that are not named are left.
    pub title: Vec<(String, String)>,
    /// Below the title, in the same shape.
    pub message: Vec<(String, String)>,
    /// Where the page sends the admitted.
    pub target_url: Option<String>,
}

/// A zone's counters.
///
/// ```
/// use sluice_client::ZoneStats;
/// let stats = ZoneStats { limit: 600, admitted_60s: 540, ..ZoneStats::default() };
/// assert_eq!(stats.limit - stats.admitted_60s, 60, "may enter yet");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ZoneStats {
    /// Live waiters.
    pub waiting: u64,
    /// Those of them that keep polling.
    pub present: u64,
    /// Admissions of the last minute.
    pub admitted_60s: u64,
    /// Admissions of the last 6 s.
    pub admitted_6s: u64,
    /// Admissions allowed in a minute.
    pub limit: u64,
    /// Joins ever.
    pub joined_total: u64,
    /// Admissions ever.
    pub admitted_total: u64,
    /// Waiters ever lost to silence.
    pub abandoned_total: u64,
    /// Waiters that ever left.
    pub left_total: u64,
    /// Wait of who joined now; `None` where it is unknown.
    pub eta_ms: Option<u64>,
}

impl Place {
    /// Whether it may enter.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// let place = zone.poll(token).await?;
    /// if place.is_admitted() {
    ///     println!("enter with {:?}", place.pass);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.state == State::Admitted
    }

    pub(crate) fn read(reply: &Value<'_>) -> Result<Self, ClientError> {
        let state = match reply.field(b"state").and_then(Value::bytes) {
            Some(b"waiting") => State::Waiting,
            Some(b"admitted") => State::Admitted,
            _ => return Err(missing("state", reply)),
        };
        Ok(Self {
            state,
            token: text(reply, "token").ok_or_else(|| missing("token", reply))?,
            position: required(reply, "position")?,
            eta_ms: count(reply, "eta_ms"),
            poll_ms: required(reply, "poll_ms")?,
            pass: text(reply, "pass"),
            admitted_at_ms: count(reply, "admitted_at"),
            stale: reply.field(b"stale").is_some(),
        })
    }
}

impl ZoneStats {
    pub(crate) fn read(reply: &Value<'_>) -> Result<Self, ClientError> {
        Ok(Self {
            waiting: required(reply, "waiting")?,
            present: required(reply, "present")?,
            admitted_60s: required(reply, "admitted_60s")?,
            admitted_6s: required(reply, "admitted_6s")?,
            limit: required(reply, "limit")?,
            joined_total: required(reply, "joined_total")?,
            admitted_total: required(reply, "admitted_total")?,
            abandoned_total: required(reply, "abandoned_total")?,
            left_total: required(reply, "left_total")?,
            eta_ms: count(reply, "eta_ms"),
        })
    }
}

/// 1 or 0.
pub(crate) fn flag(reply: &Value<'_>) -> Result<bool, ClientError> {
    match reply {
        Value::Integer(number @ (0 | 1)) => Ok(*number == 1),
        other => Err(ClientError::Unexpected(format!("{other:?} instead of 0 or 1"))),
    }
}

fn text(reply: &Value<'_>, name: &str) -> Option<String> {
    let bytes = reply.field(name.as_bytes())?.bytes()?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// Pairs of a language and a text.
fn texts(reply: &Value<'_>, name: &str) -> Vec<(String, String)> {
    let word = |value: &Value<'_>| value.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match reply.field(name.as_bytes()) {
        Some(Value::Map(pairs)) => {
            pairs.iter().filter_map(|(tag, text)| Some((word(tag)?, word(text)?))).collect()
        }
        _ => Vec::new(),
    }
}

/// A count, or `None` where the field is missing or negative, which stands for "unknown".
fn count(reply: &Value<'_>, name: &str) -> Option<u64> {
    u64::try_from(reply.field(name.as_bytes())?.integer()?).ok()
}

fn required(reply: &Value<'_>, name: &str) -> Result<u64, ClientError> {
    count(reply, name).ok_or_else(|| missing(name, reply))
}

fn missing(name: &str, reply: &Value<'_>) -> ClientError {
    ClientError::Unexpected(format!("no {name} in {reply:?}"))
}

impl ZoneSettings {
    /// The words of `Q.ZONE SET` behind the zone's name.
    pub(crate) fn words(&self) -> Vec<String> {
        let numbers = [
            ("LIMIT", self.limit),
            ("WINDOW_MS", self.window_ms),
            ("SLICE_MS", self.slice_ms),
            ("POLL_MS", self.poll_ms),
            ("ABANDON_MS", self.abandon_ms),
            ("MAX_WAITING", self.max_waiting),
            ("PASS_TTL_MS", self.pass_ttl_ms),
        ];
        let numbers = numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
        let named = [("MODE", &self.mode), ("TARGET_URL", &self.target_url)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let words = numbers.chain(named).flat_map(|(name, value)| [name.to_owned(), value]);
        let texts = [("TITLE", &self.title), ("MESSAGE", &self.message)];
        let texts = texts.into_iter().flat_map(|(name, texts)| texts.iter().map(move |text| (name, text)));
        words
            .chain(texts.flat_map(|(name, (tag, text))| [name.to_owned(), tag.clone(), text.clone()]))
            .collect()
    }

    pub(crate) fn read(reply: &Value<'_>) -> Result<Self, ClientError> {
        Ok(Self {
            limit: Some(required(reply, "limit")?),
            window_ms: count(reply, "window_ms"),
            slice_ms: count(reply, "slice_ms"),
            poll_ms: count(reply, "poll_ms"),
            abandon_ms: count(reply, "abandon_ms"),
            max_waiting: count(reply, "max_waiting"),
            pass_ttl_ms: count(reply, "pass_ttl_ms"),
            mode: text(reply, "mode"),
            title: texts(reply, "title"),
            message: texts(reply, "message"),
            target_url: text(reply, "target_url").filter(|url| !url.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use sluice_net::resp::reply::{Reply, Value, decode};

    use super::{Place, State, ZoneSettings};

    fn value(text: &str) -> Value<'_> {
        match decode(text.as_bytes()) {
            Ok(Reply::Value { value, .. }) => value,
            other => panic!("{other:?}"),
        }
    }

    const FIELDS: &str = "+state\r\n+waiting\r\n+token\r\n+abc\r\n+position\r\n:7\r\n+eta_ms\r\n:-1\r\n\
                          +poll_ms\r\n:3000\r\n";

    #[test]
    fn a_place_reads_the_same_from_a_map_and_from_a_flat_array() {
        for head in ["%5", "*10"] {
            let place = Place::read(&value(&format!("{head}\r\n{FIELDS}"))).expect("is a place");
            assert_eq!((place.state, place.token.as_str(), place.position), (State::Waiting, "abc", 7));
            assert_eq!((place.eta_ms, place.poll_ms, place.pass, place.stale), (None, 3_000, None, false));
        }
    }

    #[test]
    fn a_reply_without_a_promised_field_is_unexpected() {
        let error = Place::read(&value("%1\r\n+state\r\n+waiting\r\n")).expect_err("no token").to_string();
        assert!(error.starts_with("unexpected reply: no token in"), "{error}");
        Place::read(&value("+OK\r\n")).expect_err("not a map");
    }

    #[test]
    fn settings_name_only_what_they_change() {
        let settings = ZoneSettings { limit: Some(5), mode: Some("paused".into()), ..Default::default() };
        assert_eq!(settings.words(), ["LIMIT", "5", "MODE", "paused"]);
        assert!(ZoneSettings::default().words().is_empty());
    }
}
