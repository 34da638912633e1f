//! Whatever is wrong with what a peer says, its connection ends and nothing else does.

use crate::support::{ECHO, Node, R, Raw, assert_echoed, echo, forward, start, transport};
use bytes::BytesMut;
use sluice_raft::peer::frame::{self, FrameError, Kind};
use sluice_raft::peer::limit::{
    BODY_BYTES_MAX, CAST_BYTES_MAX, CAST_OVERHEAD_BYTES, HEADER_BYTES, HELLO_BYTES_MAX, SMALL_BYTES_MAX,
};
use sluice_raft::peer::{Cast, Request, Response};
use tokio::io::AsyncWriteExt;

/// A good request's bytes.
fn good() -> Vec<u8> {
    frame::encode(Kind::Request, &(1_u64, 60_000_u64, forward(ECHO, "x"))).expect("fits").to_vec()
}

/// Says `bytes` after a good handshake; the node must close, and serve others on.
async fn is_cut_off(bytes: &[u8]) {
    let node = start(2);
    let mut raw = Raw::greeted(&node, 2).await;
    raw.write(bytes).await;
    assert!(raw.next().await.is_none(), "the connection must end");
    assert!(node.service.asked.lock().expect("no panic").is_empty());
    still_serves(&node).await;
}

async fn still_serves(node: &Node) {
    assert_echoed(echo(&transport(1), 2, node, "still here").await, "still here");
}

#[tokio::test]
async fn an_unknown_kind_ends_the_connection() {
    let mut bytes = good();
    bytes[5] = 99;
    is_cut_off(&bytes).await;
}

#[tokio::test]
async fn a_newer_format_ends_the_connection() {
    let mut bytes = good();
    bytes[4] = 2;
    is_cut_off(&bytes).await;
}

#[tokio::test]
async fn any_flipped_bit_ends_the_connection() {
    let good = good();
    // Bits of the length are left out: a longer frame is incomplete rather than wrong.
    for bit in (0..good.len() * 8).filter(|bit| !(64..96).contains(bit)).step_by(5) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut buffer = BytesMut::from(&bytes[..]);
        let taken = frame::take(&mut buffer, BODY_BYTES_MAX);
        assert!(taken.is_err(), "bit {bit} of a frame may not flip unseen");
    }
    let mut bytes = good;
    bytes[HEADER_BYTES + 1] ^= 1;
    is_cut_off(&bytes).await;
}

#[tokio::test]
async fn a_header_that_promises_too_much_ends_the_connection() {
    let mut bytes = good();
    bytes[8..12].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
    is_cut_off(&bytes[..HEADER_BYTES]).await;
}

#[tokio::test]
async fn a_stranger_may_not_even_promise_much() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    let mut hello = good();
    hello[5] = 6;
    hello[8..12].copy_from_slice(&(HELLO_BYTES_MAX as u32 + 1).to_le_bytes());
    raw.write(&hello[..HEADER_BYTES]).await;
    assert!(raw.next().await.is_none(), "the connection must end");
    still_serves(&node).await;
}

#[tokio::test]
async fn a_request_before_the_handshake_ends_the_connection() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    raw.write(&good()).await;
    assert!(raw.next().await.is_none(), "the connection must end");
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_second_handshake_ends_the_connection() {
    is_cut_off(&frame::encode(Kind::Hello, &"again").expect("fits")).await;
}

#[tokio::test]
async fn what_is_small_comes_in_no_large_frame() {
    let with =
        |request: Request<R>| frame::encode(Kind::Request, &(1_u64, 60_000_u64, request)).expect("fits");
    is_cut_off(&with(Request::Tell(vec![0; SMALL_BYTES_MAX].into()))).await;
    is_cut_off(&with(Request::Admin(vec![0; SMALL_BYTES_MAX].into()))).await;
    let cast = Cast::Publish { bytes: vec![0; CAST_BYTES_MAX + CAST_OVERHEAD_BYTES].into() };
    is_cut_off(&frame::encode(Kind::Cast, &cast).expect("fits")).await;
    let node = start(2);
    let mut raw = Raw::greeted(&node, 2).await;
    raw.write(&with(forward(ECHO, vec![7; 4 * SMALL_BYTES_MAX]))).await;
    assert!(matches!(raw.answer().await, (1, Response::Forward(_))));
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    raw.write(b"GET / HTTP/1.1\r\nHost: sluice\r\n\r\n").await;
    assert!(raw.next().await.is_none(), "the connection must end");
    still_serves(&node).await;
}

#[tokio::test]
async fn half_a_frame_is_no_request() {
    let node = start(2);
    let good = good();
    for half in [1, HEADER_BYTES - 1, HEADER_BYTES, good.len() - 1] {
        let mut raw = Raw::greeted(&node, 2).await;
        raw.write(&good[..half]).await;
        raw.stream.shutdown().await.expect("half closed");
        assert!(raw.next().await.is_none(), "the connection must end");
    }
    assert!(node.service.asked.lock().expect("no panic").is_empty());
    still_serves(&node).await;
}

#[tokio::test]
async fn a_frame_in_single_bytes_is_a_request() {
    let node = start(2);
    let mut raw = Raw::greeted(&node, 2).await;
    for byte in good() {
        raw.write(&[byte]).await;
    }
    assert!(matches!(raw.answer().await, (1, Response::Forward(_))));
}

#[test]
fn what_is_left_over_in_a_body_is_an_error() {
    let mut bytes = postcard::to_stdvec(&(1_u64, 2_u64)).expect("fits");
    assert_eq!(frame::decode::<(u64, u64)>(&bytes), Ok((1, 2)));
    bytes.push(0);
    assert_eq!(frame::decode::<(u64, u64)>(&bytes), Err(FrameError::Body));
}

/// Bytes that begin as frames do, then go wrong anywhere.
fn mangled(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..4) {
        let body = (random.u64(..), random.u64(..), forward(ECHO, vec![7; random.usize(..64)]));
        bytes.extend_from_slice(&frame::encode(Kind::Request, &body).expect("fits"));
    }
    for _ in 0..random.usize(..4) {
        let at = random.usize(..bytes.len());
        bytes[at] = random.u8(..);
    }
    bytes.truncate(random.usize(..=bytes.len()));
    bytes
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut whole = 0;
    for _ in 0..50_000 {
        let mut buffer = BytesMut::from(&mangled(&mut random)[..]);
        while let Ok(Some(frame)) = frame::take(&mut buffer, 256) {
            whole += usize::from(frame::decode::<(u64, u64, Request<R>)>(&frame.body).is_ok());
        }
    }
    assert!(whole > 10_000, "the mangling leaves some frames whole: {whole}");
}

#[test]
fn no_body_makes_a_request_s_decoder_panic() {
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..200_000 {
        let mut body: Vec<u8> = (0..random.usize(..80)).map(|_| random.u8(..)).collect();
        if let Some(first) = body.first_mut() {
            // Mostly a request that exists.
            *first %= 14;
        }
        let _: Result<Request<R>, _> = frame::decode(&body);
        let _: Result<Response<R>, _> = frame::decode(&body);
    }
}
