//! What a client asks and what it is told, whichever protocol carried it.
//!
//! ```text
//! bytes ─ resp::decode ─ resp::command ─┐                             ┌─ resp::command::answer ─ bytes
//!                                       ├─ Request ─▶ worker ─ Answer ─┤
//! bytes ─ http::decode ─ http::route ───┘                             └─ http::encode ────────── bytes
//! ```
//! A request borrows from the connection's input, an answer from whoever answers: neither is stored.
//! What has to outlive the request, so that a later reply finds its shape, is its [`RequestKind`].

use crate::cluster::{Decision, Operation};
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, RequestHash};
use sluice_engine::reply::{Departure, Standing, Stats};
use sluice_engine::stream::value::Value;
use sluice_engine::zone::settings::{ZoneName, ZonePatch, ZoneSettings};

/// One request about zones. Addresses and agents of clients were read and dropped before this point.
#[derive(Clone, PartialEq, Debug)]
pub enum Request<'a> {
    /// Take a place. Answered by [`Answer::Place`].
    Join {
        /// The zone's name, unchecked.
        zone: &'a [u8],
        /// Who joins; present only where the caller may name users.
        user: Option<&'a [u8]>,
        /// Makes a repeat of the same request harmless.
        request: Option<RequestHash>,
        /// A gateway with credentials asks: room is kept for it when strangers have used up theirs.
        is_trusted: bool,
    },
    /// Where does this token stand? Counts as a poll. Answered by [`Answer::Place`].
    Poll {
        /// The zone's name, unchecked.
        zone: &'a [u8],
        /// The token's text, unchecked.
        token: &'a [u8],
    },
    /// As a poll, but it neither counts as one nor admits. Answered by [`Answer::Place`].
    Peek {
        /// The zone's name, unchecked.
        zone: &'a [u8],
        /// The token's text, unchecked.
        token: &'a [u8],
    },
    /// Give the place up. Answered by [`Answer::Left`].
    Leave {
        /// The zone's name, unchecked.
        zone: &'a [u8],
        /// The token's text, unchecked.
        token: &'a [u8],
    },
    /// Create a zone or change its settings. Answered by [`Answer::ZoneSet`].
    ZoneSet {
        /// The zone's name, unchecked.
        zone: &'a [u8],
        /// What changes; its relations to the zone's other settings are unchecked.
        patch: Box<ZonePatch>,
    },
    /// A zone's settings. Answered by [`Answer::Zone`].
    ZoneGet {
        /// The zone's name, unchecked.
        zone: &'a [u8],
    },
    /// The names of all zones, sorted. Answered by [`Answer::Zones`].
    ZoneList,
    /// Remove a zone and everybody in it. Answered by [`Answer::ZoneDeleted`].
    ZoneDel {
        /// The zone's name, unchecked.
        zone: &'a [u8],
    },
    /// A zone's statistics now. Answered by [`Answer::Stats`].
    Stats {
        /// The zone's name, unchecked.
        zone: &'a [u8],
    },
    /// Index and hash of a group's state at this node. Answered by [`Answer::Hash`].
    Hash(GroupId),
    /// A change of the cluster. Answered by [`Answer::Decided`].
    Administer(Box<Operation>),
}

impl Request<'_> {
    /// What is kept of the request while its answer is on the way.
    ///
    /// ```
    /// use sluice_net::request::{Request, RequestKind};
    /// assert_eq!(Request::Poll { zone: b"shop", token: b"t" }.kind(), RequestKind::Poll);
    /// ```
    #[must_use]
    pub fn kind(&self) -> RequestKind {
        match self {
            Request::Join { .. } => RequestKind::Join,
            Request::Poll { .. } => RequestKind::Poll,
            Request::Peek { .. } => RequestKind::Peek,
            Request::Leave { .. } => RequestKind::Leave,
            Request::ZoneSet { .. } => RequestKind::ZoneSet,
            Request::ZoneGet { .. } => RequestKind::ZoneGet,
            Request::ZoneList => RequestKind::ZoneList,
            Request::ZoneDel { .. } => RequestKind::ZoneDel,
            Request::Stats { .. } => RequestKind::Stats,
            Request::Hash(_) => RequestKind::Hash,
            Request::Administer(_) => RequestKind::Administer,
        }
    }
}

/// The kind of a request: all that its answer's encoding depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestKind {
    /// [`Request::Join`].
    Join,
    /// [`Request::Poll`].
    Poll,
    /// [`Request::Peek`].
    Peek,
    /// [`Request::Leave`].
    Leave,
    /// [`Request::ZoneSet`].
    ZoneSet,
    /// [`Request::ZoneGet`].
    ZoneGet,
    /// [`Request::ZoneList`].
    ZoneList,
    /// [`Request::ZoneDel`].
    ZoneDel,
    /// [`Request::Stats`].
    Stats,
    /// [`Request::Hash`].
    Hash,
    /// [`Request::Administer`].
    Administer,
}

/// The answer to one request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Answer<'a> {
    /// Where a token stands.
    Place {
        /// The zone's name.
        zone: &'a [u8],
        /// The token's text; the one that the client sent, if it sent one.
        token: &'a [u8],
        /// In the queue, or in.
        standing: Standing,
        /// What the admitted show to the service.
        pass: Option<&'a [u8]>,
    },
    /// Whether a place was given up.
    Left(Departure),
    /// The zone is as asked.
    ZoneSet {
        /// Whether it is new.
        created: bool,
    },
    /// True where there was such a zone.
    ZoneDeleted(bool),
    /// A zone's settings.
    Zone {
        /// The zone's name.
        zone: &'a [u8],
        /// All of them, defaults included.
        settings: &'a ZoneSettings,
    },
    /// All zones, sorted by name.
    Zones(&'a [ZoneName]),
    /// A zone's statistics.
    Stats(&'a Stats),
    /// A group's state.
    Hash {
        /// Index of the last entry in it.
        index: u64,
        /// Equal for equal states.
        hash: u64,
    },
    /// What came of an operation on keys.
    Value(&'a Value),
    /// What came of several, one each.
    Values(&'a [Value]),
    /// What became of a change of the cluster.
    Decided(&'a Decision),
    /// No.
    Refused(Refusal),
}
