//! What is kept of an HTTP request whose answer comes later: enough to write the response.

use super::pages::language::Language;
use super::respond::Shape;
use sluice_engine::limit::ZONE_NAME_BYTES_MAX;

/// Which response an answer becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// `POST /traffic/wait`.
    Wait,
    /// `POST /traffic/entry`.
    Entry,
    /// `POST /v1/zones/{zone}/tokens`.
    TokenCreate,
    /// `GET` or `HEAD /v1/zones/{zone}/tokens/{token}`.
    TokenGet,
    /// `DELETE /v1/zones/{zone}/tokens/{token}`.
    TokenDelete,
    /// `GET /v1/zones/{zone}`.
    Zone,
    /// `POST /v1/streams/{key}/events` with an entry.
    Append,
    /// The same without: it marks the end.
    End,
    /// `GET` or `HEAD /v1/streams/{key}/events` for JSON.
    Range,
    /// `GET` or `HEAD /room/{zone}` of who has a place, with the largest position that the visitor was told.
    Room { language: Language, from: u64 },
    /// `POST /room/{zone}`.
    RoomJoin { language: Language },
}

impl Purpose {
    /// Whether errors must also speak the language of `/traffic`.
    pub(crate) fn is_traffic(self) -> bool {
        matches!(self, Purpose::Wait | Purpose::Entry)
    }

    /// Whether the request changes something, so that reads behind it wait.
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Purpose::Wait | Purpose::TokenCreate | Purpose::TokenDelete | Purpose::RoomJoin { .. })
    }
}

/// A request, as its response needs it.
#[derive(Clone, Copy)]
pub(crate) struct Recall {
    pub(crate) purpose: Purpose,
    pub(crate) shape: Shape,
    zone: [u8; ZONE_NAME_BYTES_MAX],
    zone_len: u8,
}

impl Recall {
    /// Keeps the zone's name. A longer one than any zone has was refused before.
    pub(crate) fn new(purpose: Purpose, shape: Shape, name: &[u8]) -> Recall {
        let mut zone = [0; ZONE_NAME_BYTES_MAX];
        let len = name.len().min(ZONE_NAME_BYTES_MAX);
        for (to, from) in zone.iter_mut().zip(name) {
            *to = *from;
        }
        Recall { purpose, shape, zone, zone_len: len as u8 }
    }

    /// The zone's name.
    pub(crate) fn zone(&self) -> &[u8] {
        self.zone.get(..usize::from(self.zone_len)).unwrap_or_default()
    }
}
