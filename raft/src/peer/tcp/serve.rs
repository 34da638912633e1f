//! The called side: accepts connections, asks who calls for proof, and has requests answered.
//!
//! Invariants: nothing is read for a request while [`SERVING_MAX`] requests or [`SERVING_BYTES_MAX`] bytes of them are being
//! served on its connection, so a caller that is faster than this node waits in its own memory; every request gets exactly one
//! answer, or its connection ends.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::AsyncRuntime;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, timeout};

use super::super::frame::{self, Frame, FrameError, Kind};
use super::super::handshake::{Answer, Credential, Denial, Hello, Local, Standing, judge};
use super::super::limit::{
    ACCEPT_RETRY_MS, CALL_MS_MAX, CAST_BYTES_MAX, CAST_OVERHEAD_BYTES, HANDSHAKE_MS, HELLO_BYTES_MAX,
    REFUSED_LOG_MS, SERVING_BYTES_MAX, SERVING_MAX,
};
use super::super::message::{Refusal, Request, Response, request_bytes_max};
use super::super::proof::{self, Claim, Counterproof, Proven};
use super::super::transport::Service;
use super::connection::{Reader, Writer};
use super::reserve::{Place, Reserve};
use super::secure;
use super::socket;
use super::stream::{End, FrameReader, FrameWriter};

/// Serves peers until it is dropped, which ends every connection.
pub async fn serve<R: AsyncRuntime>(listener: TcpListener, local: Arc<Local>, service: Arc<dyn Service<R>>) {
    let mut connections = JoinSet::new();
    let (reserve, refused) = (Arc::new(Reserve::default()), Arc::new(Refused::default()));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => reserve.enter(from.ip(), |place| {
                    let (local, service) = (Arc::clone(&local), Arc::clone(&service));
                    connections.spawn(converse(stream, (from, place), local, service, Arc::clone(&refused)))
                }),
                Err(error) => {
                    // Out of descriptors, most likely: others will be closed.
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse<R: AsyncRuntime>(
    stream: TcpStream,
    (from, place): (SocketAddr, Place),
    local: Arc<Local>,
    service: Arc<dyn Service<R>>,
    refused: Arc<Refused>,
) {
    let opening = timeout(Duration::from_millis(HANDSHAKE_MS), open(stream, &local)).await;
    let connection = match opening {
        Ok(Ok(connection)) => connection,
        Ok(Err(reason)) => return refused.tell(from, &reason),
        Err(_) => return refused.tell(from, "no handshake in time"),
    };
    let node = connection.standing.node();
    place.prove(node);
    let known = connection.known.clone();
    let end = tokio::select! {
        end = connection.run(service) => end,
        () = local.distrusts(&known) => End::Distrusted,
    };
    match end {
        End::Frame(error) => refused.tell(from, &format!("node {node}: {error}")),
        end => tracing::debug!(%from, node, "connection ended: {end}"),
    }
}

/// Connections that were refused: any stranger can have as many as it likes, and each line of the log takes time.
#[derive(Default)]
struct Refused(Mutex<(u64, Option<Instant>)>);

impl Refused {
    fn tell(&self, from: SocketAddr, reason: &str) {
        match self.count() {
            Some(count) => tracing::warn!(%from, count, "connection refused: {reason}"),
            None => tracing::debug!(%from, "connection refused: {reason}"),
        }
    }

    /// Counts one; how many there were, where that is to be told: of the first, then ever fewer, and after a while in any case.
    fn count(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        let (count, told) = &mut *state;
        *count += 1;
        let now = Instant::now();
        let is_due = told.is_none_or(|at| now - at >= Duration::from_millis(REFUSED_LOG_MS));
        if !is_due && !count.is_power_of_two() {
            return None;
        }
        *told = Some(now);
        Some(*count)
    }
}

struct Connection {
    reader: Reader,
    writer: Writer,
    standing: Standing,
    /// What both sides have proven.
    known: Credential,
}

/// The handshake: what both know, then who they are. The error is one line for the log.
async fn open(stream: TcpStream, local: &Local) -> Result<Connection, String> {
    socket::tune(&stream).map_err(|error| error.to_string())?;
    let channel = secure::accept(stream, local).await.map_err(|error| format!("TLS: {error}"))?;
    let (binding, shown) = (channel.binding, channel.shown);
    let (read, write) = tokio::io::split(channel.socket);
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    let claim = read_body(&mut reader, Kind::Proof).await?;
    let claim: Claim = frame::decode(&claim).map_err(|error| error.to_string())?;
    let judged = proof::judge(local, &binding, &claim);
    let counterproof: Counterproof = judged.as_ref().map(|(proof, _)| *proof).map_err(Denial::clone);
    say(&mut writer, Kind::Proof, &counterproof).await?;
    let (_, known) = judged.map_err(|_| match claim.proves {
        Proven::Membership => "the caller does not know the cluster's secret".to_owned(),
        Proven::Joining => {
            "the caller does not know the join secret of this node, or there is none".to_owned()
        }
    })?;
    let hello = read_body(&mut reader, Kind::Hello).await?;
    // What a newer version may have added at the end is not for this one.
    let hello = postcard::from_bytes::<Hello>(&hello).map_err(|_| Denial::Malformed);
    let judged = hello.and_then(|hello| {
        let judged = judge(local.get(), claim.proves, &hello)?;
        shown.check(hello.from.node)?;
        tracing::debug!(node = hello.from.node, lane = ?hello.lane, version = hello.version, "welcome");
        Ok(judged)
    });
    let answer: Answer = judged.as_ref().map(|(welcome, _)| welcome.clone()).map_err(Denial::clone);
    say(&mut writer, Kind::Welcome, &answer).await?;
    let (_, standing) = judged.map_err(|denial| format!("the caller was told: {denial}"))?;
    Ok(Connection { reader, writer, standing, known })
}

async fn read_body(reader: &mut Reader, expected: Kind) -> Result<Bytes, String> {
    let frame = reader.next(HELLO_BYTES_MAX).await.map_err(|end| end.to_string())?;
    if frame.kind == expected { Ok(frame.body) } else { Err("no handshake".to_owned()) }
}

async fn say<T: Serialize>(writer: &mut Writer, kind: Kind, value: &T) -> Result<(), String> {
    let frame = frame::encode(kind, value).map_err(|error| error.to_string())?;
    writer.add(frame).await.map_err(|end| end.to_string())?;
    writer.flush().await.map_err(|end| end.to_string())
}

/// A request being served: its number, its size, its answer.
type Served<R> = (u64, usize, Response<R>);

/// The requests being served.
struct Desk<R: AsyncRuntime> {
    service: Arc<dyn Service<R>>,
    standing: Standing,
    serving: FuturesUnordered<BoxFuture<'static, Served<R>>>,
    serving_bytes: usize,
}

impl<R: AsyncRuntime> Desk<R> {
    fn has_room(&self) -> bool {
        self.serving.len() < SERVING_MAX && self.serving_bytes < SERVING_BYTES_MAX
    }

    fn take(&mut self, frame: Frame) -> Result<(), FrameError> {
        match frame.kind {
            Kind::Request => self.start(&frame.body),
            Kind::Cast if frame.body.len() > CAST_BYTES_MAX + CAST_OVERHEAD_BYTES => {
                Err(FrameError::Oversize {
                    bytes: frame.body.len(),
                    bytes_max: CAST_BYTES_MAX + CAST_OVERHEAD_BYTES,
                })
            }
            Kind::Cast => {
                let cast = frame::decode(&frame.body)?;
                if let Standing::Peer(node) = self.standing {
                    self.service.cast(node, cast);
                }
                Ok(())
            }
            Kind::Hello | Kind::Welcome | Kind::Response | Kind::Proof => Err(FrameError::Body),
        }
    }

    fn start(&mut self, body: &Bytes) -> Result<(), FrameError> {
        let kind: (u64, u64, u32) = frame::decode_first(body)?;
        let bytes_max = request_bytes_max(kind.2);
        if body.len() > bytes_max {
            return Err(FrameError::Oversize { bytes: body.len(), bytes_max });
        }
        let (id, within_ms, request): (u64, u64, Request<R>) = frame::decode(body)?;
        let bytes = body.len();
        self.serving_bytes += bytes;
        if !self.standing.may(&request) {
            let refused = Response::Refused(Refusal::NotAllowed);
            self.serving.push(std::future::ready((id, bytes, refused)).boxed());
            return Ok(());
        }
        let within = Duration::from_millis(within_ms.min(CALL_MS_MAX));
        let call = Arc::clone(&self.service).call(self.standing.node(), request);
        self.serving.push(Box::pin(async move {
            let answer = timeout(within, call).await;
            (id, bytes, answer.unwrap_or(Response::Refused(Refusal::Expired)))
        }));
        Ok(())
    }

    fn finish(&mut self, served: Served<R>) -> Result<Bytes, FrameError> {
        let (id, bytes, response) = served;
        self.serving_bytes -= bytes;
        match frame::encode(Kind::Response, &(id, response)) {
            Err(FrameError::Oversize { .. }) => {
                frame::encode(Kind::Response, &(id, Response::<R>::Refused(Refusal::TooLarge)))
            }
            encoded => encoded,
        }
    }
}

impl Connection {
    async fn run<R: AsyncRuntime>(self, service: Arc<dyn Service<R>>) -> End {
        let Connection { mut reader, mut writer, standing, .. } = self;
        let mut desk = Desk { service, standing, serving: FuturesUnordered::new(), serving_bytes: 0 };
        loop {
            if let Err(end) = turn(&mut reader, &mut writer, &mut desk).await {
                return end;
            }
        }
    }
}

/// Takes one request, or writes the answers that are ready.
async fn turn<R: AsyncRuntime, I: AsyncRead + Unpin, O: AsyncWrite + Unpin>(
    reader: &mut FrameReader<I>,
    writer: &mut FrameWriter<O>,
    desk: &mut Desk<R>,
) -> Result<(), End> {
    let room = desk.has_room();
    let served = tokio::select! {
        frame = reader.next(desk.standing.body_bytes_max()), if room => return desk.take(frame?).map_err(End::Frame),
        Some(served) = desk.serving.next() => served,
    };
    // What is being answered by others that are ready to run goes along.
    yield_now().await;
    let mut next = Some(served);
    while let Some(served) = next.take() {
        writer.add(desk.finish(served).map_err(End::Frame)?).await?;
        if !writer.is_full() {
            next = desk.serving.next().now_or_never().flatten();
        }
    }
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::{REFUSED_LOG_MS, Refused};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_strangers_takes_few_lines_and_one_later_is_told_of() {
        let refused = Refused::default();
        let told: Vec<u64> = (0..1_000).filter_map(|_| refused.count()).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        tokio::time::advance(Duration::from_millis(REFUSED_LOG_MS)).await;
        assert_eq!(refused.count(), Some(1_001));
    }
}
