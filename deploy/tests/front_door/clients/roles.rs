//! Where somebody is asked for a password: RESP users and their roles, and who may name users over HTTP.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::foreign::{check, node, outcome, printed, program, python, text};
use crate::server::Server;

/// Name, role and SHA-256 of the password of everybody: of "letmein", "operate", "boss", and "letmein" again.
const USERS: &str = "\
app     client   1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032
shift   operator 2c29d39181de8f853de5e48ba983a5c88612b9dbaa5ab32c7748800a0840aeb8
boss    admin    a5e7c002443743c5836758c7d1cd8ddefd9fcf2061daa0efaac683fb99966057
default client   1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032
";
const WRITERS: &str = "shopfront 1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032\n";

/// A server that asks, with a zone `shop` of 5 a minute.
pub(super) fn guarded(folder: &Path) -> Server {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    };
    let (users, writers) = (file("users", USERS), file("writers", WRITERS));
    let configuration = format!(
        "[auth]\nresp_users = {users:?}\nwriter_tokens = {writers:?}\n[[zone]]\nname = \"shop\"\nlimit = 5\n"
    );
    let configuration = file("sluice.toml", &configuration);
    Server::start(&folder.join("data"), &["--config", configuration.to_str().expect("text")])
}

fn redis_cli(server: &Server, login: &[&str], words: &[&str]) -> Command {
    let mut command = program("redis-cli");
    command.args(["-e", "-p", &server.resp.port().to_string(), "--no-auth-warning"]).args(login).args(words);
    command
}

const APP: &[&str] = &["--user", "app", "--pass", "letmein"];
const SHIFT: &[&str] = &["--user", "shift", "--pass", "operate"];
const BOSS: &[&str] = &["--user", "boss", "--pass", "boss"];

#[test]
fn redis_cli_may_do_what_its_user_may() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(folder.path());
    let set: &[&str] = &["Q.ZONE", "SET", "shop", "LIMIT", "9"];
    let allowed: &[(&[&str], &[&str])] = &[
        (APP, &["Q.JOIN", "shop", "USER", "u1"]),
        (APP, &["Q.ZONE", "GET", "shop"]),
        (APP, &["Q.STATS", "shop"]),
        (&["-3", "--user", "app", "--pass", "letmein"], &["Q.ZONE", "LIST"]),
        // A password without a name is that of `default`.
        (&["-a", "letmein"], &["Q.JOIN", "shop"]),
        (SHIFT, set),
        (BOSS, set),
        (BOSS, &["CONFIG", "GET", "databases"]),
    ];
    for (login, words) in allowed {
        printed(&mut redis_cli(&server, login, words));
    }
    let refused: &[(&[&str], &[&str], &str)] = &[
        (&[], &["PING"], "NOAUTH Authentication required."),
        (&[], &["Q.JOIN", "shop"], "NOAUTH "),
        (&["-3"], &["Q.ZONE", "LIST"], "NOAUTH "),
        (&["--user", "app", "--pass", "guess"], &["Q.JOIN", "shop"], "WRONGPASS "),
        (&["--user", "nobody", "--pass", "letmein"], &["Q.JOIN", "shop"], "WRONGPASS "),
        (APP, set, "NOPERM this user has no permissions to run the 'q.zone|set' command"),
        (APP, &["Q.ZONE", "DEL", "shop"], "NOPERM "),
        (APP, &["CONFIG", "GET", "databases"], "NOPERM "),
        (APP, &["CLIENT", "KILL", "TYPE", "normal"], "NOPERM "),
        (SHIFT, &["CONFIG", "RESETSTAT"], "NOPERM "),
    ];
    for (login, words, expected) in refused {
        let output = outcome(&mut redis_cli(&server, login, words));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{login:?} {words:?}: {said}");
    }
    server.stop();
}

#[test]
fn libraries_log_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(folder.path());
    let port = server.resp.port().to_string();
    check(python(), "roles.py", &[&port]);
    check(node(), "roles.js", &[&port]);
    server.stop();
}

/// Two joins over HTTP as user `u1`, with and without what a writer knows: is it one place or two?
#[test]
fn only_a_writer_names_users_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(folder.path());
    let join = |path: &str, token: &str| -> String {
        let url = format!("http://{}{path}", server.http);
        let body = json!({"zoneId": "shop", "userId": "u1"}).to_string();
        let header = format!("authorization: Bearer {token}");
        let mut curl = program("curl");
        curl.args(["-sS", "-H", "content-type: application/json", "-d", &body]);
        if !token.is_empty() {
            curl.args(["-H", &header]);
        }
        let answer: Value = serde_json::from_str(&printed(curl.arg(url))).expect("JSON");
        answer["token"].as_str().unwrap_or_else(|| panic!("no token in {answer}")).to_owned()
    };
    printed(&mut redis_cli(&server, SHIFT, &["Q.ZONE", "SET", "shop", "MODE", "paused"]));
    for path in ["/traffic/wait", "/v1/zones/shop/tokens"] {
        let known = join(path, "letmein");
        assert_eq!(join(path, "letmein"), known, "the same user has the same place");
        for stranger in ["", "guess", "boss"] {
            assert_ne!(join(path, stranger), known, "a stranger with {stranger:?} fetched somebody's place");
        }
    }
    let over_resp = printed(&mut redis_cli(&server, APP, &["Q.JOIN", "shop", "USER", "u1"]));
    assert!(over_resp.contains(&join("/traffic/wait", "letmein")), "one place over both protocols");
    server.stop();
}
