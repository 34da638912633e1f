//! A connection that is told things: made again whenever it is lost, at one node after another.
//!
//! It has no task: whoever reads it drives it. A reader that is slow does not read, so the system's buffers fill and the server
//! stops telling; nothing is held here but what was read at once. That is why followers and subscriptions do not share the
//! connection of calls, which must be read at all times.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep};

use crate::connect::connect;
use crate::fault::Error;
use crate::input::Input;
use crate::limit::{BACKOFF_MAX, BACKOFF_MIN, LISTENER_PATIENCE, LISTENER_PROBE};
use crate::node::jittered;
use crate::settings::Settings;
use crate::socket::{Output, Socket};

/// A connection, or the way to the next one.
pub(crate) struct Listener {
    settings: Arc<Settings>,
    state: State,
    /// Which address is tried next.
    at: usize,
    /// Addresses in a row that refused the credentials.
    refusals: usize,
    /// How long to rest when a whole round of addresses has failed.
    backoff: Duration,
    /// Tries since the last connection.
    tries: usize,
    pub(crate) output: Output,
    pub(crate) input: Input,
    heard_at: Instant,
    /// When the server was asked whether it is there, unless it was heard since.
    probed_at: Option<Instant>,
    probe: Option<Pin<Box<Sleep>>>,
}

enum State {
    Idle,
    Connecting(BoxFuture<'static, Result<Socket, Error>>),
    Resting(Pin<Box<Sleep>>),
    Open(Socket),
}

/// Whether a connection is the one that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A new one, to which nothing was said.
    Fresh,
    /// The same.
    Already,
}

/// What an exchange brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchanged {
    /// Bytes came.
    Came,
    /// Nothing came for long: the server should be asked something.
    Silent,
}

impl Listener {
    /// One that begins at the address of number `at`.
    pub(crate) fn new(settings: Arc<Settings>, at: usize) -> Self {
        Self {
            settings,
            state: State::Idle,
            at,
            refusals: 0,
            backoff: BACKOFF_MIN,
            tries: 0,
            output: Output::default(),
            input: Input::default(),
            heard_at: Instant::now(),
            probed_at: None,
            probe: None,
        }
    }

    /// Ready once a connection is open.
    ///
    /// # Errors
    /// [`Error::NoAuth`]: every node refuses the credentials. The next poll tries again.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Opened, Error>> {
        loop {
            match &mut self.state {
                State::Open(_) => return Poll::Ready(Ok(Opened::Already)),
                State::Idle => {
                    let (address, settings) =
                        (self.settings.addresses[self.at].clone(), self.settings.clone());
                    self.state =
                        State::Connecting(Box::pin(async move { connect(&address, &settings).await }));
                }
                State::Resting(rest) => {
                    ready!(rest.as_mut().poll(cx));
                    self.state = State::Idle;
                }
                State::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                    Ok(socket) => {
                        self.begin(socket);
                        return Poll::Ready(Ok(Opened::Fresh));
                    }
                    Err(error) => self.fail(error)?,
                },
            }
        }
    }

    /// Sends what there is to send, and reads once.
    ///
    /// # Errors
    /// The connection is lost; [`Listener::lose`] comes next.
    pub(crate) fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<Exchanged, Error>> {
        let State::Open(socket) = &mut self.state else {
            return Poll::Ready(Err(Error::Disconnected("it is not open".to_owned())));
        };
        let failed = |error: std::io::Error| Error::Disconnected(error.to_string());
        if let Poll::Ready(sent) = self.output.poll_drain(cx, socket) {
            sent.map_err(failed)?;
        }
        if let Poll::Ready(read) = self.input.poll_fill(cx, socket) {
            read.map_err(failed)?;
            (self.heard_at, self.probed_at) = (Instant::now(), None);
            return Poll::Ready(Ok(Exchanged::Came));
        }
        let probe = self.probe.get_or_insert_with(|| Box::pin(sleep(LISTENER_PROBE)));
        ready!(probe.as_mut().poll(cx));
        probe.set(sleep(LISTENER_PROBE));
        // Whoever reads may have been away for long: only a probe that is not answered says something of the server.
        match self.probed_at {
            Some(at) if at.elapsed() >= LISTENER_PATIENCE => {
                return Poll::Ready(Err(Error::Disconnected("nothing heard for too long".to_owned())));
            }
            None if self.heard_at.elapsed() >= LISTENER_PROBE => {
                self.probed_at = Some(Instant::now());
                return Poll::Ready(Ok(Exchanged::Silent));
            }
            _ => {}
        }
        // The timer that was just set has to know whom to wake.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The connection is of no further use; the next one is looked for elsewhere first.
    pub(crate) fn lose(&mut self, why: &Error) {
        if let State::Open(_) = self.state {
            tracing::warn!(address = self.settings.addresses[self.at], %why, "connection of a listener lost");
            self.rest();
        }
    }

    fn begin(&mut self, socket: Socket) {
        self.state = State::Open(socket);
        self.output = Output::default();
        self.input.clear();
        (self.heard_at, self.probed_at) = (Instant::now(), None);
        self.probe = None;
        (self.refusals, self.tries) = (0, 0);
        self.backoff = BACKOFF_MIN;
    }

    fn fail(&mut self, error: Error) -> Result<(), Error> {
        tracing::warn!(%error, "a listener could not connect");
        let is_refusal = matches!(error, Error::NoAuth(_));
        self.refusals = if is_refusal { self.refusals + 1 } else { 0 };
        self.rest();
        if self.refusals >= self.settings.addresses.len() {
            self.refusals = 0;
            return Err(error);
        }
        Ok(())
    }

    /// On to the next address: at once, but after a whole round only with some patience.
    fn rest(&mut self) {
        self.at = (self.at + 1) % self.settings.addresses.len();
        self.tries += 1;
        let mut delay = jittered(BACKOFF_MIN / 4);
        if self.tries.is_multiple_of(self.settings.addresses.len()) {
            delay = jittered(self.backoff);
            self.backoff = (2 * self.backoff).min(BACKOFF_MAX);
        }
        self.state = State::Resting(Box::pin(sleep(delay)));
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Connecting(_) => "connecting",
            State::Resting(_) => "resting",
            State::Open(_) => "open",
        };
        out.debug_struct("Listener").field("state", &state).finish_non_exhaustive()
    }
}
