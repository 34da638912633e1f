//! Keeps keys and revocations: a task that asks for keys now and then, and is told of revoked passes.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::client::Client;
use crate::fault::Error;
use crate::follow::{After, Event, Follower};
use crate::pass::{PassKeys, Verifier};
use sluice_net::resp::reply::Value;

/// The stream of revoked passes, and for how long one of them matters, seconds.
const REVOKED: &str = "sluice:revoked-passes";
const REVOKED_S: u64 = 25 * 3_600;
/// How often keys are asked for: a revoked one is believed for so long at most.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// How often at most, however many unknown ones are met.
const KEYS_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// When it is tried again, where that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// The keys of the cluster, as they were when they were last asked for.
pub(super) struct Keys {
    client: Client,
    pub(super) verifier: Verifier,
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    pub(super) fn new(client: Client, verifier: Verifier) -> Keys {
        Keys { client, verifier, asked: Mutex::new(None) }
    }

    /// Fetches them, unless that was done just now.
    pub(super) async fn refresh(&self) -> Result<(), Error> {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|at| at.elapsed() < KEYS_AT_MOST_EVERY) {
            return Ok(());
        }
        let outcome = self.client.call(&[b"Q.KEY", b"LIST"], keys_of).await;
        *asked = Some(Instant::now());
        self.verifier.set_keys(outcome?);
        Ok(())
    }

    async fn keep(self: Arc<Self>) {
        let mut follower = self.client.follow();
        let mut due = Instant::now();
        let mut hears = follower.add(REVOKED, After::Oldest).is_ok();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {
                    let outcome = self.refresh().await;
                    if let Err(error) = &outcome {
                        tracing::warn!(%error, "the keys that verify passes cannot be fetched");
                    }
                    due = Instant::now() + if outcome.is_ok() { KEYS_EVERY } else { AGAIN_AFTER };
                }
                heard = self.hear(&mut follower), if hears => hears = heard,
            }
        }
    }

    /// Takes the next revocation. False where nothing more will be told.
    async fn hear(&self, follower: &mut Follower) -> bool {
        match follower.next().await {
            Ok(Event::Entry { id, fields, .. }) => {
                let appended_s =
                    id.split('-').next().and_then(|ms| ms.parse::<u64>().ok()).unwrap_or(0) / 1_000;
                for (_, jti) in fields.iter().filter(|(name, _)| name == b"jti") {
                    if !self.verifier.revoke(&String::from_utf8_lossy(jti), appended_s + REVOKED_S) {
                        tracing::error!(
                            "more passes were revoked than can be remembered: no pass is believed"
                        );
                    }
                }
                true
            }
            // Trimmed is what has run out.
            Ok(Event::Gap { .. }) => true,
            Ok(Event::End { .. } | Event::Refused { .. }) => {
                tracing::error!("revoked passes are not told: is this user allowed to read them?");
                tokio::time::sleep(AGAIN_AFTER).await;
                follower.add(REVOKED, After::Oldest).is_ok()
            }
            Err(error) => {
                tracing::warn!(%error, "revoked passes cannot be followed");
                tokio::time::sleep(AGAIN_AFTER).await;
                true
            }
        }
    }
}

/// Ends the task with the last guard.
pub(super) struct Keeper(JoinHandle<()>);

impl Keeper {
    pub(super) fn start(keys: &Arc<Keys>) -> Keeper {
        Keeper(tokio::spawn(Arc::clone(keys).keep()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn keys_of(reply: &Value<'_>) -> Result<PassKeys, Error> {
    let Value::Array(rows) = reply else { return Err(Error::Protocol("keys are no list".to_owned())) };
    let mut keys = PassKeys::default();
    for row in rows {
        let text =
            |name: &[u8]| row.field(name).and_then(Value::bytes).and_then(|it| std::str::from_utf8(it).ok());
        if let (Some(id), Some(public)) = (text(b"id"), text(b"public")) {
            keys.add(id, public);
        }
    }
    Ok(keys)
}
