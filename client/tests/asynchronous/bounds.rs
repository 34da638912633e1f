//! Bounds: what is in flight, who waits, what is left of calls that were given up.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sluice_client::{Client, Error};
use tokio::task::JoinSet;

use crate::script::{Peer, Server, WAITING, within};

/// Polls a call once and drops it.
async fn give_up(call: impl Future) {
    let mut call = pin!(call);
    poll_fn(|cx| {
        let _ = call.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

async fn answer_all(mut peer: Peer) {
    while peer.command().await.is_some() {
        peer.send(WAITING).await;
    }
}

#[tokio::test]
async fn calls_that_are_given_up_leave_nothing() {
    let server = Server::bind().await;
    let client = server.client();
    let answering = tokio::spawn(async move { answer_all(server.accept().await).await });
    let zone = client.zone("shop");
    zone.poll("abc").await.expect("is answered");
    for given_up in 0..100_000 {
        give_up(zone.poll("abc")).await;
        if given_up % 20_000 == 0 {
            zone.poll("abc").await.expect("is answered, behind all that were given up");
        }
    }
    zone.poll("abc").await.expect("is answered");
    assert_eq!(client.metrics().in_flight, 0);
    drop((zone, client));
    within(answering).await.expect("the client hangs up");
}

#[tokio::test]
async fn a_reply_that_nobody_waits_for_is_not_taken_for_another() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move {
        let stream = client.stream("s");
        assert_eq!(stream.len().await, Ok(1));
        give_up(stream.len()).await;
        (stream.len().await, client.metrics().in_flight)
    });
    let mut peer = server.accept().await;
    for length in 1..=3 {
        peer.answer("XLEN s", &format!(":{length}\r\n")).await;
    }
    assert_eq!(within(calling).await.expect("no panic"), (Ok(3), 0));
}

#[tokio::test]
async fn no_more_is_in_flight_than_allowed() {
    let server = Server::bind().await;
    let client = Client::builder([server.address()]).in_flight(4).build().expect("is in range");
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { client.zone("shop").poll("abc").await.is_ok() });
    }
    let mut peer = server.accept().await;
    for _ in 0..4 {
        peer.expect("Q.POLL shop abc").await;
    }
    for _ in 4..20 {
        assert_eq!(client.metrics().in_flight, 4);
        peer.send(WAITING).await;
        peer.expect("Q.POLL shop abc").await;
    }
    for _ in 0..4 {
        peer.send(WAITING).await;
    }
    assert!(within(calls.join_all()).await.into_iter().all(|is_ok| is_ok));
    assert_eq!(client.metrics().in_flight, 0);
}

#[tokio::test]
async fn past_the_bound_calls_wait_and_past_that_they_are_refused() {
    let server = Server::bind().await;
    let client = Client::builder([server.address()])
        .call_timeout(Duration::from_millis(300))
        .in_flight(1)
        .waiting(1)
        .build()
        .expect("is in range");
    let caller = client.clone();
    let first = tokio::spawn(async move { caller.zone("shop").poll("abc").await });
    let mut peer = server.accept().await;
    peer.expect("Q.POLL shop abc").await;
    let zone = client.zone("shop");
    let mut second = pin!(zone.poll("abc"));
    let is_waiting = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
    assert!(is_waiting);
    assert_eq!(zone.poll("abc").await, Err(Error::Overloaded), "one waits already");
    // A push is a sign of life: the connection is kept, and the time of both calls runs out.
    peer.expect("PING").await;
    peer.send(">1\r\n+here\r\n").await;
    let second = within(second).await;
    assert!(matches!(second, Err(Error::Overloaded | Error::Deadline)), "{second:?}");
    assert_eq!(within(first).await.expect("no panic"), Err(Error::Deadline));
}

#[tokio::test]
async fn a_reply_behind_its_deadline_is_not_taken_for_the_next() {
    let server = Server::bind().await;
    let client = Client::builder([server.address()])
        .call_timeout(Duration::from_millis(200))
        .build()
        .expect("is in range");
    let calling = tokio::spawn(async move {
        let late = client.stream("s").end().await;
        let unanswered = client.publish("news", "hi").await;
        let next = client.with_timeout(Duration::from_secs(5)).stream("t").end().await;
        (late, unanswered, next, client.metrics())
    });
    let mut peer = server.accept().await;
    peer.expect("X.END s").await;
    let mut replies = ":0\r\n".to_owned();
    while !replies.ends_with(":1\r\n") {
        match peer.command().await.expect("the client goes on").as_str() {
            "PING" => {
                replies.push_str("+PONG\r\n");
                // A sign of life: the connection is kept.
                peer.send(">1\r\n+here\r\n").await;
            }
            "PUBLISH news hi" => replies.push_str(":8\r\n"),
            _ => replies.push_str(":1\r\n"),
        }
    }
    assert_eq!(replies.matches(":8").count(), 1, "it is published once");
    peer.send(&replies).await;
    let (late, unanswered, next, metrics) = within(calling).await.expect("no panic");
    assert_eq!((late, unanswered), (Err(Error::Deadline), Err(Error::Unanswered)));
    assert_eq!((next, metrics.timeouts), (Ok(true), 2));
}
