//! A worker: one thread, one `mio` poll, its connections, and the owners of its shards.
//!
//! ```text
//! turn:  wait ─▶ clock, epoch ─▶ mail ─▶ ready sockets ─▶ carried over ─▶ streams due ─▶ owners ─▶ late replies ─▶ deadlines
//!                                         read, answer                                              encode, write
//! ```
//! One pinned epoch serves the whole turn; the clock is read at its begin, and after each read of a socket. Every event is one of [`Event`],
//! and the loop only dispatches. Nothing here waits but the poll.

pub(crate) mod accept;
mod deliver;
pub(crate) mod desk;
pub(crate) mod jitter;
pub(crate) mod lines;
pub(crate) mod listen;
pub(crate) mod mailbox;
pub(crate) mod own_news;
pub(crate) mod pace;
pub(crate) mod passing;
mod pin;
mod readers;
pub(crate) mod shards;
mod stopwatch;
mod sweep;
pub(crate) mod ticket;
pub(crate) mod turn;
mod waits;
pub(crate) mod wheel;

use crate::limit;
use crate::protocol::Protocol;
use crate::session::channels;
use crate::session::line::Line;
use crate::session::resp::RespTalk;
use crate::session::settled::Settled;
use crate::session::slab::Slab;
use crate::session::{Fate, Session, Talk, http::HttpTalk};
use crate::shared::{Ending, Shared};
use crate::shares::Share;
use accept::Acceptor;
use desk::Desk;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use shards::Shards;
use sluice_engine::id::GroupId;
use sluice_engine::owner::Owner;
use sluice_engine::time::MonoMs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stopwatch::Stopwatch;
use sweep::Sweep;
use ticket::{Address, SessionKey};
use turn::Turn;
use wheel::Due;

/// The token of a worker's waker.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// The token of the RESP listener.
pub(crate) const RESP_LISTENER: Token = Token(usize::MAX - 1);
/// The token of the HTTP listener.
pub(crate) const HTTP_LISTENER: Token = Token(usize::MAX - 2);

/// Everything that can wake a worker.
enum Event {
    /// Another thread sent something, or asks for the end.
    Woken,
    /// Connections may be waiting.
    Incoming(Protocol),
    /// A connection may be read or written. `finished`: the client sends nothing more. `broken`: neither reading
    /// nor writing will ever be possible again.
    Socket { key: SessionKey, readable: bool, finished: bool, broken: bool },
}

impl Event {
    fn of(event: &mio::event::Event) -> Event {
        match event.token() {
            WAKER => Event::Woken,
            RESP_LISTENER => Event::Incoming(Protocol::Resp),
            HTTP_LISTENER => Event::Incoming(Protocol::Http),
            Token(packed) => Event::Socket {
                key: SessionKey { slot: packed as u32, generation: (packed >> 32) as u32 },
                readable: event.is_readable(),
                finished: event.is_read_closed(),
                broken: event.is_error() || (event.is_read_closed() && event.is_write_closed()),
            },
        }
    }
}

fn token(key: SessionKey) -> Token {
    Token((key.generation as usize) << 32 | key.slot as usize)
}

/// What a worker starts with.
pub(crate) struct Parts {
    pub(crate) me: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) poll: Poll,
    /// Worker 0 accepts for all.
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) owners: Vec<(GroupId, Owner)>,
}

/// One worker thread's state.
pub(crate) struct Worker {
    poll: Poll,
    acceptor: Option<Acceptor>,
    sessions: Slab<Session>,
    /// Connections with more to do, in order.
    queue: Vec<SessionKey>,
    /// The queue of the turn before, while it is served; kept for its capacity.
    serving: Vec<SessionKey>,
    /// Requests that this turn has taken up.
    taken: usize,
    /// Connections with answers to write.
    dirty: Vec<SessionKey>,
    /// Somebody sent something.
    is_woken: bool,
    /// Replies of the owners, while they are handed out; kept for its capacity.
    settled: Vec<(Address, Settled)>,
    /// Event streams whose moment has come, while they are attended to; kept for its capacity.
    due: Vec<Due>,
    sweep: Sweep,
    /// The slot that was looked at last for a connection to give up.
    looked: usize,
    /// Whether connections were told that the end has come.
    ending: Ending,
    desk: Desk,
    /// Where sockets are read to.
    scratch: Vec<u8>,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Worker {
        let shards = Shards::new(Arc::clone(&parts.shared), parts.me, parts.owners);
        Worker {
            poll: parts.poll,
            acceptor: parts.acceptor,
            sessions: Slab::new(),
            queue: Vec::new(),
            serving: Vec::new(),
            taken: 0,
            dirty: Vec::new(),
            is_woken: false,
            settled: Vec::new(),
            due: Vec::new(),
            sweep: Sweep::default(),
            looked: 0,
            ending: Ending::No,
            desk: Desk::new(parts.me, parts.shared, shards),
            scratch: vec![0; limit::READ_BYTES],
        }
    }

    /// Serves until the end, and gives the owners back.
    pub(crate) fn run(mut self) -> Vec<(GroupId, Owner)> {
        if self.desk.shared.config.pin {
            pin::to_processor(self.desk.me);
        }
        let mut events = Events::with_capacity(limit::EVENTS_PER_TURN);
        let mut watch = Stopwatch::start(self.desk.shared.config.clock.now());
        while !self.is_done() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "the kernel's readiness cannot be read");
                    break;
                }
                _ => {}
            }
            let (me, shared) = (self.desk.me, Arc::clone(&self.desk.shared));
            let guard = sluice_engine::directory::Directory::pin();
            let now = shared.directory.readers().begin(me, || shared.config.clock.now());
            self.turn(&events, Turn { now, guard: &guard });
            shared.directory.readers().end(me);
            if let Some(spent_us) = watch.turned(self.desk.shared.config.clock.now()) {
                self.desk.counts.long_turns += u64::from(spent_us > limit::TURN_US_MAX);
                self.desk.shared.stats.note_turn(spent_us);
            }
        }
        self.desk.shards.into_owners()
    }

    fn turn(&mut self, events: &Events, turn: Turn<'_>) {
        self.desk.date.refresh(turn.now);
        self.desk.pace.begin();
        self.taken = 0;
        self.desk.signer.begin_turn();
        for event in events {
            self.dispatch(Event::of(event), turn);
        }
        self.accept_again(turn);
        if std::mem::take(&mut self.is_woken) {
            // Behind those who have just spoken here: what others ask may take as long as a turn.
            self.desk.pace.allow_more(limit::TURN_MAIL_US);
            self.read_mail(turn);
        }
        self.desk.pace.allow_more(limit::TURN_WAITED_US);
        self.serve_queue(turn);
        self.wake_streams(turn);
        self.run_owners(turn);
        self.serve_readers(turn);
        self.write_dirty(turn);
        self.serve_waits(turn);
        self.sweep(turn);
        self.follow_ending(turn);
        self.desk.shards.notify();
        self.desk.post.close_turn(&self.desk.shared);
        self.desk.close_turn();
        self.desk.shared.stats.publish(self.desk.me, &self.desk.counts);
    }

    fn dispatch(&mut self, event: Event, turn: Turn<'_>) {
        match event {
            Event::Woken => self.is_woken = true,
            Event::Incoming(protocol) => self.incoming(protocol),
            Event::Socket { key, broken: true, .. } => self.remove(key),
            Event::Socket { key, readable, finished, .. } => {
                let Some(session) = self.sessions.get_mut(key) else { return };
                session.finished |= finished;
                session.unread |= readable || finished;
                if !session.queued {
                    self.visit_or_queue(key, turn);
                }
                if self.dirty.len() >= limit::VISITS_PER_WRITE_MAX {
                    self.write_dirty(turn);
                }
            }
        }
    }

    fn read_mail(&mut self, turn: Turn<'_>) {
        let shared = Arc::clone(&self.desk.shared);
        let Some(mailbox) = shared.mailboxes.get(self.desk.me) else { return };
        mailbox.looking();
        while let Some(arriving) = mailbox.next_socket() {
            self.receive(arriving, turn);
            self.desk.pace.look();
            if self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                mailbox.notify();
                break;
            }
        }
        while let Some(mail) = mailbox.next_mail() {
            let long = mail.may_take_long();
            // Its request may have come after this turn's clock was read.
            if let Some((address, settled)) = self.desk.shards.receive(mail, shared.config.clock.now()) {
                self.deliver(address, settled);
            }
            if long {
                self.desk.pace.look();
            } else {
                self.desk.pace.step();
            }
            if self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                mailbox.notify();
                break;
            }
        }
        while let Some((ticket, decision)) = mailbox.next_decision() {
            self.desk.shards.end_operation();
            self.deliver(Address::of(ticket), Settled::Decided(decision));
        }
        self.take_published(turn);
        while let Some(survey) = mailbox.next_survey() {
            self.desk.shards.answer_survey(survey, turn.now);
        }
        if shared.kills.get(self.desk.me).is_some_and(|kill| kill.swap(false, Ordering::AcqRel)) {
            self.remove_killed();
        }
    }

    fn visit(&mut self, key: SessionKey, turn: Turn<'_>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let fate = session.visit(&mut self.scratch, &mut self.desk, turn);
        self.desk.pace.step();
        self.taken += limit::REQUESTS_PER_VISIT_MAX.saturating_sub(self.desk.budget);
        self.deliver_parcels(turn);
        self.apply(key, fate);
    }

    /// Visits a connection, in the next turn where this one has taken up enough.
    fn visit_or_queue(&mut self, key: SessionKey, turn: Turn<'_>) {
        if self.taken < limit::REQUESTS_PER_TURN_MAX && !self.desk.pace.is_over() {
            self.visit(key, turn);
        } else {
            self.apply(key, Fate::Again);
        }
    }

    fn apply(&mut self, key: SessionKey, fate: Fate) {
        match fate {
            Fate::Rests => {}
            Fate::Visited => self.mark_dirty(key),
            Fate::Over => self.remove(key),
            Fate::Again => {
                let Some(session) = self.sessions.get_mut(key) else { return };
                if !std::mem::replace(&mut session.queued, true) {
                    self.queue.push(key);
                }
            }
        }
    }

    fn mark_dirty(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !std::mem::replace(&mut session.dirty, true) {
            self.dirty.push(key);
        }
    }

    /// Visits those that had more to do, once each, as far as this turn may.
    fn serve_queue(&mut self, turn: Turn<'_>) {
        std::mem::swap(&mut self.queue, &mut self.serving);
        let mut serving = std::mem::take(&mut self.serving);
        for (at, key) in serving.drain(..).enumerate() {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.queued = false;
            // The first has its turn in any case, or nobody would get on where turns are long.
            if at == 0 { self.visit(key, turn) } else { self.visit_or_queue(key, turn) }
        }
        self.serving = serving;
    }

    /// Attends to the event streams whose moment has come, as many as a turn may.
    fn wake_streams(&mut self, turn: Turn<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.desk.wheel.take(turn.now, limit::WAKES_PER_TURN_MAX, &mut due);
        for (key, at) in due.drain(..) {
            if let Some(session) = self.sessions.get_mut(key) {
                let fate = session.wake(at, &mut self.desk, turn);
                self.apply(key, fate);
            }
        }
        self.due = due;
    }

    fn run_owners(&mut self, turn: Turn<'_>) {
        let mut settled = std::mem::take(&mut self.settled);
        self.desk.shards.turn(turn.now, &mut settled);
        for (address, answer) in settled.drain(..) {
            self.deliver(address, answer);
        }
        self.settled = settled;
    }

    /// Puts a late answer in its place; where the connection is gone it is dropped.
    fn deliver(&mut self, address: Address, settled: Settled) {
        let Some(session) = self.sessions.get_mut(address.session) else { return };
        if session.settle(address.request, settled) {
            self.mark_dirty(address.session);
        }
    }

    fn write_dirty(&mut self, turn: Turn<'_>) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.desk.post.fresh = 0;
        if self.desk.pace.is_crowded() && dirty.len() > 1 {
            // Who is first may do what takes long: not always the same one.
            let first = self.desk.jitter.between(0, dirty.len() as u32) as usize;
            dirty.rotate_left(first);
        }
        for key in dirty.drain(..) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.dirty = false;
                let fate = session.finish(&mut self.desk, turn.now);
                if self.desk.hubs.is_full(key) && session.takes_news(&self.desk.passing) {
                    self.desk.hubs.resume(key);
                }
                self.apply(key, fate);
            }
        }
        self.dirty = dirty;
    }

    /// Makes a connection of an accepted socket.
    fn adopt(&mut self, mut socket: TcpStream, share: Share, turn: Turn<'_>) {
        // Answers are written whole, so waiting for more to send only adds delay.
        let _ = socket.set_nodelay(true);
        let (desk, registry) = (&mut self.desk, self.poll.registry());
        let me = desk.me;
        let shared = Arc::clone(&desk.shared);
        let mut watched = Ok(());
        let inserted = self.sessions.insert(|key| {
            watched = registry.register(&mut socket, token(key), Interest::READABLE | Interest::WRITABLE);
            let talk = match share.protocol {
                Protocol::Http => Talk::Http(HttpTalk::new(&socket, share.is_proxy)),
                Protocol::Resp => Talk::Resp(Box::new(RespTalk::new(&socket, me, &shared, turn.now))),
            };
            Session::new(socket, share, Line::new(key), talk, turn.now)
        });
        match (inserted, watched) {
            // Its first bytes may have come with it.
            (Some(key), Ok(())) => self.visit(key, turn),
            (Some(key), Err(error)) => {
                tracing::warn!(%error, "a connection cannot be watched");
                self.remove(key);
            }
            (None, _) => drop(shared.shares.leave(share)),
        }
    }

    /// Forgets a connection. Its parked poll is taken back; its other answers will find nobody.
    fn remove(&mut self, key: SessionKey) {
        let Some(mut session) = self.sessions.remove(key) else { return };
        session.line.hurry(true, &mut self.desk.shards);
        if let Some(who) = session.line.buffers.as_ref().and_then(|buffers| buffers.waiting(key)) {
            self.desk.waits.end(who);
        }
        let _ = self.poll.registry().deregister(&mut session.socket);
        session.drop_pushed(&mut self.desk);
        self.desk.passing.recount(session.counted, 0);
        if let Talk::Resp(talk) = &mut session.talk {
            self.desk.shared.register.remove(talk.card.id);
            channels::forget(&mut talk.session, key, &mut self.desk);
        }
        let shared = &self.desk.shared;
        let left = shared.shares.leave(session.share);
        if left == 0 && self.ending != Ending::No {
            shared.mailboxes.iter().for_each(mailbox::Mailbox::notify);
        }
    }

    fn remove_killed(&mut self) {
        for slot in 0..self.sessions.slots() {
            let Some(key) = self.sessions.key_at(slot) else { continue };
            let killed = self.sessions.get_mut(key).is_some_and(|session| match &session.talk {
                Talk::Resp(talk) => talk.card.is_killed(),
                Talk::Http(_) | Talk::Events(_) => false,
            });
            if killed {
                self.remove(key);
            }
        }
    }

    /// Does once what a new stage of the end asks for.
    fn follow_ending(&mut self, turn: Turn<'_>) {
        let ending = self.desk.shared.ending();
        if ending == self.ending {
            return;
        }
        self.ending = ending;
        self.desk.closing = true;
        // Dropped, so that the kernel refuses whoever comes now.
        self.acceptor = None;
        self.desk.waits.give_up();
        for slot in 0..self.sessions.slots() {
            let Some(key) = self.sessions.key_at(slot) else { continue };
            if ending == Ending::Now {
                self.remove(key);
            } else if let Some(session) = self.sessions.get_mut(key) {
                // What has arrived by now is answered; an idle connection ends with this visit.
                session.unread = true;
                self.visit(key, turn);
            }
        }
        self.write_dirty(turn);
    }

    /// Done when nobody is left anywhere: connections of other workers may still need our owners.
    fn is_done(&self) -> bool {
        let nobody = || self.desk.shared.shares.total() == 0;
        self.ending == Ending::Now || (self.ending != Ending::No && nobody())
    }

    fn timeout(&self) -> Duration {
        let hubs = &self.desk.hubs;
        let readers = hubs.is_at_work() || hubs.has_wishes() || self.desk.shards.has_news();
        if !self.queue.is_empty() || readers {
            return Duration::ZERO;
        }
        let now = self.desk.shared.config.clock.now();
        let retry = self.acceptor.as_ref().and_then(Acceptor::retry_at);
        let swept = (self.sessions.len() > 0).then(|| self.sweep.next());
        let wakes =
            [self.desk.shards.next_wake(), self.desk.wheel.next(), self.desk.waits.next(), retry, swept];
        let longest = MonoMs(now.0 + limit::SLEEP_MS_MAX);
        let next = wakes.into_iter().flatten().fold(longest, MonoMs::min);
        Duration::from_millis(next.0.saturating_sub(now.0))
    }
}
