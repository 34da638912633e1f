//! How the node is set up: its folder, its addresses, its certificates.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sluice_net::cluster::Addresses;
use sluice_net::server::LocalAddrs;
use sluice_raft::node::{Drawn, ServerConfig as NodeConfig, Timing};
use sluice_raft::peer::{Tls, TlsError, TlsFiles};
use sluice_raft::secret::JoinSecret;
use sluice_raft::types::Member;

use super::error::StartError;
use super::{random, removal::Removal, signal};
use crate::config::{Config, PeerFiles};
use crate::{limit, log};

/// The exit code of a node whose disk failed it.
const FAILED_EXIT: i32 = 1;

/// Where this node is reached: clients' and admin ports are bound already, the peer port is settled here.
pub(super) fn addresses(
    config: &Config,
    clients: LocalAddrs,
    admin: SocketAddr,
) -> Result<(Addresses, SocketAddr), StartError> {
    let peer = settle(config.listen.peer).map_err(|why| StartError::Peer { at: config.listen.peer, why })?;
    let addresses = Addresses {
        resp: config.advertised(clients.resp),
        http: config.advertised(clients.http),
        admin: config.advertised(admin),
        peer: config.advertised(peer),
    };
    Ok((addresses, peer))
}

/// Port 0 becomes a free one: it is told to other nodes before anybody listens there.
fn settle(address: SocketAddr) -> io::Result<SocketAddr> {
    if address.port() != 0 { Ok(address) } else { TcpListener::bind(address)?.local_addr() }
}

/// The node's configuration. Its certificates are read again whenever the process is told to (SIGHUP).
pub(super) fn node_config(
    config: &Config,
    addresses: &Addresses,
    listen: SocketAddr,
    removal: &Arc<Removal>,
    memory_max: u64,
) -> Result<NodeConfig, StartError> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(NodeConfig {
        folder: config.data_dir.clone(),
        listen,
        listens_alone: config.listens_alone(),
        member: Member {
            peer: addresses.peer.clone(),
            resp: addresses.resp.clone(),
            http: addresses.http.clone(),
            admin: addresses.admin.clone(),
        },
        tls: tls(config)?,
        snapshot_bytes: config.node.snapshot_bytes,
        cache_bytes: (memory_max / limit::LOG_CACHE_PART).min(limit::LOG_CACHE_BYTES_MAX),
        join: config.node.join.clone(),
        join_secret: join_secret(config)?,
        groups: config.cluster.groups,
        epoch: wall_ms(),
        timing: Timing {
            heartbeat_ms: millis(config.cluster.heartbeat),
            election_ms_min: millis(config.cluster.election_min),
            election_ms_max: millis(config.cluster.election_max),
        },
        drawn: Drawn {
            cluster: u128::from_le_bytes(random::bytes()?),
            secret: random::bytes()?,
            join_secret: random::bytes()?,
            salt: u64::from_le_bytes(random::bytes()?),
            later: Arc::new(|| random::bytes().ok()),
            process: u64::from_le_bytes(random::bytes()?),
        },
        on_removed: removal.noted(),
        on_failure: Box::new(|why| {
            // Nothing may be acknowledged any more, and nothing here can mend it.
            log::end_with(&format_args!("sluice: {why}"));
            std::process::exit(FAILED_EXIT);
        }),
    })
}

/// The configured one. A node that is to join needs one, or a certificate, before it does anything.
fn join_secret(config: &Config) -> Result<Option<JoinSecret>, StartError> {
    let Some(path) = &config.cluster.join_secret_file else { return Ok(None) };
    let named = || config.named("cluster.join_secret_file", path);
    let failed = |why: String| StartError::JoinSecret { named: named(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    JoinSecret::parse(&text).map(Some).map_err(|error| failed(error.to_string()))
}

fn tls(config: &Config) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(PeerFiles { certificate, key, ca }) = config.peer_tls.files() else { return Ok(None) };
    let files = TlsFiles {
        authority: ca.clone(),
        certificate: certificate.clone(),
        key: key.clone(),
        peer_name: config.peer_tls.name.clone(),
    };
    let refused = |error: TlsError| {
        let (TlsError::File { file, reason: why } | TlsError::Rejected { file, reason: why }) = error;
        let key = match &file {
            file if file == key => "tls.peers.key",
            file if file == ca => "tls.peers.ca",
            _ => "tls.peers.certificate",
        };
        StartError::Tls { named: config.named(key, &file), why }
    };
    let tls = Arc::new(Tls::load(files).map_err(refused)?);
    let again = Arc::clone(&tls);
    signal::on_hangup(move || match again.reload() {
        Ok(()) => tracing::info!("the certificates for peers were read again"),
        Err(error) => tracing::error!(%error, "the certificates for peers stay as they were"),
    })
    .map_err(StartError::Signals)?;
    Ok(Some(tls))
}

/// Log time of a cluster that is founded now.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
