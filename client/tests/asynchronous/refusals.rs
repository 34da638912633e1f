//! Refusals: those that ask for patience are given it, the others are told.

use std::time::{Duration, Instant};

use sluice_client::{Client, Error, Join};

use crate::script::{Server, WAITING, within};

const BUSY: &str = "-BUSY overloaded, retry after 60 ms\r\n";
const NO_LEADER: &str = "-NOLEADER no quorum, retry after 60 ms\r\n";
const DELAY: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_delay_it_names() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move {
        let position = client.zone("shop").join(Join::default()).await.map(|place| place.position);
        (position, client.publish("news", "hi").await, client.metrics().retries)
    });
    let mut peer = server.accept().await;
    let asked = peer.command().await;
    for _ in 0..2 {
        let refused = Instant::now();
        peer.send(BUSY).await;
        assert_eq!(peer.command().await, asked, "under the same request id");
        assert!(refused.elapsed() >= DELAY, "{:?}", refused.elapsed());
    }
    peer.send(WAITING).await;
    peer.answer("PUBLISH news hi", BUSY).await;
    peer.answer("PUBLISH news hi", ":1\r\n").await;
    assert_eq!(
        within(calling).await.expect("no panic"),
        (Ok(2), Ok(1), 3),
        "what was refused did not happen"
    );
}

#[tokio::test]
async fn without_a_leader_the_next_node_is_asked_after_the_delay() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
    let calling =
        tokio::spawn(
            async move { client.zone("shop").join(Join::default()).await.map(|place| place.position) },
        );
    let mut peer = first.accept().await;
    let asked = peer.command().await;
    let refused = Instant::now();
    peer.send(NO_LEADER).await;
    let mut peer = second.accept().await;
    let repeated = peer.command().await;
    assert!(refused.elapsed() >= DELAY, "{:?}", refused.elapsed());
    assert_eq!(repeated, asked, "it may have happened: under the same request id");
    peer.send(WAITING).await;
    assert_eq!(within(calling).await.expect("no panic"), Ok(2));
}

#[tokio::test]
async fn what_may_have_happened_is_not_repeated_without_an_id() {
    let server = Server::bind().await;
    let client = server.client();
    let calling =
        tokio::spawn(async move { client.call(&[b"XADD", b"s", b"*", b"a", b"1"], |_| Ok(())).await });
    server.accept().await.answer("XADD s * a 1", NO_LEADER).await;
    assert_eq!(within(calling).await.expect("no panic"), Err(Error::NoLeader { retry_ms: 60 }));
}

#[tokio::test]
async fn a_delay_beyond_the_deadline_is_not_waited_for() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move {
        let client = client.with_timeout(Duration::from_secs(2));
        client.zone("shop").poll("abc").await
    });
    let refused = Instant::now();
    server.accept().await.answer("Q.POLL shop abc", "-BUSY overloaded, retry after 50000 ms\r\n").await;
    assert_eq!(within(calling).await.expect("no panic"), Err(Error::Busy { retry_ms: 50_000 }));
    assert!(refused.elapsed() < Duration::from_secs(2), "it is told at once");
}

#[tokio::test]
async fn refusals_are_typed() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move {
        let zone = client.zone("shop");
        let mut errors = Vec::new();
        for _ in 0..5 {
            errors.push(zone.join(Join::default()).await.expect_err("is refused"));
        }
        errors
    });
    let mut peer = server.accept().await;
    for reply in ["-NOZONE no", "-FULL no", "-CLOSED no", "-OOM no room", "$2\r\nhi"] {
        peer.command().await.expect("the client asks");
        peer.send(&format!("{reply}\r\n")).await;
    }
    let errors = within(calling).await.expect("no panic");
    let typed = [Error::NoZone, Error::Full, Error::Closed, Error::Server("OOM no room".to_owned())];
    assert_eq!(errors[..4], typed);
    assert!(matches!(errors[4], Error::Protocol(_)), "{:?}", errors[4]);
}

#[tokio::test]
async fn what_would_harm_others_is_not_sent() {
    let client = Server::bind().await.client();
    let refused = |command: &'static [&'static [u8]]| {
        let client = client.clone();
        async move { matches!(client.call(command, |_| Ok(())).await, Err(Error::Invalid(_))) }
    };
    assert!(refused(&[]).await);
    assert!(refused(&[b"subscribe", b"a"]).await);
    assert!(refused(&[b"XREAD", b"block", b"0", b"STREAMS", b"a", b"$"]).await);
    let long = vec![b'x'; 70_000];
    assert!(matches!(client.publish("news", &long).await, Err(Error::Invalid(_))));
}
