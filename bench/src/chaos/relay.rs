//! A slow link: what comes in at one address goes out at another, later, and the answers come back as late.
//!
//! Not every kernel can delay packets; this delays bytes, which is what nodes notice.

use crate::error::{BenchError, Result};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes taken at once, and pieces under way in one direction of a connection.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_MAX: usize = 1_024;

/// A piece, and when it is due at the other end.
type Piece = (Instant, Vec<u8>);

/// Relays every connection to `listen` on to `target`, each direction late by `delay`, until the process ends.
pub(super) fn start(listen: SocketAddr, target: SocketAddr, delay: Duration) -> Result<()> {
    let listener = TcpListener::bind(listen).map_err(BenchError::io(format!("listening on {listen}")))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A target that is down refuses; so does the relay, by closing.
            if let Ok(onward) = TcpStream::connect(target) {
                let _ = join(stream, onward, delay);
            }
        }
    });
    Ok(())
}

fn join(a: TcpStream, b: TcpStream, delay: Duration) -> std::io::Result<()> {
    let (a_back, b_back) = (a.try_clone()?, b.try_clone()?);
    a.set_nodelay(true)?;
    b.set_nodelay(true)?;
    pass(a, b_back, delay);
    pass(b, a_back, delay);
    Ok(())
}

fn pass(from: TcpStream, to: TcpStream, delay: Duration) {
    let (sent, due) = sync_channel(PIECES_MAX);
    thread::spawn(move || take(from, &sent, delay));
    thread::spawn(move || give(to, &due));
}

fn take(mut from: TcpStream, sent: &SyncSender<Piece>, delay: Duration) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sent.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
}

fn give(mut to: TcpStream, due: &Receiver<Piece>) {
    while let Ok((at, piece)) = due.recv() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::start;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn what_goes_there_and_back_is_late_twice_and_whole() {
        let echo = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = echo.local_addr().expect("bound");
        thread::spawn(move || {
            let (mut stream, _) = echo.accept().expect("the relay comes");
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).expect("five bytes");
            stream.write_all(&bytes).expect("taken");
        });
        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let delay = Duration::from_millis(30);
        start(free, target, delay).expect("it listens");
        let mut stream = TcpStream::connect(free).expect("it is there");
        let sent = Instant::now();
        stream.write_all(b"hello").expect("taken");
        let mut back = String::new();
        stream.read_to_string(&mut back).expect("the end comes through");
        assert_eq!(back, "hello");
        assert!(sent.elapsed() >= delay * 2);
    }
}
