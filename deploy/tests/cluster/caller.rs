//! Somebody at a peer port: speaks TLS, proves what it knows, and says what it likes.

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use sluice_raft::disk::Folder;
use sluice_raft::node::Identity;
use sluice_raft::peer::frame::{self, Frame, Kind};
use sluice_raft::peer::handshake::{Answer, Hello};
use sluice_raft::peer::limit::BODY_BYTES_MAX;
use sluice_raft::peer::proof::{self, Binding, Counterproof, Proven};
use sluice_raft::peer::tcp::Socket;
use sluice_raft::peer::{Local, dial};
use sluice_raft::secret::Key;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a node of this folder knows, also while it runs.
pub(crate) fn identity(data: &Path) -> Identity {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("node")).unwrap();
    std::fs::copy(data.join("node/identity"), copy.path().join("node/identity")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let disk = Arc::new(Folder::open(copy.path()).unwrap());
    runtime.block_on(Identity::load(&*disk)).unwrap().expect("a node's folder")
}

/// One connection to a peer port.
pub(crate) struct Caller {
    socket: Box<dyn Socket>,
    binding: Binding,
    buffer: BytesMut,
}

impl Caller {
    /// Nothing is said yet. None where nobody listens.
    pub(crate) async fn connect(peer: &str) -> Option<Caller> {
        let stream = TcpStream::connect(peer).await.ok()?;
        let channel = dial(stream, &Local::default()).await.ok()?;
        Some(Caller { socket: channel.socket, binding: channel.binding, buffer: BytesMut::new() })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.socket.write_all(bytes).await.ok()?;
        self.socket.flush().await.ok()
    }

    /// The next frame; None when the other side hung up.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = frame::take(&mut self.buffer, BODY_BYTES_MAX).expect("a node writes frames")
            {
                return Some(frame);
            }
            if self.socket.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn prove(&mut self, key: &Key, proves: Proven) -> Option<Counterproof> {
        let claim = proof::claim([key], &self.binding, proves);
        self.write(&frame::encode(Kind::Proof, &claim).expect("fits")).await?;
        frame::decode(&self.next().await?.body).ok()
    }

    pub(crate) async fn greet(&mut self, hello: &Hello) -> Option<Answer> {
        self.write(&frame::encode(Kind::Hello, hello).expect("fits")).await?;
        frame::decode(&self.next().await?.body).ok()
    }
}
