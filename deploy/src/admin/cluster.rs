//! `/admin/cluster`: what the cluster is like, and changes of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use sluice_net::cluster::{Decide, Decision, Operation, Refused};
use tokio::sync::oneshot;

use super::Shared;
use super::problem::Problem;
use crate::limit;

/// Operations that take nothing.
const BARE: [&str; 2] = ["init", "finish"];

pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    json(&shared.cluster.status())
}

pub(super) async fn administer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    // A page of another site can send what is not JSON without asking first.
    if !kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
        return Err(Problem::new(415, "MEDIA", "the body must be application/json"));
    }
    let operation = parse(&name, &read(body).await?)?;
    tracing::info!(?operation, "asked of the cluster");
    // A node that is to be added may have been started a moment ago.
    let tries = match operation {
        Operation::AddLearner { .. } | Operation::Replace { .. } => limit::NEWCOMER_TRIES,
        _ => 1,
    };
    let mut decision = decided(&shared, operation.clone()).await;
    for _ in 1..tries {
        if decision.as_ref().is_err_and(|refused| refused.code == "NOTWAITING") {
            decision = decided(&shared, operation.clone()).await;
        }
    }
    json(&decision?)
}

async fn decided(shared: &Shared, operation: Operation) -> Decision {
    let (sender, decided) = oneshot::channel();
    // Whoever asked may be gone by then.
    let decide = Decide::new(move |decision| drop(sender.send(decision)));
    shared.cluster.administer(operation, decide);
    let within = Duration::from_millis(limit::OPERATION_MS_MAX);
    match tokio::time::timeout(within, decided).await {
        Ok(Ok(decision)) => decision,
        Ok(Err(_)) => Err(Refused::new("LOST", "nobody can say whether it was done")),
        Err(_) => Err(Refused::new("LOST", "it takes long: look at the status, it may still be done")),
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let within = Duration::from_millis(limit::ADMIN_BODY_MS_MAX);
    match tokio::time::timeout(within, to_bytes(body, limit::ADMIN_BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::new(413, "FRAMING", "the body is too large, or broke off")),
        Err(_) => Err(Problem::new(408, "FRAMING", "the body took too long")),
    }
}

/// The operation of that name, with the members of the body.
fn parse(name: &str, body: &[u8]) -> Result<Operation, Problem> {
    let malformed = |why: &str| Problem::new(400, "MALFORMED", why);
    let members: Map<String, Value> = match body.trim_ascii() {
        b"" => Map::new(),
        body => serde_json::from_slice(body).map_err(|_| malformed("the body must be a JSON object"))?,
    };
    let tagged = match BARE.contains(&name) {
        true if !members.is_empty() => return Err(malformed("this operation takes nothing")),
        true => Value::String(name.to_owned()),
        false => Value::Object(Map::from_iter([(name.to_owned(), Value::Object(members))])),
    };
    serde_json::from_value(tagged).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("unknown variant") {
            return Problem::new(404, "NOTFOUND", "there is no such operation");
        }
        malformed(&text)
    })
}

fn json(value: &impl serde::Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|_| Problem::new(500, "ERR", "the answer cannot be written"))?;
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, text).into_response())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use sluice_net::cluster::Operation;

    #[test]
    fn every_operation_has_its_members() {
        let peer = || "a:1".to_owned();
        for (name, body, operation) in [
            ("init", "", Operation::Init),
            ("finish", "{}", Operation::Finish),
            ("add-learner", r#"{"peer":"a:1"}"#, Operation::AddLearner { node: None, peer: peer() }),
            (
                "add-learner",
                r#"{"node":4,"peer":"a:1"}"#,
                Operation::AddLearner { node: Some(4), peer: peer() },
            ),
            ("promote", r#"{"node":4}"#, Operation::Promote { node: 4 }),
            ("remove", r#"{"node":4}"#, Operation::Remove { node: 4 }),
            ("transfer", r#"{"group":0,"node":4}"#, Operation::Transfer { group: Some(0), node: 4 }),
            ("transfer", r#"{"node":4}"#, Operation::Transfer { group: None, node: 4 }),
            ("snapshot", "", Operation::Snapshot { group: None }),
            ("replace", r#"{"node":3,"peer":"a:1"}"#, Operation::Replace { node: 3, peer: peer() }),
            ("rotate-secret", "", Operation::RotateSecret { number: None }),
            ("rotate-secret", r#"{"number":2}"#, Operation::RotateSecret { number: Some(2) }),
        ] {
            assert_eq!(parse(name, body.as_bytes()).unwrap(), operation, "{name} {body}");
        }
    }

    #[test]
    fn odd_bodies_are_refused() {
        for (name, body) in [
            ("init", r#"{"node":1}"#),
            ("promote", ""),
            ("promote", "[4]"),
            ("promote", r#"{"node":-1}"#),
            ("promote", r#"{"node":4,"force":true}"#),
            ("transfer", r#"{"node":4,"group":70000}"#),
            ("nosuch", "{}"),
        ] {
            assert!(parse(name, body.as_bytes()).is_err(), "{name} {body}");
        }
    }
}
