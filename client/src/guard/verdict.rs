//! Who enters, and what the others are answered.

use http::Response;
use http::request::Parts;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

use super::keeper::Keys;
use super::openness::{Budget, Gate};
use super::page::{self, Stop};
use super::request::Shown;
use super::{OnFailure, Openness, Rules};
use crate::fault::Error;
use crate::pass::{Pass, PassError, Verifier};
use crate::reply::Place;
use crate::zone::{Join, Zone};

/// What becomes of a request.
pub(super) enum Verdict {
    /// It goes to the service.
    Enter { pass: Option<Arc<Pass>>, cookies: Vec<String> },
    /// It does not.
    Answer { answer: Response<String>, cookies: Vec<String> },
}

/// Decides.
pub(super) struct Desk {
    zone: Zone,
    keys: Arc<Keys>,
    rules: Rules,
    cookie: String,
    /// What follows the value of a cookie.
    attributes: &'static str,
    /// Of [`OnFailure::OpenFor`].
    budget: Mutex<Budget>,
    entered: AtomicU64,
    /// It was said that there is no such zone, and there has been none since.
    is_unknown: AtomicBool,
}

impl Desk {
    pub(super) fn new(
        zone: Zone,
        keys: Arc<Keys>,
        on_failure: OnFailure,
        rules: Rules,
        cookie: &str,
        is_secure: bool,
    ) -> Desk {
        let attributes = match is_secure {
            true => "; Path=/; HttpOnly; SameSite=Lax; Secure",
            false => "; Path=/; HttpOnly; SameSite=Lax",
        };
        Desk {
            zone,
            keys,
            rules,
            cookie: cookie.to_owned(),
            attributes,
            budget: Mutex::new(Budget::new(match on_failure {
                OnFailure::OpenFor(time) => time,
                OnFailure::Closed => Duration::ZERO,
            })),
            entered: AtomicU64::new(0),
            is_unknown: AtomicBool::new(false),
        }
    }

    pub(super) fn openness(&self) -> Openness {
        Openness { entered: self.entered.load(Relaxed), left: self.budget().left(Instant::now()) }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.keys.verifier
    }

    pub(super) async fn decide(&self, parts: &Parts) -> Verdict {
        if self.rules.let_past(parts) {
            return Verdict::Enter { pass: None, cookies: Vec::new() };
        }
        let shown = Shown::new(parts, &self.cookie);
        for text in shown.passes() {
            if let Ok(pass) = self.verify(text).await {
                return enter(&shown, pass, Vec::new());
            }
        }
        if let Some(text) = shown.pass_in_query()
            && let Ok(pass) = self.verify(text).await
        {
            let cookies = self.entered(text, &pass);
            return match shown.is_safe() {
                true => Verdict::Answer { answer: page::see_other(&shown.stripped()), cookies },
                false => Verdict::Enter { pass: Some(pass), cookies },
            };
        }
        match self.place(&shown).await {
            Ok(place) => self.placed(&shown, &place).await,
            Err(error) => self.failed(&shown, &error),
        }
    }

    /// A key that is not known may be a new one.
    async fn verify(&self, text: &str) -> Result<Arc<Pass>, PassError> {
        match self.verifier().verify(text) {
            Err(PassError::UnknownKey(id)) => match self.keys.refresh().await {
                Ok(()) => self.verifier().verify(text),
                Err(_) => Err(PassError::UnknownKey(id)),
            },
            outcome => outcome,
        }
    }

    /// Where the sender's token stands; who has none, or one that is gone, joins. The token of an address is the sender's where
    /// it is admitted, and never kept while it waits.
    async fn place(&self, shown: &Shown<'_>) -> Result<Place, Error> {
        if let Some(token) = shown.token()
            && let Some(outcome) = self.stands(token).await
        {
            return outcome;
        }
        if let Some(token) = shown.token_in_query()
            && let Some(outcome) = self.stands(token).await
            && !outcome.as_ref().is_ok_and(|place| !place.is_admitted())
        {
            return outcome;
        }
        self.zone.join(Join::default()).await
    }

    /// Where a token stands; `None` where it is none, or gone.
    async fn stands(&self, token: &str) -> Option<Result<Place, Error>> {
        match self.zone.poll(token).await {
            Err(Error::Gone | Error::BadToken | Error::Invalid(_)) => None,
            outcome => Some(outcome),
        }
    }

    async fn placed(&self, shown: &Shown<'_>, place: &Place) -> Verdict {
        self.budget().answered();
        self.is_unknown.store(false, Relaxed);
        if !place.is_admitted() {
            let cookies = vec![self.set("_token", &place.token, None)];
            return Verdict::Answer { answer: self.page(shown, Stop::Waiting(place)), cookies };
        }
        let Some(text) = &place.pass else { return Verdict::Enter { pass: None, cookies: Vec::new() } };
        match self.verify(text).await {
            Ok(pass) => {
                let cookies = self.entered(text, &pass);
                enter(shown, pass, cookies)
            }
            // Revoked: who it was revoked from does not enter by asking again.
            Err(_) => Verdict::Answer { answer: self.page(shown, Stop::Closed), cookies: self.left() },
        }
    }

    fn failed(&self, shown: &Shown<'_>, error: &Error) -> Verdict {
        let stop = match error {
            Error::Full | Error::Closed => {
                self.budget().answered();
                if *error == Error::Full { Stop::Full } else { Stop::Closed }
            }
            // It answers: a zone that was removed, or whose name is misspelt, is no outage.
            Error::NoZone => {
                self.budget().answered();
                if !self.is_unknown.swap(true, Relaxed) {
                    tracing::error!(zone = self.zone.name(), "there is no such zone: nobody enters");
                }
                Stop::Away
            }
            error => {
                tracing::warn!(%error, zone = self.zone.name(), "the waiting room cannot be asked");
                if self.is_open() {
                    return Verdict::Enter { pass: None, cookies: Vec::new() };
                }
                Stop::Away
            }
        };
        Verdict::Answer { answer: self.page(shown, stop), cookies: Vec::new() }
    }

    /// Whether the policy lets somebody in although sluice does not answer.
    fn is_open(&self) -> bool {
        let (gate, left) = {
            let (mut budget, now) = (self.budget(), Instant::now());
            (budget.failed(now), budget.left(now))
        };
        let zone = self.zone.name();
        match gate {
            Gate::Open { begins } => {
                self.entered.fetch_add(1, Relaxed);
                self.zone.count_unasked();
                if begins {
                    tracing::warn!(zone, ?left, "people enter unasked: so much is left of this hour's time");
                }
                true
            }
            Gate::Shut { begins: true } => {
                tracing::error!(zone, "nobody enters unasked any more: the time of this hour is used up");
                false
            }
            Gate::Shut { begins: false } => false,
        }
    }

    fn page(&self, shown: &Shown<'_>, stop: Stop<'_>) -> Response<String> {
        match shown.is_browser() {
            true => page::html(stop, shown.is_korean(), &shown.stripped()),
            false => page::json(self.zone.name(), stop),
        }
    }

    /// The pass is kept for as long as it is good; the token has done its work.
    fn entered(&self, text: &str, pass: &Pass) -> Vec<String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let seconds = pass.expires_at.saturating_sub(now);
        vec![self.set("_pass", text, Some(seconds)), self.set("_token", "", Some(0))]
    }

    fn left(&self) -> Vec<String> {
        vec![self.set("_pass", "", Some(0)), self.set("_token", "", Some(0))]
    }

    fn set(&self, suffix: &str, value: &str, seconds: Option<u64>) -> String {
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        format!("{}{suffix}={value}{age}{}", self.cookie, self.attributes)
    }
}

/// To the service; a browser first to the address without pass and token, before it is copied, kept or sent on.
fn enter(shown: &Shown<'_>, pass: Arc<Pass>, cookies: Vec<String>) -> Verdict {
    if shown.has_additions() && shown.is_browser() && shown.is_safe() {
        return Verdict::Answer { answer: page::see_other(&shown.stripped()), cookies };
    }
    Verdict::Enter { pass: Some(pass), cookies }
}

impl Rules {
    fn let_past(&self, parts: &Parts) -> bool {
        let path = parts.uri.path();
        let below = |known: &String| {
            path.strip_prefix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || known.ends_with('/'))
        };
        let address = parts.extensions.get::<IpAddr>().copied();
        let address = address.or_else(|| parts.extensions.get::<SocketAddr>().map(SocketAddr::ip));
        let has = |(name, secret): &(String, Vec<u8>)| {
            parts.headers.get(name).is_some_and(|value| is_equal(value.as_bytes(), secret))
        };
        self.paths.iter().any(below)
            || address.is_some_and(|address| self.addresses.contains(&address.to_canonical()))
            || self.headers.iter().any(has)
    }
}

/// Takes as long whatever the difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (one, other)| all | (one ^ other)) == 0
}
