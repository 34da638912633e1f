//! Calls, casts and their bounds over real sockets.

use crate::support::{
    ECHO, GATED, HUGE, LONG, Raw, any_port, assert_echoed, echo, forward, identity, local, member, start,
    start_at, transport,
};
use bytes::Bytes;
use futures_util::future::join_all;
use sluice_raft::peer::frame::FrameError;
use sluice_raft::peer::limit::{BODY_BYTES_MAX, CAST_BYTES_MAX, SERVING_MAX, VOTE_LANE_BYTES_MAX};
use sluice_raft::peer::{CallError, Cast, Lane, Refusal, Response, Transport};
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::test]
async fn calls_of_a_lane_arrive_in_order() {
    let (node, transport) = (start(2), transport(1));
    let to = member(node.address);
    let sent: Vec<Bytes> = (0..2_000_u32).map(|i| Bytes::from(i.to_le_bytes().to_vec())).collect();
    let calls =
        sent.iter().map(|bytes| transport.call(2, &to, Lane::Append, forward(ECHO, bytes.clone()), LONG));
    // All are called before any is polled, and polled backwards.
    let mut calls: Vec<_> = calls.collect();
    calls.reverse();
    let answers = join_all(calls).await;
    assert_eq!(*node.service.asked.lock().expect("no panic"), sent);
    for (answer, bytes) in answers.into_iter().rev().zip(&sent) {
        assert!(matches!(answer, Ok(Response::Forward(back)) if back == bytes));
    }
}

#[tokio::test]
async fn a_slow_answer_holds_up_no_other() {
    let (node, transport) = (start(2), transport(1));
    let slow = transport.call(2, &member(node.address), Lane::Bulk, forward(GATED, "slow"), LONG);
    assert_echoed(echo(&transport, 2, &node, "fast").await, "fast");
    node.service.gate.add_permits(1);
    assert_echoed(slow.await, "slow");
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let (node, transport) = (start(2), transport(1));
    let within = Duration::from_millis(20);
    let called = transport.call(2, &member(node.address), Lane::Bulk, forward(GATED, "never"), within).await;
    assert_eq!(called.err(), Some(CallError::Timeout));
    assert_echoed(echo(&transport, 2, &node, "after").await, "after");
}

#[tokio::test]
async fn the_called_side_gives_up_at_the_deadline_and_says_so() {
    let node = start(2);
    let mut raw = Raw::greeted(&node, 2).await;
    raw.ask(5, 1, &forward(GATED, "never")).await;
    assert!(matches!(raw.answer().await, (5, Response::Refused(Refusal::Expired))));
}

#[tokio::test]
async fn an_answer_too_large_for_a_frame_is_a_refusal() {
    let (node, transport) = (start(2), transport(1));
    let called = transport.call(2, &member(node.address), Lane::Bulk, forward(HUGE, ""), LONG).await;
    assert!(matches!(called, Ok(Response::Refused(Refusal::TooLarge))));
}

#[tokio::test]
async fn a_request_too_large_for_a_frame_is_not_sent() {
    let (node, transport) = (start(2), transport(1));
    let request = forward(ECHO, vec![0; BODY_BYTES_MAX]);
    let called = transport.call(2, &member(node.address), Lane::Bulk, request, LONG).await;
    assert!(matches!(called, Err(CallError::Frame(FrameError::Oversize { .. }))));
    assert_echoed(echo(&transport, 2, &node, "after").await, "after");
}

#[tokio::test]
async fn the_largest_request_comes_back() {
    let (node, transport) = (start(2), transport(1));
    let bytes = Bytes::from(vec![3; BODY_BYTES_MAX - 64]);
    let called =
        transport.call(2, &member(node.address), Lane::Bulk, forward(ECHO, bytes.clone()), LONG).await;
    assert!(matches!(called, Ok(Response::Forward(back)) if back == bytes));
}

#[tokio::test]
async fn casts_arrive() {
    let (mut node, transport) = (start(2), transport(1));
    let cast = Cast::Pulse { group: ECHO, bytes: Bytes::from_static(b"beat") };
    transport.cast(2, &member(node.address), cast.clone());
    assert_eq!(node.casts.recv().await, Some((1, cast)));
}

#[tokio::test]
async fn a_cast_too_large_is_dropped_alone() {
    let (mut node, transport) = (start(2), transport(1));
    let cast = |bytes: usize| Cast::Pulse { group: ECHO, bytes: vec![0; bytes].into() };
    transport.cast(2, &member(node.address), cast(CAST_BYTES_MAX + 1));
    transport.cast(2, &member(node.address), cast(CAST_BYTES_MAX));
    assert_eq!(node.casts.recv().await, Some((1, cast(CAST_BYTES_MAX))));
}

/// A node that welcomes everybody and then never reads.
async fn start_deaf(node: u64) -> std::net::SocketAddr {
    let listener = TcpListener::bind(any_port()).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a caller");
        let _deaf = Raw::called(stream, node).await;
        std::future::pending::<()>().await;
    });
    address
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_no_more_than_its_lane() {
    let address = start_deaf(2).await;
    let transport = transport(1);
    let mut accepted = Vec::new();
    let busy = loop {
        let request = forward(ECHO, vec![0; 256 * 1024]);
        let mut call = transport.call(2, &member(address), Lane::Vote, request, LONG);
        match futures_util::poll!(&mut call) {
            std::task::Poll::Pending => accepted.push(call),
            std::task::Poll::Ready(called) => break called,
        }
    };
    assert_eq!(busy.err(), Some(CallError::Busy));
    assert_eq!(accepted.len(), VOTE_LANE_BYTES_MAX / (256 * 1024) - 1, "what fits the lane, and no more");
}

#[tokio::test]
async fn casts_leave_room_for_votes() {
    let address = start_deaf(2).await;
    let transport = transport(1);
    for _ in 0..100 {
        transport.cast(
            2,
            &member(address),
            Cast::Pulse { group: ECHO, bytes: vec![0; CAST_BYTES_MAX].into() },
        );
    }
    let mut vote = transport.call(2, &member(address), Lane::Vote, forward(ECHO, "vote"), LONG);
    assert!(futures_util::poll!(&mut vote).is_pending(), "queued, not refused");
}

#[tokio::test]
async fn what_clients_publish_holds_up_neither_votes_nor_forwarded_commands() {
    let address = start_deaf(2).await;
    let transport = transport(1);
    for _ in 0..100 {
        transport.cast(2, &member(address), Cast::Publish { bytes: vec![0; CAST_BYTES_MAX].into() });
    }
    for lane in [Lane::Vote, Lane::Bulk] {
        let mut call = transport.call(2, &member(address), lane, forward(ECHO, "vote"), LONG);
        assert!(futures_util::poll!(&mut call).is_pending(), "queued, not refused");
    }
}

#[tokio::test]
async fn a_node_serves_a_bounded_number_of_requests_at_once() {
    let node = start(2);
    let mut raw = Raw::greeted(&node, 2).await;
    let more = SERVING_MAX as u64 + 500;
    for id in 0..more {
        raw.ask(id, 60_000, &forward(GATED, "x")).await;
    }
    node.service.gate.add_permits(1);
    raw.answer().await;
    // One was answered, so at most one more may have been let in.
    assert!(node.service.asked.lock().expect("no panic").len() <= SERVING_MAX + 1);
    node.service.gate.add_permits(more as usize);
    for _ in 1..more {
        raw.answer().await;
    }
    assert_eq!(node.service.asked.lock().expect("no panic").len() as u64, more);
}

#[tokio::test]
async fn a_node_that_ends_takes_its_unanswered_calls_along() {
    let (node, transport) = (start(2), transport(1));
    let call = transport.call(2, &member(node.address), Lane::Bulk, forward(GATED, "x"), LONG);
    assert_echoed(echo(&transport, 2, &node, "connected").await, "connected");
    drop(node);
    assert_eq!(call.await.err(), Some(CallError::Lost));
}

#[tokio::test]
async fn a_node_that_comes_back_is_reached_again() {
    let (node, transport) = (start(2), transport(1));
    let address = node.address;
    assert_echoed(echo(&transport, 2, &node, "before").await, "before");
    drop(node);
    while transport.call(2, &member(address), Lane::Bulk, forward(ECHO, "gone"), LONG).await.is_ok() {}
    let node = start_at(address, local(identity(2)));
    loop {
        match echo(&transport, 2, &node, "after").await {
            Ok(answer) => return assert_echoed(Ok(answer), "after"),
            Err(CallError::Unreachable(_) | CallError::Lost) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_unreachable() {
    let node = start(2);
    let address = node.address;
    drop(node);
    let called = transport(1).call(2, &member(address), Lane::Vote, forward(ECHO, "x"), LONG).await;
    assert!(matches!(called, Err(CallError::Unreachable(_))), "{called:?}");
}
