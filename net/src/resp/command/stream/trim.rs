//! `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`, and the same options in `XADD`.
//!
//! Both kinds of trim are carried out exactly: `~` allows more to stay, it does not ask for it.

use super::id;
use crate::resp::args::Args;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{Keep, KeyOp, Trim};

pub(crate) static XTRIM: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "stream", "slow"],
    summary: "Removes the oldest entries of a stream.",
    since: "5.0.0",
    group: "stream",
    complexity: "O(N) with N being the number of entries that go",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[Argument::key("key"), Argument::block("trim", TRIM)],
    run: Some(run),
    ..CommandSpec::new("xtrim", -4)
};

/// What says how much stays.
pub(super) const TRIM: &[Argument] = &[
    Argument::one_of("strategy", &[Argument::word("maxlen", "MAXLEN"), Argument::word("minid", "MINID")]),
    Argument::one_of("operator", &[Argument::word("equal", "="), Argument::word("approximately", "~")])
        .optional(),
    Argument::string("threshold"),
    Argument::integer("count").after("LIMIT").optional(),
];

/// Entries that a `~` without `LIMIT` removes at most, as in Redis.
const LIMIT_DEFAULT: u64 = 10_000;

const BOTH: Fault<'static> =
    Fault::Text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const NONE: Fault<'static> =
    Fault::Text("ERR syntax error, XTRIM must be called with at least one trimming strategy");
const LIMIT_OF_NOTHING: Fault<'static> =
    Fault::Text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const LIMIT_EXACT: Fault<'static> =
    Fault::Text("ERR syntax error, LIMIT cannot be used without the special ~ option");
const MAXLEN_NEGATIVE: Fault<'static> = Fault::Text("ERR The MAXLEN argument must be >= 0.");
const LIMIT_NEGATIVE: Fault<'static> = Fault::Text("ERR The LIMIT argument must be >= 0.");

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut options = TrimOptions::default();
    let mut at = 2;
    while at < call.args.len() {
        at = options.take(call.args, at)?.ok_or(Fault::Syntax)?;
    }
    if options.is_nothing() {
        return Err(NONE);
    }
    let trim = options.finish()?.ok_or(NONE)?;
    Ok(Step::key(KeyOp::Trim(call.text(1), trim)))
}

/// What was said about trimming so far.
#[derive(Default)]
pub(super) struct TrimOptions {
    keep: Option<Keep>,
    about: bool,
    limit: Option<u64>,
}

impl TrimOptions {
    /// Reads the option at `at`; where the next one is. `None`: this is none of them.
    pub(super) fn take<'a>(&mut self, args: Args<'a>, at: usize) -> Result<Option<usize>, Fault<'a>> {
        let (Some(word), true) = (args.get(at), at + 1 < args.len()) else { return Ok(None) };
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"LIMIT") {
            let limit = integer(args.get(at + 1).unwrap_or_default()).ok_or(Fault::NotInteger)?;
            self.limit = Some(u64::try_from(limit).map_err(|_| LIMIT_NEGATIVE)?);
            return Ok(Some(at + 2));
        }
        let by_len = is(b"MAXLEN");
        if !by_len && !is(b"MINID") {
            return Ok(None);
        }
        if self.keep.is_some() {
            return Err(BOTH);
        }
        let sign = args.get(at + 1).filter(|sign| at + 2 < args.len() && (*sign == b"~" || *sign == b"="));
        self.about = sign == Some(b"~");
        let at = at + 1 + usize::from(sign.is_some());
        let threshold = args.get(at).unwrap_or_default();
        self.keep = Some(if by_len {
            let len = integer(threshold).ok_or(Fault::NotInteger)?;
            Keep::Newest(u64::try_from(len).map_err(|_| MAXLEN_NEGATIVE)?)
        } else {
            Keep::From(id::id(threshold)?)
        });
        Ok(Some(at + 1))
    }

    /// Whether nothing was asked for; no limit is none, too.
    fn is_nothing(&self) -> bool {
        self.keep.is_none() && self.limit.unwrap_or(0) == 0
    }

    /// What is to be done, once all options were read.
    pub(super) fn finish(&self) -> Result<Option<Trim>, Fault<'static>> {
        let Some(keep) = self.keep else {
            return match self.limit {
                None => Ok(None),
                Some(0) => Err(LIMIT_EXACT),
                Some(_) => Err(LIMIT_OF_NOTHING),
            };
        };
        let limit = match (self.about, self.limit) {
            (true, limit) => limit.unwrap_or(LIMIT_DEFAULT),
            (false, None) => 0,
            (false, Some(_)) => return Err(LIMIT_EXACT),
        };
        Ok(Some(Trim { keep, limit }))
    }
}
