//! Memory that one use has filled is not the other's: streams past their share are OOM and say whose bound it was, waiters still
//! come; and the figures tell.

use redis::Value;

use crate::server::Server;

/// Sends commands one by one until one is refused; the refusal.
fn fill(connection: &mut redis::Connection, command: &str, key: &str) -> String {
    let large = "x".repeat(60_000);
    for _ in 0..2_000 {
        let added = redis::cmd(command).arg(key).arg("*").arg("f").arg(&large).query::<Value>(connection);
        if let Err(refusal) = added {
            return refusal.to_string();
        }
    }
    panic!("{key} was never full");
}

#[test]
fn streams_that_fill_their_share_refuse_no_waiter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--workers", "1", "--memory-max", "16MiB"]);
    let mut connection =
        redis::Client::open(format!("redis://{}", server.resp)).unwrap().get_connection().unwrap();
    let one = fill(&mut connection, "XADD", "one");
    assert!(one.contains("the stream takes its part"), "{one}");
    // Another stream still finds room, until all of them together have what they may.
    let refusals: Vec<String> = (0..4).map(|n| fill(&mut connection, "XADD", &format!("other{n}"))).collect();
    assert!(refusals.iter().all(|refusal| refusal.contains("memory > 'maxmemory'")), "{refusals:?}");
    let (status, joined) = server.http("POST", "/traffic/wait", r#"{"zoneId":"demo"}"#);
    assert_eq!(status, 200, "{joined}");
    assert!(joined.contains("\"token\""), "{joined}");
    let metrics = server.metrics();
    let refused = |bound: &str| {
        let name = format!("sluice_memory_refusals_total{{bound=\"{bound}\"}} ");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.parse::<f64>().unwrap()
    };
    assert!(refused("stream") >= 1.0 && refused("zones") == 0.0 && refused("node") == 0.0, "{metrics}");
    // What is removed makes room again.
    let gone: u64 = redis::cmd("DEL").arg("one").query(&mut connection).unwrap();
    assert_eq!(gone, 1);
    let again = redis::cmd("XADD").arg("two").arg("*").arg("f").arg("v").query::<String>(&mut connection);
    assert!(again.is_ok(), "{again:?}");
    server.stop();
}
