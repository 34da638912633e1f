//! A socket to a peer: always encrypted, and bound to what the two sides prove in it.

use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CommonState, ConnectionCommon, SideData};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::handshake::{Denial, Local};
use super::super::proof::{Binding, EXPORTER_LABEL};
use super::super::tls::Tls;
use super::stream::Socket;
use crate::types::NodeId;

/// An encrypted socket, before anything was said in it.
pub struct Channel {
    /// What is said, in both directions.
    pub socket: Box<dyn Socket>,
    /// What proofs in this channel are bound to.
    pub binding: Binding,
    pub(super) shown: Shown,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

/// The certificate that was shown; None where certificates are not configured.
pub(super) struct Shown(Option<(Arc<Tls>, Vec<CertificateDer<'static>>)>);

impl Shown {
    /// Whether the other side may call itself `node`. Without certificates it is for the proof to say.
    pub(super) fn check(&self, node: NodeId) -> Result<(), Denial> {
        match &self.0 {
            Some((tls, chain)) => tls.check(chain, node),
            None => Ok(()),
        }
    }
}

/// Opens the calling side.
///
/// # Errors
/// Those of the socket, and of TLS.
pub async fn dial(stream: TcpStream, local: &Local) -> io::Result<Channel> {
    // The name is not used: which node must be there is known only to the check of the certificate's names.
    let name = ServerName::try_from("sluice").map_err(io::Error::other)?;
    let stream = TlsConnector::from(local.configs()?.client).connect(name, stream).await?;
    let (binding, shown) = facts(stream.get_ref().1, local)?;
    Ok(Channel { socket: Box::new(stream), binding, shown })
}

/// Opens the called side.
///
/// # Errors
/// Those of the socket, and of TLS.
pub async fn accept(stream: TcpStream, local: &Local) -> io::Result<Channel> {
    let stream = TlsAcceptor::from(local.configs()?.server).accept(stream).await?;
    let (binding, shown) = facts(stream.get_ref().1, local)?;
    Ok(Channel { socket: Box::new(stream), binding, shown })
}

fn facts<D: SideData>(connection: &ConnectionCommon<D>, local: &Local) -> io::Result<(Binding, Shown)> {
    let binding = connection.export_keying_material(Binding::default(), EXPORTER_LABEL, None);
    let shown = Shown(local.tls().map(|tls| (Arc::clone(tls), chain(connection))));
    Ok((binding.map_err(io::Error::other)?, shown))
}

fn chain(connection: &CommonState) -> Vec<CertificateDer<'static>> {
    let shown = connection.peer_certificates().unwrap_or_default();
    shown.iter().map(|certificate| certificate.clone().into_owned()).collect()
}
