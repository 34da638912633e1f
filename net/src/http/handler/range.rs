//! `GET /v1/streams/{key}/events` for JSON: entries behind a place, for whoever repairs a gap; HEAD answers its head.

use crate::cursor::Cursor;
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::limit::{RANGE_BYTES_MAX, RANGE_ENTRIES, RANGE_ENTRIES_MAX};
use sluice_engine::stream::op::{Follow, FollowFrom, KeyOp};
use sluice_engine::stream::text::Text;

const BAD_AFTER: Problem = Problem::new(400, "MALFORMED", "after is EPOCH.SEQ, or SEQ of the present epoch");
const BAD_LIMIT: Problem = Problem::new(400, "MALFORMED", "limit is a number from 1 to 1000");

/// Entries of one stream.
pub(super) fn run(visit: &mut Visit<'_, '_>, key: &[u8]) -> Handled {
    match read(key, visit.call.query) {
        Ok(follow) => visit.ask_key(key, KeyOp::Follow(follow), Purpose::Range),
        Err(problem) => visit.problem(&problem),
    }
}

fn read(key: &[u8], query: &str) -> Result<Follow, Problem> {
    let (mut epoch, mut from, mut limit) = (None, FollowFrom::Oldest, RANGE_ENTRIES);
    for (name, value) in percent::parameters(query) {
        match name {
            "after" => (epoch, from) = value.as_deref().and_then(place).ok_or(BAD_AFTER)?,
            "limit" => {
                let wanted = value.as_deref().and_then(percent::number);
                limit = wanted.filter(|limit| (1..=RANGE_ENTRIES_MAX).contains(limit)).ok_or(BAD_LIMIT)?;
            }
            _ => {}
        }
    }
    Ok(Follow { key: Text::from(key), epoch, from, limit, bytes_max: RANGE_BYTES_MAX })
}

/// The epoch, where one is named, and the number.
fn place(text: &[u8]) -> Option<(Option<u64>, FollowFrom)> {
    let (epoch, dense) = match percent::number(text) {
        Some(dense) => (None, dense),
        None => {
            let cursor = Cursor::parse(text)?;
            (Some(cursor.epoch), cursor.dense)
        }
    };
    Some((epoch, FollowFrom::After(dense)))
}
