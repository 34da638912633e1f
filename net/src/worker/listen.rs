//! Listening sockets with a backlog of our choice: `mio` alone would ask for 128.

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Takes an address. Until [`listen`], whoever connects there is refused.
///
/// # Errors
/// What the system says; an address in use is [`io::ErrorKind::AddrInUse`].
pub(crate) fn bind(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the old connections' last packets to expire.
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Has the kernel take connections.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(socket: Socket, backlog: u32) -> io::Result<TcpListener> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Warns where the kernel cuts the backlog: overflowing listen queues drop connections silently.
pub(crate) fn warn_of_short_backlog(backlog: u32) {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    if let Ok(somaxconn) = text.trim().parse::<u32>()
        && somaxconn < backlog
    {
        tracing::warn!(backlog, somaxconn, "the kernel cuts the backlog: raise net.core.somaxconn");
    }
}
