//! A service with known answers, nodes that serve it, and a caller that may say anything.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openraft_rt_tokio::TokioRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::peer::frame::{self, Frame, Kind};
use sluice_raft::peer::handshake::{Answer, Hello, Welcome};
use sluice_raft::peer::proof::{self, Binding, Claim, Counterproof, Proven};
use sluice_raft::peer::tcp::Socket;
use sluice_raft::peer::{
    Called, Cast, Channel, Identity, Lane, Local, Refusal, Request, Response, Service, Tcp, Transport,
    accept, dial, listen, serve,
};
use sluice_raft::secret::{ClusterSecret, JoinSecret, Key};
use sluice_raft::types::{Member, NodeId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

pub(crate) type R = TokioRuntime;

pub(crate) const CLUSTER: u128 = 7;
/// Forwarded bytes come back.
pub(crate) const ECHO: GroupId = GroupId(0);
/// Requests wait for a permit of [`Known::gate`], then come back.
pub(crate) const GATED: GroupId = GroupId(1);
/// The answer does not fit a frame.
pub(crate) const HUGE: GroupId = GroupId(2);
/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A service with known answers.
pub(crate) struct Known {
    pub(crate) gate: Semaphore,
    /// What was asked, in the order of the first polls.
    pub(crate) asked: Mutex<Vec<Bytes>>,
    casts: mpsc::UnboundedSender<(NodeId, Cast)>,
}

impl Service<R> for Known {
    fn call(self: Arc<Self>, _: NodeId, request: Request<R>) -> BoxFuture<'static, Response<R>> {
        async move {
            match request {
                Request::Forward { group, bytes } => self.forward(group, bytes).await,
                Request::Waiting { .. } => Response::Noted,
                Request::Adopt(_) => Response::Adopted,
                _ => Response::Refused(Refusal::NoGroup),
            }
        }
        .boxed()
    }

    fn cast(&self, from: NodeId, cast: Cast) {
        self.casts.send((from, cast)).expect("the test still runs");
    }
}

impl Known {
    async fn forward(&self, group: GroupId, bytes: Bytes) -> Response<R> {
        self.asked.lock().expect("no test panics within").push(bytes.clone());
        match group {
            GATED => self.gate.acquire().await.expect("never closed").forget(),
            HUGE => return Response::Forward(vec![0; sluice_raft::peer::limit::BODY_BYTES_MAX].into()),
            _ => {}
        }
        Response::Forward(bytes)
    }
}

/// A node that serves [`Known`]; dropped, all its connections end.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Known>,
    pub(crate) casts: mpsc::UnboundedReceiver<(NodeId, Cast)>,
    serving: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) fn identity(node: NodeId) -> Identity {
    Identity { cluster: CLUSTER, node }
}

pub(crate) fn secret() -> ClusterSecret {
    ClusterSecret::new([1; 16])
}

pub(crate) fn join_secret() -> JoinSecret {
    JoinSecret::of([2; 32])
}

/// A node that knows what it should: who belongs to a cluster both secrets, who waits the one that lets it join.
pub(crate) fn knowing(local: Local) -> Local {
    if !local.get().is_waiting() {
        local.trust(&[secret()]);
    }
    local.let_join(Some(join_secret().key()));
    local
}

pub(crate) fn local(identity: Identity) -> Local {
    knowing(Local::new(identity))
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Starts a node that is `local` at `address`.
pub(crate) fn start_at(address: SocketAddr, local: impl Into<Arc<Local>>) -> Node {
    let listener = listen(address).expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, casts) = mpsc::unbounded_channel();
    let service = Arc::new(Known { gate: Semaphore::new(0), asked: Mutex::default(), casts: sender });
    let serving = tokio::spawn(serve::<R>(listener, local.into(), Arc::clone(&service) as _));
    Node { address, service, casts, serving }
}

pub(crate) fn start(node: NodeId) -> Node {
    start_at(any_port(), local(identity(node)))
}

pub(crate) fn member(address: SocketAddr) -> Member {
    Member { peer: address.to_string(), ..Member::default() }
}

/// A transport of node `from`.
pub(crate) fn transport(from: NodeId) -> Tcp<R> {
    Tcp::new(Arc::new(local(identity(from))))
}

pub(crate) fn forward(group: GroupId, bytes: impl Into<Bytes>) -> Request<R> {
    Request::Forward { group, bytes: bytes.into() }
}

/// Asks node `to`, which should be `at`, to send `bytes` back.
pub(crate) async fn echo(transport: &Tcp<R>, to: NodeId, at: &Node, bytes: &'static str) -> Called<R> {
    transport.call(to, &member(at.address), Lane::Bulk, forward(ECHO, bytes), LONG).await
}

pub(crate) fn assert_echoed(called: Called<R>, expected: &str) {
    match called {
        Ok(Response::Forward(bytes)) => assert_eq!(bytes, expected.as_bytes()),
        other => panic!("expected {expected:?}, not {other:?}"),
    }
}

/// One end of an encrypted connection that writes its own bytes.
pub(crate) struct Raw {
    pub(crate) stream: Box<dyn Socket>,
    binding: Binding,
    buffer: BytesMut,
}

impl Raw {
    fn new(Channel { socket, binding, .. }: Channel) -> Raw {
        Raw { stream: socket, binding, buffer: BytesMut::new() }
    }

    /// A caller that has said nothing yet.
    pub(crate) async fn connect(node: &Node) -> Raw {
        let stream = TcpStream::connect(node.address).await.expect("the node listens");
        Raw::new(dial(stream, &Local::default()).await.expect("TLS"))
    }

    /// A caller after a good handshake with node `to`.
    pub(crate) async fn greeted(node: &Node, to: NodeId) -> Raw {
        let mut raw = Raw::connect(node).await;
        let answer = raw.greet(&Hello::new(identity(9), to, Lane::Bulk)).await;
        answer.expect("a good handshake");
        raw
    }

    /// The called end, played by the test as `node`, after a good handshake.
    pub(crate) async fn called(stream: TcpStream, node: NodeId) -> Raw {
        let local = local(identity(node));
        let mut raw = Raw::new(accept(stream, &local).await.expect("TLS"));
        let claim: Claim = frame::decode(&raw.next().await.expect("a claim").body).expect("can be read");
        let counterproof: Counterproof = proof::judge(&local, &raw.binding, &claim).map(|(proof, _)| proof);
        raw.write(&frame::encode(Kind::Proof, &counterproof).expect("fits")).await;
        let hello = raw.next().await.expect("a greeting");
        assert_eq!(hello.kind, Kind::Hello);
        let welcome = Welcome { format: frame::FORMAT_MAX, from: local.get(), version: String::new() };
        raw.write(&frame::encode::<Answer>(Kind::Welcome, &Ok(welcome)).expect("fits")).await;
        raw
    }

    /// Proves what the greeting needs, then greets.
    pub(crate) async fn greet(&mut self, hello: &Hello) -> Answer {
        let (proves, key) = match hello.from.is_waiting() || hello.to == 0 {
            true => (Proven::Joining, join_secret().key()),
            false => (Proven::Membership, secret().peer_key()),
        };
        self.prove(&key, proves).await.expect("a good proof");
        self.say_hello(hello).await
    }

    pub(crate) async fn prove(&mut self, key: &Key, proves: Proven) -> Counterproof {
        let claim = proof::claim([key], &self.binding, proves);
        self.write(&frame::encode(Kind::Proof, &claim).expect("fits")).await;
        let answer = self.next().await.expect("an answer");
        assert_eq!(answer.kind, Kind::Proof);
        frame::decode(&answer.body).expect("an answer to the claim")
    }

    pub(crate) async fn say_hello(&mut self, hello: &Hello) -> Answer {
        self.write(&frame::encode(Kind::Hello, hello).expect("fits")).await;
        let answer = self.next().await.expect("an answer");
        assert_eq!(answer.kind, Kind::Welcome);
        frame::decode(&answer.body).expect("an answer to the handshake")
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the node reads");
        self.stream.flush().await.expect("the node reads");
    }

    pub(crate) async fn ask(&mut self, id: u64, within_ms: u64, request: &Request<R>) {
        self.write(&frame::encode(Kind::Request, &(id, within_ms, request)).expect("fits")).await;
    }

    /// The next frame; None when the node closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let taken = frame::take(&mut self.buffer, sluice_raft::peer::limit::BODY_BYTES_MAX);
            if let Some(frame) = taken.expect("a node writes frames") {
                return Some(frame);
            }
            // A node that still had bytes to read resets the connection instead of closing it.
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn answer(&mut self) -> (u64, Response<R>) {
        let frame = self.next().await.expect("an answer");
        assert_eq!(frame.kind, Kind::Response);
        frame::decode(&frame.body).expect("an answer that can be read")
    }
}
