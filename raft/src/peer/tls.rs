//! TLS: every connection between nodes is encrypted, with certificates that prove who a node is, or without.
//!
//! With: both sides show one. It must be signed by the configured authority and name the node: `node-<id>` as a DNS name or at the
//! end of a URI (`spiffe://example.org/node-3`), or the one name configured for all nodes. Without: the called side shows one that
//! it made at its start and that says nothing; who the two are is left to [`super::proof`]. TLS 1.3 only, without resumption, so that
//! each connection is checked against the certificates of now.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring::{self, cipher_suite};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};

use super::handshake::Denial;
use crate::types::NodeId;

/// Where the certificates are, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority that signs every node's certificate.
    pub authority: PathBuf,
    /// This node's certificate, then those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// A name that stands for any node of the cluster, where certificates are not made one a node.
    pub peer_name: Option<String>,
}

/// Why certificates cannot be used. Each text is one line that names the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of its kind.
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate, key and authority do not go together.
    Rejected {
        /// The certificate's file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File { file, reason } => write!(f, "{}: {reason}", file.display()),
            TlsError::Rejected { file, reason } => write!(f, "{} cannot be used: {reason}", file.display()),
        }
    }
}

impl std::error::Error for TlsError {}

/// The certificates in use, which may be replaced while the node runs.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Configs>,
}

/// Settings without certificates that anybody signed, made when they are first needed.
#[derive(Default)]
pub(super) struct Unsigned(OnceLock<Result<Configs, String>>);

impl Unsigned {
    pub(super) fn configs(&self) -> io::Result<Configs> {
        let made = self.0.get_or_init(|| unsigned().map_err(|error| error.to_string()));
        made.clone().map_err(io::Error::other)
    }
}

impl fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsigned")
    }
}

/// Both sides' settings, made from the same files at the same time.
#[derive(Clone)]
pub(super) struct Configs {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = RwLock::new(read(&files)?);
        Ok(Tls { files, current })
    }

    /// Reads the files again: connections made from now on use them, those that are open stay as they are.
    ///
    /// # Errors
    /// [`TlsError`]; the certificates that were in use stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.files)?;
        *self.current.write().unwrap_or_else(|broken| broken.into_inner()) = fresh;
        Ok(())
    }

    pub(super) fn configs(&self) -> Configs {
        self.current.read().unwrap_or_else(|broken| broken.into_inner()).clone()
    }

    /// Whether the certificate `chain`, whose signatures were checked, is `node`'s; of a node without an id (0), whether it
    /// is any node's.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>], node: NodeId) -> Result<(), Denial> {
        let refused = |reason: &str| Err(Denial::Certificate(reason.to_owned()));
        let [certificate, ..] = chain else {
            return refused("none was shown");
        };
        let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
            return refused("it cannot be read");
        };
        let mut names = parsed.valid_dns_names().chain(parsed.valid_uri_names());
        if names.any(|name| stands_for(name, node, self.files.peer_name.as_deref())) {
            Ok(())
        } else {
            refused(&format!("it names no node-{node}"))
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stands_for(name: &str, node: NodeId, peer_name: Option<&str>) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    let id = last.strip_prefix("node-").and_then(|id| id.parse::<NodeId>().ok());
    peer_name == Some(name) || id.is_some_and(|id| node == 0 || id == node)
}

/// The cheapest of the ciphers first: a node encrypts all that it logs once for each follower.
fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

/// A certificate that is made now and proves nothing but itself.
fn unsigned() -> Result<Configs, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["sluice".to_owned()])?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = provider();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Signed { roots: None, provider }))
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    client.enable_sni = false;
    Ok(Configs { server: Arc::new(server), client: Arc::new(client) })
}

fn read(files: &TlsFiles) -> Result<Configs, TlsError> {
    let provider = provider();
    let roots = Arc::new(read_roots(&files.authority)?);
    let chain = read_certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| TlsError::File { file: files.key.clone(), reason: error.to_string() })?;
    let rejected = |reason: String| TlsError::Rejected { file: files.certificate.clone(), reason };
    let server = server_config(&provider, &roots, chain.clone(), key.clone_key()).map_err(rejected)?;
    let client = client_config(&provider, roots, chain, key).map_err(rejected)?;
    Ok(Configs { server: Arc::new(server), client: Arc::new(client) })
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |reason: String| TlsError::File { file: file.to_owned(), reason };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() { Err(failed("no certificate in it".to_owned())) } else { Ok(certificates) }
}

fn read_roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(file)? {
        let added = roots.add(certificate);
        added.map_err(|error| TlsError::File { file: file.to_owned(), reason: error.to_string() })?;
    }
    Ok(roots)
}

type Chain = Vec<CertificateDer<'static>>;
type Key = PrivateKeyDer<'static>;

fn server_config(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: Chain,
    key: Key,
) -> Result<ServerConfig, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(chain, key))
        .map_err(|error| error.to_string())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Chain,
    key: Key,
) -> Result<ClientConfig, String> {
    let verifier = Arc::new(Signed { roots: Some(roots), provider: Arc::clone(provider) });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| {
            // Names are checked after the handshake, with the same rule on both sides: see `Tls::check`.
            builder.dangerous().with_custom_certificate_verifier(verifier).with_client_auth_cert(chain, key)
        })
        .map_err(|error| error.to_string())?;
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

/// Accepts a server's certificate that the authority signed, whatever name it has; without an authority, any.
#[derive(Debug)]
struct Signed {
    roots: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn a_certificate_stands_for_the_node_it_names() {
        assert!(stands_for("node-3", 3, None));
        assert!(stands_for("spiffe://example.org/node-3", 3, None));
        assert!(!stands_for("node-3", 4, None));
        assert!(!stands_for("xnode-3", 3, None));
        assert!(!stands_for("node-3.example.org", 3, None));
        assert!(!stands_for("node-3/other", 3, None));
    }

    #[test]
    fn the_configured_name_stands_for_every_node() {
        assert!(stands_for("peers.example.org", 7, Some("peers.example.org")));
        assert!(!stands_for("example.org", 7, Some("peers.example.org")));
    }

    #[test]
    fn a_node_without_an_id_may_show_any_node_s_certificate_and_nothing_else() {
        assert!(stands_for("node-9", 0, None));
        assert!(!stands_for("client", 0, None));
    }
}
