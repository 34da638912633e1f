//! Nodes that prove to each other who they are.

use std::net::TcpStream;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustix::process::Signal;
use sluice_raft::node::Identity as Known;
use sluice_raft::peer::frame::{FORMAT_MAX, FORMAT_MIN};
use sluice_raft::peer::handshake::{Answer, Hello};
use sluice_raft::peer::proof::Proven;
use sluice_raft::peer::{Denial, Identity, Lane};
use sluice_raft::secret::JoinSecret;

use crate::caller::{Caller, identity};
use crate::nodes::{Nodes, eventually};

/// Signs certificates, and writes configurations that use them.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// The configuration of a node whose certificate has this name. Nodes expect `sluice.example`.
    fn configure(&self, nodes: &Nodes, name: &str) -> Option<PathBuf> {
        let folder = nodes.folder.path().join(format!("papers-{}", nodes.all.len()));
        std::fs::create_dir(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let write = |file: &str, text: &str| {
            let path = folder.join(file);
            std::fs::write(&path, text).unwrap();
            path
        };
        let text = format!(
            "[tls.peers]\ncertificate = {:?}\nkey = {:?}\nca = {:?}\nname = \"sluice.example\"\n",
            write("node.pem", &certificate),
            write("node-key.pem", &key.serialize_pem()),
            write("ca.pem", &self.pem),
        );
        Some(write("sluice.toml", &text))
    }
}

fn waiting(nodes: &Nodes) -> usize {
    let status = nodes.status(0);
    status["nodes"].as_array().unwrap().iter().filter(|node| node["part"] == "waiting").count()
}

#[test]
fn only_nodes_with_the_right_certificate_are_let_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut nodes = Nodes::none();
    for (signer, name) in [
        (&authority, "sluice.example"),
        (&stranger, "sluice.example"),
        (&authority, "other.example"),
        (&authority, "sluice.example"),
    ] {
        let config = signer.configure(&nodes, name);
        nodes.add_configured(config);
    }
    let plain = nodes.add();
    nodes.wait_ready(0);
    for outsider in [1, 2, plain] {
        nodes.wait_logged(outsider, "no connection");
    }
    eventually("the trusted node", || (waiting(&nodes) == 1).then_some(()));
    nodes.cluster(0, &["init"]);
    nodes.wait_ready(3);
    nodes.insist(3, &["set", "shop", "--limit", "5"]);
    for outsider in [1, 2, plain] {
        assert_eq!(nodes.health(outsider, "/readyz"), Some(503), "node {outsider} was let in");
    }
    assert_eq!(nodes.status(0)["nodes"].as_array().unwrap().len(), 2);
}

impl Nodes {
    /// Starts a node that is told nothing of other nodes.
    fn start_closed(&mut self, node: usize) {
        let mut command = self.all[node].command();
        self.spawn(node, &mut command);
    }

    /// Starts a node that is to join and knows no secret; the line with which it gives up.
    fn add_ignorant(&mut self) -> String {
        let first = self.all[0].peer.clone();
        let node = self.place(None);
        let mut command = self.all[node].command();
        command.args(["--peer", &self.all[node].peer, "--join", &first]);
        self.spawn(node, &mut command);
        self.gives_up(node)
    }
}

/// Says that node 2 speaks these formats, as a process of another version does. What the node answers; then it hangs up, if
/// it refused.
fn greet(nodes: &Nodes, known: &Known, formats: [u8; 2]) -> Answer {
    let [format_min, format_max] = formats;
    let from = Identity { cluster: known.cluster, node: 2 };
    let hello = Hello { format_min, format_max, ..Hello::new(from, 1, Lane::Append) };
    runtime().block_on(async {
        let mut caller = Caller::connect(&nodes.all[0].peer).await.expect("a node listens");
        let counterproof =
            caller.prove(&known.secret.peer_key(), Proven::Membership).await.expect("an answer");
        counterproof.expect("the cluster's secret");
        let answer = caller.greet(&hello).await.expect("an answer");
        if answer.is_err() {
            assert!(caller.next().await.is_none(), "a refusal is the last word");
        }
        answer
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_lone_node_opens_no_port_to_others_until_it_is_asked() {
    let mut nodes = Nodes::form(1);
    nodes.signal(0, Signal::TERM);
    nodes.ended(0);
    nodes.start_closed(0);
    nodes.wait_ready(0);
    assert!(TcpStream::connect(&nodes.all[0].peer).is_err(), "somebody listens there");
}

#[test]
fn a_stranger_on_the_same_machine_gets_neither_the_secret_nor_the_id() {
    let nodes = Nodes::form(1);
    let known = identity(&nodes.all[0].data);
    runtime().block_on(async {
        let mut caller = Caller::connect(&nodes.all[0].peer).await.expect("a node listens");
        let guess = JoinSecret::parse("a-join-secret-that-is-a-guess").unwrap().key();
        let refused = caller.prove(&guess, Proven::Joining).await.expect("an answer");
        assert_eq!(refused, Err(Denial::Unproven), "one reason for everything");
        assert!(caller.next().await.is_none(), "and the last word");
        // Who knows the join secret may wait to be added, and is no member for it.
        let mut caller = Caller::connect(&nodes.all[0].peer).await.expect("a node listens");
        let join = JoinSecret::parse("a-join-secret-that-all-nodes-know").unwrap().key();
        caller.prove(&join, Proven::Joining).await.expect("an answer").expect("the join secret");
        let member = Hello::new(Identity { cluster: known.cluster, node: 2 }, 1, Lane::Vote);
        assert_eq!(caller.greet(&member).await.expect("an answer"), Err(Denial::Unproven));
    });
    assert_eq!(waiting(&nodes), 0);
}

#[test]
fn a_node_that_joins_without_the_secret_says_what_it_lacks() {
    let mut nodes = Nodes::form(1);
    let line = nodes.add_ignorant();
    assert!(line.contains("--join-secret") && line.contains("node/join-secret"), "{line}");
}

#[test]
fn what_was_open_to_other_users_is_closed_at_a_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut nodes = Nodes::form(1);
    let data = nodes.all[0].data.clone();
    nodes.signal(0, Signal::TERM);
    nodes.ended(0);
    let secret = ["lock", "node", "node/identity", "node/join-secret"].map(|name| data.join(name));
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in &secret {
        assert_eq!(mode(path) & 0o077, 0, "{} as it was made", path.display());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
    nodes.start(0, None);
    nodes.wait_ready(0);
    for path in &secret {
        assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
    }
    assert_eq!(mode(&data), 0o755, "others may look at it, and put nothing in the place of what is there");
}

#[test]
fn versions_share_a_cluster_as_far_as_they_share_a_format() {
    let nodes = Nodes::form(3);
    let known = identity(&nodes.all[0].data);
    let refused = Err(Denial::Format { min: FORMAT_MIN, max: FORMAT_MAX });
    assert_eq!(greet(&nodes, &known, [FORMAT_MAX + 1, FORMAT_MAX + 3]), refused, "too new");
    assert_eq!(greet(&nodes, &known, [0, FORMAT_MIN - 1]), refused, "too old");
    let newer = greet(&nodes, &known, [FORMAT_MAX, FORMAT_MAX + 1]).expect("a newer one that speaks ours");
    assert_eq!(newer.format, FORMAT_MAX);
    nodes.insist(1, &["set", "shop", "--limit", "5"]);
}
