//! redis-rs: a worker and its readers, told line by line.

use std::collections::BTreeMap;

use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamMaxlen, StreamReadOptions, StreamReadReply,
};
use redis::{Client, Connection, FromRedisValue as _, TypedCommands as _, Value};

use super::stage::Stage;

const STEPS: u32 = 120;
const KEPT: usize = 50;

/// What is seen of the server.
pub(super) fn told(mut stage: Stage, protocol: &str) -> String {
    let client = Client::open(format!("redis://127.0.0.1:{}/{protocol}", stage.port())).unwrap();
    let mut told = String::new();
    told += &a_worker_and_a_reader(&client);
    told += &readers_that_wait(&client);
    told += &groups(&client);
    told + &a_restart(&client, &mut stage)
}

fn open(client: &Client) -> Connection {
    client.get_connection().expect("it connects")
}

/// Returns when as many clients wait: what comes after this was not there before.
fn blocked(connection: &mut Connection, count: usize) {
    let wanted = format!("blocked_clients:{count}\r");
    loop {
        let info: String = redis::cmd("INFO").arg("clients").query(connection).expect("told");
        if info.contains(&wanted) {
            return;
        }
    }
}

fn read(connection: &mut Connection, keys: &[&str], ids: &[&str], block_ms: usize) -> StreamReadReply {
    let options = StreamReadOptions::default().block(block_ms).count(10);
    connection.xread_options(keys, ids, &options).expect("read").unwrap_or_default()
}

/// Ids with fields, by key.
fn shown(reply: &StreamReadReply) -> String {
    let entries = reply.keys.iter().map(|stream| {
        let ids = stream.ids.iter().map(|entry| (entry.id.clone(), fields(&entry.map)));
        (stream.key.clone(), ids.collect::<Vec<_>>())
    });
    format!("{:?}\n", entries.collect::<BTreeMap<_, _>>())
}

fn fields(map: &std::collections::HashMap<String, Value>) -> BTreeMap<String, String> {
    map.iter().map(|(name, value)| (name.clone(), String::from_redis_value_ref(value).unwrap())).collect()
}

/// Reads until this step, and returns all: they are dense, so nothing was missed.
fn follow(connection: &mut Connection, until: u32) -> Vec<String> {
    let (mut steps, mut after) = (Vec::new(), "0".to_owned());
    while steps.last() != Some(&until.to_string()) {
        for entry in read(connection, &["scan:1"], &[&after], 3_000).keys.iter().flat_map(|key| &key.ids) {
            after.clone_from(&entry.id);
            steps.push(fields(&entry.map)["step"].clone());
        }
    }
    steps
}

fn a_worker_and_a_reader(client: &Client) -> String {
    let (mut worker, mut reader) = (open(client), open(client));
    let following = std::thread::spawn(move || follow(&mut reader, STEPS - 1));
    blocked(&mut worker, 1);
    for step in 0..STEPS {
        let fields = [("step", step.to_string()), ("state", "scan".to_owned())];
        let mut pipeline = redis::pipe();
        pipeline.atomic().xadd_maxlen("scan:1", StreamMaxlen::Approx(KEPT), "*", &fields);
        let (id, expires): (String, bool) = pipeline.expire("scan:1", 3_600).query(&mut worker).unwrap();
        assert!(id.len() > 14 && expires, "{id}");
    }
    let steps = following.join().expect("followed");
    let dense: Vec<String> = (0..STEPS).map(|step| step.to_string()).collect();
    // A reader that is trimmed past is told nothing of it; ours keeps up, or misses the same numbers at the front.
    assert!(dense.ends_with(&steps), "in order and once: {steps:?}");
    let kept = worker.xrevrange_count("scan:1", "+", "-", KEPT).unwrap();
    let kept: Vec<_> = kept.ids.iter().map(|entry| fields(&entry.map)).collect();
    format!("{kept:?} {}\n", worker.xlen("scan:1").unwrap() >= KEPT)
}

fn readers_that_wait(client: &Client) -> String {
    let mut worker = open(client);
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let mut reader = open(client);
            std::thread::spawn(move || read(&mut reader, &["new:1", "new:2"], &["$", "$"], 0))
        })
        .collect();
    blocked(&mut worker, 3);
    worker.xadd("new:2", "5-1", &[("a", "1")]).unwrap();
    let mut told = String::new();
    for wait in waits {
        told += &shown(&wait.join().expect("woken"));
    }
    worker.xadd("new:1", "6-1", &[("b", "2")]).unwrap();
    told += &shown(&read(&mut worker, &["new:1", "new:2", "nowhere"], &["0", "0", "0"], 0));
    told + &shown(&read(&mut worker, &["new:1", "new:2"], &["$", "$"], 50))
}

fn groups(client: &Client) -> String {
    let (mut boss, mut first) = (open(client), open(client));
    boss.xgroup_create_mkstream("jobs", "crew", "$").unwrap();
    let again = boss.xgroup_create_mkstream("jobs", "crew", "$").expect_err("there already");
    let take = |connection: &mut Connection, name: &str, block_ms| {
        let options = StreamReadOptions::default().group("crew", name).count(2).block(block_ms);
        connection.xread_options(&["jobs"], &[">"], &options).expect("taken").unwrap_or_default()
    };
    let taking = std::thread::spawn(move || take(&mut first, "one", 0));
    blocked(&mut boss, 1);
    boss.xadd("jobs", "1-1", &[("job", "1")]).unwrap();
    // The connection is dropped with it: it dies with what it had.
    let mut told = format!("{again}\n") + &shown(&taking.join().expect("taken"));
    for number in 2..=4 {
        boss.xadd("jobs", format!("1-{number}"), &[("job", number)]).unwrap();
    }
    told += &shown(&take(&mut boss, "two", 0));
    told += &format!("{}\n", boss.xack("jobs", "crew", &["1-2", "9-9"]).unwrap());
    let pending: Value = redis::cmd("XPENDING").arg("jobs").arg("crew").query(&mut boss).unwrap();
    told += &format!("{pending:?}\n");
    let options = StreamAutoClaimOptions::default().count(10);
    let claimed: StreamAutoClaimReply =
        boss.xautoclaim_options("jobs", "crew", "two", 0, "0", options).unwrap();
    let ids: Vec<_> = claimed.claimed.iter().map(|entry| entry.id.clone()).collect();
    told += &format!("{ids:?} {}\n", claimed.next_stream_id);
    told + &shown(&take(&mut boss, "two", 0)) + &shown(&take(&mut boss, "two", 20))
}

/// Reads until four entries were seen; connects anew when the connection is lost, as this client leaves that to its user.
fn follow_over_a_restart(client: &Client) -> Vec<String> {
    let mut ids = vec!["0".to_owned()];
    let mut connection = None;
    while ids.len() < 5 {
        if connection.is_none() {
            connection = client.get_connection().ok();
        }
        let Some(reader) = &mut connection else { continue };
        let after = ids.last().expect("one").clone();
        match reader.xread_options(&["kept"], &[after], &StreamReadOptions::default().block(0)) {
            Err(_) => connection = None,
            Ok(reply) => {
                let entries = reply.unwrap_or_default().keys.into_iter().flat_map(|key| key.ids);
                ids.extend(entries.map(|entry| entry.id));
            }
        }
    }
    ids
}

fn a_restart(client: &Client, stage: &mut Stage) -> String {
    let mut worker = open(client);
    for step in 0..3 {
        worker.xadd("kept", format!("1-{step}"), &[("step", step)]).unwrap();
    }
    worker.expire("kept", 3_600).unwrap();
    let reader = client.clone();
    let following = std::thread::spawn(move || follow_over_a_restart(&reader));
    blocked(&mut worker, 1);
    stage.restart();
    let mut worker = open(client);
    let told = shown(&read(&mut worker, &["kept"], &["0"], 0));
    let ttl: i64 = redis::cmd("TTL").arg("kept").query(&mut worker).unwrap();
    assert!((3_500..=3_600).contains(&ttl), "{ttl}");
    worker.xadd("kept", "1-3", &[("step", 3)]).unwrap();
    told + &format!("{:?}\n", following.join().expect("followed"))
}
