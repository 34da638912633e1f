//! Nothing that changes or reveals state is open to other machines unless somebody is asked who they are.

use std::net::SocketAddr;

use super::{Config, ConfigError};

/// Refuses listeners beyond loopback that no credentials guard. HTTP zone calls are anonymous by design; its streams
/// ask for writer tokens themselves.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let listen = &config.listen;
    let guarded = [
        (
            "listen.resp",
            listen.resp,
            config.auth.resp_users.is_some(),
            "name a file of users in auth.resp_users, or start with --insecure",
        ),
        (
            "listen.admin",
            listen.admin,
            config.auth.admin_tokens.is_some(),
            "name a file of tokens in auth.admin_tokens, or start with --insecure",
        ),
        (
            "listen.peer",
            listen.peer,
            config.peer_tls.files().is_some(),
            "peers beyond loopback need mutual TLS: name certificate, key and ca in [tls.peers], or start with --insecure",
        ),
    ];
    let is_open = |address: SocketAddr| !address.ip().is_loopback();
    let exposed = guarded.into_iter().find(|(_, address, guarded, _)| is_open(*address) && !guarded);
    match exposed {
        Some((key, address, _, remedy)) if !config.insecure => {
            Err(ConfigError::Exposed { key, address: address.to_string(), remedy })
        }
        _ => Ok(()),
    }
}
