//! Who may talk to whom.

use crate::support::{
    CLUSTER, ECHO, LONG, Raw, any_port, assert_echoed, echo, forward, identity, join_secret, local, member,
    secret, start, start_at, transport,
};
use sluice_raft::peer::frame::{self, FORMAT_MAX, FORMAT_MIN, Kind};
use sluice_raft::peer::handshake::Hello;
use sluice_raft::peer::limit::UNPROVEN_CONNECTIONS_MAX;
use sluice_raft::peer::proof::Proven;
use sluice_raft::peer::{
    Adoption, CallError, Called, Cast, Denial, Identity, Lane, Local, Refusal, Request, Response, Tcp,
    Transport,
};
use sluice_raft::secret::{ClusterSecret, JoinSecret, MemberSecrets};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

fn denial<T>(called: Result<T, CallError>) -> Denial {
    match called {
        Err(CallError::Denied(denial)) => denial,
        Err(error) => panic!("not denied: {error}"),
        Ok(_) => panic!("answered"),
    }
}

fn waiting() -> Request<crate::support::R> {
    Request::Waiting { member: member(any_port()), nonce: 5 }
}

fn adopt() -> Request<crate::support::R> {
    Request::Adopt(Adoption {
        cluster: CLUSTER,
        node: 4,
        groups: 6,
        nonce: 5,
        secret: ClusterSecret::new([7; 16]),
        members: MemberSecrets::founding(ClusterSecret::new([8; 16])),
        epoch: 9,
        contacts: Vec::new(),
    })
}

fn is_not_allowed(called: Called<crate::support::R>) -> bool {
    matches!(called, Ok(Response::Refused(Refusal::NotAllowed)))
}

#[tokio::test]
async fn nodes_of_one_cluster_talk() {
    let (node, transport) = (start(2), transport(1));
    assert_echoed(echo(&transport, 2, &node, "hello").await, "hello");
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused() {
    let node = start(2);
    let stranger = Tcp::new(Arc::new(local(Identity { cluster: CLUSTER + 1, node: 1 })));
    assert_eq!(denial(echo(&stranger, 2, &node, "hello").await), Denial::Cluster);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn another_node_than_expected_is_not_talked_to() {
    let (node, transport) = (start(2), transport(1));
    assert_eq!(denial(echo(&transport, 3, &node, "hello").await), Denial::Node { found: 2 });
}

#[tokio::test]
async fn a_node_never_talks_to_itself() {
    let (node, transport) = (start(2), transport(2));
    assert_eq!(denial(echo(&transport, 2, &node, "hello").await), Denial::Itself);
}

#[tokio::test]
async fn a_node_with_an_empty_disk_is_not_taken_for_the_one_it_was() {
    let (node, transport) = (start_at(any_port(), local(Identity::default())), transport(1));
    assert_eq!(denial(echo(&transport, 2, &node, "hello").await), Denial::Unproven);
}

#[tokio::test]
async fn a_waiting_node_may_announce_itself_and_nothing_else() {
    let node = start(2);
    let newcomer = Tcp::new(Arc::new(local(Identity::default())));
    let to = member(node.address);
    let noted = newcomer.call(0, &to, Lane::Bulk, waiting(), LONG).await;
    assert!(matches!(noted, Ok(Response::Noted)), "{noted:?}");
    assert!(is_not_allowed(newcomer.call(0, &to, Lane::Bulk, forward(ECHO, "x"), LONG).await));
    assert!(is_not_allowed(newcomer.call(0, &to, Lane::Bulk, adopt(), LONG).await));
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_waiting_node_may_be_adopted_and_nothing_else() {
    let (node, transport) = (start_at(any_port(), local(Identity::default())), transport(1));
    let to = member(node.address);
    let adopted = transport.call(0, &to, Lane::Bulk, adopt(), LONG).await;
    assert!(matches!(adopted, Ok(Response::Adopted)), "{adopted:?}");
    assert!(is_not_allowed(transport.call(0, &to, Lane::Bulk, forward(ECHO, "x"), LONG).await));
}

#[tokio::test]
async fn a_member_cannot_be_adopted_again() {
    let (node, transport) = (start(2), transport(1));
    let to = member(node.address);
    assert!(is_not_allowed(transport.call(2, &to, Lane::Bulk, adopt(), LONG).await));
    assert_eq!(denial(transport.call(0, &to, Lane::Bulk, adopt(), LONG).await), Denial::Node { found: 2 });
}

#[tokio::test]
async fn two_waiting_nodes_have_nothing_to_say() {
    let node = start_at(any_port(), local(Identity::default()));
    let newcomer = Tcp::new(Arc::new(local(Identity::default())));
    let called = newcomer.call(0, &member(node.address), Lane::Bulk, waiting(), LONG).await;
    assert_eq!(denial(called), Denial::BothWaiting);
}

#[tokio::test]
async fn a_cast_of_a_stranger_goes_nowhere() {
    let mut node = start(2);
    let mut newcomer = Raw::connect(&node).await;
    newcomer.greet(&Hello::new(Identity::default(), 0, Lane::Vote)).await.expect("welcome");
    let cast = |bytes: &'static str| Cast::Presence { group: ECHO, bytes: bytes.into() };
    newcomer.write(&frame::encode(Kind::Cast, &cast("stranger")).expect("fits")).await;
    newcomer.ask(1, 60_000, &waiting()).await;
    assert!(matches!(newcomer.answer().await, (1, Response::Noted)));
    transport(1).cast(2, &member(node.address), cast("peer"));
    assert_eq!(node.casts.recv().await, Some((1, cast("peer"))));
}

#[tokio::test]
async fn versions_without_a_common_format_part() {
    let node = start(2);
    for (format_min, format_max) in [(FORMAT_MAX + 1, 9), (0, FORMAT_MIN - 1)] {
        let mut raw = Raw::connect(&node).await;
        let hello = Hello { format_min, format_max, ..Hello::new(identity(1), 2, Lane::Bulk) };
        assert_eq!(raw.greet(&hello).await, Err(Denial::Format { min: FORMAT_MIN, max: FORMAT_MAX }));
        assert!(raw.next().await.is_none(), "closed");
    }
}

#[tokio::test]
async fn a_newer_version_that_still_speaks_the_old_format_is_welcome() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    let hello = Hello { format_max: 9, ..Hello::new(identity(1), 2, Lane::Bulk) };
    assert_eq!(raw.greet(&hello).await.map(|welcome| welcome.format), Ok(FORMAT_MAX));
}

#[tokio::test]
async fn a_stranger_is_told_nothing_and_may_do_nothing() {
    let node = start(2);
    let guesses = [
        (ClusterSecret::new([9; 16]).peer_key(), Proven::Membership),
        (JoinSecret::of([9; 32]).key(), Proven::Joining),
        (join_secret().key(), Proven::Membership),
        (secret().peer_key(), Proven::Joining),
    ];
    for (key, proves) in guesses {
        let mut raw = Raw::connect(&node).await;
        assert_eq!(raw.prove(&key, proves).await, Err(Denial::Unproven), "one reason for all");
        assert!(raw.next().await.is_none(), "and the last word");
    }
    let stranger = Local::new(identity(1));
    stranger.trust(&[ClusterSecret::new([9; 16])]);
    let stranger = Tcp::new(Arc::new(stranger));
    assert_eq!(denial(echo(&stranger, 2, &node, "hello").await), Denial::Unproven);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_secret_that_is_over_ends_what_was_opened_with_it_at_both_ends() {
    let new = ClusterSecret::new([5; 16]);
    let (called, calling) = (Arc::new(local(identity(2))), Arc::new(local(identity(1))));
    called.trust(&[new, secret()]);
    let (node, transport) = (start_at(any_port(), Arc::clone(&called)), Tcp::new(Arc::clone(&calling)));
    assert_echoed(echo(&transport, 2, &node, "one is behind").await, "one is behind");
    let mut raw = Raw::greeted(&node, 2).await;
    called.trust(&[new]);
    assert!(raw.next().await.is_none(), "closed");
    let refused = loop {
        match echo(&transport, 2, &node, "still here").await {
            // On its way when the connection ended.
            Err(CallError::Lost) => {}
            other => break denial(other),
        }
    };
    assert_eq!(refused, Denial::Unproven);
    calling.trust(&[new, secret()]);
    while echo(&transport, 2, &node, "it has caught up").await.is_err() {
        tokio::task::yield_now().await;
    }
    calling.trust(&[secret()]);
    while echo(&transport, 2, &node, "the caller ends it, too").await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_join_secret_makes_nobody_a_member() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    raw.prove(&join_secret().key(), Proven::Joining).await.expect("known");
    assert_eq!(raw.say_hello(&Hello::new(identity(1), 2, Lane::Vote)).await, Err(Denial::Unproven));
}

#[tokio::test]
async fn a_node_without_a_join_secret_neither_joins_nor_lets_join() {
    let (node, newcomer) = (start(2), Tcp::new(Arc::new(Local::default())));
    let called = newcomer.call(0, &member(node.address), Lane::Bulk, waiting(), LONG).await;
    assert_eq!(denial(called), Denial::NoSecret);
    let closed = Local::new(identity(2));
    closed.trust(&[secret()]);
    let (node, newcomer) = (start_at(any_port(), closed), Tcp::new(Arc::new(local(Identity::default()))));
    let called = newcomer.call(0, &member(node.address), Lane::Bulk, waiting(), LONG).await;
    assert_eq!(denial(called), Denial::Unproven);
}

#[tokio::test]
async fn a_called_node_that_does_not_know_the_secret_is_told_nothing() {
    let impostor = Local::new(identity(2));
    impostor.trust(&[ClusterSecret::new([9; 16])]);
    let node = start_at(any_port(), impostor);
    assert_eq!(denial(echo(&transport(1), 2, &node, "hello").await), Denial::Unproven);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn what_a_newcomer_may_send_is_small() {
    let node = start(2);
    let mut raw = Raw::connect(&node).await;
    raw.greet(&Hello::new(Identity::default(), 0, Lane::Bulk)).await.expect("welcome");
    raw.ask(1, 60_000, &forward(ECHO, vec![0; 10_000])).await;
    assert!(raw.next().await.is_none(), "the connection must end");
}

/// Connects from one of this host's addresses.
async fn connect_from(last: u8, to: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, last], 0).into()).expect("an address of this host");
    socket.connect(to).await.expect("is accepted")
}

#[tokio::test]
async fn floods_from_two_sources_end_no_handshake_of_a_third() {
    let node = start(2);
    let mut member = Raw::connect(&node).await;
    let count = 4 * UNPROVEN_CONNECTIONS_MAX;
    let mut silent = Vec::new();
    for at in 0..count {
        silent.push(connect_from(2 + (at % 2) as u8, node.address).await);
    }
    // All that gave way to later ones are closed: so all but the last have been taken.
    for stream in &mut silent[..count - UNPROVEN_CONNECTIONS_MAX] {
        assert!(!matches!(stream.read(&mut [0; 8]).await, Ok(1..)), "nothing was said");
    }
    let greeted = member.greet(&Hello::new(identity(9), 2, Lane::Bulk)).await;
    assert!(greeted.is_ok(), "it was first, and from elsewhere");
}

#[tokio::test]
async fn silent_connections_do_not_shut_the_port() {
    let node = start(2);
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(tokio::net::TcpStream::connect(node.address).await.expect("is accepted"));
    }
    assert_echoed(echo(&transport(1), 2, &node, "still here").await, "still here");
}
