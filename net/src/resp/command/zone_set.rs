//! `Q.ZONE SET zone [LIMIT n] [WINDOW_MS n] … [TITLE lang text] …`: creates a zone or changes what is named.
//!
//! Ranges and relations between settings are the engine's to check, because they depend on what the zone has already.
//! Here each word is read strictly, and at most once (a text: once a language).

use super::execute::{Call, Step};
use super::fault::Fault;
use super::number::whole;
use super::spec::{Access, Argument, CommandSpec, KeySpec};
use crate::request::Request;
use crate::resp::args::Args;
use crate::resp::server::Role;
use sluice_engine::zone::settings::{Mode, Texts, ZonePatch};

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["write", "denyoom"],
    categories: &["write", "slow"],
    access: Access::From(Role::Operator),
    summary: "Creates a zone, or changes the settings that are named.",
    group: "zone",
    key: Some(KeySpec { index: 2, writes: true }),
    arguments: &[
        Argument::key("zone"),
        Argument::integer("limit").after("LIMIT").optional(),
        Argument::integer("milliseconds").after("WINDOW_MS").optional(),
        Argument::integer("milliseconds").after("SLICE_MS").optional(),
        Argument::integer("milliseconds").after("POLL_MS").optional(),
        Argument::integer("milliseconds").after("ABANDON_MS").optional(),
        Argument::integer("waiters").after("MAX_WAITING").optional(),
        Argument::integer("milliseconds").after("PASS_TTL_MS").optional(),
        Argument::one_of("mode", MODES).after("MODE").optional(),
        Argument::block("title", TEXT).after("TITLE").optional().multiple_with_token(),
        Argument::block("message", TEXT).after("MESSAGE").optional().multiple_with_token(),
        Argument::string("url").after("TARGET_URL").optional(),
    ],
    run: Some(run),
    ..CommandSpec::new("q.zone|set", -3)
};

const TEXT: &[Argument] = &[Argument::string("lang"), Argument::string("text")];
const MODES: &[Argument] = &[
    Argument::word("auto", "AUTO"),
    Argument::word("paused", "PAUSED"),
    Argument::word("open", "OPEN"),
    Argument::word("closed", "CLOSED"),
];
/// Bytes of a language tag, as the engine bounds it.
const LANGUAGE_BYTES_MAX: usize = 35;

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let patch = Box::new(parse(call.args.from(3))?);
    Ok(Step::ask(Request::ZoneSet { zone: call.arg(2), patch }))
}

/// Reads the options behind the zone's name.
fn parse<'a>(options: Args<'a>) -> Result<ZonePatch, Fault<'a>> {
    let mut patch = ZonePatch::default();
    let mut rest = options.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or(Fault::Syntax);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("LIMIT") => once("LIMIT", &mut patch.limit, number(value()?)?)?,
            () if is("WINDOW_MS") => once("WINDOW_MS", &mut patch.window_ms, number(value()?)?)?,
            () if is("SLICE_MS") => once("SLICE_MS", &mut patch.slice_ms, number(value()?)?)?,
            () if is("POLL_MS") => once("POLL_MS", &mut patch.poll_ms, number(value()?)?)?,
            () if is("ABANDON_MS") => once("ABANDON_MS", &mut patch.abandon_ms, number(value()?)?)?,
            () if is("MAX_WAITING") => once("MAX_WAITING", &mut patch.max_waiting, number(value()?)?)?,
            () if is("PASS_TTL_MS") => once("PASS_TTL_MS", &mut patch.pass_ttl_ms, number(value()?)?)?,
            () if is("MODE") => once("MODE", &mut patch.mode, mode(value()?)?)?,
            () if is("TITLE") => text("TITLE", &mut patch.title, value()?, value()?)?,
            () if is("MESSAGE") => text("MESSAGE", &mut patch.message, value()?, value()?)?,
            () if is("TARGET_URL") => once("TARGET_URL", &mut patch.target_url, url(value()?)?)?,
            () => return Err(Fault::Syntax),
        }
    }
    Ok(patch)
}

fn once<'a, T>(name: &'static str, slot: &mut Option<T>, value: T) -> Result<(), Fault<'a>> {
    match slot.replace(value) {
        Some(_) => Err(Fault::Duplicate(name)),
        None => Ok(()),
    }
}

fn number<'a, T: TryFrom<u64>>(bytes: &'a [u8]) -> Result<T, Fault<'a>> {
    whole(bytes).and_then(|value| T::try_from(value).ok()).ok_or(Fault::NotInteger)
}

fn mode(bytes: &[u8]) -> Result<Mode, Fault<'_>> {
    std::str::from_utf8(bytes).ok().and_then(Mode::parse).ok_or(Fault::Mode)
}

fn text<'a>(
    name: &'static str,
    texts: &mut Texts,
    language: &'a [u8],
    text: &'a [u8],
) -> Result<(), Fault<'a>> {
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let tag = std::str::from_utf8(language).map_err(|_| Fault::Language)?;
    if !(1..=LANGUAGE_BYTES_MAX).contains(&tag.len()) || !language.iter().all(is_tag) {
        return Err(Fault::Language);
    }
    if texts.iter().any(|(known, _)| known.eq_ignore_ascii_case(tag)) {
        return Err(Fault::Duplicate(name));
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::NotText(name))?;
    texts.push((tag.to_owned(), text.to_owned()));
    Ok(())
}

/// The admitted are sent there by a page, so it must not be a script.
fn url(bytes: &[u8]) -> Result<String, Fault<'_>> {
    let url = std::str::from_utf8(bytes).map_err(|_| Fault::NotText("TARGET_URL"))?;
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    match url.is_empty() || lower.starts_with("http://") || lower.starts_with("https://") {
        true => Ok(url.to_owned()),
        false => Err(Fault::TargetUrl),
    }
}
