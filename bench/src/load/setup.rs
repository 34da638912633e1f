//! What a server needs before a run: scripts loaded, the value set.

use std::net::SocketAddr;

use sluice_client::{ClientError, Connection, Value};

use crate::error::Result;
use crate::load::arguments::Plan;
use crate::load::deck::{Deck, Ingredients};
use crate::load::operation::Operation;
use crate::load::tokens::Tokens;

const POLL_SCRIPT: &str = include_str!("../../lua/poll.lua");
const JOIN_SCRIPT: &str = include_str!("../../lua/join.lua");

/// Prepares the server for the plan's operation and encodes the requests.
pub(crate) fn prepare(plan: &Plan, tokens: &Tokens) -> Result<Deck> {
    let script = match plan.operation {
        Operation::LuaPoll => load_script(plan, POLL_SCRIPT)?,
        Operation::LuaJoin | Operation::LuaJoinWait => load_script(plan, JOIN_SCRIPT)?,
        Operation::Get => {
            let value = vec![b'x'; plan.value_bytes];
            connect(plan)?.call(&[b"SET", plan.zone.as_bytes(), &value], |_| Ok(()))?;
            String::new()
        }
        _ => String::new(),
    };
    let host = first(plan).to_string();
    let ingredients = Ingredients {
        operation: plan.operation,
        zone: &plan.zone,
        zones: plan.zones,
        host: &host,
        script: &script,
        seed: plan.seed,
    };
    Deck::build(&ingredients, tokens)
}

/// Its SHA-1, by which it is called.
fn load_script(plan: &Plan, source: &str) -> Result<String> {
    let hash = connect(plan)?.call(&[b"SCRIPT", b"LOAD", source.as_bytes()], |reply| match reply {
        Value::Bulk(hash) => Ok(String::from_utf8_lossy(hash).into_owned()),
        other => Err(ClientError::Unexpected(format!("{other:?} instead of a script's hash"))),
    })?;
    Ok(hash)
}

fn connect(plan: &Plan) -> Result<Connection> {
    Ok(Connection::connect(first(plan))?)
}

/// Where values and scripts are set. Only a single Redis needs either.
fn first(plan: &Plan) -> SocketAddr {
    plan.addresses[0]
}
