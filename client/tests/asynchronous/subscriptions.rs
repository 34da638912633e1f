//! Subscriptions: messages, and a loss that is told.

use sluice_client::News;

use crate::script::{Server, within};

fn message(channel: &str, payload: &str) -> News {
    News::Message { channel: channel.into(), pattern: None, payload: payload.into() }
}

fn listening(name: &str) -> News {
    News::Listening { name: name.into() }
}

#[tokio::test]
async fn messages_come_and_a_loss_is_told() {
    let server = Server::bind().await;
    let mut subscription = server.client().subscribe();
    subscription.add("news").expect("there is room");
    subscription.add_pattern("shop:*").expect("there is room");
    let listening_task = tokio::spawn(async move {
        let mut news = Vec::new();
        while news.len() < 8 {
            news.push(subscription.next().await.expect("is logged in"));
        }
        news
    });
    let mut peer = server.accept().await;
    peer.answer("SUBSCRIBE news", ">3\r\n+subscribe\r\n+news\r\n:1\r\n").await;
    peer.answer("PSUBSCRIBE shop:*", ">3\r\n+psubscribe\r\n+shop:*\r\n:2\r\n").await;
    peer.send(
        ">3\r\n+message\r\n+news\r\n+one\r\n>4\r\n+pmessage\r\n+shop:*\r\n+shop:1\r\n+two\r\n>3\r\n+mess",
    )
    .await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.answer("SUBSCRIBE news", ">3\r\n+subscribe\r\n+news\r\n:1\r\n").await;
    peer.answer("PSUBSCRIBE shop:*", ">3\r\n+psubscribe\r\n+shop:*\r\n:2\r\n").await;
    peer.send(">3\r\n+message\r\n+news\r\n+three\r\n").await;
    let by_pattern =
        News::Message { channel: "shop:1".into(), pattern: Some("shop:*".into()), payload: "two".into() };
    let expected = [
        listening("news"),
        listening("shop:*"),
        message("news", "one"),
        by_pattern,
        News::Lost,
        listening("news"),
        listening("shop:*"),
        message("news", "three"),
    ];
    assert_eq!(within(listening_task).await.expect("no panic"), expected);
}

#[tokio::test]
async fn channels_come_and_go_and_may_be_refused() {
    let server = Server::bind().await;
    let mut subscription = server.client().subscribe();
    subscription.add("a").expect("there is room");
    subscription.add("b").expect("there is room");
    let listening_task = tokio::spawn(async move {
        let mut news = vec![subscription.next().await, subscription.next().await];
        assert!(subscription.remove("a"));
        assert!(!subscription.remove("a") && !subscription.remove("b"));
        subscription.add("c").expect("there is room");
        news.extend([subscription.next().await, subscription.next().await]);
        news.into_iter().map(|news| format!("{:?}", news.expect("is logged in"))).collect::<Vec<_>>()
    });
    let mut peer = server.accept().await;
    peer.answer("SUBSCRIBE a", ">3\r\n+subscribe\r\n+a\r\n:1\r\n").await;
    peer.answer("SUBSCRIBE b", "-ERR too many subscriptions\r\n").await;
    peer.answer("UNSUBSCRIBE a", ">3\r\n+unsubscribe\r\n+a\r\n:0\r\n").await;
    peer.answer("SUBSCRIBE c", ">3\r\n+subscribe\r\n+c\r\n:1\r\n>3\r\n+message\r\n+c\r\n+hi\r\n").await;
    let news = within(listening_task).await.expect("no panic");
    assert_eq!(news[0], format!("{:?}", listening("a")));
    assert!(news[1].starts_with("Refused") && news[1].contains("too many subscriptions"), "{}", news[1]);
    assert_eq!(news[2..], [format!("{:?}", listening("c")), format!("{:?}", message("c", "hi"))]);
}
