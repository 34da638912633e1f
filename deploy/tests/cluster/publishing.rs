//! Messages cross from node to node: to voters and learners, at most once, also after a node was away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::nodes::{Nodes, eventually};

/// A RESP connection to one node.
struct Client(TcpStream);

impl Client {
    fn connect(nodes: &Nodes, node: usize) -> Client {
        let stream = TcpStream::connect(&nodes.all[node].resp).expect("the node is served");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a timeout");
        Client(stream)
    }

    /// A subscriber of `news`, which is confirmed.
    fn listen(nodes: &Nodes, node: usize) -> Client {
        let mut client = Client::connect(nodes, node);
        client.say("SUBSCRIBE news\r\n", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        client
    }

    fn say(&mut self, line: &str, expected: &str) {
        self.0.write_all(line.as_bytes()).expect("the line is taken");
        self.hear(expected);
    }

    /// Takes exactly what is expected.
    fn hear(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        self.0.read_exact(&mut heard).expect("something is heard");
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    /// The payload of the next message.
    fn next(&mut self) -> String {
        let mut text = String::new();
        // Head, and three strings of two lines each.
        while text.matches("\r\n").count() < 7 {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("something is heard");
            text.push(char::from(byte[0]));
        }
        assert!(text.starts_with("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$"), "{text:?}");
        text.trim_end().rsplit("\r\n").next().expect("a payload").to_owned()
    }
}

fn message(payload: &str) -> String {
    format!("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n${}\r\n{payload}\r\n", payload.len())
}

/// Publishes at one node until all these listeners have heard something of this run; connections between nodes are made
/// when they are needed, and what comes before that may be lost.
fn publish_until_heard(publisher: &mut Client, receivers: usize, listeners: &mut [&mut Client], mark: &str) {
    std::thread::scope(|scope| {
        let waiting: Vec<_> = listeners
            .iter_mut()
            .map(|listener| {
                scope.spawn(|| std::iter::repeat_with(|| listener.next()).find(|text| text == mark))
            })
            .collect();
        while waiting.iter().any(|waits| !waits.is_finished()) {
            publisher.say(&format!("PUBLISH news {mark}\r\n"), &format!(":{receivers}\r\n"));
        }
        waiting.into_iter().for_each(|waits| assert!(waits.join().expect("heard").is_some()));
    });
}

#[test]
fn what_is_published_at_one_node_is_heard_at_all() {
    let mut nodes = Nodes::form(3);
    let learner = nodes.add();
    let peer = nodes.all[learner].peer.clone();
    eventually("the learner", || {
        nodes.try_cluster(0, &["add-learner", &peer]).status.success().then_some(())
    });
    nodes.wait_ready(learner);
    for from in [0, 1, learner] {
        let mut listeners: Vec<Client> = (0..4).map(|node| Client::listen(&nodes, node)).collect();
        let mut publisher = Client::connect(&nodes, from);
        // The number of receivers is that of the node that was asked.
        publish_until_heard(&mut publisher, 1, &mut listeners.iter_mut().collect::<Vec<_>>(), "begin");
        // Those of this run that are still on their way come first, then everything, once and in order.
        let numbers: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        let commands: String = numbers.iter().map(|number| format!("PUBLISH news {number}\r\n")).collect();
        publisher.say(&commands, &":1\r\n".repeat(numbers.len()));
        for listener in &mut listeners {
            let first = std::iter::repeat_with(|| listener.next()).find(|text| text != "begin");
            assert_eq!(first.as_deref(), Some("0"));
            numbers.iter().skip(1).for_each(|number| listener.hear(&message(number)));
        }
    }
}

#[test]
fn a_node_that_was_away_hears_again() {
    let mut nodes = Nodes::form(3);
    let mut near = Client::listen(&nodes, 0);
    let mut publisher = Client::connect(&nodes, 0);
    publish_until_heard(&mut publisher, 1, &mut [&mut near, &mut Client::listen(&nodes, 2)], "before");
    nodes.kill(2);
    publisher.say("PUBLISH news meanwhile\r\n", ":1\r\n");
    nodes.start(2, None);
    nodes.wait_ready(2);
    let mut back = Client::listen(&nodes, 2);
    publish_until_heard(&mut publisher, 1, &mut [&mut back], "after");
    let heard = std::iter::repeat_with(|| near.next()).find(|text| text != "before");
    assert_eq!(
        heard.as_deref(),
        Some("meanwhile"),
        "nothing is kept for who is away, and nobody waits for it"
    );
}
