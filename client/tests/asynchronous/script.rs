//! A server that does what a test says.

use std::future::Future;
use std::time::Duration;

use sluice_client::{Client, Reply, Value, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const HELLO: &str = "%1\r\n+proto\r\n:3\r\n";
pub(crate) const WAITING: &str = "%5\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n$3\r\nabc\r\n$8\r\nposition\r\n\
                                  :2\r\n$6\r\neta_ms\r\n:-1\r\n$7\r\npoll_ms\r\n:20\r\n";
pub(crate) const ADMITTED: &str = "%7\r\n$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n$3\r\nabc\r\n$8\r\nposition\r\n\
                                   :0\r\n$6\r\neta_ms\r\n:0\r\n$7\r\npoll_ms\r\n:0\r\n$11\r\nadmitted_at\r\n:99\r\n\
                                   $4\r\npass\r\n$5\r\np.q.r\r\n";

/// Longer than any test should need, so that one which waits for what never comes fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that a client may be told of.
pub(crate) struct Server {
    listener: TcpListener,
}

/// A client that has come, and has been greeted.
pub(crate) struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Server {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("is bound").to_string()
    }

    /// A client of this server alone, with a short time for its calls.
    pub(crate) fn client(&self) -> Client {
        Client::builder([self.address()]).call_timeout(Duration::from_secs(5)).build().expect("is in range")
    }

    /// The next client, before it was greeted.
    pub(crate) async fn accept_silently(&self) -> Peer {
        let (stream, _) = within(self.listener.accept()).await.expect("the client comes");
        stream.set_nodelay(true).expect("is a socket");
        Peer { stream, input: Vec::new() }
    }

    /// The next client, greeted.
    pub(crate) async fn accept(&self) -> Peer {
        let mut peer = self.accept_silently().await;
        peer.expect("HELLO 3").await;
        peer.send(HELLO).await;
        peer
    }
}

impl Peer {
    /// The next command, its words with spaces between; `None` where the client has hung up.
    pub(crate) async fn command(&mut self) -> Option<String> {
        loop {
            if let Ok(Reply::Value { value: Value::Array(words), consumed }) = decode(&self.input) {
                let words =
                    words.iter().map(|word| String::from_utf8_lossy(word.bytes().expect("is a string")));
                let command = words.collect::<Vec<_>>().join(" ");
                self.input.drain(..consumed);
                return Some(command);
            }
            let read = within(self.stream.read_buf(&mut self.input)).await;
            if !read.is_ok_and(|read| read > 0) {
                return None;
            }
        }
    }

    /// The next command is this one.
    pub(crate) async fn expect(&mut self, command: &str) {
        assert_eq!(self.command().await.as_deref(), Some(command));
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("the client reads");
    }

    /// The next command is this one, and this its reply.
    pub(crate) async fn answer(&mut self, command: &str, reply: &str) {
        self.expect(command).await;
        self.send(reply).await;
    }

    /// The connection ends with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("is a socket");
    }

    /// Waits until the client hangs up.
    pub(crate) async fn end(mut self) {
        assert_eq!(self.command().await, None);
    }
}

/// What comes of it, in time.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}
