//! `sluice stream …`: streams of a running server, and their namespaces, over RESP.

use std::fmt;

use clap::{Args, Subcommand};
use sluice_engine::stream::policy::OnFull;
use sluice_net::resp::reply::Value;

use super::print;
use super::reach::Reach;
use super::wire::WireError;

/// What is asked about streams, and of which server.
#[derive(Args, Debug)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: StreamCommand,
}

#[derive(Subcommand, Debug)]
enum StreamCommand {
    /// Append an entry, and make the stream where there is none
    Append {
        /// The stream
        key: String,
        /// What is in the entry
        #[arg(required = true, value_name = "FIELD=VALUE", value_parser = parse_field)]
        fields: Vec<(String, String)>,
        /// Leave at most so many entries
        #[arg(long)]
        maxlen: Option<u64>,
        /// Makes a repeat of the same append harmless
        #[arg(long, value_name = "ID", allow_hyphen_values = true)]
        request: Option<String>,
        /// Remove the stream so many milliseconds from now
        #[arg(long)]
        ttl_ms: Option<u64>,
        /// Say with it that nothing will follow
        #[arg(long)]
        end: bool,
    },
    /// Show entries, the oldest first
    Range {
        /// The stream
        key: String,
        /// The lowest id, or - for the oldest
        #[arg(long, default_value = "-", allow_hyphen_values = true)]
        start: String,
        /// The highest id, or + for the newest
        #[arg(long, default_value = "+", allow_hyphen_values = true)]
        end: String,
        /// At most so many
        #[arg(long)]
        count: Option<u64>,
    },
    /// Say that nothing will follow
    End {
        /// The stream
        key: String,
    },
    /// Count the entries
    Len {
        /// The stream
        key: String,
    },
    /// What holds for all streams whose keys begin alike
    #[command(subcommand)]
    Namespace(NamespaceCommand),
}

#[derive(Subcommand, Debug)]
enum NamespaceCommand {
    /// List all, with what is in them
    List,
    /// Show one, with what is in it
    Get {
        /// What the keys begin with
        prefix: String,
    },
    /// Say the whole policy: what is not named is not bounded
    Set {
        /// What the keys begin with
        prefix: String,
        /// Entries that an append leaves
        #[arg(long)]
        maxlen: Option<u64>,
        /// How long a stream lives after its last append
        #[arg(long)]
        ttl_ms: Option<u64>,
        /// What all streams together may take; each group keeps its share
        #[arg(long)]
        memory_bytes: Option<u64>,
        /// Past that: refuse or drop-oldest
        #[arg(long, value_parser = parse_on_full)]
        on_full: Option<OnFull>,
    },
    /// Remove a namespace; its streams stay
    Delete {
        /// What the keys begin with
        prefix: String,
    },
}

fn parse_field(pair: &str) -> Result<(String, String), &'static str> {
    let (field, value) = pair.split_once('=').ok_or("must be FIELD=VALUE")?;
    Ok((field.to_owned(), value.to_owned()))
}

fn parse_on_full(word: &str) -> Result<OnFull, &'static str> {
    OnFull::parse(word).ok_or("one of: refuse, drop-oldest")
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum StreamError {
    Wire(WireError),
    /// There was nothing to show, to end or to remove.
    Absent(&'static str),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::Wire(error) => error.fmt(f),
            StreamError::Absent(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<WireError> for StreamError {
    fn from(error: WireError) -> Self {
        StreamError::Wire(error)
    }
}

/// Does what was asked and prints the answer.
pub(crate) fn run(args: &StreamArgs) -> Result<(), StreamError> {
    let requests = requests(&args.command);
    let Some((last, before)) = requests.split_last() else { return Ok(()) };
    let mut connection = args.reach.open()?;
    for words in before {
        connection.ask(&slices(words), |_| ())?;
    }
    let absent = connection.ask(&slices(last), |reply| {
        let reply = if before.is_empty() { reply } else { outcome(reply)? };
        let json = || format!("{}\n", print::json(reply));
        print::show(&if args.reach.json { json() } else { print::lines(reply) });
        Ok::<_, WireError>(absence(&args.command, reply))
    })??;
    absent.map_or(Ok(()), |why| Err(StreamError::Absent(why)))
}

fn slices(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The reply to the first command of a transaction, unless one of them failed.
fn outcome<'a, 'b>(reply: &'a Value<'b>) -> Result<&'a Value<'b>, WireError> {
    let Value::Array(replies) = reply else { return Ok(reply) };
    let failed = replies.iter().find_map(|reply| match reply {
        Value::Error(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    });
    match (failed, replies.first()) {
        (Some(why), _) => Err(WireError::Refused(why)),
        (None, first) => Ok(first.unwrap_or(reply)),
    }
}

/// What was missing, if the reply says that something was.
fn absence(command: &StreamCommand, reply: &Value<'_>) -> Option<&'static str> {
    let is_nothing = matches!(reply, Value::Null) || reply.integer() == Some(0);
    let why = match command {
        StreamCommand::End { .. } => "it had ended already, or there is no such stream",
        StreamCommand::Namespace(NamespaceCommand::Get { .. } | NamespaceCommand::Delete { .. }) => {
            "there is no such namespace"
        }
        _ => return None,
    };
    is_nothing.then_some(why)
}

/// The requests that a command stands for: one, or a transaction.
fn requests(command: &StreamCommand) -> Vec<Vec<String>> {
    let (ttl_ms, end, key) = match command {
        StreamCommand::Append { key, ttl_ms, end, .. } if *end || ttl_ms.is_some() => (ttl_ms, *end, key),
        _ => return vec![words(command)],
    };
    let mut requests = vec![owned(&["MULTI"]), words(command)];
    requests.extend(ttl_ms.map(|ttl| owned(&["PEXPIRE", key, &ttl.to_string()])));
    requests.extend(end.then(|| owned(&["X.END", key])));
    requests.push(owned(&["EXEC"]));
    requests
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The request of a command by itself.
fn words(command: &StreamCommand) -> Vec<String> {
    match command {
        StreamCommand::Append { key, fields, maxlen, request, .. } => {
            let mut words = owned(&["XADD", key]);
            option(&mut words, "MAXLEN", maxlen.map(|most| most.to_string()));
            option(&mut words, "REQUEST", request.clone());
            words.push("*".to_owned());
            words.extend(fields.iter().flat_map(|(field, value)| [field.clone(), value.clone()]));
            words
        }
        StreamCommand::Range { key, start, end, count } => {
            let mut words = owned(&["XRANGE", key, start, end]);
            option(&mut words, "COUNT", count.map(|count| count.to_string()));
            words
        }
        StreamCommand::End { key } => owned(&["X.END", key]),
        StreamCommand::Len { key } => owned(&["XLEN", key]),
        StreamCommand::Namespace(NamespaceCommand::List) => owned(&["X.NAMESPACE", "LIST"]),
        StreamCommand::Namespace(NamespaceCommand::Get { prefix }) => owned(&["X.NAMESPACE", "GET", prefix]),
        StreamCommand::Namespace(NamespaceCommand::Delete { prefix }) => {
            owned(&["X.NAMESPACE", "DEL", prefix])
        }
        StreamCommand::Namespace(NamespaceCommand::Set { prefix, maxlen, ttl_ms, memory_bytes, on_full }) => {
            namespace_words(prefix, [*maxlen, *ttl_ms, *memory_bytes], *on_full)
        }
    }
}

/// `X.NAMESPACE SET` with what bounds it: entries, milliseconds and bytes.
pub(super) fn namespace_words(
    prefix: &str,
    [maxlen, ttl_ms, memory_bytes]: [Option<u64>; 3],
    on_full: Option<OnFull>,
) -> Vec<String> {
    let mut words = owned(&["X.NAMESPACE", "SET", prefix]);
    option(&mut words, "MAXLEN", maxlen.map(|most| most.to_string()));
    option(&mut words, "TTL_MS", ttl_ms.map(|ttl| ttl.to_string()));
    option(&mut words, "MEMORY_BYTES", memory_bytes.map(|bytes| bytes.to_string()));
    option(&mut words, "ON_FULL", on_full.map(|word| word.word().to_owned()));
    words
}

fn option(words: &mut Vec<String>, name: &str, value: Option<String>) {
    words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
}

#[cfg(test)]
mod tests {
    use super::{StreamArgs, outcome, requests};
    use clap::Parser;
    use sluice_net::resp::reply::Value;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        stream: StreamArgs,
    }

    #[test]
    fn every_command_is_one_request_or_a_transaction() {
        for (line, request) in [
            ("append s a=1 b=x=y", "XADD s * a 1 b x=y"),
            ("append s a= --maxlen 50 --request r1", "XADD s MAXLEN 50 REQUEST r1 * a "),
            ("append s a=1 --ttl-ms 9 --end", "MULTI; XADD s * a 1; PEXPIRE s 9; X.END s; EXEC"),
            ("append s a=1 --end", "MULTI; XADD s * a 1; X.END s; EXEC"),
            ("range s", "XRANGE s - +"),
            ("range s --start - --end 5-1 --count 2", "XRANGE s - 5-1 COUNT 2"),
            ("end s", "X.END s"),
            ("len s --json", "XLEN s"),
            ("namespace list", "X.NAMESPACE LIST"),
            ("namespace get a:", "X.NAMESPACE GET a:"),
            ("namespace delete a:", "X.NAMESPACE DEL a:"),
            ("namespace set a:", "X.NAMESPACE SET a:"),
            (
                "namespace set a: --maxlen 1 --ttl-ms 2 --memory-bytes 3 --on-full drop-oldest",
                "X.NAMESPACE SET a: MAXLEN 1 TTL_MS 2 MEMORY_BYTES 3 ON_FULL drop-oldest",
            ),
        ] {
            let parsed = Line::try_parse_from(["stream"].into_iter().chain(line.split(' ')));
            let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
            let requests = requests(&parsed.stream.command);
            let requests: Vec<_> = requests.iter().map(|words| words.join(" ")).collect();
            assert_eq!(requests.join("; "), request, "{line}");
        }
        for line in ["append s", "append s a", "namespace set a: --on-full drop", "range s --count x"] {
            let parsed = Line::try_parse_from(["stream"].into_iter().chain(line.split(' ')));
            assert!(parsed.is_err(), "{line}");
        }
    }

    #[test]
    fn a_transaction_tells_the_id_or_what_failed() {
        let id = Value::Bulk(b"1-1");
        let done = Value::Array(vec![id.clone(), Value::Integer(1)]);
        assert!(matches!(outcome(&done), Ok(Value::Bulk(b"1-1"))));
        let failed = Value::Array(vec![id, Value::Error(b"ERR no")]);
        assert_eq!(outcome(&failed).unwrap_err().to_string(), "ERR no");
    }
}
