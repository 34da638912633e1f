//! Why a command is refused before anything was asked. Where Redis has a text, it is Redis's: clients match on it.

use crate::resp::args::Args;

/// A refusal by the command table or by a command. All are the caller's fault.
#[derive(Clone, Copy, Debug)]
pub enum Fault<'a> {
    /// No such command.
    UnknownCommand(Args<'a>),
    /// No such subcommand.
    UnknownSubcommand {
        /// The command's name.
        container: &'static str,
        /// What was asked for.
        word: &'a [u8],
    },
    /// Too many arguments, or too few.
    WrongArity(&'static str),
    /// `HELP` of this command takes no arguments.
    HelpArity(&'static str),
    /// Log in first.
    NotLoggedIn,
    /// Log in first, with `HELLO`.
    HelloNotLoggedIn,
    /// This needs a higher role.
    NotPermitted(&'static str),
    /// No such user, or another password.
    WrongPassword,
    /// A password alone was sent, but nobody needs one.
    NoPasswordSet,
    /// Neither RESP2 nor RESP3.
    NoProto,
    /// The version in `HELLO` is no number.
    ProtoNotInteger,
    /// An option that `HELLO` does not know.
    HelloOption(&'a [u8]),
    /// A word that does not belong there.
    Syntax,
    /// Not a whole number, or out of range.
    NotInteger,
    /// There is only database 0.
    DatabaseOutOfRange,
    /// Bytes that a connection's name must not hold.
    ClientName,
    /// Bytes that a library's name or version must not hold.
    LibraryText(&'static str),
    /// Not an attribute of `CLIENT SETINFO`.
    ClientAttribute(&'a [u8]),
    /// Not a type of client.
    ClientType(&'a [u8]),
    /// Not an id of a client, in `CLIENT LIST`.
    ClientId,
    /// Not an id of a client, in `CLIENT KILL`.
    ClientIdPositive,
    /// Nobody is connected from there.
    NoSuchClient,
    /// A parameter that cannot be set, or is not there.
    ConfigUnknown(&'a [u8]),
    /// A parameter that is set in the configuration file only.
    ConfigFixed(&'a [u8]),
    /// There is no file to rewrite.
    ConfigNoFile,
    /// A count below the least.
    SlowlogCount,
    /// Keys were asked of something that is no command.
    InvalidCommand,
    /// Keys were asked of a command with another number of arguments.
    InvalidArguments,
    /// Keys were asked of a command that has none.
    NoKeys,
    /// This text, and nothing of the request in it.
    Text(&'static str),
    /// Not what a subcommand of this container takes.
    SubcommandSyntax {
        /// The container's name.
        container: &'static str,
        /// The subcommand as it was written.
        word: &'a [u8],
    },
    /// Not a condition of `EXPIRE`.
    ExpireOption(&'a [u8]),
    /// A moment that no key can expire at.
    ExpireTime(&'static str),
    /// Not an option of `XCLAIM`.
    ClaimOption(&'a [u8]),
    /// A RESP2 connection that listens to channels may not use this.
    Listening(&'static str),
    /// `PUBSUB CHANNELS` has at most one pattern.
    PubsubArity(&'a [u8]),
    /// There are too many subscriptions of this connection, or of all.
    Subscriptions,
    /// To compare the name with all patterns takes too many steps.
    TooDear,
    /// A pattern is longer than allowed.
    PatternLength,
    /// An option was given twice.
    Duplicate(&'static str),
    /// The argument of this name is longer than allowed, or empty.
    Length(&'static str),
    /// The argument of this name is not UTF-8.
    NotText(&'static str),
    /// Only RESP3 has pushes.
    NeedsResp3,
    /// Not a cursor of a stream.
    Cursor,
    /// Not a mode of a zone.
    Mode,
    /// Not a language tag.
    Language,
    /// Not an address that a browser may be sent to.
    TargetUrl,
}

/// Bytes of a name that an error repeats.
const ECHOED_BYTES_MAX: usize = 128;

impl Fault<'_> {
    /// The text of the error, its code first.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        match self {
            Fault::UnknownCommand(args) => unknown_command(*args),
            Fault::UnknownSubcommand { container, word } => {
                let help = format!("'. Try {} HELP.", container.to_uppercase());
                quoted("ERR unknown subcommand '", word, &help)
            }
            Fault::SubcommandSyntax { container, word } => {
                let help = format!("'. Try {} HELP.", container.to_uppercase());
                quoted("ERR unknown subcommand or wrong number of arguments for '", word, &help)
            }
            Fault::ExpireOption(option) => quoted("ERR Unsupported option ", option, ""),
            Fault::ExpireTime(name) => format!("ERR invalid expire time in '{name}' command").into_bytes(),
            Fault::ClaimOption(option) => quoted("ERR Unrecognized XCLAIM option '", option, "'"),
            Fault::HelloOption(option) => quoted("ERR Syntax error in HELLO option '", option, "'"),
            Fault::ClientAttribute(name) => quoted("ERR Unrecognized option '", name, "'"),
            Fault::ClientType(name) => quoted("ERR Unknown client type '", name, "'"),
            Fault::ConfigUnknown(name) => {
                quoted("ERR Unknown option or number of arguments for CONFIG SET - '", name, "'")
            }
            Fault::ConfigFixed(name) => quoted(
                "ERR CONFIG SET failed (possibly related to argument '",
                name,
                "') - can't set immutable config",
            ),
            Fault::WrongArity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Fault::HelpArity(name) => {
                format!("ERR wrong number of arguments for '{name}|help' command").into_bytes()
            }
            Fault::NotPermitted(name) => {
                format!("NOPERM this user has no permissions to run the '{name}' command").into_bytes()
            }
            Fault::Listening(name) => format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                 allowed in this context"
            )
            .into_bytes(),
            Fault::PubsubArity(word) => quoted(
                "ERR unknown subcommand or wrong number of arguments for '",
                word,
                "'. Try PUBSUB HELP.",
            ),
            Fault::LibraryText(name) => {
                format!("ERR {name} cannot contain spaces, newlines or special characters.").into_bytes()
            }
            Fault::Duplicate(name) => format!("ERR option {name} is given twice").into_bytes(),
            Fault::Length(name) => format!("ERR {name} is empty or too long").into_bytes(),
            Fault::NotText(name) => format!("ERR {name} is not UTF-8").into_bytes(),
            fixed => fixed.fixed_text().as_bytes().to_vec(),
        }
    }

    /// The text of those that repeat nothing.
    fn fixed_text(&self) -> &'static str {
        match self {
            Fault::Text(text) => text,
            Fault::NotLoggedIn => "NOAUTH Authentication required.",
            Fault::HelloNotLoggedIn => {
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                 AUTH <user> <pass> option can be used to authenticate the client and select the RESP \
                 protocol version at the same time"
            }
            Fault::WrongPassword => "WRONGPASS invalid username-password pair or user is disabled.",
            Fault::NoPasswordSet => {
                "ERR AUTH <password> called without any password configured for the default user. Are you \
                 sure your configuration is correct?"
            }
            Fault::NoProto => "NOPROTO unsupported protocol version",
            Fault::ProtoNotInteger => "ERR Protocol version is not an integer or out of range",
            Fault::NotInteger => "ERR value is not an integer or out of range",
            Fault::DatabaseOutOfRange => "ERR DB index is out of range",
            Fault::ClientName => "ERR Client names cannot contain spaces, newlines or special characters.",
            Fault::ClientId => "ERR Invalid client ID",
            Fault::ClientIdPositive => "ERR client-id should be greater than 0",
            Fault::NoSuchClient => "ERR No such client",
            Fault::ConfigNoFile => "ERR The server is running without a config file",
            Fault::SlowlogCount => "ERR count should be greater than or equal to -1",
            Fault::InvalidCommand => "ERR Invalid command specified",
            Fault::InvalidArguments => "ERR Invalid number of arguments specified for command",
            Fault::NoKeys => "ERR The command has no key arguments",
            Fault::NeedsResp3 => "ERR this command pushes, which needs RESP3: send HELLO 3 first",
            Fault::Cursor => "ERR a cursor is epoch.seq, seq or $",
            Fault::TooDear => "ERR the channel's name is too long for the patterns that are listened to",
            Fault::Subscriptions => "ERR too many subscriptions of this connection, or of all",
            Fault::PatternLength => "ERR a pattern has at most 1024 bytes",
            Fault::Mode => "ERR mode must be auto, paused, open or closed",
            Fault::Language => "ERR a language is 1 to 35 bytes of A-Z a-z 0-9 -",
            Fault::TargetUrl => "ERR target_url must begin with http:// or https://",
            _ => "ERR syntax error",
        }
    }
}

/// As Redis words it: the arguments follow until their text has 128 bytes.
fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let name = args.get(0).unwrap_or_default();
    let mut text = quoted("ERR unknown command '", name, "', with args beginning with: ");
    let start = text.len();
    for arg in args.from(1).iter() {
        let room = ECHOED_BYTES_MAX.saturating_sub(text.len() - start);
        if room == 0 {
            break;
        }
        text.push(b'\'');
        let arg = until_zero(arg);
        text.extend_from_slice(&arg[..arg.len().min(room)]);
        text.extend_from_slice(b"' ");
    }
    text
}

fn quoted(before: &str, word: &[u8], after: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(before.len() + ECHOED_BYTES_MAX + after.len());
    text.extend_from_slice(before.as_bytes());
    let word = until_zero(word);
    text.extend_from_slice(&word[..word.len().min(ECHOED_BYTES_MAX)]);
    text.extend_from_slice(after.as_bytes());
    text
}

/// Redis's texts end a word that they repeat at its first zero byte.
fn until_zero(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}
