//! Passes: others verify them with their own libraries, and the same admission has the same pass wherever it is asked for.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::foreign::{check, node, printed, program, python, text};
use crate::server::{Server, run};

/// A server with a zone where the first enters at once.
fn start(folder: &std::path::Path) -> Server {
    let server = Server::start(folder, &[]);
    server.zone(&["set", "shop", "--limit", "60"]);
    server
}

fn admitted(server: &Server) -> (String, String) {
    let place = server.zone(&["join", "shop"]);
    assert_eq!(place["state"], "admitted", "{place}");
    let field = |name: &str| place[name].as_str().unwrap_or_else(|| panic!("{name} in {place}")).to_owned();
    (field("token"), field("pass"))
}

/// `sluice key …`, which must succeed.
fn key(server: &Server, arguments: &[&str]) -> Value {
    let resp = server.resp.to_string();
    let mut words = vec!["key", "--json", "--resp", &resp];
    words.extend(arguments);
    let output = run(&words);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

fn part(pass: &str, at: usize) -> Value {
    use base64::Engine as _;
    let part = pass.split('.').nth(at).expect("three parts");
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn pyjwt_and_jose_verify_passes_and_refuse_what_is_none() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, stranger) = (start(folder.path()), start(other.path()));
    let ((_, pass), (_, foreign)) = (admitted(&server), admitted(&stranger));
    let url = format!("http://{}", server.http);
    check(python(), "passes.py", &[&url, "shop", &pass, &foreign]);
    check(node(), "passes.mjs", &[&url, "shop", &pass, &foreign]);
}

#[test]
fn an_admission_has_one_pass_on_every_wire_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let (token, pass) = admitted(&server);
    let everywhere = |server: &Server| {
        let of = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["pass"].clone();
        let path = format!("/v1/zones/shop/tokens/{token}");
        assert_eq!(server.zone(&["poll", "shop", &token])["pass"], pass);
        assert_eq!(of(&server.http("GET", &path, "").1), pass);
        let entry = format!(r#"{{"zoneId":"shop","token":"{token}"}}"#);
        assert_eq!(of(&server.http("POST", "/traffic/entry", &entry).1), pass);
        let port = server.resp.port().to_string();
        let resp2 = printed(program("redis-cli").args(["-2", "-p", &port, "Q.POLL", "shop", &token]));
        assert!(resp2.contains(&pass), "{resp2}");
        let (mut stream, mut page) = (TcpStream::connect(server.http).unwrap(), String::new());
        let cookie = format!("Cookie: sluice_place={token}\r\nConnection: close");
        write!(stream, "GET /room/shop HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n\r\n").unwrap();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.contains("data-state=\"turn\""), "{page}");
        let (mut stream, mut told) = (TcpStream::connect(server.http).unwrap(), String::new());
        write!(stream, "GET {path}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        stream.read_to_string(&mut told).unwrap();
        assert!(told.contains(&format!("\"pass\":\"{pass}\"")), "{told}");
    };
    everywhere(&server);
    server.stop();
    let server = Server::start(folder.path(), &[]);
    everywhere(&server);
    assert_eq!(part(&pass, 1)["sub"], token.as_str());
    server.stop();
}

/// What redis-cli prints for these lines, where `field` is said before it.
fn fields(server: &Server, folder: &std::path::Path, lines: &[String], field: &str) -> Vec<String> {
    let script = folder.join("lines");
    std::fs::write(&script, lines.join("\n") + "\n").unwrap();
    let port = server.resp.port().to_string();
    let script = std::fs::File::open(script).unwrap();
    let said = printed(program("redis-cli").args(["-2", "-p", &port]).stdin(script));
    let lines: Vec<&str> = said.lines().collect();
    lines.windows(2).filter(|pair| pair[0] == field).map(|pair| pair[1].to_owned()).collect()
}

#[test]
fn a_transaction_tells_more_passes_than_a_turn_signs() {
    const VISITORS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    server.zone(&["set", "shop", "--mode", "open"]);
    let ask = |lines: &[String], field| fields(&server, folder.path(), lines, field);
    let transaction = |inner: &[String]| [&["MULTI".to_owned()], inner, &["EXEC".to_owned()]].concat();
    let joins = vec!["Q.JOIN shop".to_owned(); VISITORS];
    let joined = ask(&transaction(&joins), "token");
    assert_eq!(joined.len(), VISITORS);
    server.stop();
    // None of the passes is kept any more.
    let server = Server::start(folder.path(), &[]);
    let ask = |lines: &[String], field| fields(&server, folder.path(), lines, field);
    let polls: Vec<String> = joined.iter().map(|token| format!("Q.POLL shop {token}")).collect();
    let at_once = ask(&transaction(&polls), "pass");
    let (tokens, passes) = (ask(&transaction(&polls), "token"), ask(&polls, "pass"));
    assert_eq!((at_once.len(), &tokens), (VISITORS, &joined));
    assert_eq!(at_once, passes);
    server.stop();
}

#[test]
fn keys_rotate_without_harm_and_a_revoked_one_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let (token, first) = admitted(&server);
    let old = key(&server, &["list"])[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(part(&first, 0)["kid"], old.as_str());
    let refused = run(&["key", "--resp", &server.resp.to_string(), "revoke", &old]);
    assert!(text(&refused.stderr).contains("rotate first"), "{refused:?}");
    let new = key(&server, &["rotate"]).as_str().expect("an id").to_owned();
    let states: Vec<String> =
        key(&server, &["list"]).as_array().unwrap().iter().map(|key| key["state"].to_string()).collect();
    assert_eq!(states, ["\"retired\"", "\"active\""]);
    assert_eq!(server.zone(&["poll", "shop", &token])["pass"], first.as_str(), "it was signed before");
    let (_, second) = admitted(&server);
    assert_eq!(part(&second, 0)["kid"], new.as_str());
    let published = server.http("GET", "/.well-known/jwks.json", "").1;
    assert!(published.contains(&old) && published.contains(&new), "{published}");
    assert_eq!(key(&server, &["revoke", &old]), "OK");
    let published = server.http("GET", "/.well-known/jwks.json", "").1;
    assert!(!published.contains(&old), "{published}");
    let again = server.zone(&["poll", "shop", &token])["pass"].as_str().expect("a pass").to_owned();
    assert_eq!(part(&again, 0)["kid"], new.as_str());
    assert_eq!(part(&again, 1), part(&first, 1), "the same claims, another signature");
    server.stop();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.zone(&["poll", "shop", &token])["pass"], again.as_str(), "rotations outlive a restart");
    server.stop();
}

#[test]
fn who_follows_revocations_is_told_of_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path());
    let (_, pass) = admitted(&server);
    let jti = part(&pass, 1)["jti"].as_str().expect("an id").to_owned();
    let resp = server.resp.to_string();
    let bad = run(&["pass", "--resp", &resp, "revoke", "short"]);
    assert!(text(&bad.stderr).contains("not the jti of a pass"), "{bad:?}");
    let hyphens = format!("--{}", &jti[2..]);
    for (at, jti) in [jti, hyphens].into_iter().enumerate() {
        let revoked = run(&["pass", "--resp", &resp, "revoke", &jti]);
        assert!(revoked.status.success(), "{jti}: {revoked:?}");
        let told = server.stream(&["range", "sluice:revoked-passes"]);
        assert_eq!(told[at][1], serde_json::json!(["jti", jti]));
    }
    server.stop();
}
