//! Whether what another node answered is an answer to what it was asked. Looked at once, where it comes in: whoever is handed
//! a reply from then on need not ask what kind it is.

use super::Ask;
use crate::command::Command;
use crate::id::GroupId;
use crate::reply::Reply;
use crate::token::Token;

/// What a request may be answered with, beside a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// A place of any token of the group.
    AnyPlace,
    /// Where this token stands.
    Place(Token),
    Left,
    ZoneSet,
    ZoneDeleted,
    Stats,
    Settings,
    /// A value.
    Key,
    /// So many values.
    Keys(usize),
    /// No other node answers it.
    Nothing,
}

impl Expected {
    pub(crate) fn of(ask: &Ask) -> Expected {
        match ask {
            Ask::Join { .. } | Ask::JoinNamed { .. } => Expected::AnyPlace,
            Ask::Turn(token) => Expected::Place(*token),
            Ask::Stats(_) => Expected::Stats,
            Ask::Key(_) => Expected::Key,
            Ask::Keys(ops) => Expected::Keys(ops.len()),
            Ask::Change(command) => match **command {
                Command::Leave { .. } => Expected::Left,
                Command::ZoneSet { .. } => Expected::ZoneSet,
                Command::ZoneDelete { .. } => Expected::ZoneDeleted,
                _ => Expected::Nothing,
            },
            Ask::Settings(_) => Expected::Settings,
            Ask::Hash => Expected::Nothing,
        }
    }

    /// The token of a poll.
    pub(crate) fn token(self) -> Option<Token> {
        if let Expected::Place(token) = self { Some(token) } else { None }
    }

    /// Whether a node of this group may answer so.
    pub(crate) fn fits(self, reply: &Reply, group: GroupId) -> bool {
        match (self, reply) {
            (_, Reply::Refused(_))
            | (Expected::Left, Reply::Left(_))
            | (Expected::ZoneSet, Reply::ZoneSet { .. })
            | (Expected::ZoneDeleted, Reply::ZoneDeleted(_))
            | (Expected::Stats, Reply::Stats(_))
            | (Expected::Settings, Reply::Settings(..))
            | (Expected::Key, Reply::Key(..)) => true,
            (Expected::AnyPlace, Reply::Place { token, .. }) => token.zone.group == group,
            (Expected::Place(asked), Reply::Place { token, .. }) => asked == *token,
            (Expected::Keys(count), Reply::Keys(values, _)) => values.len() == count,
            _ => false,
        }
    }
}
