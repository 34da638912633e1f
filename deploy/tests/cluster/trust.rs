//! Nodes that prove to each other who they are.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use bytes::BytesMut;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use sluice_raft::peer::frame::{self, FORMAT_MAX, FORMAT_MIN, Kind};
use sluice_raft::peer::handshake::{Answer, Hello};
use sluice_raft::peer::{Denial, Identity, Lane};

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

/// Says that node 2 speaks these formats, as a process of another version does. What the node answers; then it hangs up, if
/// it refused.
fn greet(nodes: &Nodes, cluster: u128, formats: [u8; 2]) -> Answer {
    let mut stream = TcpStream::connect(&nodes.all[0].peer).unwrap();
    let [format_min, format_max] = formats;
    let from = Identity { cluster, node: 2 };
    let hello = Hello { format_min, format_max, ..Hello::new(from, 1, Lane::Append) };
    stream.write_all(&frame::encode(Kind::Hello, &hello).unwrap()).unwrap();
    let mut heard = BytesMut::new();
    let welcome = loop {
        if let Some(frame) = frame::take(&mut heard, 4_096).unwrap() {
            break frame;
        }
        let mut some = [0; 4_096];
        let bytes = stream.read(&mut some).unwrap();
        assert!(bytes > 0, "an answer before the end");
        heard.extend_from_slice(&some[..bytes]);
    };
    let answer: Answer = frame::decode(&welcome.body).unwrap();
    if answer.is_err() {
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "a refusal is the last word");
    }
    answer
}

#[test]
fn versions_share_a_cluster_as_far_as_they_share_a_format() {
    let nodes = Nodes::form(3);
    let cluster = nodes.status(0)["cluster"].as_str().expect("an id").to_owned();
    let cluster = u128::from_str_radix(&cluster, 16).expect("digits");
    let refused = Err(Denial::Format { min: FORMAT_MIN, max: FORMAT_MAX });
    assert_eq!(greet(&nodes, cluster, [FORMAT_MAX + 1, FORMAT_MAX + 3]), refused, "too new");
    assert_eq!(greet(&nodes, cluster, [0, FORMAT_MIN - 1]), refused, "too old");
    let newer = greet(&nodes, cluster, [FORMAT_MAX, FORMAT_MAX + 1]).expect("a newer one that speaks ours");
    assert_eq!(newer.format, FORMAT_MAX);
    nodes.insist(1, &["set", "shop", "--limit", "5"]);
}
