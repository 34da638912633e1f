//! Followers: each entry once and in order across cuts, or a gap that is told.

use sluice_client::{After, Client, Cursor, Error, Event, Follower};
use tokio::sync::mpsc;

use crate::script::{Server, within};

fn text(bytes: &str) -> String {
    format!("${}\r\n{bytes}\r\n", bytes.len())
}

fn entry(key: &str, cursor: &str) -> String {
    format!(">5\r\n+x.entry\r\n{}{}{}*2\r\n+n\r\n+v\r\n", text(key), text(cursor), text("7-0"))
}

fn reset(key: &str, reason: &str, oldest: &str, newest: &str) -> String {
    format!(">5\r\n+x.reset\r\n{}+{reason}\r\n{}{}", text(key), text(oldest), text(newest))
}

/// An event in short.
fn told(event: Result<Event, Error>) -> String {
    let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    match event.expect("is logged in") {
        Event::Entry { key, cursor, id, fields } => {
            assert_eq!((id.as_str(), fields.as_slice()), ("7-0", &[(b"n".to_vec(), b"v".to_vec())][..]));
            format!("{} {cursor}", name(&key))
        }
        Event::Gap { key, reason, oldest, .. } => format!("{} gap {reason:?} {oldest:?}", name(&key)),
        Event::End { key, cursor } => format!("{} end {cursor}", name(&key)),
        Event::Refused { key, error } => format!("{} refused: {error}", name(&key)),
        other => format!("{other:?}"),
    }
}

/// Reads until the test has seen enough.
fn reading(mut follower: Follower) -> mpsc::Receiver<String> {
    let (tell, heard) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let event = told(follower.next().await);
            if tell.send(event).await.is_err() {
                return;
            }
        }
    });
    heard
}

async fn next(heard: &mut mpsc::Receiver<String>) -> String {
    within(heard.recv()).await.expect("the reader goes on")
}

#[tokio::test]
async fn after_a_cut_at_any_byte_it_goes_on_behind_what_was_told() {
    let stream = format!("{}{}", entry("s", "4.2"), entry("s", "4.3"));
    for cut in 0..stream.len() {
        let (first, second) = (Server::bind().await, Server::bind().await);
        let client = Client::builder([first.address(), second.address()]).build().expect("is in range");
        let mut follower = client.follow();
        follower.add("s", After::Cursor(Cursor { epoch: 4, seq: 1 })).expect("there is room");
        let mut heard = reading(follower);
        let mut peer = first.accept().await;
        peer.answer("X.SUB s AFTER 4.1", ":1\r\n").await;
        peer.send(&stream[..cut]).await;
        drop(peer);
        let mut peer = second.accept().await;
        let had = if cut < stream.len() / 2 { 1 } else { 2 };
        peer.answer(&format!("X.SUB s AFTER 4.{had}"), ":1\r\n").await;
        for seq in had + 1..=4 {
            peer.send(&entry("s", &format!("4.{seq}"))).await;
        }
        for seq in 2..=4 {
            assert_eq!(next(&mut heard).await, format!("s 4.{seq}"), "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_entry_that_comes_twice_is_told_once() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    follower.add("s", After::Oldest).expect("there is room");
    let mut heard = reading(follower);
    let mut peer = server.accept().await;
    peer.answer("X.SUB s", ":1\r\n").await;
    for cursor in ["4.1", "4.2", "4.1", "4.2", "4.3", "5.1"] {
        peer.send(&entry("s", cursor)).await;
    }
    for cursor in ["4.1", "4.2", "4.3", "5.1"] {
        assert_eq!(next(&mut heard).await, format!("s {cursor}"));
    }
}

#[tokio::test]
async fn a_gap_is_told_and_where_it_goes_on_is_kept_across_a_cut() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    let at = After::Cursor(Cursor { epoch: 4, seq: 1 });
    for key in ["a", "b", "c", "d"] {
        follower.add(key, at).expect("there is room");
    }
    let mut heard = reading(follower);
    let mut peer = server.accept().await;
    for key in ["a", "b", "c", "d"] {
        peer.answer(&format!("X.SUB {key} AFTER 4.1"), ":1\r\n").await;
    }
    peer.send(&reset("a", "trimmed", "4.5", "4.9")).await;
    peer.send(&reset("b", "deleted", "4.1", "4.9")).await;
    peer.send(&reset("c", "epoch", "6.1", "6.3")).await;
    peer.send(">5\r\n+x.reset\r\n+d\r\n+epoch\r\n_\r\n_\r\n").await;
    assert_eq!(next(&mut heard).await, "a gap Trimmed Some(Cursor { epoch: 4, seq: 5 })");
    assert_eq!(next(&mut heard).await, "b gap Deleted Some(Cursor { epoch: 4, seq: 1 })");
    assert_eq!(next(&mut heard).await, "c gap Epoch Some(Cursor { epoch: 6, seq: 1 })");
    assert_eq!(next(&mut heard).await, "d gap Epoch None");
    drop(peer);
    let mut peer = server.accept().await;
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(peer.command().await.expect("the client asks"));
    }
    asked.sort();
    assert_eq!(asked, ["X.SUB a AFTER 4.4", "X.SUB b AFTER 4.1", "X.SUB c AFTER 6.0", "X.SUB d"]);
}

#[tokio::test]
async fn the_newest_that_was_not_told_before_a_cut_is_a_gap() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    follower.add("s", After::Newest).expect("there is room");
    let mut heard = reading(follower);
    // Never followed: nothing was promised yet.
    let mut peer = server.accept().await;
    peer.expect("X.SUB s AFTER $").await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.answer("X.SUB s AFTER $", ":1\r\n").await;
    drop(peer);
    let mut peer = server.accept().await;
    assert_eq!(next(&mut heard).await, "s gap Unknown None");
    peer.answer("X.SUB s AFTER $", ":1\r\n").await;
    peer.send(&entry("s", "4.9")).await;
    assert_eq!(next(&mut heard).await, "s 4.9");
}

#[tokio::test]
async fn a_stream_that_has_ended_is_left_and_one_that_is_refused_is_told() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    follower.add("s", After::Oldest).expect("there is room");
    follower.add("t", After::Oldest).expect("there is room");
    follower.add("u", After::Oldest).expect("there is room");
    let mut heard = reading(follower);
    let mut peer = server.accept().await;
    peer.answer("X.SUB s", ":1\r\n").await;
    peer.answer("X.SUB t", "-NOPERM no permissions\r\n").await;
    peer.answer("X.SUB u", "-BUSY too many streams are followed\r\n").await;
    peer.send(&format!(">3\r\n+x.end\r\n{}{}", text("s"), text("4.9"))).await;
    assert_eq!(next(&mut heard).await, "t refused: refused: NOPERM no permissions");
    assert_eq!(next(&mut heard).await, "s end 4.9");
    let mut asked = [peer.command().await, peer.command().await];
    asked.sort();
    assert_eq!(
        asked,
        [Some("X.SUB u".to_owned()), Some("X.UNSUB s".to_owned())],
        "what was busy is asked again"
    );
}

#[tokio::test]
async fn keys_come_and_go_and_what_is_said_of_an_earlier_following_is_dropped() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    follower.add("s", After::Oldest).expect("there is room");
    let following = tokio::spawn(async move {
        assert_eq!(told(follower.next().await), "s 4.1");
        assert!(follower.remove("s"));
        assert!(!follower.remove("s"));
        follower.add("s", After::Cursor(Cursor { epoch: 3, seq: 0 })).expect("there is room");
        let first = told(follower.next().await);
        (first, told(follower.next().await))
    });
    let mut peer = server.accept().await;
    peer.answer("X.SUB s", ":1\r\n").await;
    peer.send(&entry("s", "4.1")).await;
    peer.expect("X.UNSUB s").await;
    peer.expect("X.SUB s AFTER 3.0").await;
    peer.send(&format!("{}:0\r\n{}:1\r\n", entry("s", "4.2"), entry("s", "4.3"))).await;
    peer.send(&format!("{}{}", reset("s", "epoch", "4.1", "4.3"), entry("s", "4.1"))).await;
    let (first, second) = within(following).await.expect("no panic");
    assert_eq!((first.as_str(), second.as_str()), ("s gap Epoch Some(Cursor { epoch: 4, seq: 1 })", "s 4.1"));
}

#[tokio::test]
async fn a_slow_reader_is_not_read_for() {
    let server = Server::bind().await;
    let mut follower = server.client().follow();
    follower.add("s", After::Oldest).expect("there is room");
    let first = tokio::spawn(async move { (told(follower.next().await), follower) });
    let mut peer = server.accept().await;
    peer.answer("X.SUB s", ":1\r\n").await;
    // More than the system's buffers hold, so this ends only when the reader reads.
    let telling = tokio::spawn(async move {
        for seq in 1..=400_000 {
            peer.send(&entry("s", &format!("4.{seq}"))).await;
        }
        peer
    });
    let (event, mut follower) = within(first).await.expect("no panic");
    assert_eq!(event, "s 4.1");
    assert!(!telling.is_finished(), "it waits for the reader");
    for seq in 2..=400_000 {
        assert_eq!(told(within(follower.next()).await), format!("s 4.{seq}"));
    }
    within(telling).await.expect("no panic");
}

#[tokio::test]
async fn credentials_that_are_refused_are_told() {
    let server = Server::bind().await;
    let client = Client::builder([server.address()]).credentials("u", "p").build().expect("is in range");
    let mut follower = client.follow();
    follower.add("s", After::Oldest).expect("there is room");
    let following = tokio::spawn(async move { follower.next().await });
    let mut peer = server.accept_silently().await;
    peer.answer("HELLO 3 AUTH u p", "-WRONGPASS no\r\n").await;
    assert_eq!(within(following).await.expect("no panic"), Err(Error::NoAuth("WRONGPASS no".to_owned())));
}
