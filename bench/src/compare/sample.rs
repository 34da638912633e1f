//! One request asked by hand, to see how long its reply is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::compare::wrk::path;
use crate::error::{BenchError, Result};
use crate::limit::{DRAIN_MS_MAX, SAMPLE_BYTES_MAX};
use crate::load::{count_http_replies, count_resp_replies};

/// Bytes of a RESP2 poll's whole reply.
pub(crate) fn resp_poll_bytes(address: SocketAddr, zone: &str, token: &str) -> Result<usize> {
    let mut request = Vec::new();
    sluice_client::encode_command(&mut request, &[b"Q.POLL", zone.as_bytes(), token.as_bytes()]);
    Ok(exchange(address, &request, count_resp_replies)?.len())
}

/// The body of an HTTP poll's reply.
pub(crate) fn http_poll_body(address: SocketAddr, zone: &str, token: &str) -> Result<String> {
    let request = format!("GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n", path(zone, token));
    let reply = exchange(address, request.as_bytes(), count_http_replies)?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    match reply.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(BenchError::Server(format!("an HTTP poll was answered with {reply}"))),
    }
}

/// The value whose GET is answered in `reply_bytes`, header and line ends included.
pub(crate) fn value_bytes(reply_bytes: usize) -> usize {
    let overhead = |value: usize| "$\r\n\r\n".len() + value.to_string().len();
    let longest = reply_bytes.saturating_sub(overhead(1));
    (1..=longest).rev().find(|value| value + overhead(*value) <= reply_bytes).unwrap_or(1)
}

type Count = fn(&[u8]) -> Result<u64>;

/// Sends one request on a connection of its own and reads until its reply is whole.
fn exchange(address: SocketAddr, request: &[u8], count: Count) -> Result<Vec<u8>> {
    let mut socket = TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
    let failed = || BenchError::io(format!("asking {address} for a sample"));
    socket.set_read_timeout(Some(Duration::from_millis(DRAIN_MS_MAX))).map_err(failed())?;
    socket.write_all(request).map_err(failed())?;
    let mut reply = Vec::new();
    let mut buffer = [0; 4_096];
    while count(&reply)? == 0 {
        let read = socket.read(&mut buffer).map_err(failed())?;
        if read == 0 || reply.len() > SAMPLE_BYTES_MAX {
            return Err(BenchError::Server(format!("{address} gave no complete reply to a sample request")));
        }
        reply.extend_from_slice(&buffer[..read]);
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::value_bytes;

    #[test]
    fn a_value_makes_the_reply_as_long_or_one_byte_shorter() {
        for reply_bytes in 7..2_000 {
            let value = value_bytes(reply_bytes);
            let reply = format!("${value}\r\n{}\r\n", "x".repeat(value)).len();
            assert!(reply == reply_bytes || reply + 1 == reply_bytes, "{reply} for {reply_bytes}");
        }
        assert_eq!(value_bytes(0), 1, "GET of nothing would be another reply");
    }
}
