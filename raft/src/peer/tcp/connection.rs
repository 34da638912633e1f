//! An open connection of a link: calls out, answers in.
//!
//! Invariants: a call is answered at most once; the calls that wait for an answer end with their connection; a peer that leaves
//! one of them unanswered for long after its deadline is given up, however much else it answers.

use openraft::async_runtime::AsyncRuntime;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::super::frame::{self, FrameError, Kind};
use super::super::limit::{BODY_BYTES_MAX, IDLE_MS, STALL_GRACE_MS};
use super::super::message::Response;
use super::order::{Order, Waiting};
use super::stream::{End, FrameReader, FrameWriter, Socket};

/// The half that is read.
pub(super) type Reader = FrameReader<ReadHalf<Box<dyn Socket>>>;
/// The half that is written.
pub(super) type Writer = FrameWriter<WriteHalf<Box<dyn Socket>>>;

/// An open connection: both directions run at once, or two nodes that write much to each other would wait for ever.
pub(super) struct Connection<R: AsyncRuntime> {
    reader: Reader,
    writer: Writer,
    book: Book<R>,
}

/// The calls that wait for an answer on this connection.
struct Book<R: AsyncRuntime>(Mutex<Calls<R>>);

struct Calls<R: AsyncRuntime> {
    waiting: HashMap<u64, (Instant, Waiting<R>)>,
    /// Of the same calls, the next to be due first.
    deadlines: BTreeSet<(Instant, u64)>,
}

impl<R: AsyncRuntime> Default for Book<R> {
    fn default() -> Self {
        Book(Mutex::new(Calls { waiting: HashMap::new(), deadlines: BTreeSet::new() }))
    }
}

impl<R: AsyncRuntime> Book<R> {
    fn enter(&self, id: u64, waiting: Waiting<R>, deadline: Instant) {
        let mut calls = lock(&self.0);
        calls.waiting.insert(id, (deadline, waiting));
        calls.deadlines.insert((deadline, id));
    }

    fn answer(&self, id: u64, response: Response<R>) {
        let mut calls = lock(&self.0);
        if let Some((deadline, waiting)) = calls.waiting.remove(&id) {
            calls.deadlines.remove(&(deadline, id));
            // The caller may have given up: nobody to tell then.
            let _ = waiting.answer.send(Ok(response));
        }
    }

    /// When the peer is taken to be stuck: it answers every call by its deadline, be it with a refusal. None while nothing
    /// is asked of it.
    fn patience(&self) -> Option<Instant> {
        let calls = lock(&self.0);
        calls.deadlines.first().map(|(deadline, _)| *deadline + Duration::from_millis(STALL_GRACE_MS))
    }
}

impl<R: AsyncRuntime> Connection<R> {
    /// Uses a socket on which the handshake is over.
    pub(super) fn new(reader: Reader, writer: Writer) -> Connection<R> {
        Connection { reader, writer, book: Book::default() }
    }

    /// Sends `first` and what is queued after it, until the connection ends. Calls that are unanswered then are lost.
    pub(super) async fn run(self, first: Order<R>, orders: &mut mpsc::Receiver<Order<R>>) -> End {
        let Connection { mut reader, mut writer, book } = self;
        tokio::select! {
            end = read_answers(&mut reader, &book) => end,
            end = write_orders(&mut writer, &book, first, orders) => end,
        }
    }
}

async fn read_answers<R: AsyncRuntime, T: AsyncRead + Unpin>(
    reader: &mut FrameReader<T>,
    book: &Book<R>,
) -> End {
    loop {
        let body = match reader.next(BODY_BYTES_MAX).await {
            Ok(frame) if frame.kind == Kind::Response => frame.body,
            Ok(_) => return End::Frame(FrameError::Body),
            Err(end) => return end,
        };
        match frame::decode(&body) {
            Ok((id, response)) => book.answer(id, response),
            Err(error) => return End::Frame(error),
        }
    }
}

/// Writes whatever is queued, together, and ends a connection that nobody needs or whose peer is stuck.
async fn write_orders<R: AsyncRuntime, T: AsyncWrite + Unpin>(
    writer: &mut FrameWriter<T>,
    book: &Book<R>,
    first: Order<R>,
    orders: &mut mpsc::Receiver<Order<R>>,
) -> End {
    let mut next = Some(first);
    loop {
        // Whoever else is ready to run adds to it first: a write costs both sides more than what is written.
        yield_now().await;
        while let Some(order) = next.take() {
            if let Err(end) = write_order(writer, book, order).await {
                return end;
            }
            if !writer.is_full() {
                next = orders.try_recv().ok();
            }
        }
        if let Err(end) = writer.flush().await {
            return end;
        }
        match wait_for_order(book, orders).await {
            Ok(order) => next = Some(order),
            Err(end) => return end,
        }
    }
}

async fn write_order<R: AsyncRuntime, T: AsyncWrite + Unpin>(
    writer: &mut FrameWriter<T>,
    book: &Book<R>,
    order: Order<R>,
) -> Result<(), End> {
    if order.is_stale() {
        return Ok(());
    }
    if let Ok(waiting) = order.waiting {
        book.enter(order.id, waiting, order.deadline);
    }
    writer.add(order.frame).await
}

async fn wait_for_order<R: AsyncRuntime>(
    book: &Book<R>,
    orders: &mut mpsc::Receiver<Order<R>>,
) -> Result<Order<R>, End> {
    let idle_until = Instant::now() + Duration::from_millis(IDLE_MS);
    loop {
        let until = book.patience().unwrap_or(idle_until);
        tokio::select! {
            order = orders.recv() => return order.ok_or(End::Idle),
            () = sleep_until(until) => {}
        }
        // Answers that came meanwhile change what to wait for.
        match book.patience() {
            Some(until) if until <= Instant::now() => return Err(End::Stalled),
            None if idle_until <= Instant::now() => return Err(End::Idle),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

#[cfg(test)]
mod tests {
    use super::super::order::Share;
    use super::{Connection, End, FrameReader, FrameWriter, Order, Socket, Waiting, frame};
    use crate::peer::frame::Kind;
    use crate::peer::limit::WRITE_STALL_MS;
    use crate::peer::limit::{IDLE_MS, STALL_GRACE_MS};
    use crate::peer::message::{Request, Response};
    use crate::peer::transport::Called;
    use bytes::Bytes;
    use openraft_rt_tokio::TokioRuntime;
    use sluice_engine::id::GroupId;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::Instant;

    type R = TokioRuntime;

    type Sender = mpsc::Sender<Order<R>>;
    type Receiver = mpsc::Receiver<Order<R>>;

    /// A connection to a peer that the test plays, and its queue.
    fn connect(bytes: usize) -> (Connection<R>, DuplexStream, Sender, Receiver) {
        let (near, far) = duplex(bytes);
        let (read, write) = tokio::io::split(Box::new(near) as Box<dyn Socket>);
        let connection = Connection::new(FrameReader::new(read), FrameWriter::new(write));
        let (queue, orders) = mpsc::channel(16);
        (connection, far, queue, orders)
    }

    /// A call that is due after `within_ms`, and its answer.
    fn order(id: u64, within_ms: u64, bytes: usize) -> (Order<R>, oneshot::Receiver<Called<R>>) {
        let request = Request::<R>::Forward { group: GroupId(0), bytes: vec![0; bytes].into() };
        let frame = frame::encode(Kind::Request, &(id, within_ms, request)).expect("fits");
        let share = Share::take(&Arc::default(), frame.len(), usize::MAX).expect("room");
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_millis(within_ms);
        (Order { id, frame, deadline, waiting: Ok(Waiting { answer, _share: share }) }, answered)
    }

    fn answer(id: u64) -> Bytes {
        frame::encode(Kind::Response, &(id, Response::<R>::Noted)).expect("fits")
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_leaves_one_call_unanswered_is_given_up_however_many_follow() {
        let (connection, mut far, queue, mut orders) = connect(1 << 20);
        let begun = Instant::now();
        let (first, lost) = order(1, 1_000, 10);
        let (long, _) = order(2, 60_000, 10);
        assert!(queue.try_send(long).is_ok());
        let end = connection.run(first, &mut orders).await;
        assert!(matches!(end, End::Stalled), "{end}");
        assert_eq!(begun.elapsed().as_millis() as u64 / 1_000, (1_000 + STALL_GRACE_MS) / 1_000);
        assert!(lost.await.is_err(), "its caller learns that the connection is lost");
        assert!(far.read_u8().await.is_ok(), "it was asked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_lasts_while_its_calls_are_answered_and_ends_when_nobody_calls() {
        let (connection, mut far, _queue, mut orders) = connect(1 << 20);
        let begun = Instant::now();
        let (first, answered) = order(1, 1_000, 10);
        let peer = tokio::spawn(async move {
            far.read_u8().await.expect("asked");
            far.write_all(&answer(1)).await.expect("read");
            far
        });
        let end = connection.run(first, &mut orders).await;
        assert!(matches!(end, End::Idle), "{end}");
        assert!(begun.elapsed() >= Duration::from_millis(IDLE_MS));
        assert!(matches!(answered.await, Ok(Ok(Response::Noted))));
        peer.await.expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (connection, _far, _queue, mut orders) = connect(64);
        let begun = Instant::now();
        let (first, _lost) = order(1, 60_000, 100_000);
        let end = connection.run(first, &mut orders).await;
        assert!(matches!(end, End::Stalled), "{end}");
        assert!(begun.elapsed() >= Duration::from_millis(WRITE_STALL_MS));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_waits_for_is_not_sent() {
        let (connection, mut far, queue, mut orders) = connect(1 << 20);
        let (stale, gone) = order(1, 1_000, 10);
        drop(gone);
        let (fresh, _waiting) = order(2, 1_000, 10);
        let expected = fresh.frame.clone();
        assert!(queue.try_send(fresh).is_ok());
        connection.run(stale, &mut orders).await;
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await.expect("closed");
        assert_eq!(sent, expected);
    }
}
