//! What the zone commands ask, and how the answers look.

use super::fixture::Fixture;
use crate::request::{Answer, Request, RequestKind};
use crate::resp::command::encode_answer;
use crate::resp::encode::Proto;
use sluice_engine::error::Refusal;
use sluice_engine::id::RequestHash;
use sluice_engine::memory::Bound;
use sluice_engine::reply::{Departure, Eta, Standing, Stats, Waiting};
use sluice_engine::time::LogTime;
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch, ZoneSettings};

#[test]
fn questions_carry_what_was_said() {
    let server = Fixture::open();
    let join = |user, request| Request::Join { zone: b"shop", user, request, is_trusted: true };
    let join_cases: &[(&[u8], Request<'_>)] = &[
        (b"Q.JOIN shop\r\n", join(None, None)),
        (b"q.join shop USER u1\r\n", join(Some(b"u1"), None)),
        (b"q.join shop request r1 user u1\r\n", join(Some(b"u1"), Some(RequestHash(402)))),
        (b"q.join shop IP 127.0.0.1 AGENT \"some browser\"\r\n", join(None, None)),
        (b"q.join shop IP \"\" AGENT \"\" USER u\r\n", join(Some(b"u"), None)),
    ];
    for (input, request) in join_cases {
        server.expect(input, request, RequestKind::Join);
    }
    let (zone, token) = (&b"shop"[..], &b"abc"[..]);
    server.expect(b"Q.POLL shop abc\r\n", &Request::Poll { zone, token }, RequestKind::Poll);
    server.expect(b"Q.LEAVE shop abc\r\n", &Request::Leave { zone, token }, RequestKind::Leave);
    server.expect(b"Q.STATS shop\r\n", &Request::Stats { zone }, RequestKind::Stats);
    server.expect(b"Q.ZONE GET shop\r\n", &Request::ZoneGet { zone }, RequestKind::ZoneGet);
    server.expect(b"Q.ZONE DEL shop\r\n", &Request::ZoneDel { zone }, RequestKind::ZoneDel);
    server.expect(b"Q.ZONE LIST\r\n", &Request::ZoneList, RequestKind::ZoneList);
}

#[test]
fn joins_refuse_what_they_do_not_know() {
    let server = Fixture::open();
    let cases = [
        ("q.join shop foo bar", "-ERR syntax error\r\n"),
        ("q.join shop user", "-ERR syntax error\r\n"),
        ("q.join shop user \"\"", "-ERR USER is empty or too long\r\n"),
        ("q.join shop request \"\"", "-ERR REQUEST is empty or too long\r\n"),
        ("q.join shop user a user b", "-ERR option USER is given twice\r\n"),
        ("q.join shop ip 1 ip 2", "-ERR option IP is given twice\r\n"),
        ("q.join", "-ERR wrong number of arguments for 'q.join' command\r\n"),
        ("q.poll shop", "-ERR wrong number of arguments for 'q.poll' command\r\n"),
    ];
    for (line, expected) in cases {
        assert_eq!(server.says(format!("{line}\r\n").as_bytes()), expected, "{line}");
    }
    for (word, max) in [("USER", 256), ("REQUEST", 256), ("IP", 64), ("AGENT", 1_024)] {
        let line = |len: usize| format!("q.join shop {word} {}\r\n", "x".repeat(len));
        assert!(server.says(line(max).as_bytes()).starts_with('?'), "{word}");
        assert_eq!(server.says(line(max + 1).as_bytes()), format!("-ERR {word} is empty or too long\r\n"));
    }
}

#[test]
fn every_setting_of_a_zone_is_read() {
    let input = b"q.zone set shop LIMIT 60 window_ms 60000 SLICE_MS 6000 POLL_MS 3000 ABANDON_MS 60000 MAX_WAITING \
                  5000000000 PASS_TTL_MS 600000 MODE Paused TITLE en Shop title ko \"\xea\xb0\x80\" MESSAGE en Hi \
                  TARGET_URL https://example.org/in\r\n";
    let text = |language: &str, text: &str| (language.to_owned(), text.to_owned());
    let patch = ZonePatch {
        limit: Some(60),
        window_ms: Some(60_000),
        slice_ms: Some(6_000),
        poll_ms: Some(3_000),
        abandon_ms: Some(60_000),
        max_waiting: Some(5_000_000_000),
        pass_ttl_ms: Some(600_000),
        mode: Some(Mode::Paused),
        title: vec![text("en", "Shop"), text("ko", "\u{ac00}")],
        message: vec![text("en", "Hi")],
        target_url: Some("https://example.org/in".to_owned()),
        only_create: false,
    };
    let request = Request::ZoneSet { zone: b"shop", patch: Box::new(patch) };
    Fixture::open().expect(input, &request, RequestKind::ZoneSet);
    let nothing = Request::ZoneSet { zone: b"shop", patch: Box::default() };
    Fixture::open().expect(b"q.zone set shop\r\n", &nothing, RequestKind::ZoneSet);
}

#[test]
fn settings_are_read_strictly() {
    let not_integer = "ERR value is not an integer or out of range";
    let cases = [
        ("limit", "ERR syntax error"),
        ("limit 1 foo 2", "ERR syntax error"),
        ("limit -1", not_integer),
        ("limit +1", not_integer),
        ("limit 01", not_integer),
        ("limit 1.5", not_integer),
        ("limit \"\"", not_integer),
        ("limit \" 1\"", not_integer),
        ("limit 4294967296", not_integer),
        ("max_waiting 18446744073709551616", not_integer),
        ("limit 1 LIMIT 2", "ERR option LIMIT is given twice"),
        ("mode auto mode auto", "ERR option MODE is given twice"),
        ("mode shut", "ERR mode must be auto, paused, open or closed"),
        ("title en a TITLE EN b", "ERR option TITLE is given twice"),
        ("title en", "ERR syntax error"),
        ("title \"\" a", "ERR a language is 1 to 35 bytes of A-Z a-z 0-9 -"),
        ("title e/n a", "ERR a language is 1 to 35 bytes of A-Z a-z 0-9 -"),
        ("message en \"\\xff\"", "ERR MESSAGE is not UTF-8"),
        ("target_url javascript:alert(1)", "ERR target_url must begin with http:// or https://"),
        ("target_url \"\\xff\"", "ERR TARGET_URL is not UTF-8"),
    ];
    for (options, expected) in cases {
        let said = Fixture::open().says(format!("q.zone set shop {options}\r\n").as_bytes());
        assert_eq!(said, format!("-{expected}\r\n"), "{options}");
    }
    for options in ["target_url HTTP://a", "target_url \"\"", "limit 0", "title en \"\""] {
        let said = Fixture::open().says(format!("q.zone set shop {options}\r\n").as_bytes());
        assert!(said.starts_with('?'), "{options}: {said}");
    }
}

fn written(answer: &Answer<'_>, kind: RequestKind, proto: Proto) -> String {
    let mut out = Vec::new();
    encode_answer(answer, kind, proto, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn places_are_maps() {
    let waiting =
        Standing::Waiting(Waiting { position: 1_234, eta: Eta::Ms(74_000), poll_ms: 3_000, stale: false });
    let unknown = Standing::Waiting(Waiting { position: 1, eta: Eta::Unknown, poll_ms: 99, stale: false });
    let body = "$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n$3\r\ntok\r\n$8\r\nposition\r\n:1234\r\n$6\r\neta_ms\r\n\
                :74000\r\n$7\r\npoll_ms\r\n:3000\r\n";
    let unsure = body.replace(":1234\r", ":1\r").replace(":74000\r", ":-1\r").replace(":3000\r", ":99\r");
    let entered = "$5\r\nstate\r\n$8\r\nadmitted\r\n$5\r\ntoken\r\n$3\r\ntok\r\n$8\r\nposition\r\n:0\r\n$6\r\neta_ms\r\n\
                   :0\r\n$7\r\npoll_ms\r\n:0\r\n$11\r\nadmitted_at\r\n:1700000000000\r\n";
    let admitted = Standing::Admitted(LogTime(1_700_000_000_000));
    for kind in [RequestKind::Join, RequestKind::Poll, RequestKind::Peek] {
        for (standing, body, pairs) in [(waiting, body, 5), (unknown, &unsure, 5), (admitted, entered, 6)] {
            let answer = Answer::Place { zone: b"shop", token: b"tok", standing, pass: None };
            assert_eq!(written(&answer, kind, Proto::Resp2), format!("*{}\r\n{body}", pairs * 2));
            assert_eq!(written(&answer, kind, Proto::Resp3), format!("%{pairs}\r\n{body}"));
        }
    }
}

#[test]
fn other_answers() {
    let two = |answer: Answer<'_>, kind| {
        (written(&answer, kind, Proto::Resp2), written(&answer, kind, Proto::Resp3))
    };
    let same = |text: &str| (text.to_owned(), text.to_owned());
    assert_eq!(two(Answer::Left(Departure::Left), RequestKind::Leave), same(":1\r\n"));
    assert_eq!(two(Answer::Left(Departure::Gone), RequestKind::Leave), same(":0\r\n"));
    assert_eq!(two(Answer::ZoneSet { created: true }, RequestKind::ZoneSet), same("+OK\r\n"));
    assert_eq!(two(Answer::ZoneDeleted(true), RequestKind::ZoneDel), same(":1\r\n"));
    assert_eq!(two(Answer::ZoneDeleted(false), RequestKind::ZoneDel), same(":0\r\n"));
    let names: Vec<ZoneName> =
        [&b"a"[..], b"b:c"].iter().map(|name| ZoneName::parse(name).unwrap()).collect();
    assert_eq!(two(Answer::Zones(&names), RequestKind::ZoneList), same("*2\r\n$1\r\na\r\n$3\r\nb:c\r\n"));
    assert_eq!(two(Answer::Zones(&[]), RequestKind::ZoneList), same("*0\r\n"));
}

#[test]
fn statistics_are_a_map_of_numbers() {
    let stats = Stats { waiting: 5, present: 4, limit: 60, eta_ms: -1, ..Stats::default() };
    let text = written(&Answer::Stats(&stats), RequestKind::Stats, Proto::Resp3);
    let expected = "%10\r\n$7\r\nwaiting\r\n:5\r\n$7\r\npresent\r\n:4\r\n$12\r\nadmitted_60s\r\n:0\r\n$11\r\nadmitted_6s\r\n:0\r\n\
                    $5\r\nlimit\r\n:60\r\n$12\r\njoined_total\r\n:0\r\n$14\r\nadmitted_total\r\n:0\r\n\
                    $15\r\nabandoned_total\r\n:0\r\n$10\r\nleft_total\r\n:0\r\n$6\r\neta_ms\r\n:-1\r\n";
    assert_eq!(text, expected);
}

#[test]
fn settings_are_a_map_in_which_texts_are_maps() {
    let mut settings = ZoneSettings::with_limit(60);
    settings.title = vec![("en".to_owned(), "Shop".to_owned())];
    let answer = Answer::Zone { zone: b"shop", settings: &settings };
    let resp3 = written(&answer, RequestKind::ZoneGet, Proto::Resp3);
    assert!(resp3.starts_with("%12\r\n$4\r\nzone\r\n$4\r\nshop\r\n$5\r\nlimit\r\n:60\r\n"), "{resp3}");
    assert!(
        resp3.contains("$4\r\nmode\r\n$4\r\nauto\r\n$5\r\ntitle\r\n%1\r\n$2\r\nen\r\n$4\r\nShop\r\n"),
        "{resp3}"
    );
    assert!(resp3.ends_with("$7\r\nmessage\r\n%0\r\n$10\r\ntarget_url\r\n$0\r\n\r\n"), "{resp3}");
    let resp2 = written(&answer, RequestKind::ZoneGet, Proto::Resp2);
    assert!(resp2.starts_with("*24\r\n") && resp2.contains("$5\r\ntitle\r\n*2\r\n$2\r\nen\r\n"), "{resp2}");
}

#[test]
fn refusals_open_with_their_code() {
    let cases = [
        (Refusal::NoZone, "-NOZONE no such zone\r\n"),
        (Refusal::BadToken, "-BADTOKEN not a token of this zone\r\n"),
        (Refusal::Gone, "-GONE left or timed out, join again\r\n"),
        (Refusal::Full(Bound::MaxWaiting), "-FULL the zone is full: max_waiting is reached\r\n"),
        (Refusal::Closed, "-CLOSED the zone is closed\r\n"),
        (Refusal::Busy { retry_ms: 100 }, "-BUSY overloaded, retry after 100 ms\r\n"),
        (Refusal::NoLeader { retry_ms: 250 }, "-NOLEADER no quorum, retry after 250 ms\r\n"),
        (Refusal::BadSetting("limit must be 1"), "-ERR limit must be 1\r\n"),
        (Refusal::TooManyZones, "-OOM too many zones\r\n"),
    ];
    for (refusal, expected) in cases {
        assert_eq!(written(&Answer::Refused(refusal), RequestKind::Poll, Proto::Resp3), expected);
    }
    let gone = Answer::Refused(Refusal::Gone);
    assert_eq!(written(&gone, RequestKind::Leave, Proto::Resp2), ":0\r\n", "to leave twice is no error");
    let no_zone = Answer::Refused(Refusal::NoZone);
    assert_eq!(written(&no_zone, RequestKind::ZoneDel, Proto::Resp2), ":0\r\n");
    assert_eq!(written(&no_zone, RequestKind::Leave, Proto::Resp2), "-NOZONE no such zone\r\n");
}
