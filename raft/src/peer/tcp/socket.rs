//! Sockets and their options.

use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::super::limit::{BACKLOG, CONNECT_MS, UNACKED_MS};
use super::names::Question;

/// Idle time before the kernel asks whether the other host is still there, s.
const KEEPALIVE_S: u64 = 10;
/// Pause between such questions, s.
const KEEPALIVE_PAUSE_S: u64 = 5;
/// Unanswered questions that end the connection.
const KEEPALIVE_COUNT: u32 = 3;

/// Listens for peers. Port 0 picks a free one.
///
/// # Errors
/// Those of the socket: the address is taken, not this host's, or not permitted.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG as u32)
}

/// Connects to `host:port`, trying each address that the name has.
pub(super) async fn connect(question: &mut Question, address: &str) -> io::Result<TcpStream> {
    let connecting = async {
        let addresses = question.addresses(address).await?;
        let stream = TcpStream::connect(&addresses[..]).await?;
        tune(&stream)?;
        Ok(stream)
    };
    match tokio::time::timeout(Duration::from_millis(CONNECT_MS), connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A small message goes out at once, and a peer that vanished is noticed.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_tcp_user_timeout(stream, UNACKED_MS)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(KEEPALIVE_S))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(KEEPALIVE_PAUSE_S))?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)?;
    Ok(())
}
