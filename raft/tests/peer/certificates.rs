//! Peers that prove who they are.

use crate::support::{Node, R, any_port, assert_echoed, echo, identity, knowing, local, start_at, transport};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use sluice_raft::peer::{CallError, Called, Denial, Identity, Local, Tcp, Tls, TlsError, TlsFiles};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate with this name, its key, and the authority's own certificate to `folder`.
    fn issue(&self, folder: &Path, name: &str) {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let name = name.try_into().expect("ASCII");
        params.subject_alt_names = vec![match str::contains(AsRef::<str>::as_ref(&name), "://") {
            true => SanType::URI(name),
            false => SanType::DnsName(name),
        }];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        fs::write(folder.join("node.pem"), certificate.pem()).expect("written");
        fs::write(folder.join("node.key"), key.serialize_pem()).expect("written");
        fs::write(folder.join("authority.pem"), &self.pem).expect("written");
    }
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        authority: folder.join("authority.pem"),
        certificate: folder.join("node.pem"),
        key: folder.join("node.key"),
        peer_name: None,
    }
}

/// A node's certificate in a folder of its own.
struct Papers {
    folder: TempDir,
    tls: Arc<Tls>,
}

impl Papers {
    fn new(authority: &Authority, name: &str) -> Papers {
        Papers::with_peer_name(authority, name, None)
    }

    fn with_peer_name(authority: &Authority, name: &str, peer_name: Option<&str>) -> Papers {
        let folder = TempDir::new().expect("a folder");
        authority.issue(folder.path(), name);
        let files = TlsFiles { peer_name: peer_name.map(str::to_owned), ..files(folder.path()) };
        Papers { tls: Arc::new(Tls::load(files).expect("good certificates")), folder }
    }

    fn local(&self, identity: Identity) -> Local {
        knowing(Local::with_tls(identity, Arc::clone(&self.tls)))
    }

    fn node(&self, node: u64) -> Node {
        start_at(any_port(), self.local(identity(node)))
    }

    fn transport(&self, node: u64) -> Tcp<R> {
        Tcp::new(Arc::new(self.local(identity(node))))
    }
}

fn assert_certificate_denied(called: Called<R>) {
    assert!(matches!(called, Err(CallError::Denied(Denial::Certificate(_)))), "{called:?}");
}

fn assert_unreachable(called: Called<R>) {
    assert!(matches!(called, Err(CallError::Unreachable(_))), "{called:?}");
}

#[tokio::test]
async fn nodes_with_their_own_certificates_talk() {
    let authority = Authority::new();
    let node = Papers::new(&authority, "node-2").node(2);
    for name in ["node-1", "spiffe://example.org/sluice/node-1"] {
        let transport = Papers::new(&authority, name).transport(1);
        assert_echoed(echo(&transport, 2, &node, "secret").await, "secret");
    }
}

#[tokio::test]
async fn a_caller_with_another_node_s_certificate_is_refused() {
    let authority = Authority::new();
    let node = Papers::new(&authority, "node-2").node(2);
    let transport = Papers::new(&authority, "node-3").transport(1);
    assert_certificate_denied(echo(&transport, 2, &node, "x").await);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_called_node_with_another_node_s_certificate_is_told_nothing() {
    let authority = Authority::new();
    let node = Papers::new(&authority, "node-3").node(2);
    let transport = Papers::new(&authority, "node-1").transport(1);
    assert_certificate_denied(echo(&transport, 2, &node, "x").await);
}

#[tokio::test]
async fn a_certificate_that_is_no_node_s_is_refused() {
    let authority = Authority::new();
    let node = Papers::new(&authority, "node-2").node(2);
    let transport = Papers::new(&authority, "client.example.org").transport(1);
    assert_certificate_denied(echo(&transport, 2, &node, "x").await);
}

#[tokio::test]
async fn one_name_may_stand_for_all_nodes() {
    let authority = Authority::new();
    let shared = |name| Papers::with_peer_name(&authority, name, Some("peers.example.org"));
    let node = shared("peers.example.org").node(2);
    assert_echoed(echo(&shared("peers.example.org").transport(1), 2, &node, "x").await, "x");
    assert_certificate_denied(echo(&shared("example.org").transport(1), 2, &node, "x").await);
}

#[tokio::test]
async fn certificates_of_another_authority_are_refused() {
    let node = Papers::new(&Authority::new(), "node-2").node(2);
    let transport = Papers::new(&Authority::new(), "node-1").transport(1);
    assert_unreachable(echo(&transport, 2, &node, "x").await);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_caller_without_certificates_is_refused() {
    let node = Papers::new(&Authority::new(), "node-2").node(2);
    assert_unreachable(echo(&transport(1), 2, &node, "x").await);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_called_node_without_certificates_is_told_nothing() {
    let node = start_at(any_port(), local(identity(2)));
    let transport = Papers::new(&Authority::new(), "node-1").transport(1);
    assert_unreachable(echo(&transport, 2, &node, "x").await);
    assert!(node.service.asked.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_waiting_node_shows_the_certificate_of_the_node_it_may_become() {
    let authority = Authority::new();
    let node = Papers::new(&authority, "node-2").node(2);
    for (name, is_welcome) in [("node-4", true), ("client", false)] {
        let papers = Papers::new(&authority, name);
        let newcomer: Tcp<R> = Tcp::new(Arc::new(papers.local(Identity::default())));
        let called = echo(&newcomer, 0, &node, "x").await;
        assert_eq!(called.is_ok(), is_welcome, "{name}: {called:?}");
    }
}

#[tokio::test]
async fn new_certificates_are_used_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let papers = Papers::new(&old, "node-2");
    let node = papers.node(2);
    let (of_old, of_new) = (Papers::new(&old, "node-1"), Papers::new(&new, "node-1"));
    assert_echoed(echo(&of_old.transport(1), 2, &node, "old").await, "old");
    assert_unreachable(echo(&of_new.transport(1), 2, &node, "too early").await);
    new.issue(papers.folder.path(), "node-2");
    papers.tls.reload().expect("good certificates");
    assert_echoed(echo(&of_new.transport(1), 2, &node, "new").await, "new");
    assert_unreachable(echo(&of_old.transport(1), 2, &node, "too late").await);
}

#[tokio::test]
async fn certificates_that_cannot_be_read_leave_the_old_ones_in_use() {
    let authority = Authority::new();
    let papers = Papers::new(&authority, "node-2");
    let node = papers.node(2);
    fs::write(papers.folder.path().join("node.pem"), "not a certificate").expect("written");
    let error = papers.tls.reload().expect_err("nothing to use");
    assert!(matches!(&error, TlsError::File { file, .. } if file.ends_with("node.pem")), "{error}");
    let transport = Papers::new(&authority, "node-1").transport(1);
    assert_echoed(echo(&transport, 2, &node, "x").await, "x");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (authority, folder) = (Authority::new(), TempDir::new().expect("a folder"));
    authority.issue(folder.path(), "node-2");
    let key = KeyPair::generate().expect("a key");
    fs::write(folder.path().join("node.key"), key.serialize_pem()).expect("written");
    let error = Tls::load(files(folder.path())).expect_err("they do not go together");
    assert!(matches!(error, TlsError::Rejected { .. }), "{error}");
}
