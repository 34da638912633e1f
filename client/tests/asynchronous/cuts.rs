//! A connection that is cut at each byte of a reply: the call is repeated elsewhere, or says that it may have happened.

use std::time::Duration;

use sluice_client::{Append, Client, Error, Join};
use tokio::task::JoinSet;

use crate::script::{HELLO, Peer, Server, WAITING, within};

/// A call, what it is answered, and whether it is sent again.
struct Kind {
    call: &'static str,
    reply: &'static str,
    is_repeated: bool,
}

const KINDS: &[Kind] = &[
    Kind { call: "join", reply: WAITING, is_repeated: true },
    Kind { call: "poll", reply: WAITING, is_repeated: true },
    Kind { call: "leave", reply: ":1\r\n", is_repeated: true },
    Kind { call: "stats", reply: STATS, is_repeated: true },
    Kind { call: "append", reply: "$3\r\n7-0\r\n", is_repeated: true },
    Kind {
        call: "append and end",
        reply: "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$3\r\n7-0\r\n:1\r\n",
        is_repeated: true,
    },
    Kind { call: "range", reply: "*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n+a\r\n+1\r\n", is_repeated: true },
    Kind { call: "zones", reply: "*1\r\n$4\r\nshop\r\n", is_repeated: true },
    Kind { call: "publish", reply: ":3\r\n", is_repeated: false },
    Kind { call: "any", reply: "$5\r\nhello\r\n", is_repeated: false },
];

const STATS: &str = "%10\r\n+waiting\r\n:1\r\n+present\r\n:1\r\n+admitted_60s\r\n:1\r\n+admitted_6s\r\n:1\r\n+limit\r\n\
                     :1\r\n+joined_total\r\n:1\r\n+admitted_total\r\n:1\r\n+abandoned_total\r\n:1\r\n+left_total\r\n:1\r\n\
                     +eta_ms\r\n:-1\r\n";

async fn make(client: &Client, call: &str) -> Result<(), Error> {
    let (zone, stream) = (client.zone("shop"), client.stream("s"));
    match call {
        "join" => zone.join(Join::default()).await.map(drop),
        "poll" => zone.poll("abc").await.map(drop),
        "leave" => zone.leave("abc").await.map(drop),
        "stats" => zone.stats().await.map(drop),
        "append" => stream.append(&[("a", "1")], Append::default()).await.map(drop),
        "append and end" => {
            stream.append(&[("a", "1")], Append { end: true, ..Append::default() }).await.map(drop)
        }
        "range" => stream.range("-", "+", None).await.map(drop),
        "zones" => client.zones().await.map(drop),
        "publish" => client.publish("news", "hi").await.map(drop),
        _ => client.call(&[b"ECHO", b"hello"], |_| Ok(())).await,
    }
}

/// All commands of one call: a transaction goes out as a whole.
async fn commands(peer: &mut Peer) -> Vec<String> {
    let mut commands = vec![peer.command().await.expect("the client asks")];
    if commands[0] == "MULTI" {
        while commands.last().is_none_or(|last| last != "EXEC") {
            commands.push(peer.command().await.expect("the client asks"));
        }
    }
    commands
}

/// One call, whose reply is cut at `cut` by the first node. What each node was asked.
async fn cut_call(
    kind: &Kind,
    cut: usize,
    is_reset: bool,
) -> (Result<(), Error>, Vec<String>, Option<Vec<String>>) {
    let (first, second) = (Server::bind().await, Server::bind().await);
    let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
    let caller = client.clone();
    let (call, reply) = (kind.call, kind.reply);
    let calling = tokio::spawn(async move { make(&caller, call).await });
    let mut peer = first.accept().await;
    let asked_first = commands(&mut peer).await;
    peer.send(&reply[..cut]).await;
    if is_reset {
        peer.reset()
    } else {
        drop(peer)
    }
    if !kind.is_repeated {
        let result = within(calling).await.expect("no panic");
        // Whatever the second node is asked next, it is not this call.
        let next = tokio::spawn(async move { client.stream("s").end().await });
        let mut peer = second.accept().await;
        peer.answer("X.END s", ":0\r\n").await;
        assert_eq!(within(next).await.expect("no panic"), Ok(false));
        return (result, asked_first, None);
    }
    let mut peer = second.accept().await;
    let asked_second = commands(&mut peer).await;
    peer.send(reply).await;
    (within(calling).await.expect("no panic"), asked_first, Some(asked_second))
}

#[tokio::test]
async fn a_call_that_is_cut_is_repeated_as_it_was_or_said_to_be_unanswered() {
    for kind in KINDS {
        for cut in 0..kind.reply.len() {
            let (result, first, second) = cut_call(kind, cut, cut % 2 == 0).await;
            let expected = if kind.is_repeated { Ok(()) } else { Err(Error::Unanswered) };
            assert_eq!(result, expected, "{} cut at {cut}", kind.call);
            if let Some(second) = second {
                assert_eq!(second, first, "{} with the same request id", kind.call);
            }
            let has_id = first.iter().any(|command| command.contains(" REQUEST "));
            assert_eq!(has_id, ["join", "append", "append and end"].contains(&kind.call), "{first:?}");
        }
    }
}

#[tokio::test]
async fn a_greeting_that_is_cut_is_asked_for_elsewhere() {
    for cut in 0..HELLO.len() {
        let (first, second) = (Server::bind().await, Server::bind().await);
        let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
        let calling = tokio::spawn(async move { client.publish("news", "hi").await });
        let mut peer = first.accept_silently().await;
        peer.expect("HELLO 3").await;
        peer.send(&HELLO[..cut]).await;
        peer.reset();
        second.accept().await.answer("PUBLISH news hi", ":1\r\n").await;
        assert_eq!(within(calling).await.expect("no panic"), Ok(1), "it was never sent before");
    }
}

#[tokio::test]
async fn a_node_that_is_alone_is_tried_again() {
    let server = Server::bind().await;
    let client = server.client();
    let calling = tokio::spawn(async move {
        let place = client.zone("shop").join(Join::default()).await;
        (place.map(|place| place.token), client.metrics())
    });
    let mut first = server.accept().await;
    let asked = first.command().await;
    first.reset();
    let mut second = server.accept().await;
    assert_eq!(second.command().await, asked);
    second.send(&WAITING[..30]).await;
    drop(second);
    let mut third = server.accept().await;
    assert_eq!(third.command().await, asked);
    third.send(WAITING).await;
    let (token, metrics) = within(calling).await.expect("no panic");
    assert_eq!((token.as_deref(), metrics.retries, metrics.losses), (Ok("abc"), 2, 2));
}

#[tokio::test]
async fn a_reply_that_is_none_ends_the_connection_and_not_the_client() {
    let server = Server::bind().await;
    let client = server.client();
    let calling =
        tokio::spawn(async move { client.zone("shop").poll("abc").await.map(|place| place.position) });
    let mut first = server.accept().await;
    first.answer("Q.POLL shop abc", "HTTP/1.1 400 Bad Request\r\n\r\n").await;
    first.end().await;
    let mut second = server.accept().await;
    second.answer("Q.POLL shop abc", WAITING).await;
    assert_eq!(within(calling).await.expect("no panic"), Ok(2));
}

#[tokio::test]
async fn a_node_that_never_answers_costs_no_more_than_the_deadline() {
    let server = Server::bind().await;
    let timeout = Duration::from_millis(100);
    let client = Client::builder([server.address()]).call_timeout(timeout).build().expect("is in range");
    let calling = tokio::spawn(async move {
        let begun = std::time::Instant::now();
        let result = client.zone("shop").poll("abc").await;
        (result, begun.elapsed())
    });
    let mut held = Vec::new();
    let accept_all = async {
        loop {
            held.push(server.accept().await);
        }
    };
    let result = tokio::select! {
        () = accept_all => unreachable!("it goes on for ever"),
        result = within(calling) => result.expect("no panic"),
    };
    let (error, took) = (result.0.expect_err("nobody answers"), result.1);
    assert!(matches!(error, Error::Deadline | Error::Disconnected(_)), "{error:?}");
    assert!(took >= timeout, "{took:?}");
}

/// Answers a poll after another, and hangs up in the middle of a reply.
async fn answer_until_cut(mut peer: Peer, replies: usize, cut: usize) {
    for _ in 0..replies {
        if peer.command().await.is_none() {
            return;
        }
        peer.send(WAITING).await;
    }
    peer.send(&WAITING[..cut]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_on_several_threads_are_all_answered_across_cuts() {
    let servers = [Server::bind().await, Server::bind().await];
    let client = Client::builder(servers.iter().map(Server::address)).build().expect("is in range");
    for server in servers {
        tokio::spawn(async move {
            loop {
                let peer = server.accept().await;
                tokio::spawn(answer_until_cut(
                    peer,
                    fastrand::usize(..500),
                    fastrand::usize(..WAITING.len()),
                ));
            }
        });
    }
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let zone = client.zone("shop");
        callers.spawn(async move {
            for _ in 0..200 {
                zone.poll("abc").await.expect("is answered in the end");
            }
        });
    }
    within(callers.join_all()).await;
    let metrics = client.metrics();
    assert_eq!((metrics.calls, metrics.in_flight, metrics.timeouts), (64 * 200, 0, 0));
    assert!(metrics.retries > 0, "some were cut");
}
