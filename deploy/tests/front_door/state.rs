//! What outlives the process, however it ended: zones, waiters in their order, and what operators changed.

use serde_json::json;

use rustix::process::Signal;

use crate::server::{Server, run};

#[test]
fn a_second_start_continues_where_the_first_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path(), &["--workers", "2"]);
    first.zone(&["set", "shop", "--limit", "1", "--poll-ms", "60000", "--abandon-ms", "600000"]);
    assert_eq!(first.zone(&["join", "shop"])["state"], "admitted");
    let tokens: Vec<String> = (1..=3)
        .map(|position| {
            let waiting = first.zone(&["join", "shop", "--for", &format!("user{position}")]);
            assert_eq!(waiting["position"], position);
            waiting["token"].as_str().expect("a token").to_owned()
        })
        .collect();
    first.stop();

    // Another number of workers: shards do not belong to threads.
    let second = Server::start(folder.path(), &["--workers", "1"]);
    assert_eq!(second.zone(&["get", "shop"])["poll_ms"], 60_000);
    for (token, position) in tokens.iter().zip(1..) {
        assert_eq!(second.zone(&["poll", "shop", token])["position"], position, "the old token still stands");
    }
    let again = second.zone(&["join", "shop", "--for", "user2"]);
    assert_eq!((&again["token"], &again["position"]), (&json!(tokens[1]), &json!(2)), "known by user");
    assert_eq!(second.zone(&["join", "shop"])["position"], 4, "newcomers queue behind");
    second.stop();
}

#[test]
fn what_was_acknowledged_outlives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Server::start(folder.path(), &[]);
    first.zone(&["set", "shop", "--limit", "1", "--title", "en=Wait"]);
    assert_eq!(first.zone(&["join", "shop"])["state"], "admitted");
    let kept = first.zone(&["join", "shop"]);
    first.signal(Signal::KILL);
    first.wait();

    let second = Server::start(folder.path(), &[]);
    assert_eq!(second.zone(&["list"]), json!(["demo", "shop"]));
    let settings = second.zone(&["get", "shop"]);
    assert_eq!((&settings["limit"], &settings["title"]["en"]), (&json!(1), &json!("Wait")));
    assert_eq!(second.zone(&["poll", "shop", kept["token"].as_str().unwrap()])["position"], 1);
    assert_eq!(second.zone(&["join", "shop"])["position"], 2, "the limit is used up still");
    second.stop();
}

#[test]
fn demo_exists_only_without_a_file_and_stays_away_once_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path(), &[]);
    assert_eq!(first.zone(&["list"]), json!(["demo"]));
    assert_eq!(first.zone(&["get", "demo"])["limit"], 60);
    assert_eq!(first.zone(&["del", "demo"]), 1);
    first.stop();
    let second = Server::start(folder.path(), &[]);
    assert_eq!(second.zone(&["list"]), json!([]));
    second.stop();
}

#[test]
fn a_file_creates_zones_once_and_apply_makes_them_as_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let title = "title = { en = \"Please wait\" }";
    let zone = format!("[[zone]]\nname = \"shop\"\nlimit = 5\n{title}\n");
    std::fs::write(&file, &zone).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let first = Server::start(folder.path(), &arguments);
    assert_eq!(first.zone(&["list"]), json!(["shop"]));
    assert_eq!(first.zone(&["set", "shop", "--limit", "7"]), "OK");
    first.stop();

    let second = Server::start(folder.path(), &arguments);
    assert_eq!(second.zone(&["get", "shop"])["limit"], 7, "the operator's change outlives the file");
    let resp = second.resp.to_string();
    let applied = run(&["zone", "apply", file.to_str().unwrap(), "--resp", &resp]);
    assert_eq!(String::from_utf8(applied.stdout).unwrap(), "1 zones applied\n");
    assert_eq!(second.zone(&["get", "shop"])["limit"], 5);
    std::fs::write(&file, format!("{zone}[[namespace]]\nprefix = \"chat:\"\nmaxlen = 2\n")).unwrap();
    let applied = run(&["zone", "apply", file.to_str().unwrap(), "--resp", &resp]);
    assert_eq!(String::from_utf8(applied.stdout).unwrap(), "1 zones and 1 namespaces applied\n");
    assert_eq!(second.stream(&["namespace", "get", "chat:"])["maxlen"], 2);
    second.stop();
}

#[test]
fn a_file_makes_namespaces_once_and_operators_change_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let text = "[[namespace]]\nprefix = \"chat:\"\nmaxlen = 2\nmemory_bytes = 100000\n";
    std::fs::write(&file, text).unwrap();
    let arguments = ["--config", file.to_str().unwrap()];
    let first = Server::start(folder.path(), &arguments);
    let policy = |maxlen: u64, keys: u64, bytes: &serde_json::Value| {
        json!({
            "prefix": "chat:", "maxlen": maxlen, "ttl_ms": null, "memory_bytes": 100_000, "on_full": "refuse",
            "keys": keys, "bytes": bytes,
        })
    };
    assert_eq!(first.stream(&["namespace", "list"]), json!([policy(2, 0, &json!(0))]));
    for text in ["text=one", "text=two", "text=three"] {
        assert!(first.stream(&["append", "chat:1", text]).is_string());
    }
    assert_eq!(first.stream(&["len", "chat:1"]), 2);
    let range = first.stream(&["range", "chat:1", "--count", "1"]);
    assert_eq!((&range[0][1], range.as_array().unwrap().len()), (&json!(["text", "two"]), 1));
    assert_eq!(first.stream(&["end", "chat:1"]), 1);
    assert!(first.stream(&["append", "job:1", "text=done", "--ttl-ms", "3600000", "--end"]).is_string());
    let page = first.http("GET", "/v1/streams/job:1/events", "").1;
    assert!(page.contains(r#""ended":true"#), "{page}");
    assert!(first.stream(&["append", "job:2", "text=late", "--ttl-ms", "1"]).is_string());
    while first.stream(&["len", "job:2"]) != 0 {}
    let (status, page) = first.http("GET", "/v1/streams/chat:1/events", "");
    assert!(status == 200 && page.contains("\"ended\":true"), "{page}");
    let set = ["namespace", "set", "chat:", "--maxlen", "9", "--memory-bytes", "100000"];
    assert_eq!(first.stream(&set), "OK");
    first.stop();

    let second = Server::start(folder.path(), &arguments);
    let now = second.stream(&["namespace", "get", "chat:"]);
    assert_eq!(now, policy(9, 1, &now["bytes"]), "the operator's change outlives the file");
    let metrics = second.metrics();
    let expected = format!("sluice_namespace_bytes{{prefix=\"chat:\"}} {}\n", now["bytes"]);
    assert!(metrics.contains(&expected), "{expected} in {metrics}");
    assert!(metrics.contains("sluice_namespace_keys{prefix=\"chat:\"} 1\n"));
    assert!(metrics.contains("sluice_namespace_bytes_max{prefix=\"chat:\"} 100000\n"));
    assert_eq!(second.stream(&["namespace", "delete", "chat:"]), 1);
    let gone = second.try_stream(&["namespace", "get", "chat:"]);
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(!gone.status.success() && said.contains("there is no such namespace"), "{said}");
    second.stop();
}
