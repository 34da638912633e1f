//! Calls that go well: what is sent for each, and what is made of the reply.

use sluice_client::{Append, Client, Error, Join, State, ZoneSettings, blocking};

use crate::script::{ADMITTED, Server, WAITING, within};

#[tokio::test]
async fn a_visit_from_joining_to_the_pass() {
    let server = Server::bind().await;
    let client = server.client();
    let visit = tokio::spawn(async move {
        let zone = client.zone("shop");
        let join =
            Join { user: Some("u"), ip: Some("10.0.0.1"), agent: Some("web app"), request: Some("r-1") };
        let place = zone.join(join).await.expect("joins");
        assert_eq!((place.state, place.position, place.eta_ms), (State::Waiting, 2, None));
        let place = zone.admitted(&place.token).await.expect("is admitted");
        assert_eq!((place.pass.as_deref(), place.admitted_at_ms), (Some("p.q.r"), Some(99)));
        assert!(zone.leave("abc").await.expect("leaves"));
        client.metrics()
    });
    let mut changes = server.accept().await;
    changes.answer("Q.JOIN shop REQUEST r-1 USER u IP 10.0.0.1 AGENT web app", WAITING).await;
    let mut questions = server.accept().await;
    questions.answer("Q.POLL shop abc", WAITING).await;
    questions.answer("Q.POLL shop abc", ADMITTED).await;
    changes.answer("Q.LEAVE shop abc", ":1\r\n").await;
    let metrics = within(visit).await.expect("the visit goes well");
    assert_eq!((metrics.calls, metrics.in_flight, metrics.connects, metrics.retries), (4, 0, 2, 0));
    tokio::join!(changes.end(), questions.end());
}

#[tokio::test]
async fn a_wait_ends_behind_the_admission_and_behind_what_does_not_pass() {
    let server = Server::bind().await;
    let client = server.client();
    let visit = tokio::spawn(async move {
        let mut wait = client.zone("shop").wait("abc");
        assert_eq!(wait.next().await.map(|place| place.map(|place| place.position)), Some(Ok(2)));
        assert_eq!(wait.next().await.map(|place| place.map(|place| place.position)), Some(Ok(0)));
        assert_eq!(wait.next().await, None);
        let mut wait = client.zone("shop").wait("abc");
        assert_eq!(wait.next().await, Some(Err(Error::Gone)));
        assert_eq!(wait.next().await, None);
        assert_eq!(client.zone("shop").admitted("x").await, Err(Error::BadToken));
    });
    let mut peer = server.accept().await;
    for reply in [WAITING, ADMITTED, "-GONE left or timed out, join again\r\n"] {
        peer.answer("Q.POLL shop abc", reply).await;
    }
    peer.answer("Q.POLL shop x", "-BADTOKEN not a token of this zone\r\n").await;
    within(visit).await.expect("as expected");
}

#[tokio::test]
async fn zones_are_set_read_listed_and_removed() {
    let server = Server::bind().await;
    let client = server.client();
    let visit = tokio::spawn(async move {
        let zone = client.zone("shop");
        let title = vec![("en".to_owned(), "Sale of the year".to_owned())];
        let settings = ZoneSettings { limit: Some(60), title, ..Default::default() };
        zone.set(&settings).await.expect("is set");
        let got = zone.get().await.expect("is there");
        assert_eq!((got.limit, got.mode.as_deref(), &got.title), (Some(60), Some("auto"), &settings.title));
        assert_eq!(client.zones().await, Ok(vec!["a".to_owned(), "shop".to_owned()]));
        assert_eq!(zone.delete().await, Ok(true));
        assert_eq!(zone.stats().await, Err(Error::NoZone));
    });
    let mut changes = server.accept().await;
    changes.answer("Q.ZONE SET shop LIMIT 60 TITLE en Sale of the year", "+OK\r\n").await;
    let mut questions = server.accept().await;
    let got = "%3\r\n+limit\r\n:60\r\n+mode\r\n+auto\r\n+title\r\n%1\r\n+en\r\n$16\r\nSale of the year\r\n";
    questions.answer("Q.ZONE GET shop", got).await;
    questions.answer("Q.ZONE LIST", "*2\r\n$1\r\na\r\n$4\r\nshop\r\n").await;
    changes.answer("Q.ZONE DEL shop", ":1\r\n").await;
    questions.answer("Q.STATS shop", "-NOZONE no such zone\r\n").await;
    within(visit).await.expect("as expected");
}

#[tokio::test]
async fn streams_are_appended_to_ended_and_read() {
    let server = Server::bind().await;
    let client = server.client();
    let visit = tokio::spawn(async move {
        let stream = client.stream("s");
        let append = Append { maxlen: Some(50), request: Some("r"), ..Default::default() };
        assert_eq!(stream.append(&[("a", "1")], append).await.as_deref(), Ok("7-0"));
        let append = Append { ttl_ms: Some(9), end: true, request: Some("q"), ..Default::default() };
        assert_eq!(stream.append(&[("a", "2")], append).await.as_deref(), Ok("8-0"));
        assert_eq!(
            stream.append(&[("a", "3")], append).await,
            Err(Error::NoPerm("NOPERM no permissions".to_owned())),
            "the first refusal of a step counts"
        );
        assert_eq!(
            stream.append::<&str, &str>(&[], append).await,
            Err(Error::Invalid("an entry has a field at least"))
        );
        let entries = stream.range("-", "+", Some(1)).await.expect("has entries");
        assert_eq!(
            (entries[0].id.as_str(), entries[0].fields.as_slice()),
            ("7-0", &[(b"a".into(), b"1".into())][..])
        );
        assert_eq!((stream.len().await, stream.end().await), (Ok(2), Ok(false)));
        assert_eq!(client.publish("news", "hi").await, Ok(3));
    });
    let mut peer = server.accept().await;
    peer.answer("XADD s MAXLEN 50 REQUEST r * a 1", "$3\r\n7-0\r\n").await;
    peer.answer("MULTI", "+OK\r\n").await;
    peer.answer("XADD s REQUEST q * a 2", "+QUEUED\r\n").await;
    peer.answer("PEXPIRE s 9", "+QUEUED\r\n").await;
    peer.answer("X.END s", "+QUEUED\r\n").await;
    peer.answer("EXEC", "*3\r\n$3\r\n8-0\r\n:1\r\n:1\r\n").await;
    peer.answer("MULTI", "+OK\r\n").await;
    peer.answer("XADD s REQUEST q * a 3", "-NOPERM no permissions\r\n").await;
    peer.answer("PEXPIRE s 9", "+QUEUED\r\n").await;
    peer.answer("X.END s", "+QUEUED\r\n").await;
    peer.answer("EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n").await;
    let mut questions = server.accept().await;
    questions.answer("XRANGE s - + COUNT 1", "*1\r\n*2\r\n$3\r\n7-0\r\n*2\r\n+a\r\n+1\r\n").await;
    questions.answer("XLEN s", ":2\r\n").await;
    peer.answer("X.END s", ":0\r\n").await;
    peer.answer("PUBLISH news hi", ":3\r\n").await;
    within(visit).await.expect("as expected");
}

#[tokio::test]
async fn pushes_between_replies_belong_to_nobody() {
    let server = Server::bind().await;
    let client = server.client();
    let visit = tokio::spawn(async move {
        let zone = client.zone("shop");
        zone.poll("a").await.expect("is answered");
        let stream = client.stream("s");
        let (one, two) = tokio::join!(zone.poll("a"), stream.len());
        assert_eq!((one.expect("is answered").position, two), (2, Ok(1)));
    });
    let mut peer = server.accept().await;
    peer.answer("Q.POLL shop a", WAITING).await;
    peer.expect("Q.POLL shop a").await;
    peer.expect("XLEN s").await;
    peer.send(&format!(
        ">2\r\n+note\r\n%1\r\n+a\r\n:1\r\n{WAITING}>1\r\n+x\r\n>1\r\n+y\r\n:1\r\n>1\r\n+z\r\n"
    ))
    .await;
    within(visit).await.expect("as expected");
}

#[tokio::test]
async fn a_client_logs_in_and_says_its_name() {
    let server = Server::bind().await;
    let client = Client::builder([server.address()])
        .credentials("gate", "secret")
        .name("g-1")
        .build()
        .expect("is in range");
    let visit = tokio::spawn(async move { client.stream("s").len().await });
    let mut peer = server.accept_silently().await;
    peer.answer("HELLO 3 AUTH gate secret SETNAME g-1", crate::script::HELLO).await;
    peer.answer("XLEN s", ":0\r\n").await;
    assert_eq!(within(visit).await.expect("as expected"), Ok(0));
}

#[test]
fn threads_that_block_share_a_client() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts");
    let server = runtime.block_on(Server::bind());
    let client = blocking::Client::new(server.client()).expect("starts");
    let script = runtime.spawn(async move {
        let mut changes = server.accept().await;
        changes.answer("Q.JOIN shop REQUEST r", WAITING).await;
        let mut questions = server.accept().await;
        questions.answer("Q.POLL shop abc", ADMITTED).await;
        changes.answer("Q.LEAVE shop abc", ":0\r\n").await;
        changes.answer("XADD s REQUEST q * a 1", "+1-0\r\n").await;
        tokio::join!(changes.end(), questions.end());
    });
    let join = Join { request: Some("r"), ..Default::default() };
    let place = client.join("shop", join).expect("joins");
    assert!(client.poll("shop", &place.token).expect("polls").is_admitted());
    assert!(!client.leave("shop", &place.token).expect("is gone"));
    let append = Append { request: Some("q"), ..Default::default() };
    assert_eq!(client.append("s", &[("a", "1")], append).as_deref(), Ok("1-0"));
    drop(client);
    runtime.block_on(script).expect("the client has hung up");
}
