//! `Q.JOIN zone [USER id] [IP addr] [AGENT text] [REQUEST id]`
//!
//! Address and agent are accepted, because existing callers send them, and go no further than this file.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec};
use crate::request::Request;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["write", "denyoom", "fast"],
    categories: &["write", "fast"],
    summary: "Takes a place in a zone, or enters it at once where nobody waits.",
    group: "zone",
    complexity: "O(log(N)) with N being the number of waiters",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[
        Argument::key("zone"),
        Argument::string("id").after("USER").optional(),
        Argument::string("addr").after("IP").optional(),
        Argument::string("text").after("AGENT").optional(),
        Argument::string("id").after("REQUEST").optional(),
    ],
    run: Some(run),
    ..CommandSpec::new("q.join", -2)
};

/// Bytes of a user's id.
const USER_BYTES_MAX: usize = 256;
/// Bytes of a request's id.
const REQUEST_BYTES_MAX: usize = 256;
/// Bytes of an address.
const IP_BYTES_MAX: usize = 64;
/// Bytes of an agent.
const AGENT_BYTES_MAX: usize = 1_024;

/// What may follow the zone, each at most once.
#[derive(Default)]
struct Options<'a> {
    user: Option<&'a [u8]>,
    request: Option<&'a [u8]>,
    ip: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
}

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut options = Options::default();
    let mut index = 2;
    while let Some(word) = call.args.get(index) {
        let value = call.args.get(index + 1).ok_or(Fault::Syntax)?;
        options.take(word, value)?;
        index += 2;
    }
    let zone = call.arg(1);
    let (user, request) = (options.user, options.request.map(|id| call.request_hash(zone, options.user, id)));
    Ok(Step::ask(Request::Join { zone, user, request, is_trusted: true }))
}

impl<'a> Options<'a> {
    fn take(&mut self, word: &[u8], value: &'a [u8]) -> Result<(), Fault<'a>> {
        let (name, slot, range) = if word.eq_ignore_ascii_case(b"USER") {
            ("USER", &mut self.user, 1..=USER_BYTES_MAX)
        } else if word.eq_ignore_ascii_case(b"REQUEST") {
            ("REQUEST", &mut self.request, 1..=REQUEST_BYTES_MAX)
        } else if word.eq_ignore_ascii_case(b"IP") {
            ("IP", &mut self.ip, 0..=IP_BYTES_MAX)
        } else if word.eq_ignore_ascii_case(b"AGENT") {
            ("AGENT", &mut self.agent, 0..=AGENT_BYTES_MAX)
        } else {
            return Err(Fault::Syntax);
        };
        if !range.contains(&value.len()) {
            return Err(Fault::Length(name));
        }
        match slot.replace(value) {
            Some(_) => Err(Fault::Duplicate(name)),
            None => Ok(()),
        }
    }
}
