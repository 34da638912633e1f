//! How a command describes itself: to the dispatcher, and to clients through `COMMAND`.

use super::execute::Run;
use crate::resp::server::Role;

/// One entry of the table.
pub struct CommandSpec {
    /// Lower case; a subcommand's is `container|word`.
    pub name: &'static str,
    /// Words of a request, the name's included; negative: at least so many.
    pub arity: i32,
    /// Redis's flags.
    pub flags: &'static [&'static str],
    /// Redis's categories, without the `@`.
    pub categories: &'static [&'static str],
    /// Who may use it.
    pub access: Access,
    /// Whether a RESP2 connection may use it while it listens to channels.
    pub for_listeners: bool,
    /// One sentence.
    pub summary: &'static str,
    /// The version that it came with: of this server, or of Redis for Redis's own.
    pub since: &'static str,
    /// What it belongs to.
    pub group: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// It is carried out at once also behind `MULTI`.
    pub at_once: bool,
    /// What the length of its reply depends on.
    pub replies: Replies,
    /// Which argument names a zone or a stream, if one does.
    pub key: Option<KeySpec>,
    /// Where more of them are.
    pub more_keys: MoreKeys,
    /// What follows the name.
    pub arguments: &'static [Argument],
    /// What its first argument may be, where that chooses what to do.
    pub subcommands: &'static [&'static CommandSpec],
    /// What it does; `None`: only its subcommands do something.
    pub run: Option<Run>,
}

/// Who may use a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody, also before login.
    Anyone,
    /// Whoever has this role, or a higher one.
    From(Role),
}

/// What the length of a reply depends on that is made where the request is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replies {
    /// Nothing, or the owner of the shard makes it.
    Short,
    /// How many RESP connections there are.
    Clients,
    /// How many channels somebody listens to.
    Channels,
    /// How many zones there are.
    Zones,
}

/// Where the key of a command is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// Its position, the command's name being 0.
    pub index: usize,
    /// Whether the command changes what the key names.
    pub writes: bool,
}

/// Where the further keys of a command are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoreKeys {
    /// Nowhere: it has one at most.
    None,
    /// Every argument from the first key on is one.
    Rest,
    /// They are not at [`KeySpec::index`], which says where to begin the search for `STREAMS`: the first half of what follows
    /// that word.
    Streams,
}

impl CommandSpec {
    /// A command with defaults: any client, no key, no arguments. To be completed by struct update.
    #[must_use]
    pub const fn new(name: &'static str, arity: i32) -> CommandSpec {
        CommandSpec {
            name,
            arity,
            flags: &[],
            categories: &[],
            access: Access::From(Role::Client),
            for_listeners: false,
            summary: "",
            since: "0.1.0",
            group: "connection",
            complexity: "O(1)",
            at_once: false,
            replies: Replies::Short,
            key: None,
            more_keys: MoreKeys::None,
            arguments: &[],
            subcommands: &[],
            run: None,
        }
    }

    /// The last word of the name.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }

    /// Whether a request of `words` words has as many as the command takes.
    #[must_use]
    pub fn takes(&self, words: usize) -> bool {
        let least = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= least } else { words == least }
    }

    /// The subcommand of that word, in any case.
    #[must_use]
    pub fn subcommand(&self, word: &[u8]) -> Option<&'static CommandSpec> {
        self.subcommands.iter().copied().find(|sub| sub.word().as_bytes().eq_ignore_ascii_case(word))
    }
}

/// One argument, or a group of them.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// What hints call it.
    pub name: &'static str,
    /// What may stand there.
    pub kind: ArgumentKind,
    /// The word in front of it.
    pub token: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether the word in front is repeated with it.
    pub multiple_token: bool,
    /// Its parts, for a block or a choice.
    pub arguments: &'static [Argument],
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    /// Names a zone or a stream.
    Key,
    /// Any text.
    String,
    /// A pattern, as `KEYS` has them.
    Pattern,
    /// A wall time.
    UnixTime,
    /// A whole number.
    Integer,
    /// A word by itself.
    PureToken,
    /// One of its parts.
    OneOf,
    /// All of its parts, one behind the other.
    Block,
}

impl ArgumentKind {
    /// As `COMMAND DOCS` calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ArgumentKind::Key => "key",
            ArgumentKind::String => "string",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::UnixTime => "unix-time",
            ArgumentKind::Integer => "integer",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Block => "block",
        }
    }
}

impl Argument {
    const fn of(name: &'static str, kind: ArgumentKind) -> Argument {
        Argument {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: &[],
        }
    }

    /// A name of a zone or a stream.
    #[must_use]
    pub const fn key(name: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::Key)
    }

    /// A text.
    #[must_use]
    pub const fn string(name: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::String)
    }

    /// A pattern.
    #[must_use]
    pub const fn pattern(name: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::Pattern)
    }

    /// A wall time.
    #[must_use]
    pub const fn unix_time(name: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::UnixTime)
    }

    /// A whole number.
    #[must_use]
    pub const fn integer(name: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::Integer)
    }

    /// The word `token` by itself.
    #[must_use]
    pub const fn word(name: &'static str, token: &'static str) -> Argument {
        Argument::of(name, ArgumentKind::PureToken).after(token)
    }

    /// A choice.
    #[must_use]
    pub const fn one_of(name: &'static str, arguments: &'static [Argument]) -> Argument {
        Argument { arguments, ..Argument::of(name, ArgumentKind::OneOf) }
    }

    /// Several in a row.
    #[must_use]
    pub const fn block(name: &'static str, arguments: &'static [Argument]) -> Argument {
        Argument { arguments, ..Argument::of(name, ArgumentKind::Block) }
    }

    /// The same behind the word `token`.
    #[must_use]
    pub const fn after(self, token: &'static str) -> Argument {
        Argument { token: Some(token), ..self }
    }

    /// The same, to be left out at will.
    #[must_use]
    pub const fn optional(self) -> Argument {
        Argument { optional: true, ..self }
    }

    /// The same, to be repeated at will.
    #[must_use]
    pub const fn multiple(self) -> Argument {
        Argument { multiple: true, ..self }
    }

    /// The same, to be repeated at will together with the word in front of it.
    #[must_use]
    pub const fn multiple_with_token(self) -> Argument {
        Argument { multiple: true, multiple_token: true, ..self }
    }
}
