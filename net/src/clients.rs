//! The register of RESP connections, so that any of them can list and close the others.
//!
//! It costs a lock when a connection comes, goes, or says something about itself: never on a poll.

use crate::resp::encode::Proto;
use crate::resp::server::ClientRow;
use crate::resp::session::RespSession;
use sluice_engine::time::MonoMs;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a connection takes in a list, beside what it said.
const ROW_BYTES: usize = 400;

/// One connection's card. The worker that serves the connection writes it; anybody reads it.
pub(crate) struct Card {
    pub(crate) id: u64,
    /// The worker that serves it.
    pub(crate) worker: usize,
    peer: SocketAddr,
    local: SocketAddr,
    fd: i32,
    opened: MonoMs,
    /// When it last sent something; refreshed when deadlines are swept, which is often enough for a list.
    active: AtomicU64,
    /// Set by whoever wants it closed.
    killed: AtomicBool,
    said: Mutex<Said>,
}

/// What a connection said about itself.
#[derive(Clone, Default)]
struct Said {
    command: &'static str,
    name: Box<[u8]>,
    lib_name: Box<[u8]>,
    lib_version: Box<[u8]>,
    user: Box<[u8]>,
    proto: Proto,
    channels: usize,
    patterns: usize,
}

/// All cards, by id.
#[derive(Default)]
pub(crate) struct Register {
    cards: Mutex<BTreeMap<u64, Arc<Card>>>,
    last_id: AtomicU64,
}

/// Where a connection is between.
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) fd: i32,
}

impl Register {
    /// Files a new connection under the next id.
    pub(crate) fn add(&self, worker: usize, ends: Ends, now: MonoMs) -> Arc<Card> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let card = Arc::new(Card {
            id,
            worker,
            peer: ends.peer,
            local: ends.local,
            fd: ends.fd,
            opened: now,
            active: AtomicU64::new(now.0),
            killed: AtomicBool::new(false),
            said: Mutex::new(Said { command: "NULL", user: (*b"default").into(), ..Said::default() }),
        });
        lock(&self.cards).insert(id, Arc::clone(&card));
        card
    }

    /// Takes a closed connection off.
    pub(crate) fn remove(&self, id: u64) {
        lock(&self.cards).remove(&id);
    }

    /// Marks a connection for closing; its worker, if there is one of that id.
    pub(crate) fn kill(&self, id: u64) -> Option<usize> {
        let cards = lock(&self.cards);
        let card = cards.get(&id)?;
        card.killed.store(true, Ordering::Release);
        Some(card.worker)
    }

    /// About what it takes to tell of all.
    pub(crate) fn said_bytes(&self) -> usize {
        let cards = lock(&self.cards);
        let said = cards.values().map(|card| {
            let said = lock(&card.said);
            ROW_BYTES + said.name.len() + said.lib_name.len() + said.lib_version.len() + said.user.len()
        });
        said.sum()
    }

    /// Shows every connection, by rising id.
    pub(crate) fn visit(&self, now: MonoMs, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        // Copied first: a visitor may be slow, and connections come and go meanwhile.
        let cards: Vec<Arc<Card>> = lock(&self.cards).values().cloned().collect();
        for card in cards {
            card.show(now, visit);
        }
    }

    /// Shows the connection of this id, if there is one.
    pub(crate) fn visit_one(&self, id: u64, now: MonoMs, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        let card = lock(&self.cards).get(&id).cloned();
        if let Some(card) = card {
            card.show(now, visit);
        }
    }
}

impl Card {
    /// Whether somebody wants the connection closed.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// When it was opened.
    pub(crate) fn opened(&self) -> MonoMs {
        self.opened
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn touch(&self, active: MonoMs) {
        self.active.store(active.0, Ordering::Relaxed);
    }

    /// Copies what the connection said about itself.
    pub(crate) fn update(&self, session: &RespSession) {
        let mut said = lock(&self.said);
        said.command = session.command();
        said.proto = session.proto();
        (said.channels, said.patterns) = session.listens_to();
        replace(&mut said.name, session.name());
        replace(&mut said.lib_name, session.lib_name());
        replace(&mut said.lib_version, session.lib_version());
        replace(&mut said.user, session.user());
    }

    fn show(&self, now: MonoMs, visit: &mut dyn FnMut(&ClientRow<'_>)) {
        let said = lock(&self.said).clone();
        let seconds_since = |then: u64| now.0.saturating_sub(then) / 1_000;
        visit(&ClientRow {
            id: self.id,
            peer: self.peer,
            local: self.local,
            fd: self.fd,
            age_s: seconds_since(self.opened.0),
            idle_s: seconds_since(self.active.load(Ordering::Relaxed)),
            input_bytes: 0,
            output_bytes: 0,
            memory_bytes: size_of::<Card>(),
            command: said.command,
            name: &said.name,
            lib_name: &said.lib_name,
            lib_version: &said.lib_version,
            user: &said.user,
            proto: said.proto,
            channels: said.channels,
            patterns: said.patterns,
        });
    }
}

fn replace(kept: &mut Box<[u8]>, now: &[u8]) {
    if **kept != *now {
        *kept = now.into();
    }
}

/// A poisoned lock guards values that are replaced whole: they are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
