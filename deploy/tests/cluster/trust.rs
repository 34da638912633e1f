//! Nodes that prove to each other who they are.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};

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
