//! The event loop of a run.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::error::{BenchError, Result};
use crate::limit::{DRAIN_MS_MAX, EVENTS_MAX, READ_BYTES};
use crate::load::arguments::{Plan, Until};
use crate::load::deck::Deck;
use crate::load::framing::Tally;
use crate::load::line::Line;
use crate::load::pacing::{Arrivals, Pacing};
use crate::load::recorder::{LoadReport, Recorder};

/// How long the closed mode sleeps at most before it looks at the clock again.
const WAIT_MS_MAX: u64 = 20;

/// One run, from connected to reported.
pub(crate) struct Runner<'p> {
    plan: &'p Plan,
    poll: Poll,
    lines: Vec<Line>,
    deck: Deck,
    recorder: Recorder,
    tally: Tally,
    buffer: Vec<u8>,
    started: Instant,
    /// Arrivals made due so far (fixed rate), or requests allowed so far (closed).
    issued: u64,
    /// Bytes of replies.
    bytes: u64,
    /// Requests answered.
    answered: u64,
    /// The same, within the measured part.
    measured: u64,
}

impl<'p> Runner<'p> {
    pub(crate) fn connect(plan: &'p Plan, deck: Deck) -> Result<Self> {
        let poll = Poll::new().map_err(BenchError::io("opening epoll"))?;
        let mut lines = Vec::with_capacity(plan.connections as usize);
        for number in 0..plan.connections as usize {
            let mut line = Line::connect(plan.addresses[number % plan.addresses.len()], plan.operation)?;
            let registered = line.register(poll.registry(), Token(number));
            registered.map_err(BenchError::io("registering a connection with epoll"))?;
            lines.push(line);
        }
        Ok(Self {
            plan,
            poll,
            lines,
            deck,
            recorder: Recorder::new(plan.warmup_ns),
            tally: Tally::default(),
            buffer: vec![0; READ_BYTES],
            started: Instant::now(),
            issued: 0,
            bytes: 0,
            answered: 0,
            measured: 0,
        })
    }

    /// Loads the server until the plan's end and until everything is answered, or the drain gives up.
    pub(crate) fn run(mut self) -> Result<LoadReport> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.started = Instant::now();
        let mut over_ns = None;
        if self.plan.pacing == Pacing::Closed {
            (0..self.lines.len()).try_for_each(|line| self.refill(line, 0))?;
        }
        loop {
            let now_ns = self.now_ns();
            if over_ns.is_none() && self.is_over(now_ns) {
                over_ns = Some(now_ns);
            }
            if let Some(over_ns) = over_ns
                && (self.lines.iter().all(Line::is_idle) || now_ns - over_ns > DRAIN_MS_MAX * 1_000_000)
            {
                return Ok(self.report(over_ns));
            }
            if let (Pacing::Fixed(arrivals), None) = (self.plan.pacing, over_ns) {
                self.issue(arrivals, now_ns)?;
            }
            self.wait(&mut events, over_ns.is_some())?;
            for event in &events {
                self.serve(event.token().0, over_ns.is_some())?;
            }
        }
    }

    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn is_over(&self, now_ns: u64) -> bool {
        match self.plan.until {
            Until::Elapsed { ns } => now_ns >= ns,
            Until::Replies { count } => self.answered >= count,
        }
    }

    /// Spins at a fixed rate: the kernel's timers would make every arrival late by tens of microseconds.
    fn wait(&mut self, events: &mut Events, over: bool) -> Result<()> {
        let spins = matches!(self.plan.pacing, Pacing::Fixed(_)) && !over;
        let timeout = Duration::from_millis(if spins { 0 } else { WAIT_MS_MAX });
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(BenchError::io("waiting for events")(error))
            }
            _ => Ok(()),
        }
    }

    /// Hands the arrivals that became due to their connections.
    fn issue(&mut self, arrivals: Arrivals, now_ns: u64) -> Result<()> {
        let end_ns = match self.plan.until {
            Until::Elapsed { ns } => ns.saturating_sub(1),
            Until::Replies { .. } => u64::MAX,
        };
        let due = arrivals.due_by(now_ns.min(end_ns));
        // A burst after a pause of the generator goes out as pipelines, so dues are added up before sending.
        let first = self.issued;
        for number in first..due {
            self.lines[(number % arrivals.connections) as usize].due += 1;
        }
        for number in first..due.min(first + arrivals.connections) {
            let line = &mut self.lines[(number % arrivals.connections) as usize];
            line.send(&mut self.deck, u64::from(self.plan.pipeline), now_ns)?;
        }
        self.issued = due;
        Ok(())
    }

    /// Gives a connection its next pipeline (closed mode).
    fn refill(&mut self, line: usize, now_ns: u64) -> Result<()> {
        let allowed = match self.plan.until {
            Until::Elapsed { .. } => u64::from(self.plan.pipeline),
            Until::Replies { count } => u64::from(self.plan.pipeline).min(count - self.issued),
        };
        self.issued += allowed;
        let line = &mut self.lines[line];
        line.due += allowed;
        line.send(&mut self.deck, u64::from(self.plan.pipeline), now_ns)
    }

    /// Takes the replies of one connection, records them, and sends what may follow.
    fn serve(&mut self, number: usize, over: bool) -> Result<()> {
        let line = &mut self.lines[number];
        let order = line.answered;
        let since_ns = line.sent_ns;
        let (replies, bytes) = line.receive(&mut self.buffer, &mut self.tally)?;
        let now_ns = self.now_ns();
        self.bytes += bytes;
        self.answered += replies;
        if replies > 0 {
            self.record(number, order, replies, since_ns, now_ns);
            if now_ns >= self.plan.warmup_ns && !over {
                self.measured += replies;
            }
        }
        let line = &mut self.lines[number];
        if self.plan.pacing == Pacing::Closed && line.is_idle() && !over {
            return self.refill(number, now_ns);
        }
        line.send(&mut self.deck, u64::from(self.plan.pipeline), now_ns)
    }

    fn record(&mut self, line: usize, order: u64, replies: u64, since_ns: u64, now_ns: u64) {
        match self.plan.pacing {
            Pacing::Closed => self.recorder.record(since_ns, now_ns, replies),
            Pacing::Fixed(arrivals) => {
                for reply in order..order + replies {
                    self.recorder.record(arrivals.reply_due_ns(line as u64, reply), now_ns, 1);
                }
            }
        }
    }

    /// What never was answered counts with its age: a server that hangs must not look fast.
    fn record_unanswered(&mut self) -> u64 {
        let now_ns = self.now_ns();
        let mut unanswered = 0;
        for number in 0..self.lines.len() {
            let line = &self.lines[number];
            let (order, missing, since_ns) = (line.answered, line.due + line.in_flight, line.sent_ns);
            self.record(number, order, missing, since_ns, now_ns);
            unanswered += missing;
        }
        unanswered
    }

    fn report(mut self, over_ns: u64) -> LoadReport {
        let unanswered = self.record_unanswered();
        let seconds = (over_ns - self.plan.warmup_ns.min(over_ns)) as f64 / 1e9;
        LoadReport {
            operation: self.plan.operation,
            connections: self.plan.connections,
            pipeline: self.plan.pipeline,
            rate_per_s: match self.plan.pacing {
                Pacing::Closed => None,
                Pacing::Fixed(arrivals) => Some(arrivals.rate_per_s),
            },
            seconds,
            replies: self.measured,
            replies_per_s: self.measured as f64 / seconds.max(1e-9),
            replies_total: self.answered,
            reply_bytes: self.bytes as f64 / (self.answered.max(1)) as f64,
            errors: self.tally.errors,
            first_error: self.tally.first_error,
            unanswered,
            latency: self.recorder.latency(),
        }
    }
}
