//! Nodes that are stopped for a while and go on: what is asked at that moment is not answered from before.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::Signal;
use sluice_engine::slot::group_of;

use crate::nodes::{Nodes, eventually};

const ZONE: &str = "lobby";

/// The streams of a story, in the group of its zone: one that grows, and one that goes.
struct Keys {
    group: u16,
    grows: String,
    goes: String,
}

impl Keys {
    fn beside_the_zone() -> Keys {
        let group = group_of(ZONE.as_bytes(), 6).0;
        let mut keys = (0..).map(|n| format!("key-{n}")).filter(|key| group_of(key.as_bytes(), 6).0 == group);
        let mut key = || keys.next().expect("every group has keys without end");
        Keys { group, grows: key(), goes: key() }
    }

    /// Asked at once, in one write, while the node is stopped.
    fn questions(&self) -> String {
        let Keys { grows, goes, .. } = self;
        format!(
            "XLEN {grows}\r\nXRANGE {grows} - +\r\nEXISTS {goes}\r\nTTL {grows}\r\nQ.ZONE GET {ZONE}\r\nQ.STATS {ZONE}\r\n"
        )
    }
}

/// A connection whose questions wait in the node's socket.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(nodes: &Nodes, node: usize) -> Client {
        let stream = TcpStream::connect(&nodes.all[node].resp).expect("the node is served");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a timeout");
        let mut client = Client(BufReader::new(stream));
        client.ask("PING\r\n");
        assert_eq!(client.answer(), "+PONG");
        client
    }

    fn ask(&mut self, questions: &str) {
        self.0.get_mut().write_all(questions.as_bytes()).expect("the question is taken");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer comes");
        line.trim_end().to_owned()
    }

    /// One answer, its parts with blanks between.
    fn answer(&mut self) -> String {
        let line = self.line();
        let count = line.get(1..).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
        match line.as_bytes().first() {
            Some(b'*') => (0..count).map(|_| self.answer()).collect::<Vec<_>>().join(" "),
            Some(b'$') if !line.starts_with("$-") => {
                let mut text = vec![0; count + 2];
                self.0.read_exact(&mut text).expect("the rest of an answer comes");
                String::from_utf8_lossy(&text).trim_end().to_owned()
            }
            _ => line,
        }
    }
}

/// Changes everything that is asked about, at a node that runs, as soon as there is a leader for it.
fn change(nodes: &Nodes, node: usize, keys: &Keys, round: u64) {
    let client = redis::Client::open(format!("redis://{}", nodes.all[node].resp)).expect("an address");
    let insist = |command: &redis::Cmd| {
        eventually("a change", || {
            let mut connection = client.get_connection().ok()?;
            command.query::<redis::Value>(&mut connection).ok()
        });
    };
    insist(redis::cmd("XADD").arg(&keys.grows).arg("*").arg("round").arg(round));
    insist(redis::cmd("EXPIRE").arg(&keys.grows).arg(100_000 + round * 1_000));
    insist(redis::cmd("DEL").arg(&keys.goes));
    let limit = (60 + round).to_string();
    nodes.insist(node, &["set", ZONE, "--limit", &limit]);
}

/// Waits until the leader has not heard of a node for much longer than its state may be old.
fn wait_unheard(nodes: &Nodes, leader: usize, stopped: u64) {
    eventually("silence", || {
        let status = nodes.status(leader);
        let members = status["nodes"].as_array()?;
        let heard = members.iter().find(|member| member["id"] == stopped)?["heard_ms"].as_u64()?;
        (heard > 1_000).then_some(())
    });
}

/// Whether an answer says that it cannot be given now.
fn is_refusal(answer: &str) -> bool {
    ["-NOLEADER", "-BUSY"].iter().any(|code| answer.starts_with(code))
}

/// What the node says that was stopped since before the last change.
fn judge(answers: &[String], round: u64, who: &str) {
    let [len, range, exists, ttl, zone, stats] = answers else { panic!("{answers:?}") };
    let fresh = |answer: &str, what: &str, is_so: bool| {
        assert!(is_so || is_refusal(answer), "{who}, round {round}: {what} from before the pause: {answer}");
    };
    let entries: u64 = len.trim_start_matches(':').parse().unwrap_or(0);
    fresh(len, "XLEN", entries >= round);
    fresh(range, "XRANGE", range.ends_with(&format!("round {round}")));
    fresh(exists, "EXISTS", exists == ":0");
    let left: u64 = ttl.trim_start_matches(':').parse().unwrap_or(0);
    fresh(ttl, "TTL", left > 100_000 + (round - 1) * 1_000);
    fresh(zone, "Q.ZONE GET", zone.contains(&format!("limit :{}", 60 + round)));
    fresh(stats, "Q.STATS", stats.contains(&format!("limit :{}", 60 + round)));
}

#[test]
fn what_is_asked_as_a_stopped_node_goes_on_is_not_answered_from_before() {
    let nodes = Nodes::form(3);
    let keys = Keys::beside_the_zone();
    nodes.insist(0, &["set", ZONE, "--limit", "60"]);
    for round in 1..=4 {
        let leader = nodes.leader(0, usize::from(keys.group));
        let stopped = if round % 2 == 1 { leader } else { (leader + 1) % 3 };
        let running = (stopped + 1) % 3;
        let id = nodes.id(stopped);
        let mut client = Client::connect(&nodes, stopped);
        client.ask(&format!("XADD {} * round {round}\r\n", keys.goes));
        client.answer();
        nodes.signal(stopped, Signal::STOP);
        client.ask(&keys.questions());
        change(&nodes, running, &keys, round);
        if stopped != leader {
            wait_unheard(&nodes, leader, id);
        }
        nodes.signal(stopped, Signal::CONT);
        let answers: Vec<String> = (0..6).map(|_| client.answer()).collect();
        judge(&answers, round, if stopped == leader { "the leader" } else { "a follower" });
        nodes.wait_ready(stopped);
        nodes.wait_writable(stopped);
    }
}
