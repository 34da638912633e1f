//! The cluster's secret is replaced by another one.
//!
//! ```text
//!  log: drawn ──▶ every group knows the token key ──▶ every group mints with it ──▶ log: minting ──▶ every node holds it ──▶ log: over
//!   peers prove either                                                                                peers prove the new one
//! ```
//! Each step may be done again, and whoever leads the first group does what is left: while the change is carried out, when it is
//! finished, and by itself (`heal`). The last one waits for nodes that are down for as long as they are, or until they are removed.

use openraft::async_runtime::AsyncRuntime;
use sluice_engine::id::KeyGen;
use sluice_engine::limit::FRESH_MS;
use std::time::Duration;

use super::super::Inner;
use super::super::limit::{ADMIN_WAIT_MS, RETRY_MS};
use super::change::Outcome;
use super::step::Act;
use crate::cluster::{
    AdminCode as Code, AdminError, AdminReply, AdminRequest, Administered, Change, Metadata, Stage,
};
use crate::types::NodeId;

/// The generation of the token key that comes of the secret of this number.
fn generation(number: u64) -> KeyGen {
    KeyGen(number.to_le_bytes()[0])
}

/// The request with the number of the secret that it leads to: so it is one and the same change when it is asked for again.
pub(super) fn numbered(request: AdminRequest, decided: &Metadata) -> AdminRequest {
    let AdminRequest::RotateSecret { number: None } = request else { return request };
    let begun = decided.rotating().map(|rotation| rotation.number);
    AdminRequest::RotateSecret { number: Some(begun.unwrap_or(decided.secret_number() + 1)) }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Refuses a number that does not follow.
    pub(super) fn check_number(&self, request: &AdminRequest, decided: &Metadata) -> Outcome<()> {
        let AdminRequest::RotateSecret { number: Some(wanted) } = request else { return Ok(()) };
        let has = decided.secret_number();
        match decided.rotating() {
            _ if *wanted == has && has > 1 => Ok(()),
            None if *wanted == has + 1 => Ok(()),
            Some(_) if *wanted == has + 1 => {
                let nodes = self.without_newest_secret(decided);
                let message = format!("the rotation to secret {has} is not over: {}", waits_for(&nodes));
                Err(AdminError::new(Code::Busy, message))
            }
            _ => {
                let message = format!("the cluster has secret {has}: the next one is number {}", has + 1);
                Err(AdminError::new(Code::Unknown, message))
            }
        }
    }

    /// Rotates to the secret of this number, or finishes that.
    pub(super) async fn rotate(&self, number: u64) -> Administered {
        if self.metadata().secret_number() < number {
            let secret = self.secrets.draw();
            let none = || AdminError::new(Code::Failed, "the system gives no randomness now: try again");
            let after = self.record(&Change::Rotate { number, secret: secret.ok_or_else(none)? }).await?;
            if after.secret_number() != number {
                return Err(AdminError::new(
                    Code::Failed,
                    "another rotation came between: look at the status",
                ));
            }
        }
        self.mint().await?;
        for _ in 0..ADMIN_WAIT_MS / RETRY_MS {
            if self.metadata().rotating().is_none() || self.end_rotation().await? {
                let message = format!("secret {number} is in force, and no other is accepted from peers");
                return Ok(AdminReply { message, node: None });
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        let nodes = self.without_newest_secret(&self.metadata());
        let message = format!(
            "secret {number} is in force; peers may prove the one before it, too, for now: {}",
            waits_for(&nodes)
        );
        Ok(AdminReply { message, node: None })
    }

    /// Has every group mint tokens with the new secret; true where they did not before.
    pub(super) async fn mint(&self) -> Outcome<bool> {
        let Some(rotation) = self.metadata().rotating().filter(|rotation| rotation.stage == Stage::Drawn)
        else {
            return Ok(false);
        };
        let (number, generation) = (rotation.number, generation(rotation.number));
        for group in self.all() {
            self.at(group, Act::InstallKey(generation, rotation.secret)).await?;
        }
        // Whichever node answers from its own state by then has the key: no token is met before it is known. Twice, for the owner
        // applies a little later than the log says.
        R::sleep(Duration::from_millis(2 * FRESH_MS)).await;
        for group in self.all() {
            self.at(group, Act::ActivateKey(generation)).await?;
        }
        self.record(&Change::Rotated { number, stage: Stage::Minting }).await?;
        Ok(true)
    }

    /// Ends the rotation under way where every node is known to hold its secret; true where it is.
    pub(super) async fn end_rotation(&self) -> Outcome<bool> {
        let metadata = self.metadata();
        let Some(number) = self.may_end(&metadata) else { return Ok(false) };
        let after = self.record(&Change::Rotated { number, stage: Stage::Over }).await?;
        Ok(after.rotating().is_none())
    }

    /// Whether something is left to do of a rotation that can be done now.
    pub(super) fn has_rotation_to_do(&self, metadata: &Metadata) -> bool {
        let is_drawn = metadata.rotating().is_some_and(|rotation| rotation.stage == Stage::Drawn);
        is_drawn || self.may_end(metadata).is_some()
    }

    /// Number of the rotation that only has to be ended.
    fn may_end(&self, metadata: &Metadata) -> Option<u64> {
        let rotation = metadata.rotating().filter(|rotation| rotation.stage == Stage::Minting)?;
        self.without_newest_secret(metadata).is_empty().then_some(rotation.number)
    }
}

/// What an operator does about these nodes.
fn waits_for(nodes: &[NodeId]) -> String {
    let names: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
    match names.as_slice() {
        [] => "finish it".to_owned(),
        _ => format!("it waits for node {}; start it, or remove it", names.join(", ")),
    }
}
