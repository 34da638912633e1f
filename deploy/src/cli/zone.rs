//! `sluice zone …`: zones of a running server, over RESP.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sluice_engine::zone::settings::{Mode, Texts, ZonePatch};

use super::print;
use super::reach::Reach;
use super::stream::namespace_words;
use super::wire::WireError;
use crate::config::{Config, ConfigError};

/// What is asked about zones, and of which server.
#[derive(Args, Debug)]
pub(crate) struct ZoneArgs {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: ZoneCommand,
}

#[derive(Subcommand, Debug)]
enum ZoneCommand {
    /// Create a zone, or change the settings that are named
    Set {
        /// The zone
        zone: String,
        #[command(flatten)]
        settings: Box<SettingArgs>,
    },
    /// Show a zone's settings
    Get {
        /// The zone
        zone: String,
    },
    /// List all zones
    List,
    /// Remove a zone and everybody in it
    Del {
        /// The zone
        zone: String,
    },
    /// Show who waits, who entered, and how long it takes
    Stats {
        /// The zone
        zone: String,
    },
    /// Make the zones and namespaces of a configuration file as the file says, existing ones too
    Apply {
        /// The configuration file
        file: PathBuf,
    },
    /// Take a place
    Join {
        /// The zone
        zone: String,
        /// Who joins: the same user gets the same place again
        #[arg(long = "for", value_name = "USER")]
        joiner: Option<String>,
    },
    /// Ask where a token stands
    Poll {
        /// The zone
        zone: String,
        /// What `join` gave
        token: String,
    },
    /// Give a place up
    Leave {
        /// The zone
        zone: String,
        /// What `join` gave
        token: String,
    },
}

#[derive(Args, Debug)]
struct SettingArgs {
    /// Admissions a window
    #[arg(long)]
    limit: Option<u32>,
    /// The window
    #[arg(long)]
    window_ms: Option<u32>,
    /// The slice that spreads admissions inside the window
    #[arg(long)]
    slice_ms: Option<u32>,
    /// How often a waiter polls
    #[arg(long)]
    poll_ms: Option<u32>,
    /// Silence after which a waiter is out
    #[arg(long)]
    abandon_ms: Option<u32>,
    /// Waiters that the zone may hold
    #[arg(long)]
    max_waiting: Option<u64>,
    /// How long an admission is remembered
    #[arg(long)]
    pass_ttl_ms: Option<u32>,
    /// auto, paused, open or closed
    #[arg(long, value_parser = parse_mode)]
    mode: Option<Mode>,
    /// Heading of the waiting page, by language; repeat for more
    #[arg(long, value_name = "LANG=TEXT", value_parser = parse_text)]
    title: Vec<(String, String)>,
    /// The operator's message, by language; repeat for more
    #[arg(long, value_name = "LANG=TEXT", value_parser = parse_text)]
    message: Vec<(String, String)>,
    /// Where the admitted go
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
}

fn parse_mode(word: &str) -> Result<Mode, &'static str> {
    Mode::parse(word).ok_or("one of: auto, paused, open, closed")
}

fn parse_text(pair: &str) -> Result<(String, String), &'static str> {
    let (tag, text) = pair.split_once('=').ok_or("must be LANG=TEXT, such as en=Hello")?;
    Ok((tag.to_owned(), text.to_owned()))
}

impl SettingArgs {
    fn patch(&self) -> ZonePatch {
        ZonePatch {
            limit: self.limit,
            window_ms: self.window_ms,
            slice_ms: self.slice_ms,
            poll_ms: self.poll_ms,
            abandon_ms: self.abandon_ms,
            max_waiting: self.max_waiting,
            pass_ttl_ms: self.pass_ttl_ms,
            mode: self.mode,
            title: self.title.clone(),
            message: self.message.clone(),
            target_url: self.target_url.clone(),
            only_create: false,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum ZoneError {
    Config(ConfigError),
    Wire(WireError),
    /// `zone apply` stopped at this zone or namespace; those before it are applied.
    At {
        what: String,
        why: WireError,
    },
    /// There was nothing to remove.
    Absent,
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneError::Config(error) => error.fmt(f),
            ZoneError::Wire(error) => error.fmt(f),
            ZoneError::At { what, why } => write!(f, "{what}: {why}; what the file has before it is applied"),
            ZoneError::Absent => f.write_str("there was no such zone or place"),
        }
    }
}

impl std::error::Error for ZoneError {}

impl From<WireError> for ZoneError {
    fn from(error: WireError) -> Self {
        ZoneError::Wire(error)
    }
}

/// Does what was asked and prints the answer.
pub(crate) fn run(args: &ZoneArgs) -> Result<(), ZoneError> {
    if let ZoneCommand::Apply { file } = &args.command {
        return apply(args, file);
    }
    let words = words(&args.command);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut connection = args.reach.open()?;
    let removes = matches!(args.command, ZoneCommand::Del { .. } | ZoneCommand::Leave { .. });
    let absent = connection.ask(&words, |reply| {
        print::show(&if args.reach.json { format!("{}\n", print::json(reply)) } else { print::lines(reply) });
        removes && reply.integer() == Some(0)
    })?;
    if absent { Err(ZoneError::Absent) } else { Ok(()) }
}

/// Makes the zones and namespaces of a file as it says.
fn apply(args: &ZoneArgs, file: &Path) -> Result<(), ZoneError> {
    let config = Config::load(Some(file), &[]).map_err(ZoneError::Config)?;
    let zones = config
        .zones
        .iter()
        .map(|zone| (format!("zone {}", zone.name), set_words(zone.name.as_str(), &zone.patch)));
    let namespaces = config.namespaces.iter().map(|entry| {
        let policy = &entry.policy;
        let bounds = [policy.maxlen, policy.ttl_ms, policy.memory_bytes];
        (format!("namespace {}", entry.prefix), namespace_words(&entry.prefix, bounds, Some(policy.on_full)))
    });
    let mut connection = args.reach.open()?;
    for (what, words) in zones.chain(namespaces) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        connection.ask(&words, |_| ()).map_err(|why| ZoneError::At { what, why })?;
    }
    let (zones, namespaces) = (config.zones.len(), config.namespaces.len());
    print::show(&match (args.reach.json, namespaces) {
        (true, _) => format!("{{\"zones\":{zones},\"namespaces\":{namespaces}}}\n"),
        (false, 0) => format!("{zones} zones applied\n"),
        (false, _) => format!("{zones} zones and {namespaces} namespaces applied\n"),
    });
    Ok(())
}

/// The request that a command stands for.
fn words(command: &ZoneCommand) -> Vec<String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match command {
        ZoneCommand::Set { zone, settings } => set_words(zone, &settings.patch()),
        ZoneCommand::Get { zone } => owned(&["Q.ZONE", "GET", zone]),
        ZoneCommand::List | ZoneCommand::Apply { .. } => owned(&["Q.ZONE", "LIST"]),
        ZoneCommand::Del { zone } => owned(&["Q.ZONE", "DEL", zone]),
        ZoneCommand::Stats { zone } => owned(&["Q.STATS", zone]),
        ZoneCommand::Join { zone, joiner: Some(user) } => owned(&["Q.JOIN", zone, "USER", user]),
        ZoneCommand::Join { zone, joiner: None } => owned(&["Q.JOIN", zone]),
        ZoneCommand::Poll { zone, token } => owned(&["Q.POLL", zone, token]),
        ZoneCommand::Leave { zone, token } => owned(&["Q.LEAVE", zone, token]),
    }
}

/// `Q.ZONE SET` with every setting that the patch names.
fn set_words(zone: &str, patch: &ZonePatch) -> Vec<String> {
    let mut words = ["Q.ZONE", "SET", zone].map(str::to_owned).to_vec();
    let mut setting = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    };
    setting("LIMIT", patch.limit.map(|n| n.to_string()));
    setting("WINDOW_MS", patch.window_ms.map(|n| n.to_string()));
    setting("SLICE_MS", patch.slice_ms.map(|n| n.to_string()));
    setting("POLL_MS", patch.poll_ms.map(|n| n.to_string()));
    setting("ABANDON_MS", patch.abandon_ms.map(|n| n.to_string()));
    setting("MAX_WAITING", patch.max_waiting.map(|n| n.to_string()));
    setting("PASS_TTL_MS", patch.pass_ttl_ms.map(|n| n.to_string()));
    setting("MODE", patch.mode.map(|mode| mode.word().to_owned()));
    setting("TARGET_URL", patch.target_url.clone());
    text_words(&mut words, "TITLE", &patch.title);
    text_words(&mut words, "MESSAGE", &patch.message);
    words
}

fn text_words(words: &mut Vec<String>, name: &str, texts: &Texts) {
    for (tag, text) in texts {
        words.extend([name.to_owned(), tag.clone(), text.clone()]);
    }
}

#[cfg(test)]
mod tests {
    use super::{ZoneArgs, words};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        zone: ZoneArgs,
    }

    fn check(line: &str, request: &str) {
        let parsed = Line::try_parse_from(["zone"].into_iter().chain(line.split(' '))).unwrap();
        assert_eq!(words(&parsed.zone.command).join(" "), request, "{line}");
    }

    #[test]
    fn every_command_is_one_request() {
        check("list", "Q.ZONE LIST");
        check("get shop --json", "Q.ZONE GET shop");
        check("del shop", "Q.ZONE DEL shop");
        check("stats shop", "Q.STATS shop");
        check("join shop", "Q.JOIN shop");
        check("join shop --for ann", "Q.JOIN shop USER ann");
        check("poll shop T", "Q.POLL shop T");
        check("leave shop T", "Q.LEAVE shop T");
        check("set shop --limit 60 --mode paused", "Q.ZONE SET shop LIMIT 60 MODE paused");
        check(
            "set a --window-ms 1 --slice-ms 2 --poll-ms 3 --abandon-ms 4 --max-waiting 5 --pass-ttl-ms 6",
            "Q.ZONE SET a WINDOW_MS 1 SLICE_MS 2 POLL_MS 3 ABANDON_MS 4 MAX_WAITING 5 PASS_TTL_MS 6",
        );
        check(
            "set a --title en=Hi --title ko=x=y --message en=Soon --target-url u",
            "Q.ZONE SET a TARGET_URL u TITLE en Hi TITLE ko x=y MESSAGE en Soon",
        );
    }

    #[test]
    fn odd_values_are_refused_before_anything_is_sent() {
        for line in ["set a --limit x", "set a --mode shut", "set a --title Hi", "--resp here list", "get"] {
            let parsed = Line::try_parse_from(["zone"].into_iter().chain(line.split(' ')));
            assert!(parsed.is_err(), "{line}");
        }
    }
}
