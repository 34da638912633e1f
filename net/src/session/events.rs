//! A connection that has become an event stream: it is told things until it ends, and asks for nothing more.
//!
//! ```text
//!  GET …/events ─▶ head, retry ─▶ position ─▶ position ─▶ admitted or gone, then the end
//!                                   ▲  poll of the directory each period, or a turn held by its owner
//!                                   └─ the worker's wheel wakes it; a heartbeat where nothing was said
//! ```
//! Between two frames it holds no buffer, only an [`EventTalk`]. What it reads is a [`Source`]; heartbeats, advice for
//! coming back, draining and the wheel are the same for every source.

use super::line::{Asked, Line};
use super::pending::Awaited;
use super::settled::Settled;
use super::{Fate, Phase, Session, Talk};
use crate::http::following::Following;
use crate::http::sse;
use crate::http::watch::{Next, Watch, tell};
use crate::limit;
use crate::worker::desk::Desk;
use crate::worker::ticket::SessionKey;
use crate::worker::turn::Turn;
use crate::worker::wheel::Wheel;
use sluice_engine::time::MonoMs;

/// What a stream tells of.
pub(crate) enum Source {
    /// A token's place in its zone.
    Token(Watch),
    /// What is appended to streams.
    Streams(Following),
}

/// What is remembered of a stream between frames.
pub(crate) struct EventTalk {
    source: Source,
    /// When its source is asked next; never, while an answer is on its way.
    ask_at: Option<MonoMs>,
    /// When something must be said for the connection's sake.
    beat_at: MonoMs,
    /// The moment in the wheel that counts.
    wake_at: MonoMs,
}

/// Whether anything more is to be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Talked {
    /// Yes.
    On,
    /// No: the connection ends.
    Out,
}

impl EventTalk {
    /// The stream of `source`, whose first answer is on its way.
    pub(crate) fn new(source: Source, heartbeat_ms: u64, now: MonoMs) -> EventTalk {
        let beat_at = MonoMs(now.0 + heartbeat_ms);
        EventTalk { source, ask_at: None, beat_at, wake_at: MonoMs(u64::MAX) }
    }

    /// What it tells of.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The same, and when something must be said next.
    pub(crate) fn parts(&mut self) -> (&mut Source, &mut MonoMs) {
        (&mut self.source, &mut self.beat_at)
    }

    /// Notes what follows an answer.
    pub(crate) fn follow(&mut self, next: Next, now: MonoMs) -> Talked {
        let Next::Ask(ms) = next else { return Talked::Out };
        self.ask_at = Some(MonoMs(now.0 + u64::from(ms).max(limit::WHEEL_TICK_MS)));
        Talked::On
    }

    /// An answer came late: says it.
    pub(super) fn settle(
        &mut self,
        settled: &Settled,
        clear: bool,
        out: &mut Vec<u8>,
        desk: &mut Desk,
        now: MonoMs,
    ) -> Talked {
        let mark = out.len();
        let Source::Token(watch) = &mut self.source else { return Talked::On };
        let (name, said) = watch.parts();
        let Desk { shared, body, signer, .. } = &mut *desk;
        let next = settled.show(name.zone(), &shared.directory, signer, |answer| {
            tell(answer, name, said, clear, body, out)
        });
        if out.len() > mark {
            self.beat_at = MonoMs(now.0 + desk.shared.config.heartbeat_ms);
        }
        self.follow(next, now)
    }

    /// Has the worker come back at the next moment that matters.
    pub(super) fn arm(&mut self, key: SessionKey, wheel: &mut Wheel) {
        let next = self.ask_at.map_or(self.beat_at, |at| at.min(self.beat_at));
        if next != self.wake_at {
            self.wake_at = next;
            wheel.put(key, next);
        }
    }

    /// Does what the moment asks for; what is said goes to the desk.
    fn act(&mut self, line: &mut Line, desk: &mut Desk, turn: Turn<'_>) -> Talked {
        let clear = line.buffers.as_ref().is_none_or(|buffers| buffers.unsent() == 0);
        let asks = self.ask_at.is_some_and(|at| at <= turn.now);
        if asks && desk.signer.is_spent() {
            self.ask_at = Some(MonoMs(turn.now.0 + limit::WHEEL_TICK_MS));
        } else if asks {
            self.ask_at = None;
            let Source::Token(watch) = &mut self.source else { return Talked::On };
            let (name, said) = watch.parts();
            let request = name.request();
            if let Asked::Told(told) = line.ask(&request, false, || Awaited::Event, desk, turn) {
                let Desk { shared, body, out, signer, .. } = desk;
                let next = told.show(&request, &shared.directory, signer, |answer| {
                    tell(answer, name, said, clear, body, out)
                });
                if self.follow(next, turn.now) == Talked::Out {
                    return Talked::Out;
                }
            }
        }
        let late = self.beat_at <= turn.now;
        // Who does not read needs no sign of life; the sweep ends it.
        if late && clear && desk.out.is_empty() {
            sse::heartbeat(&mut desk.out);
        }
        if late || !desk.out.is_empty() {
            self.beat_at = MonoMs(turn.now.0 + desk.shared.config.heartbeat_ms);
        }
        Talked::On
    }
}

impl Session {
    /// The moment came that its stream had asked for.
    pub(crate) fn wake(&mut self, at: MonoMs, desk: &mut Desk, turn: Turn<'_>) -> Fate {
        debug_assert!(desk.out.is_empty(), "the last visit's output was written");
        let Talk::Events(talk) = &mut self.talk else { return Fate::Rests };
        if self.phase != Phase::Open || talk.wake_at != at {
            return Fate::Rests;
        }
        talk.wake_at = MonoMs(u64::MAX);
        if talk.act(&mut self.line, desk, turn) == Talked::Out {
            self.phase = Phase::Ending;
        } else {
            talk.arm(self.line.key, &mut desk.wheel);
        }
        self.keep_said(desk, turn.now);
        Fate::Visited
    }

    /// Reads and drops what a reader still sends; while draining, tells it to come back elsewhere.
    pub(super) fn listen(&mut self, scratch: &mut [u8], desk: &mut Desk, now: MonoMs) -> Fate {
        if self.unread && (self.read(scratch, now).is_err() || self.ended) {
            return Fate::Over;
        }
        if desk.closing {
            let ms = desk.jitter.between(limit::DRAIN_RETRY_MS.start, limit::DRAIN_RETRY_MS.end);
            sse::retry(&mut desk.out, ms);
            self.line.hurry(true, &mut desk.shards);
            self.phase = Phase::Ending;
        }
        self.keep_said(desk, now);
        Fate::Visited
    }

    /// From here on the connection is an event stream.
    pub(super) fn become_events(&mut self, mut talk: Box<EventTalk>, desk: &mut Desk) {
        talk.arm(self.line.key, &mut desk.wheel);
        self.talk = Talk::Events(talk);
    }
}
