//! Names and settings of zones, checked once: a value of these types is valid.

use crate::error::Refusal;
use crate::limit;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A zone's name: 1 to 128 bytes of `A-Z a-z 0-9 . _ : -`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(Arc<str>);

impl ZoneName {
    /// Checks a name that came from outside.
    ///
    /// # Errors
    /// [`Refusal::BadName`].
    ///
    /// ```
    /// use sluice_engine::zone::settings::ZoneName;
    /// assert!(ZoneName::parse(b"shop:checkout-1").is_ok());
    /// assert!(ZoneName::parse(b"no spaces").is_err());
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<ZoneName, Refusal> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if bytes.is_empty() || bytes.len() > limit::ZONE_NAME_BYTES_MAX || !bytes.iter().all(allowed) {
            return Err(Refusal::BadName);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Refusal::BadName)?;
        Ok(ZoneName(Arc::from(text)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> String {
        name.as_str().to_owned()
    }
}

impl TryFrom<String> for ZoneName {
    type Error = Refusal;

    fn try_from(text: String) -> Result<ZoneName, Refusal> {
        ZoneName::parse(text.as_bytes())
    }
}

impl std::borrow::Borrow<str> for ZoneName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Who may enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mode {
    /// By the limit.
    #[default]
    Auto,
    /// Nobody enters, everybody keeps the place.
    Paused,
    /// Everybody enters, and is still counted.
    Open,
    /// As auto for those who wait; joins are refused.
    Closed,
}

impl Mode {
    /// The word used in commands and configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Paused => "paused",
            Mode::Open => "open",
            Mode::Closed => "closed",
        }
    }

    /// Reads the word back, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Mode> {
        [Mode::Auto, Mode::Paused, Mode::Open, Mode::Closed]
            .into_iter()
            .find(|mode| mode.word().eq_ignore_ascii_case(word))
    }
}

/// A text in several languages, as pairs of language tag and text, sorted by tag.
pub type Texts = Vec<(String, String)>;

/// All settings of a zone. Times are milliseconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ZoneSettings {
    /// Admissions allowed in any window; 1 or more.
    pub limit: u32,
    /// The window.
    pub window_ms: u32,
    /// The slice that spreads admissions inside the window.
    pub slice_ms: u32,
    /// How often an ordinary waiter polls.
    pub poll_ms: u32,
    /// Silence after which a waiter is out.
    pub abandon_ms: u32,
    /// Live waiters the zone may hold.
    pub max_waiting: u64,
    /// How long an admission is remembered.
    pub pass_ttl_ms: u32,
    /// Who may enter.
    pub mode: Mode,
    /// Heading of the waiting page, by language.
    pub title: Texts,
    /// The operator's message, by language.
    pub message: Texts,
    /// Where the admitted go; empty when unset.
    pub target_url: String,
}

/// What settings must be, in the order in which [`ZoneSettings::check`] looks at them.
pub(crate) const RULES: [&str; 12] = [
    "limit must be 1 to 100000000",
    "window_ms must be 1000 to 60000",
    "slice_ms must be 100 to window_ms",
    "poll_ms must be 100 to 600000",
    "abandon_ms must be at most 86400000",
    "abandon_ms must be more than 2 * poll_ms + 2000",
    "max_waiting must be 1 to 1000000000",
    "pass_ttl_ms must be 1000 to 86400000",
    "title is too long",
    "message is too long",
    "target_url is too long",
    "target_url must be empty, or begin with http:// or https://",
];
/// A zone cannot be made without.
pub(crate) const NEEDS_LIMIT: &str = "a new zone needs a limit";

impl ZoneSettings {
    /// The defaults, with the given limit.
    #[must_use]
    pub fn with_limit(limit: u32) -> ZoneSettings {
        ZoneSettings {
            limit,
            window_ms: 60_000,
            slice_ms: 6_000,
            poll_ms: 3_000,
            abandon_ms: 60_000,
            max_waiting: 10_000_000,
            pass_ttl_ms: 600_000,
            mode: Mode::Auto,
            title: Texts::new(),
            message: Texts::new(),
            target_url: String::new(),
        }
    }

    /// Admissions allowed in any slice while somebody waits: the window's share, rounded up.
    #[must_use]
    pub fn slice_limit(&self) -> u64 {
        (u64::from(self.limit) * u64::from(self.slice_ms)).div_ceil(u64::from(self.window_ms))
    }

    /// Silence after which a waiter no longer counts ahead of others for admission.
    #[must_use]
    pub fn presence_ms(&self) -> u32 {
        self.poll_ms * 2 + 1_000
    }

    /// How far ahead turns are published: who polls now and keeps the period comes again before they come.
    #[must_use]
    pub fn horizon_ms(&self) -> u64 {
        u64::from(self.poll_ms) + limit::EARLY_MS + limit::INTERVAL_MS_MAX
    }

    /// How long a poll may be parked.
    #[must_use]
    pub fn park_ms(&self) -> u64 {
        (u64::from(self.poll_ms).max(limit::HOLD_MS + limit::INTERVAL_MS_MAX) + limit::PARK_SLACK_MS)
            .min(limit::PARK_MS_MAX)
    }

    /// Checks ranges and relations.
    ///
    /// # Errors
    /// [`Refusal::BadSetting`] naming the setting.
    pub fn check(&self) -> Result<(), Refusal> {
        let rules = [
            (1..=limit::ZONE_LIMIT_MAX).contains(&self.limit),
            (1_000..=limit::WINDOW_MS_MAX).contains(&self.window_ms),
            (100..=self.window_ms).contains(&self.slice_ms),
            (100..=600_000).contains(&self.poll_ms),
            self.abandon_ms <= limit::ABANDON_MS_MAX,
            u64::from(self.abandon_ms) > 2 * u64::from(self.poll_ms) + 2_000,
            (1..=limit::WAITERS_MAX).contains(&self.max_waiting),
            (1_000..=86_400_000).contains(&self.pass_ttl_ms),
            texts_fit(&self.title),
            texts_fit(&self.message),
            self.target_url.len() <= limit::TEXT_BYTES_MAX,
            is_web_address(&self.target_url),
        ];
        match rules.iter().zip(RULES).find(|(holds, _)| !**holds) {
            Some((_, why)) => Err(Refusal::BadSetting(why)),
            None => Ok(()),
        }
    }
}

/// A page sends browsers there: no other scheme may come in through any door.
fn is_web_address(url: &str) -> bool {
    url.is_empty() || url.starts_with("http://") || url.starts_with("https://")
}

fn texts_fit(texts: &Texts) -> bool {
    texts.len() <= limit::LANGUAGES_MAX
        && texts.iter().all(|(tag, text)| tag.len() <= 35 && text.len() <= limit::TEXT_BYTES_MAX)
}

/// A change of settings: what is `None` stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ZonePatch {
    /// See [`ZoneSettings::limit`].
    pub limit: Option<u32>,
    /// See [`ZoneSettings::window_ms`].
    pub window_ms: Option<u32>,
    /// See [`ZoneSettings::slice_ms`].
    pub slice_ms: Option<u32>,
    /// See [`ZoneSettings::poll_ms`].
    pub poll_ms: Option<u32>,
    /// See [`ZoneSettings::abandon_ms`].
    pub abandon_ms: Option<u32>,
    /// See [`ZoneSettings::max_waiting`].
    pub max_waiting: Option<u64>,
    /// See [`ZoneSettings::pass_ttl_ms`].
    pub pass_ttl_ms: Option<u32>,
    /// See [`ZoneSettings::mode`].
    pub mode: Option<Mode>,
    /// Texts to set by language; an empty text removes the language.
    pub title: Texts,
    /// Texts to set by language; an empty text removes the language.
    pub message: Texts,
    /// See [`ZoneSettings::target_url`].
    pub target_url: Option<String>,
    /// Leave an existing zone as it is (configuration creates, it never overrides).
    pub only_create: bool,
}

impl ZonePatch {
    /// The settings that result for `base` (the existing zone's), or for a new zone.
    ///
    /// # Errors
    /// [`Refusal::BadSetting`] where the result breaks a rule, or a new zone has no limit.
    pub fn applied_to(&self, base: Option<&ZoneSettings>) -> Result<ZoneSettings, Refusal> {
        let mut next = match (base, self.limit) {
            (Some(base), _) => base.clone(),
            (None, Some(limit)) => ZoneSettings::with_limit(limit),
            (None, None) => return Err(Refusal::BadSetting(NEEDS_LIMIT)),
        };
        set(&mut next.limit, self.limit);
        set(&mut next.window_ms, self.window_ms);
        set(&mut next.slice_ms, self.slice_ms);
        set(&mut next.poll_ms, self.poll_ms);
        set(&mut next.abandon_ms, self.abandon_ms);
        set(&mut next.max_waiting, self.max_waiting);
        set(&mut next.pass_ttl_ms, self.pass_ttl_ms);
        set(&mut next.mode, self.mode);
        set(&mut next.target_url, self.target_url.clone());
        merge(&mut next.title, &self.title);
        merge(&mut next.message, &self.message);
        next.check()?;
        Ok(next)
    }
}

fn set<T>(field: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *field = value;
    }
}

fn merge(texts: &mut Texts, changes: &Texts) {
    for (tag, text) in changes {
        texts.retain(|(known, _)| known != tag);
        if !text.is_empty() {
            texts.push((tag.clone(), text.clone()));
        }
    }
    texts.sort();
}

#[cfg(test)]
mod tests {
    use super::ZoneSettings;

    #[test]
    fn settings_out_of_range_are_refused_by_name_whatever_their_size() {
        let base = ZoneSettings::with_limit(10);
        let cases = [
            (ZoneSettings { poll_ms: u32::MAX, ..base.clone() }, "poll_ms"),
            (ZoneSettings { abandon_ms: 8_000, ..base.clone() }, "abandon_ms"),
            (ZoneSettings { slice_ms: 60_001, ..base.clone() }, "slice_ms"),
            (ZoneSettings { window_ms: 60_001, ..base.clone() }, "window_ms"),
            (ZoneSettings { limit: 0, ..base.clone() }, "limit"),
            (ZoneSettings { target_url: "javascript:alert(1)".into(), ..base.clone() }, "target_url"),
        ];
        assert!(base.check().is_ok());
        for (settings, name) in cases {
            let refusal = settings.check().unwrap_err().to_string();
            assert!(refusal.starts_with(name), "{name}: {refusal}");
        }
    }
}
