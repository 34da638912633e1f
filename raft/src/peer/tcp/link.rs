//! One lane to one peer: a bounded queue, and the connections that empty it one after the other.
//!
//! Invariant: a call holds its share of the lane's bytes from the moment it is queued until it is answered or its connection
//! ends, whether or not anybody still waits for it.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openraft::async_runtime::AsyncRuntime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::super::frame::{self, FrameError, Kind};
use super::super::handshake::{self, Answer, Credential, Hello, Local, Welcome};
use super::super::limit::{
    APPEND_LANE_BYTES_MAX, BULK_LANE_BYTES_MAX, HANDSHAKE_MS, HELLO_BYTES_MAX, IDLE_MS, LANE_CALLS_MAX,
    RETRY_MS_MAX, RETRY_MS_MIN, VOTE_LANE_BYTES_MAX,
};
use super::super::message::Request;
use super::super::proof::{self, Counterproof};
use super::super::transport::{CallError, Called, Lane};
use super::connection::{Connection, Reader, Writer};
use super::names::{Names, Question};
use super::order::{Order, Share, Waiting};
use super::secure::{self, Channel};
use super::socket;
use super::stream::{End, FrameReader, FrameWriter};
use crate::types::NodeId;

/// Where a link leads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Target {
    pub(super) node: NodeId,
    pub(super) address: String,
    pub(super) lane: Lane,
}

impl Target {
    fn bytes_max(&self) -> usize {
        match self.lane {
            Lane::Vote => VOTE_LANE_BYTES_MAX,
            Lane::Append => APPEND_LANE_BYTES_MAX,
            Lane::Bulk => BULK_LANE_BYTES_MAX,
        }
    }
}

/// One lane to one peer.
pub(super) struct Link<R: AsyncRuntime> {
    queue: mpsc::Sender<Order<R>>,
    held: Arc<AtomicUsize>,
    bytes_max: usize,
    next_id: AtomicU64,
    pause: Arc<Mutex<Option<Pause>>>,
}

/// After a connection failed: until when calls fail at once, and how.
struct Pause {
    until: Instant,
    error: CallError,
}

impl<R: AsyncRuntime> Link<R> {
    pub(super) fn open(target: Target, local: Arc<Local>, names: &Arc<Names>) -> Arc<Link<R>> {
        let (queue, orders) = mpsc::channel(LANE_CALLS_MAX);
        let (held, pause) = (Arc::default(), Arc::default());
        let bytes_max = target.bytes_max();
        let question = Question::new(names);
        let driver = Driver { target, local, question, orders, pause: Arc::clone(&pause), failures: 0 };
        tokio::spawn(driver.run());
        Arc::new(Link { queue, held, bytes_max, next_id: AtomicU64::new(1), pause })
    }

    /// It was idle and is closed for good; another takes its place.
    pub(super) fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }

    pub(super) fn call(&self, request: &Request<R>, within: Duration) -> BoxFuture<'static, Called<R>> {
        match self.send(request, within) {
            Ok(answer) => async move {
                match timeout(within, answer).await {
                    Ok(Ok(called)) => called,
                    Ok(Err(_)) => Err(CallError::Lost),
                    Err(_) => Err(CallError::Timeout),
                }
            }
            .boxed(),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    fn send(
        &self,
        request: &Request<R>,
        within: Duration,
    ) -> Result<oneshot::Receiver<Called<R>>, CallError> {
        self.check_pause()?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let within_ms = within.as_millis() as u64;
        let frame = frame::encode(Kind::Request, &(id, within_ms, request)).map_err(CallError::Frame)?;
        let share = Share::take(&self.held, frame.len(), self.bytes_max)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Ok(Waiting { answer, _share: share });
        self.enqueue(Order { id, frame, deadline: Instant::now() + within, waiting })?;
        Ok(answered)
    }

    /// Queues a frame that nobody answers, as long as calls and casts together hold less than `bytes_max`.
    pub(super) fn cast(&self, frame: Bytes, bytes_max: usize) -> Result<(), CallError> {
        self.check_pause()?;
        let share = Share::take(&self.held, frame.len(), bytes_max)?;
        self.enqueue(Order { id: 0, frame, deadline: Instant::now(), waiting: Err(share) })
    }

    fn enqueue(&self, order: Order<R>) -> Result<(), CallError> {
        self.queue.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::Busy,
            mpsc::error::TrySendError::Closed(_) => CallError::Lost,
        })
    }

    fn check_pause(&self) -> Result<(), CallError> {
        match &*self.pause.lock().unwrap_or_else(|broken| broken.into_inner()) {
            Some(pause) if Instant::now() < pause.until => Err(pause.error.clone()),
            _ => Ok(()),
        }
    }
}

/// Makes connections and empties the queue through them.
struct Driver<R: AsyncRuntime> {
    target: Target,
    local: Arc<Local>,
    question: Question,
    orders: mpsc::Receiver<Order<R>>,
    pause: Arc<Mutex<Option<Pause>>>,
    /// Connections that failed since the last that worked.
    failures: u32,
}

impl<R: AsyncRuntime> Driver<R> {
    /// Until the link is dropped, or nothing was sent for a while.
    async fn run(mut self) {
        while let Ok(Some(first)) = timeout(Duration::from_millis(IDLE_MS), self.orders.recv()).await {
            match self.connect().await {
                Ok((connection, known)) => {
                    self.failures = 0;
                    let end = tokio::select! {
                        end = connection.run(first, &mut self.orders) => end,
                        () = self.local.distrusts(&known) => End::Distrusted,
                    };
                    self.report(&end);
                    if matches!(end, End::Idle) {
                        return;
                    }
                }
                Err(error) => self.fail(first, error),
            }
        }
    }

    fn report(&self, end: &End) {
        let Target { node, address, lane } = &self.target;
        match end {
            End::Idle => tracing::debug!(node, address, ?lane, "idle connection closed"),
            End::Frame(error) => tracing::error!(node, address, ?lane, %error, "connection refused"),
            end => tracing::info!(node, address, ?lane, "connection ended: {end}"),
        }
    }

    /// Fails what is queued, and for a while what is called.
    fn fail(&mut self, first: Order<R>, error: CallError) {
        let Target { node, address, lane } = &self.target;
        let pause_ms = (RETRY_MS_MIN << self.failures.min(u8::BITS)).min(RETRY_MS_MAX);
        if self.failures == 0 || matches!(error, CallError::Denied(_)) {
            tracing::warn!(node, address, ?lane, %error, "no connection");
        }
        self.failures = self.failures.saturating_add(1);
        let until = Instant::now() + Duration::from_millis(pause_ms);
        *self.pause.lock().unwrap_or_else(|broken| broken.into_inner()) =
            Some(Pause { until, error: error.clone() });
        let mut next = Some(first);
        while let Some(order) = next {
            if let Ok(waiting) = order.waiting {
                // The caller may have given up: nobody to tell then.
                let _ = waiting.answer.send(Err(error.clone()));
            }
            next = self.orders.try_recv().ok();
        }
    }

    async fn connect(&mut self) -> Result<(Connection<R>, Credential), CallError> {
        let unreachable = |error: std::io::Error| CallError::Unreachable(error.to_string());
        let stream = socket::connect(&mut self.question, &self.target.address).await.map_err(unreachable)?;
        let opening = self.open(stream);
        match timeout(Duration::from_millis(HANDSHAKE_MS), opening).await {
            Ok(opened) => opened,
            Err(_) => Err(CallError::Unreachable("no answer to the handshake".to_owned())),
        }
    }

    async fn open(&self, stream: tokio::net::TcpStream) -> Result<(Connection<R>, Credential), CallError> {
        let channel = secure::dial(stream, &self.local);
        let channel = channel.await.map_err(|error| CallError::Unreachable(format!("TLS: {error}")))?;
        // Checked before anything is said; again when it is known who answered, where only an address was.
        channel.shown.check(self.target.node).map_err(CallError::Denied)?;
        let hello = Hello::new(self.local.get(), self.target.node, self.target.lane);
        let (connection, welcome, known) = self.greet(channel, &hello).await?;
        let Target { node, address, lane } = &self.target;
        tracing::info!(node, address, ?lane, version = welcome.version, "connected");
        Ok((connection, known))
    }

    async fn greet(
        &self,
        channel: Channel,
        hello: &Hello,
    ) -> Result<(Connection<R>, Welcome, Credential), CallError> {
        let (binding, shown) = (channel.binding, channel.shown);
        let (read, write) = tokio::io::split(channel.socket);
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        let (proves, known) = proof::needed(&self.local, hello).map_err(CallError::Denied)?;
        let claim = proof::claim(known.iter().map(Credential::key), &binding, proves);
        let answer: Counterproof =
            exchange(&mut reader, &mut writer, Kind::Proof, &claim, Kind::Proof).await?;
        let counterproof = answer.map_err(CallError::Denied)?;
        let known = proof::check(&known, &binding, proves, &counterproof).map_err(CallError::Denied)?;
        let answer: Answer = exchange(&mut reader, &mut writer, Kind::Hello, hello, Kind::Welcome).await?;
        let welcome = answer.map_err(CallError::Denied)?;
        handshake::check(hello, &welcome).map_err(CallError::Denied)?;
        shown.check(welcome.from.node).map_err(CallError::Denied)?;
        Ok((Connection::new(reader, writer), welcome, known))
    }
}

/// Says one thing of the handshake and reads the answer.
async fn exchange<T: Serialize, A: DeserializeOwned>(
    reader: &mut Reader,
    writer: &mut Writer,
    kind: Kind,
    value: &T,
    expected: Kind,
) -> Result<A, CallError> {
    let ended = |end: End| CallError::Unreachable(format!("handshake: {end}"));
    writer.add(frame::encode(kind, value).map_err(CallError::Frame)?).await.map_err(ended)?;
    writer.flush().await.map_err(ended)?;
    let answer = reader.next(HELLO_BYTES_MAX).await.map_err(ended)?;
    if answer.kind != expected {
        return Err(CallError::Frame(FrameError::Body));
    }
    frame::decode(&answer.body).map_err(CallError::Frame)
}
