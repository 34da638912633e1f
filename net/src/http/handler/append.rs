//! `POST /v1/streams/{key}/events`: append an entry, and with it perhaps trim the stream, set its deadline, or end it.

use super::subscribe::NO_WRITER;
use super::{check_media, identity};
use crate::caller::RequestId;
use crate::http::json::Members;
use crate::http::percent;
use crate::http::problem::Problem;
use crate::http::recall::Purpose;
use crate::http::visit::{Handled, Visit};
use crate::limit;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::op::{Add, Keep, KeyOp, NewId, Trim};
use sluice_engine::stream::text::Text;

const BAD_ESCAPE: Problem = Problem::new(400, "MALFORMED", "the target has a bad escape");
const NO_LENGTH: Problem = Problem::new(411, "LENGTH", "a body of stated length is needed");
const NO_OBJECT: Problem = Problem::new(400, "MALFORMED", "the body is not a JSON object");
const NO_FIELDS: Problem = Problem::new(400, "MALFORMED", "the entry has no fields");
const NO_ENTRY: Problem = Problem::new(400, "MALFORMED", "maxlen and ttl go with an entry");

/// What the query asks for in the same step.
#[derive(Default)]
struct Options {
    maxlen: Option<u64>,
    ttl_ms: Option<u64>,
    end: bool,
}

/// Appends.
pub(crate) fn run(visit: &mut Visit<'_, '_>, key: &str) -> Handled {
    let Some(key) = percent::decode(key) else { return visit.problem(&BAD_ESCAPE) };
    if let Err(problem) = visit.privilege(NO_WRITER) {
        return visit.problem(&problem);
    }
    match operation(visit, &key) {
        Ok(op) => {
            let purpose = if matches!(op, KeyOp::End(_)) { Purpose::End } else { Purpose::Append };
            visit.ask_key(&key, op, purpose)
        }
        Err(problem) => visit.problem(&problem),
    }
}

fn operation(visit: &Visit<'_, '_>, key: &[u8]) -> Result<KeyOp, Problem> {
    let call = visit.call;
    if !call.fields.sized {
        return Err(NO_LENGTH);
    }
    check_media(&call.fields)?;
    let options = Options::read(call.query)?;
    let members: Members<'_> = serde_json::from_slice(call.body).map_err(|_| NO_OBJECT)?;
    let request = identity(call.fields.idempotency_key, "Idempotency-Key is too long")?;
    let key = Text::from(key);
    if members.is_empty() {
        let alone = options.maxlen.is_none() && options.ttl_ms.is_none();
        return match options.end {
            true if alone => Ok(KeyOp::End(key)),
            true => Err(NO_ENTRY),
            false => Err(NO_FIELDS),
        };
    }
    let directory = &visit.desk.shared.directory;
    Ok(KeyOp::Add(Add {
        no_create: false,
        trim: options.maxlen.map(|most| Trim { keep: Keep::Newest(most), limit: 0 }),
        id: NewId::Auto,
        fields: Fields::pack(members.texts()),
        request: request.map(|id| RequestId { caller: visit.caller(), user: None, id }.hash(directory, &key)),
        ttl_ms: options.ttl_ms,
        end: options.end,
        key,
    }))
}

impl Options {
    fn read(query: &str) -> Result<Options, Problem> {
        let mut options = Options::default();
        for (name, value) in percent::parameters(query) {
            let number = value.as_deref().and_then(percent::number);
            match name {
                "maxlen" => {
                    let bad = Problem::new(400, "MALFORMED", "maxlen is a number of entries");
                    options.maxlen = Some(number.ok_or(bad)?);
                }
                "ttl" => {
                    let bad = Problem::new(400, "MALFORMED", "ttl is a number of milliseconds, 1 to 2^53");
                    let fits = |ttl: &u64| (1..=limit::STREAM_TTL_MS_MAX).contains(ttl);
                    options.ttl_ms = Some(number.filter(fits).ok_or(bad)?);
                }
                "end" => {
                    let bad = Problem::new(400, "MALFORMED", "end is 1 or 0");
                    options.end = number.filter(|end| *end <= 1).ok_or(bad)? == 1;
                }
                _ => {}
            }
        }
        Ok(options)
    }
}
