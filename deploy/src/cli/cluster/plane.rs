//! Questions to an admin port, and the answers or why there are none.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_net::cluster::{Done, Operation, Status};

use crate::limit;

/// Why a question has no answer, or not the one that was wished for.
#[derive(Debug)]
pub(crate) enum PlaneError {
    /// Nobody is there, or says nothing in time.
    Unreachable { url: String, why: String },
    /// Something else is there.
    Foreign { url: String, status: u16 },
    /// The cluster, or its guard, said no.
    Refused { code: String, detail: String },
    /// A data folder is not what it should be.
    Folder { path: PathBuf, why: String },
    /// Fewer nodes came than were waited for.
    Missing { here: usize, expected: usize },
    /// A data folder was not repaired.
    Unrepaired { data: PathBuf, why: String },
}

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaneError::Unreachable { url, why } => {
                write!(f, "{url} does not answer: {why}; start the node, or name another with --admin")
            }
            PlaneError::Foreign { url, status } => {
                write!(f, "{url} is no admin port of sluice (it answers {status}): name one with --admin")
            }
            PlaneError::Refused { code, detail } => write!(f, "{code} {detail}"),
            PlaneError::Folder { path, why } => {
                write!(f, "{}: {why}; name the data folder of a node that is stopped", path.display())
            }
            PlaneError::Unrepaired { data, why } => write!(f, "{}: {why}", data.display()),
            PlaneError::Missing { here, expected } => write!(
                f,
                "{here} of {expected} nodes are here: start the others with --join and this cluster's peer port"
            ),
        }
    }
}

impl std::error::Error for PlaneError {}

impl PlaneError {
    /// What a shell is told.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            PlaneError::Unreachable { .. } | PlaneError::Foreign { .. } => 3,
            PlaneError::Refused { .. }
            | PlaneError::Missing { .. }
            | PlaneError::Folder { .. }
            | PlaneError::Unrepaired { .. } => 1,
        }
    }
}

/// One admin port.
pub(super) struct Plane {
    base: String,
    authorization: Option<String>,
    agent: ureq::Agent,
}

/// As problem documents have it.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Plane {
    /// The port at a URL, or at `host:port`.
    pub(super) fn new(url: &str, token: Option<&str>) -> Plane {
        let url = url.trim_end_matches('/');
        let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let authorization = token.map(|token| format!("Bearer {token}"));
        Plane { base, authorization, agent: agent(limit::OPERATION_MS_MAX) }
    }

    /// The same, with little patience.
    pub(super) fn hastily(self) -> Plane {
        Plane { agent: agent(limit::GLANCE_MS_MAX), ..self }
    }

    /// What the cluster is like.
    pub(super) fn status(&self) -> Result<Status, PlaneError> {
        let request = self.agent.get(format!("{}/admin/cluster", self.base));
        let request = match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        self.read(request.call())
    }

    /// Has something done.
    pub(super) fn administer(&self, operation: &Operation) -> Result<Done, PlaneError> {
        let (name, members) = named(operation);
        let request = self.agent.post(format!("{}/admin/cluster/{name}", self.base));
        let request = match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        self.read(request.content_type("application/json").send(members.to_string()))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, PlaneError> {
        let unreachable =
            |error: ureq::Error| PlaneError::Unreachable { url: self.base.clone(), why: error.to_string() };
        let mut answer = answer.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(limit::ANSWER_BYTES_MAX);
        let body = body.read_to_string().map_err(unreachable)?;
        if status == 200
            && let Ok(value) = serde_json::from_str(&body)
        {
            return Ok(value);
        }
        Err(match serde_json::from_str(&body) {
            Ok(Problem { code, detail }) => PlaneError::Refused { code, detail },
            Err(_) => PlaneError::Foreign { url: self.base.clone(), status },
        })
    }
}

fn agent(patience_ms: u64) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_millis(limit::CLI_PATIENCE_MS.min(patience_ms))))
        .timeout_global(Some(Duration::from_millis(patience_ms)))
        .http_status_as_error(false)
        // A token is for this port alone.
        .max_redirects(0)
        .proxy(None)
        .build()
        .into()
}

/// The last part of the path, and the body.
fn named(operation: &Operation) -> (String, Value) {
    match serde_json::to_value(operation) {
        Ok(Value::Object(one)) => one.into_iter().next().unwrap_or_default(),
        Ok(Value::String(name)) => (name, Value::Object(serde_json::Map::new())),
        // An operation is an enum of structs: it becomes a text or an object.
        other => unreachable!("an operation became {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::named;
    use serde_json::json;
    use sluice_net::cluster::Operation;

    #[test]
    fn an_operation_is_a_path_and_a_body() {
        assert_eq!(named(&Operation::Init), ("init".to_owned(), json!({})));
        let transfer = Operation::Transfer { group: None, node: 2 };
        assert_eq!(named(&transfer), ("transfer".to_owned(), json!({"group": null, "node": 2})));
    }
}
