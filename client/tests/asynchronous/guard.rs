//! Whom the guard lets in, what the others are told, and what it does while sluice is away.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, Response, StatusCode};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sluice_client::Client;
use sluice_client::guard::{Guard, GuardBuilder, Guarded, OnFailure};
use tokio::sync::watch;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::script::{ADMITTED, Peer, Server, WAITING, within};

/// A service that tells what it sees.
#[derive(Clone)]
struct Checkout;

impl Service<Request<()>> for Checkout {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(format!("in at {}", request.uri()))))
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("any seed is one")
}

/// A pass of the zone `shop` that is good for ten minutes.
fn pass() -> String {
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs();
    let until = now_s + 600;
    let claims = format!(
        r#"{{"iss":"sluice:1","sub":"abc","zone":"shop","iat":{now_s},"exp":{until},"jti":"a-pass"}}"#
    );
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair().sign(signed.as_bytes())))
}

fn admitted(pass: &str) -> String {
    ADMITTED.replace("$5\r\np.q.r\r\n", &format!("${}\r\n{pass}\r\n", pass.len()))
}

/// Sluice, as far as a guard asks it: keys, and these replies to joins and polls.
async fn sluice(server: Server, join: String, poll: String) {
    loop {
        let peer = server.accept().await;
        tokio::spawn(answer(peer, join.clone(), poll.clone()));
    }
}

async fn answer(mut peer: Peer, join: String, poll: String) {
    let public = URL_SAFE_NO_PAD.encode(pair().public_key());
    let keys = format!("*1\r\n%2\r\n+id\r\n+k1\r\n+public\r\n+{public}\r\n");
    while let Some(command) = peer.command().await {
        match command.split(' ').next() {
            Some("Q.KEY") => peer.send(&keys).await,
            Some("Q.JOIN") => peer.send(&join).await,
            Some("Q.POLL") => peer.send(&poll).await,
            // Revocations: none come.
            _ => {}
        }
    }
}

async fn guarded(
    join: &str,
    poll: &str,
    rules: impl FnOnce(GuardBuilder) -> GuardBuilder,
) -> Guarded<Checkout> {
    let server = Server::bind().await;
    let client = server.client();
    tokio::spawn(sluice(server, join.to_owned(), poll.to_owned()));
    rules(Guard::builder(&client, "shop")).build().layer(Checkout)
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

async fn ask(guarded: &mut Guarded<Checkout>, request: Request<()>) -> Response<String> {
    guarded.call(request).await.unwrap_or_else(|never| match never {})
}

fn header<'a>(response: &'a Response<String>, name: &str) -> Vec<&'a str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().expect("is text")).collect()
}

const BROWSER: (&str, &str) = ("accept", "text/html,*/*");

#[tokio::test]
async fn who_has_to_wait_gets_a_page_or_json_and_keeps_the_place() {
    let mut guarded = guarded(WAITING, WAITING, |rules| rules).await;
    let app = ask(&mut guarded, request("/checkout", &[])).await;
    assert_eq!(app.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&app, "retry-after"), ["1"]);
    assert_eq!(header(&app, "set-cookie"), ["sluice_token=abc; Path=/; HttpOnly; SameSite=Lax; Secure"]);
    assert_eq!(
        app.body(),
        r#"{"canEnter":false,"zoneId":"shop","token":"abc","position":2,"etaMs":-1,"pollMs":20}"#
    );
    let page =
        ask(&mut guarded, request("/\\other.example/?a=1", &[BROWSER, ("accept-language", "ko")])).await;
    assert_eq!(page.status(), StatusCode::ACCEPTED);
    assert!(page.body().contains("<html lang=\"ko\">"), "{}", page.body());
    assert!(page.body().contains("url=/other.example/?a=1\""), "on this host: {}", page.body());
}

#[tokio::test]
async fn a_pass_lets_in_wherever_it_is_shown_and_is_never_seen_in_an_address() {
    let mut guarded = guarded("-FULL no room\r\n", "-FULL no room\r\n", |rules| rules).await;
    let pass = pass();
    let cookie = format!("x=y; sluice_pass={pass}");
    for shown in [("sluice-pass", pass.as_str()), ("cookie", cookie.as_str())] {
        let entered = ask(&mut guarded, request("/checkout?a=1", &[shown])).await;
        assert_eq!((entered.status(), entered.body().as_str()), (StatusCode::OK, "in at /checkout?a=1"));
        assert_eq!(header(&entered, "set-cookie"), [""; 0]);
    }
    let address = format!("/\\other.example/?a=1&sluice_pass={pass}&sluice_token=abc&sluice_zone=shop");
    for headers in [&[][..], &[BROWSER], &[("cookie", cookie.as_str()), BROWSER]] {
        let led = ask(&mut guarded, request(&address, headers)).await;
        assert_eq!(led.status(), StatusCode::SEE_OTHER);
        assert_eq!(header(&led, "location"), ["/other.example/?a=1"]);
    }
    let mut order = request(&format!("/checkout?sluice_pass={pass}&a=1"), &[BROWSER]);
    *order.method_mut() = Method::POST;
    let entered = ask(&mut guarded, order).await;
    assert_eq!((entered.status(), entered.body().as_str()), (StatusCode::OK, "in at /checkout?a=1"));
    let cookies = header(&entered, "set-cookie");
    assert!(cookies[0].starts_with(&format!("sluice_pass={pass}; Max-Age=")), "{cookies:?}");
    let mut altered = pass.clone();
    altered.replace_range(80..81, if &pass[80..81] == "A" { "B" } else { "A" });
    let refused = ask(&mut guarded, request("/checkout", &[("sluice-pass", altered.as_str())])).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.body(), r#"{"canEnter":false,"zoneId":"shop","code":"FULL"}"#);
}

#[tokio::test]
async fn whose_turn_has_come_enters_with_a_pass_in_a_cookie() {
    let pass = pass();
    let mut guarded = guarded("-ERR nobody joins here\r\n", &admitted(&pass), |rules| rules).await;
    let app = ask(&mut guarded, request("/checkout?sluice_token=abc", &[])).await;
    assert_eq!((app.status(), app.body().as_str()), (StatusCode::OK, "in at /checkout"));
    let browser = ask(&mut guarded, request("/checkout?sluice_token=abc", &[BROWSER])).await;
    assert_eq!((browser.status(), header(&browser, "location")), (StatusCode::SEE_OTHER, vec!["/checkout"]));
    for entered in [app, browser] {
        let cookies = header(&entered, "set-cookie");
        assert!(cookies[0].starts_with(&format!("sluice_pass={pass}; Max-Age=")), "{cookies:?}");
        assert!(cookies[1].starts_with("sluice_token=; Max-Age=0"), "{cookies:?}");
        assert_eq!(header(&entered, "cache-control"), ["private, no-store"]);
    }
}

#[tokio::test]
async fn only_what_a_rule_names_is_let_past() {
    let friend = IpAddr::from([10, 0, 0, 8]);
    let mut guarded = guarded("-CLOSED nobody\r\n", "-CLOSED nobody\r\n", |rules| {
        rules.bypass_path("/assets").bypass_address(friend).bypass_header("x-monitor", "s3cret")
    })
    .await;
    let from = |address: SocketAddr| {
        let mut request = request("/checkout", &[]);
        request.extensions_mut().insert(address);
        request
    };
    let cases = [
        (request("/assets", &[]), true),
        (request("/assets/shop.css", &[]), true),
        (request("/assets-of-others", &[]), false),
        (request("/checkout?/assets", &[]), false),
        (request("/checkout", &[("x-monitor", "s3cret")]), true),
        (request("/checkout", &[("x-monitor", "s3cret ")]), false),
        (request("/checkout", &[("x-monitor", "S3CRET")]), false),
        (request("/checkout", &[("x-forwarded-for", "10.0.0.8")]), false),
        (from(SocketAddr::from((friend, 1))), true),
        (from("[::ffff:10.0.0.8]:1".parse().expect("an address")), true),
        (from("10.0.0.9:1".parse().expect("an address")), false),
    ];
    for (request, enters) in cases {
        let said = format!("{request:?}");
        let status = ask(&mut guarded, request).await.status();
        assert_eq!(status, if enters { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, "{said}");
    }
}

/// A link with somebody's waiting token would give everybody who follows it the sender's place.
#[tokio::test]
async fn a_token_that_waits_is_not_taken_from_an_address() {
    let joined = WAITING.replace("$3\r\nabc\r\n", "$3\r\nown\r\n");
    let mut guarded = guarded(&joined, WAITING, |rules| rules).await;
    let follower = ask(&mut guarded, request("/checkout?sluice_token=abc", &[])).await;
    assert_eq!(header(&follower, "set-cookie"), ["sluice_token=own; Path=/; HttpOnly; SameSite=Lax; Secure"]);
    assert!(follower.body().contains(r#""token":"own""#), "{}", follower.body());
    let own = ask(&mut guarded, request("/checkout", &[("cookie", "sluice_token=abc")])).await;
    assert!(own.body().contains(r#""token":"abc""#), "one's own place is kept: {}", own.body());
}

#[tokio::test]
async fn a_zone_that_is_not_there_lets_nobody_in() {
    let policy = OnFailure::OpenFor(Duration::from_secs(30));
    let no_zone = "-NOZONE no such zone\r\n";
    let server = Server::bind().await;
    let client = server.client();
    tokio::spawn(sluice(server, no_zone.to_owned(), no_zone.to_owned()));
    let guard = Guard::builder(&client, "shop").on_failure(policy).build();
    let mut guarded = guard.layer(Checkout);
    for headers in [&[][..], &[("cookie", "sluice_token=abc")]] {
        let refused = ask(&mut guarded, request("/checkout", headers)).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.body(), r#"{"canEnter":false,"zoneId":"shop","code":"BUSY"}"#);
    }
    assert_eq!((guard.openness().entered, guard.openness().left), (0, Duration::from_secs(30)));
}

/// A guard before a sluice that is not there.
async fn alone(policy: OnFailure) -> (Client, Guard) {
    let address = Server::bind().await.address(); // nobody listens there any more
    let client = Client::builder([address]).build().expect("is in range");
    let guard = Guard::builder(&client, "shop").on_failure(policy).build();
    (client, guard)
}

#[tokio::test(start_paused = true)]
async fn while_sluice_is_away_the_policy_says_who_enters_and_for_how_long() {
    let (client, guard) = alone(OnFailure::Closed).await;
    let mut closed = guard.layer(Checkout);
    let refused = ask(&mut closed, request("/checkout", &[])).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.body(), r#"{"canEnter":false,"zoneId":"shop","code":"BUSY"}"#);
    let page = ask(&mut closed, request("/checkout", &[BROWSER])).await;
    assert_eq!(page.status(), StatusCode::ACCEPTED, "a person is told to wait");
    assert_eq!((guard.openness().entered, client.metrics().unasked), (0, 0));

    let (client, guard) = alone(OnFailure::OpenFor(Duration::from_secs(30))).await;
    let mut open = guard.layer(Checkout);
    assert_eq!(ask(&mut open, request("/checkout", &[])).await.status(), StatusCode::OK);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(ask(&mut open, request("/checkout", &[])).await.status(), StatusCode::OK);
    tokio::time::advance(Duration::from_secs(11)).await;
    let late = ask(&mut open, request("/checkout", &[])).await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((guard.openness().entered, client.metrics().unasked), (2, 2));
    assert!(guard.openness().left < Duration::from_secs(10), "{:?}", guard.openness());
}

/// Stalls, then answers, then stalls: each stall is an outage of its own, and all together have one budget.
#[tokio::test]
async fn a_sluice_that_stutters_lets_in_no_more_than_the_budget() {
    let server = Server::bind().await;
    let client = server.client();
    let (say, speaks) = watch::channel(true);
    tokio::spawn(stutter(server, speaks));
    let policy = OnFailure::OpenFor(Duration::from_millis(300));
    let guard =
        Guard::builder(&client, "shop").on_failure(policy).answer_within(Duration::from_millis(100)).build();
    let mut guarded = guard.layer(Checkout);
    let mut stall = async || {
        say.send_replace(false);
        let stalled = ask(&mut guarded, request("/checkout", &[])).await.status();
        say.send_replace(true);
        for _ in 0..100 {
            if ask(&mut guarded, request("/checkout", &[])).await.status() == StatusCode::ACCEPTED {
                return stalled;
            }
        }
        panic!("it answers nobody");
    };
    let mut stalls = 0;
    while stall().await == StatusCode::OK {
        stalls += 1;
        assert!(stalls < 100, "whoever comes in a stall enters");
    }
    let entered = guard.openness().entered;
    assert!(entered > 0, "the policy was asked");
    for _ in 0..10 {
        assert_eq!(stall().await, StatusCode::SERVICE_UNAVAILABLE, "answers in between fill nothing up");
    }
    assert_eq!((guard.openness().entered, guard.openness().left), (entered, Duration::ZERO));
}

/// Answers in order, and only while it may speak.
async fn stutter(server: Server, speaks: watch::Receiver<bool>) {
    loop {
        let (mut peer, mut speaks) = (server.accept().await, speaks.clone());
        tokio::spawn(async move {
            while let Some(command) = peer.command().await {
                if speaks.wait_for(|speaks| *speaks).await.is_err() {
                    return;
                }
                match command.split(' ').next() {
                    Some("Q.KEY") => peer.send("*0\r\n").await,
                    Some("Q.JOIN") => peer.send(WAITING).await,
                    _ => {}
                }
            }
        });
    }
}

/// Revoked while it is being shown: from then on it lets nobody in, nor does the admission that it stands for.
#[tokio::test]
async fn a_pass_that_is_revoked_lets_in_no_longer() {
    let server = Server::bind().await;
    let client = server.client();
    let (revoke, revoked) = watch::channel(false);
    let pass = pass();
    tokio::spawn(revoking(server, admitted(&pass), revoked));
    let mut guarded = Guard::builder(&client, "shop").build().layer(Checkout);
    let shown = [("sluice-pass", pass.as_str())];
    assert_eq!(ask(&mut guarded, request("/checkout", &shown)).await.status(), StatusCode::OK);
    revoke.send_replace(true);
    let refused = within(async {
        loop {
            let answer = ask(&mut guarded, request("/checkout", &shown)).await;
            if answer.status() != StatusCode::OK {
                return answer;
            }
            // A pass that is good asks nobody, so nothing else would have its turn.
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(refused.body(), r#"{"canEnter":false,"zoneId":"shop","code":"CLOSED"}"#);
    assert!(
        header(&refused, "set-cookie").iter().all(|cookie| cookie.contains("=; Max-Age=0")),
        "{refused:?}"
    );
}

/// Tells of the revocation of the test's pass when it is time, to whoever follows those.
async fn revoking(server: Server, join: String, revoked: watch::Receiver<bool>) {
    let public = URL_SAFE_NO_PAD.encode(pair().public_key());
    let keys = format!("*1\r\n%2\r\n+id\r\n+k1\r\n+public\r\n+{public}\r\n");
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_millis();
    let entry = format!(
        ">5\r\n+x.entry\r\n+sluice:revoked-passes\r\n+1.1\r\n+{now_ms}-0\r\n*2\r\n+jti\r\n+a-pass\r\n"
    );
    loop {
        let (mut peer, mut revoked) = (server.accept().await, revoked.clone());
        let (keys, join, entry) = (keys.clone(), join.clone(), entry.clone());
        tokio::spawn(async move {
            while let Some(command) = peer.command().await {
                match command.split(' ').next() {
                    Some("Q.KEY") => peer.send(&keys).await,
                    Some("Q.JOIN") => peer.send(&join).await,
                    Some("X.SUB") => {
                        peer.send(":1\r\n").await;
                        if revoked.wait_for(|revoked| *revoked).await.is_ok() {
                            peer.send(&entry).await;
                        }
                    }
                    _ => {}
                }
            }
        });
    }
}
