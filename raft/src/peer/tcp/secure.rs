//! A socket to a peer, encrypted where certificates are configured.

use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::CommonState;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::handshake::{Denial, Local};
use super::super::tls::Tls;
use super::stream::Socket;
use crate::types::NodeId;

/// A socket, and what the other side proved.
pub(super) struct Secured {
    pub(super) socket: Box<dyn Socket>,
    pub(super) proof: Proof,
}

/// The certificate that was shown; None where certificates are not configured.
pub(super) struct Proof(Option<(Arc<Tls>, Vec<CertificateDer<'static>>)>);

impl Proof {
    /// Whether the other side may call itself `node`. Without certificates everybody may.
    pub(super) fn check(&self, node: NodeId) -> Result<(), Denial> {
        match &self.0 {
            Some((tls, chain)) => tls.check(chain, node),
            None => Ok(()),
        }
    }
}

/// Opens the calling side.
pub(super) async fn outgoing(stream: TcpStream, local: &Local) -> io::Result<Secured> {
    let Some(tls) = local.tls() else { return Ok(plain(stream)) };
    // The name is not used: which node must be there is known only to the check of the certificate's names.
    let name = ServerName::try_from("sluice").map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls.configs().client).connect(name, stream).await?;
    let chain = chain(stream.get_ref().1);
    Ok(Secured { socket: Box::new(stream), proof: Proof(Some((Arc::clone(tls), chain))) })
}

/// Opens the called side.
pub(super) async fn incoming(stream: TcpStream, local: &Local) -> io::Result<Secured> {
    let Some(tls) = local.tls() else { return Ok(plain(stream)) };
    let stream = TlsAcceptor::from(tls.configs().server).accept(stream).await?;
    let chain = chain(stream.get_ref().1);
    Ok(Secured { socket: Box::new(stream), proof: Proof(Some((Arc::clone(tls), chain))) })
}

fn plain(stream: TcpStream) -> Secured {
    Secured { socket: Box::new(stream), proof: Proof(None) }
}

fn chain(connection: &CommonState) -> Vec<CertificateDer<'static>> {
    let shown = connection.peer_certificates().unwrap_or_default();
    shown.iter().map(|certificate| certificate.clone().into_owned()).collect()
}
