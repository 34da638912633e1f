//! What operators ask of a cluster.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One change of the cluster. Nodes are named by their ids, which are never used twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Add and promote every node that waits to be added.
    Init,
    /// Add a waiting node, which from then on answers polls but has no vote.
    AddLearner {
        /// Its id; `None`: the next free one.
        node: Option<u64>,
        /// Where its peer port is, `host:port`.
        peer: String,
    },
    /// Give a learner a vote.
    Promote {
        /// The learner.
        node: u64,
    },
    /// Take a node out.
    Remove {
        /// The node.
        node: u64,
    },
    /// Hand leadership over.
    Transfer {
        /// Of this group; `None`: of all.
        group: Option<u16>,
        /// To this voter.
        node: u64,
    },
    /// Write a snapshot on this node.
    Snapshot {
        /// Of this group; `None`: of all.
        group: Option<u16>,
    },
    /// Put a waiting node in the place of a dead one.
    Replace {
        /// The dead node.
        node: u64,
        /// Where the waiting node's peer port is, `host:port`.
        peer: String,
    },
    /// Complete a change that was interrupted half-way.
    Finish,
    /// Replace the cluster's secret by another one.
    RotateSecret {
        /// Number of the new one: asked for twice it is done once. `None`: that of the rotation under way, else the next.
        number: Option<u64>,
    },
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// One sentence for a person.
    pub message: String,
    /// The id that was given, where the operation gave one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<u64>,
}

/// Why it was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Stable, in capitals, for programs: for example `QUORUM`.
    pub code: String,
    /// One sentence that says what to do.
    pub message: String,
    /// Milliseconds after which the same may succeed, where waiting helps.
    pub retry_ms: Option<u32>,
}

impl Refused {
    /// A refusal that waiting does not change.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Refused {
        Refused { code: code.to_owned(), message: message.into(), retry_ms: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)
    }
}

/// The outcome of an operation.
pub type Decision = Result<Done, Refused>;

/// The way back to whoever asked. Used or dropped, the asker hears exactly once.
pub struct Decide(Option<Box<dyn FnOnce(Decision) + Send>>);

impl Decide {
    /// A way back that calls `tell`.
    ///
    /// ```
    /// use sluice_net::cluster::Decide;
    /// let (sender, heard) = std::sync::mpsc::channel();
    /// drop(Decide::new(move |decision| sender.send(decision).unwrap()));
    /// assert_eq!(heard.recv().unwrap().unwrap_err().code, "LOST");
    /// ```
    #[must_use]
    pub fn new(tell: impl FnOnce(Decision) + Send + 'static) -> Decide {
        Decide(Some(Box::new(tell)))
    }

    /// Tells the outcome.
    pub fn tell(mut self, decision: Decision) {
        if let Some(tell) = self.0.take() {
            tell(decision);
        }
    }
}

impl Drop for Decide {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            let why = "nobody can say whether it was done: look at the status before trying again";
            tell(Err(Refused::new("LOST", why)));
        }
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide")
    }
}
