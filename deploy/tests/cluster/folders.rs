//! Data folders that are not what their node left: older, cut, missing, copied. Nothing is taken for the truth because it can be read.
//!
//! Before there was a ledger, a lone node took logs that were older, cut or missing for the truth, and lost whole zones in silence.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::nodes::{Nodes, eventually};
use rustix::process::Signal;

/// Nobody enters, and nobody is out because a story takes long.
const PAUSED: [&str; 10] =
    ["set", "shop", "--limit", "1", "--mode", "paused", "--poll-ms", "60000", "--abandon-ms", "600000"];
const SEGMENT: &str = "log/0000000001.seg";

fn call(program: &str, arguments: &[&str], paths: &[&Path]) {
    let status = Command::new(program).args(arguments).args(paths).status().expect("it is there");
    assert!(status.success(), "{program} {arguments:?} {paths:?}");
}

fn copy(from: &Path, to: &Path) {
    call("rm", &["-rf"], &[to]);
    call("cp", &["-a", "--sparse=always"], &[from, to]);
}

/// A node that was stopped in order, after it was copied: the copy is older by one place in the queue.
struct Stopped {
    nodes: Nodes,
    tokens: Vec<String>,
    older: PathBuf,
}

impl Stopped {
    fn new(count: usize) -> Stopped {
        let mut nodes = Nodes::form(count);
        let node = count - 1;
        nodes.insist(0, &PAUSED);
        let mut tokens = vec![nodes.wait_in(0, "shop")];
        nodes.everywhere("shop", &tokens[0], 1);
        nodes.signal(node, Signal::TERM);
        nodes.ended(node);
        let older = nodes.folder.path().join("older");
        copy(&nodes.all[node].data, &older);
        nodes.start(node, None);
        nodes.wait_ready(node);
        tokens.push(nodes.wait_in(0, "shop"));
        nodes.everywhere("shop", &tokens[1], 2);
        Stopped { nodes, tokens, older }
    }

    fn stop(mut self) -> Stopped {
        let node = self.nodes.all.len() - 1;
        self.nodes.signal(node, Signal::TERM);
        self.nodes.ended(node);
        self.nodes.clear_log(node);
        self
    }

    fn data(&self) -> PathBuf {
        self.nodes.all[self.nodes.all.len() - 1].data.clone()
    }

    /// Puts one folder of the copy in the place of the node's.
    fn put_back(&self, folder: &str) {
        copy(&self.older.join(folder), &self.data().join(folder));
    }

    fn everybody_waits(&self) {
        for (token, position) in self.tokens.iter().zip(1..) {
            self.nodes.everywhere("shop", token, position);
        }
    }
}

/// The line with which a lone node refuses to start.
fn refuses(stopped: &mut Stopped) -> String {
    stopped.nodes.clear_log(0);
    stopped.nodes.start(0, None);
    let line = stopped.nodes.gives_up(0);
    assert!(line.contains("entries that this node acknowledged are missing"), "{line}");
    assert!(line.contains("accept-loss"), "it says what to do: {line}");
    line
}

#[test]
fn a_lone_node_refuses_a_log_that_is_older_cut_or_missing_until_it_is_put_back_or_given_up() {
    let mut stopped = Stopped::new(1).stop();
    let newest = stopped.nodes.folder.path().join("newest");
    copy(&stopped.data(), &newest);
    stopped.put_back("log");
    assert!(refuses(&mut stopped).contains(SEGMENT));
    let path = stopped.data().join(SEGMENT);
    let bytes = std::fs::read(newest.join(SEGMENT)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::write(&path, &bytes[..end / 2]).unwrap();
    assert!(refuses(&mut stopped).contains(SEGMENT));
    assert_eq!(
        std::fs::metadata(&path).unwrap().len(),
        end as u64 / 2,
        "nothing is changed by a start that fails"
    );
    std::fs::remove_dir_all(stopped.data().join("log")).unwrap();
    assert!(refuses(&mut stopped).contains("is missing"));
    copy(&newest, &stopped.data());
    stopped.nodes.start(0, None);
    stopped.nodes.wait_writable(0);
    stopped.everybody_waits();
    let mut stopped = stopped.stop();
    stopped.put_back("log");
    let data = stopped.data();
    stopped.nodes.offline(&["cluster", "accept-loss", data.to_str().unwrap()]);
    stopped.nodes.start(0, None);
    stopped.nodes.wait_writable(0);
    stopped.nodes.everywhere("shop", &stopped.tokens[0], 1);
    // It counts once: what is acknowledged from here on is kept again.
    let token = stopped.nodes.wait_in(0, "shop");
    let mut stopped = stopped.stop();
    copy(&stopped.data(), &newest);
    stopped.put_back("log");
    refuses(&mut stopped);
    copy(&newest, &stopped.data());
    stopped.nodes.start(0, None);
    stopped.nodes.wait_writable(0);
    stopped.nodes.everywhere("shop", &token, 2);
}

#[test]
fn a_folder_whose_identity_or_snapshots_are_missing_is_refused() {
    let stopped = Stopped::new(1);
    stopped.nodes.cluster(0, &["snapshot"]);
    let mut stopped = stopped.stop();
    let newest = stopped.nodes.folder.path().join("newest");
    copy(&stopped.data(), &newest);
    std::fs::remove_dir_all(stopped.data().join("node")).unwrap();
    stopped.nodes.start(0, None);
    let line = stopped.nodes.gives_up(0);
    assert!(line.contains("node/identity is missing") && line.contains("put node/ back"), "{line}");
    copy(&newest, &stopped.data());
    for name in ["ledger-1", "ledger-2"] {
        let _ = std::fs::remove_file(stopped.data().join("node").join(name));
    }
    stopped.nodes.clear_log(0);
    stopped.nodes.start(0, None);
    let line = stopped.nodes.gives_up(0);
    assert!(line.contains("node/ledger-1") && line.contains("missing or damaged"), "{line}");
    copy(&newest, &stopped.data());
    stopped.nodes.start(0, None);
    stopped.nodes.wait_writable(0);
    stopped.everybody_waits();
}

#[test]
fn an_older_folder_of_one_of_three_is_found_by_the_others_and_caught_up() {
    let mut stopped = Stopped::new(3).stop();
    let (older, data) = (stopped.older.clone(), stopped.data());
    copy(&older, &data);
    stopped.nodes.start(2, None);
    stopped.nodes.wait_logged(2, "are older than what node");
    stopped.nodes.wait_ready(2);
    stopped.everybody_waits();
    eventually("it to vote again", || {
        stopped.nodes.status(2)["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|node| node["behind"] == false)
            .then_some(())
    });
    assert!(stopped.nodes.logged(2).contains("has all again that it acknowledged"));
    stopped.tokens.push(stopped.nodes.wait_in(2, "shop"));
    stopped.everybody_waits();
}

#[test]
fn a_node_with_an_older_log_gives_nobody_a_vote_until_a_leader_has_given_it_back() {
    let mut stopped = Stopped::new(3);
    // Node 1 is away while the two others decide. Not stopped: one that goes on reads first what waits in its sockets, and takes a
    // leader that was killed since for one that it hears of.
    stopped.nodes.kill(1);
    let token = stopped.nodes.wait_in(0, "shop");
    stopped.nodes.signal(2, Signal::TERM);
    stopped.nodes.ended(2);
    stopped.nodes.clear_log(2);
    stopped.put_back("log");
    stopped.nodes.kill(0);
    stopped.nodes.start(1, None);
    stopped.nodes.start(2, None);
    stopped.nodes.wait_logged(2, "less than it acknowledged");
    for node in [1, 2] {
        eventually("the status to say it", || {
            let said = stopped.nodes.try_cluster(node, &["status"]).stdout;
            String::from_utf8_lossy(&said).contains("node 3 has less than it acknowledged").then_some(())
        });
    }
    // Two of three are here, and only one of them may vote.
    for _ in 0..20 {
        for node in [1, 2] {
            assert_ne!(stopped.nodes.health(node, "/readyz?for=writes"), Some(200), "at node {node}");
            assert!(stopped.nodes.zone(node, &["join", "shop"]).is_err());
        }
    }
    stopped.nodes.start(0, None);
    (0..3).for_each(|node| stopped.nodes.wait_writable(node));
    stopped.everybody_waits();
    for node in 0..3 {
        assert_eq!(stopped.nodes.insist(node, &["poll", "shop", &token])["state"], "waiting");
    }
}

#[test]
fn a_copied_folder_is_no_second_node() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PAUSED);
    let token = nodes.wait_in(0, "shop");
    nodes.signal(2, Signal::TERM);
    nodes.ended(2);
    let twin = nodes.folder.path().join("node-3");
    copy(&nodes.all[2].data, &twin);
    nodes.start(2, None);
    nodes.wait_ready(2);
    let index = nodes.add_alone();
    assert_eq!(nodes.all[index].data, twin);
    let line = nodes.gives_up(index);
    assert!(line.contains("node 3 runs already") && line.contains("a node of its own"), "{line}");
    (0..3).for_each(|node| nodes.wait_writable(node));
    nodes.everywhere("shop", &token, 1);
}
