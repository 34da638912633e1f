//! `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] [REQUEST id] *|id field value [field value …]`
//!
//! `REQUEST` is this server's own: a repeat under the same id appends nothing and is told the first one's entry.

use super::id;
use super::trim::{TRIM, TrimOptions};
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{Add, KeyOp, NewId};

pub(crate) static XADD: CommandSpec = CommandSpec {
    flags: &["write", "denyoom", "fast"],
    categories: &["write", "stream", "fast"],
    summary: "Appends an entry to a stream, and makes the stream where there is none.",
    since: "5.0.0",
    group: "stream",
    complexity: "O(1), and O(N) with N being the number of entries that are trimmed",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[
        Argument::key("key"),
        Argument::word("nomkstream", "NOMKSTREAM").optional(),
        Argument::block("trim", TRIM).optional(),
        Argument::string("id").after("REQUEST").optional(),
        Argument::one_of("id_or_auto", &[Argument::word("auto_id", "*"), Argument::string("id")]),
        Argument::block("field_value", &[Argument::string("field"), Argument::string("value")]).multiple(),
    ],
    run: Some(run),
    ..CommandSpec::new("xadd", -5)
};

const ZERO: Fault<'static> = Fault::Text("ERR The ID specified in XADD must be greater than 0-0");
/// Bytes of a request's id.
const REQUEST_BYTES_MAX: usize = 256;

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let options = options(call)?;
    let trim = options.trim.finish()?;
    let fields = call.args.from(options.fields_at);
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Fault::WrongArity("xadd"));
    }
    if options.id == Some(NewId::Exact(StreamId::MIN)) {
        return Err(ZERO);
    }
    let key = call.arg(1);
    let request = options.request.map(|id| call.request_hash(key, None, id));
    Ok(Step::key(KeyOp::Add(Add {
        key: key.into(),
        no_create: options.no_create,
        trim,
        id: options.id.unwrap_or(NewId::Auto),
        fields: Fields::pack((0..fields.len()).map(|index| fields.get(index).unwrap_or_default())),
        request,
        ttl_ms: None,
        end: false,
    })))
}

/// What stands between the key and the fields.
#[derive(Default)]
struct Options<'a> {
    no_create: bool,
    trim: TrimOptions,
    request: Option<&'a [u8]>,
    /// `None`: nobody said any.
    id: Option<NewId>,
    fields_at: usize,
}

fn options<'a>(call: &Call<'a, '_>) -> Result<Options<'a>, Fault<'a>> {
    let (args, mut options, mut at) = (call.args, Options::default(), 2);
    while let Some(word) = args.get(at) {
        if word == b"*" {
            (options.id, at) = (Some(NewId::Auto), at + 1);
            break;
        }
        if let Some(next) = options.trim.take(args, at)? {
            at = next;
        } else if word.eq_ignore_ascii_case(b"NOMKSTREAM") {
            (options.no_create, at) = (true, at + 1);
        } else if let (true, Some(request)) = (word.eq_ignore_ascii_case(b"REQUEST"), args.get(at + 1)) {
            if !(1..=REQUEST_BYTES_MAX).contains(&request.len()) {
                return Err(Fault::Length("REQUEST"));
            }
            (options.request, at) = (Some(request), at + 2);
        } else {
            (options.id, at) = (Some(id::new_id(word)?), at + 1);
            break;
        }
    }
    options.fields_at = at;
    Ok(options)
}
