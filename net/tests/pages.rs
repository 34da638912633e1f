//! The pages, as a browser without script and a proxy see them.

mod support;

use sluice_engine::zone::settings::{Mode, ZonePatch};
use support::{Client, Response, config, start, start_with, value_of};

fn get(client: &mut Client, path: &str, fields: &str) -> Response {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    client.response()
}

fn state(page: &Response) -> &str {
    let (_, rest) = page.body.split_once("<body data-state=\"").unwrap_or_else(|| panic!("{page:?}"));
    rest.split_once('"').unwrap().0
}

/// Where the page takes a browser without script.
fn refresh(page: &Response) -> String {
    let (_, rest) =
        page.body.split_once("http-equiv=\"refresh\" content=\"").unwrap_or_else(|| panic!("{page:?}"));
    let (_, url) = rest.split_once('"').unwrap().0.split_once(";url=").unwrap();
    url.replace("&amp;", "&")
}

#[test]
fn a_browser_without_script_waits_and_enters() {
    let patch = ZonePatch {
        limit: Some(1),
        mode: Some(Mode::Paused),
        target_url: Some("https://shop.example/".to_owned()),
        ..ZonePatch::default()
    };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let first = client.call("GET", "/room/shop");
    assert_eq!((first.status, state(&first)), (200, "joining"));
    assert!(first.body.contains("<form method=\"post\" action=\"?lang=en\">"), "{first:?}");
    let (place, cookie) = take(&mut client, "");
    let waiting = get(&mut client, &place, &cookie);
    assert_eq!(state(&waiting), "paused");
    assert!(place.ends_with(&refresh(&waiting)), "the next look is at the same place: {place}");
    assert!(waiting.body.contains("id=\"position\" data-length=\"1\">1</p>"), "{waiting:?}");
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(resp.ask("Q.ZONE SET shop MODE open"), "+OK\r\n");
    let turn = get(&mut client, &place, &cookie);
    assert_eq!(state(&turn), "turn");
    assert!(refresh(&turn).starts_with("https://shop.example/?sluice_zone=shop&sluice_token="), "{turn:?}");
}

/// Clicks on the button: where it leads, and the cookie that has the place.
fn take(client: &mut Client, fields: &str) -> (String, String) {
    client.send(format!("POST /room/shop?lang=en HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{fields}\r\n"));
    let joined = client.response();
    assert_eq!(joined.status, 303, "{joined:?}");
    let cookie = joined.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/room/shop; HttpOnly; SameSite=Lax; Max-Age=86400"), "{cookie}");
    let place = joined.field("location").unwrap().to_owned();
    assert!(!place.contains("token"), "{place}");
    (place, format!("Cookie: {}\r\n", cookie.split_once(';').unwrap().0))
}

/// A second click, or one on a page that was fetched before the place was there, changes nothing.
#[test]
fn a_click_keeps_a_place_that_is_good() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let (place, own) = take(&mut client, "");
    let (_, behind) = take(&mut client, "");
    assert_ne!(own, behind, "who shows no place takes one");
    assert_eq!(take(&mut client, &own), (place, own));
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "joined_total"), "2");
    take(&mut client, "Cookie: sluice_place=AAAA\r\n");
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "joined_total"), "3", "what is no place is replaced");
}

/// Whoever fetches addresses, or is made to by another site, takes no place and replaces none.
#[test]
fn no_address_and_no_other_site_takes_or_replaces_a_place() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let other = Client::connect(server.local_addrs().http).call("POST", "/v1/zones/shop/tokens");
    let (_, rest) = other.body.split_once("\"token\":\"").unwrap();
    let other = rest.split_once('"').unwrap().0;
    let (_, own) = take(&mut client, "Origin: http://h\r\nSec-Fetch-Site: same-origin\r\n");
    for path in ["/room/shop?join=1".to_owned(), format!("/room/shop?token={other}")] {
        assert_eq!(state(&get(&mut client, &path, "")), "joining", "{path}");
        let page = get(&mut client, &path, &own);
        assert_eq!((state(&page), page.field("set-cookie")), ("paused", None), "{path}");
        assert!(page.body.contains(">2</p>") && !page.body.contains(other), "{path}: its own place stays");
    }
    for fields in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\nOrigin: null\r\n"] {
        client.send(format!("POST /room/shop HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{fields}\r\n"));
        let page = client.response();
        assert_eq!((page.status, page.field("set-cookie")), (200, None), "{fields}");
    }
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "joined_total"), "2");
}

#[test]
fn a_look_at_the_head_does_nothing() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let page = client.call("GET", "/room/shop");
    for path in ["/room/shop", "/room/shop?join=1", "/demo"] {
        let head = client.call("HEAD", path);
        assert_eq!((head.status, head.field("location")), (200, None), "{path}");
    }
    assert_eq!(client.call("HEAD", "/room/shop").field("content-length"), page.field("content-length"));
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "joined_total"), "0");
}

#[test]
fn a_page_loads_from_here_and_from_nowhere_else() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    for path in ["/room/shop", "/demo", "/room/nowhere"] {
        let page = client.call("GET", path);
        assert_eq!(page.status, if path.ends_with("nowhere") { 404 } else { 200 });
        let policy = page.field("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.field(name), Some(value), "{path}");
        }
        let files: Vec<&str> = page.body.split('"').filter(|text| text.starts_with("/pages/")).collect();
        assert_eq!(files.len(), 2, "a style and a script: {files:?}");
        for file in files {
            let kept = client.call("GET", file);
            assert_eq!(kept.field("cache-control"), Some("public, max-age=31536000, immutable"), "{file}");
            assert_eq!(kept.field("x-content-type-options"), Some("nosniff"));
            let (bare, _) = file.split_once('?').unwrap();
            let fresh = client.call("GET", &format!("{bare}?v=0"));
            assert_eq!((fresh.field("cache-control"), &fresh.body), (Some("no-cache"), &kept.body), "{file}");
        }
    }
    assert_eq!(client.call("GET", "/pages/room.html").status, 404);
    assert_eq!(client.call("DELETE", "/room/shop").status, 405);
}

#[test]
fn a_zone_speaks_to_its_visitors_in_their_language() {
    let text = |tag: &str, text: &str| (tag.to_owned(), text.to_owned());
    let patch = ZonePatch {
        limit: Some(1),
        title: vec![text("en", "Sale <b>"), text("ko", "세일")],
        message: vec![text("en", "\"><script>alert(1)</script>")],
        ..ZonePatch::default()
    };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let korean = get(&mut client, "/room/shop", "Accept-Language: ko-KR,ko;q=0.9,en;q=0.8\r\n");
    assert_eq!(
        (korean.field("content-language"), korean.field("vary")),
        (Some("ko"), Some("Accept-Language"))
    );
    assert!(korean.body.contains("lang=\"ko\">세일</p>"), "{korean:?}");
    assert!(
        korean.body.contains("lang=\"en\">&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        "{korean:?}"
    );
    let english = get(&mut client, "/room/shop?lang=en", "Accept-Language: ko\r\n");
    assert!(english.body.contains("Sale &lt;b&gt;</p>"), "{english:?}");
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(resp.ask("Q.ZONE SET shop MODE closed"), "+OK\r\n");
    assert_eq!(state(&client.call("POST", "/room/shop")), "closed");
    assert_eq!(state(&get(&mut client, "/room/shop", "Cookie: sluice_place=forged\r\n")), "gone");
}
