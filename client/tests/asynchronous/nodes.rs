//! Several nodes: which of them a call goes to.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_client::{Client, Error, Join};
use tokio::net::TcpSocket;

use crate::script::{Server, WAITING, within};

/// An address that nobody listens at: taken, so that nobody else begins to.
fn nowhere() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().expect("there are sockets");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = socket.local_addr().expect("is bound").to_string();
    (socket, address)
}

#[tokio::test]
async fn a_node_that_is_not_there_is_passed_over_and_the_next_one_kept() {
    let (server, (_taken, address)) = (Server::bind().await, nowhere());
    let client = Client::builder([address, server.address()]).build().expect("is in range");
    let calling = tokio::spawn(async move {
        for _ in 0..3 {
            client.zone("shop").poll("abc").await.expect("is answered");
        }
        client.metrics()
    });
    let mut peer = server.accept().await;
    for _ in 0..3 {
        peer.answer("Q.POLL shop abc", WAITING).await;
    }
    let metrics = within(calling).await.expect("no panic");
    assert_eq!((metrics.failovers, metrics.connects, metrics.losses, metrics.retries), (1, 1, 1, 0));
}

#[tokio::test]
async fn a_node_that_falls_silent_is_probed_then_left_for_the_next() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()])
        .call_timeout(Duration::from_millis(1_000))
        .build()
        .expect("is in range");
    let zone = client.zone("shop");
    let calling = tokio::spawn(async move { zone.join(Join::default()).await });
    let mut silent = first.accept().await;
    let asked = silent.command().await;
    silent.expect("PING").await;
    // Who calls from now on does not wait for it.
    let next = tokio::spawn(async move { client.publish("news", "hi").await });
    let mut peer = second.accept().await;
    peer.answer("PUBLISH news hi", ":1\r\n").await;
    assert_eq!(within(next).await.expect("no panic"), Ok(1));
    assert_eq!(peer.command().await, asked, "under the same request id");
    peer.send(WAITING).await;
    assert_eq!(within(calling).await.expect("no panic").map(|place| place.position), Ok(2));
    silent.end().await;
}

#[tokio::test]
async fn a_node_that_does_not_greet_is_given_up_in_time() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()])
        .connect_timeout(Duration::from_millis(50))
        .build()
        .expect("is in range");
    let calling = tokio::spawn(async move { client.publish("news", "hi").await });
    let mut silent = first.accept_silently().await;
    silent.expect("HELLO 3").await;
    second.accept().await.answer("PUBLISH news hi", ":1\r\n").await;
    assert_eq!(within(calling).await.expect("no panic"), Ok(1));
    silent.end().await;
}

#[tokio::test]
async fn calls_come_back_to_a_node_when_the_other_one_fails() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
    let calling = tokio::spawn(async move {
        let mut positions = Vec::new();
        for _ in 0..3 {
            positions.push(client.zone("shop").poll("abc").await.map(|place| place.position));
        }
        (positions, client.metrics().failovers)
    });
    let mut peer = first.accept().await;
    peer.answer("Q.POLL shop abc", WAITING).await;
    peer.expect("Q.POLL shop abc").await;
    peer.reset();
    let mut peer = second.accept().await;
    peer.answer("Q.POLL shop abc", WAITING).await;
    peer.expect("Q.POLL shop abc").await;
    drop(peer);
    first.accept().await.answer("Q.POLL shop abc", WAITING).await;
    assert_eq!(within(calling).await.expect("no panic"), (vec![Ok(2); 3], 2));
}

#[tokio::test]
async fn nobody_waits_for_a_connection_while_there_is_one() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
    let calling = tokio::spawn(async move {
        let mut positions = Vec::new();
        for _ in 0..2 {
            positions.push(client.zone("shop").poll("abc").await.map(|place| place.position));
        }
        (positions, client.metrics().failovers)
    });
    let mut peer = first.accept().await;
    peer.answer("Q.POLL shop abc", "-NOLEADER no quorum, retry after 20 ms\r\n").await;
    // The second node is asked to greet, and does not.
    let mut silent = second.accept_silently().await;
    silent.expect("HELLO 3").await;
    for _ in 0..2 {
        peer.answer("Q.POLL shop abc", WAITING).await;
    }
    assert_eq!(within(calling).await.expect("no panic"), (vec![Ok(2); 2], 0));
}

#[tokio::test]
async fn nobody_there_is_said_with_its_reason_at_the_deadline() {
    let ((_taken, one), (_too, two)) = (nowhere(), nowhere());
    let client = Client::builder([one.clone(), two.clone()])
        .call_timeout(Duration::from_millis(200))
        .build()
        .expect("is in range");
    match within(client.publish("news", "hi")).await {
        Err(Error::Disconnected(why)) => assert!(why.contains(&one) && why.contains(&two), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn credentials_that_every_node_refuses_are_said_at_once() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()])
        .credentials("u", "p")
        .build()
        .expect("is in range");
    let calling = tokio::spawn(async move { client.zone("shop").poll("abc").await });
    for server in [first, second] {
        let mut peer = server.accept_silently().await;
        peer.answer("HELLO 3 AUTH u p", "-WRONGPASS invalid username-password pair\r\n").await;
    }
    let error = within(calling).await.expect("no panic").expect_err("is refused");
    assert_eq!(error, Error::NoAuth("WRONGPASS invalid username-password pair".to_owned()));
}

#[tokio::test]
async fn a_place_from_a_node_that_is_cut_off_counts_and_the_next_is_asked_elsewhere() {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
    let mut wait = client.zone("shop").wait("abc");
    let calling = tokio::spawn(async move {
        while let Some(Ok(place)) = wait.next().await {
            if !place.stale {
                return place.position;
            }
        }
        0
    });
    let stale = WAITING.replace("%5", "%6") + "$5\r\nstale\r\n:1\r\n";
    let mut peer = first.accept().await;
    peer.answer("Q.POLL shop abc", &stale).await;
    let mut other = second.accept().await;
    let asked = tokio::select! {
        asked = other.command() => asked,
        // It may ask once more before the other connection is there.
        () = async { while peer.command().await.is_some() { peer.send(&stale).await } } => None,
    };
    assert_eq!(asked.as_deref(), Some("Q.POLL shop abc"));
    other.send(WAITING).await;
    assert_eq!(within(calling).await.expect("no panic"), 2);
}

#[tokio::test]
async fn a_client_that_is_dropped_hangs_up() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move { client.stream("s").len().await });
    let mut peer = server.accept().await;
    peer.answer("XLEN s", ":1\r\n").await;
    assert_eq!(within(calling).await.expect("no panic"), Ok(1));
    peer.end().await;
}

#[test]
fn a_client_outlives_the_runtime_that_it_was_used_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    let server_runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts");
    let server = server_runtime.block_on(Server::bind());
    let client = server.client();
    let script = server_runtime.spawn(async move {
        for _ in 0..2 {
            let mut peer = server.accept().await;
            peer.answer("XLEN s", ":1\r\n").await;
            peer.end().await;
        }
    });
    for _ in 0..2 {
        assert_eq!(runtime().block_on(client.stream("s").len()), Ok(1));
    }
    server_runtime.block_on(script).expect("both runtimes hung up");
}

#[test]
fn settings_out_of_their_range_are_refused() {
    let is_refused = |builder: sluice_client::Builder| matches!(builder.build(), Err(Error::Invalid(_)));
    assert!(is_refused(Client::builder(Vec::<String>::new())));
    assert!(is_refused(Client::builder(["a:1"]).in_flight(0)));
    assert!(is_refused(Client::builder(["a:1"]).call_timeout(Duration::ZERO)));
    assert!(is_refused(Client::builder(["a:1"]).connect_timeout(Duration::MAX)));
    assert!(is_refused(Client::builder(["a:1"]).name("two words")));
    assert!(!is_refused(Client::builder(["a:1"])));
}
