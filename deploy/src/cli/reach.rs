//! Which server an operator means, and as whom.

use std::net::SocketAddr;

use clap::Args;

use super::wire::{Connection, Login, WireError};

/// Where the server is, who asks, and how the answer is shown.
#[derive(Args, Debug)]
pub(super) struct Reach {
    /// The server's RESP address
    #[arg(id = "server", long = "resp", global = true, value_name = "ADDR")]
    #[arg(env = "SLUICE_RESP", default_value = "127.0.0.1:7379")]
    pub(super) server: SocketAddr,
    /// User to log in as [default: default]
    #[arg(long, global = true, env = "SLUICE_USER")]
    user: Option<String>,
    /// Password; better in the environment, where other users of this machine do not see it
    #[arg(long, global = true, env = "SLUICE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Reach {
    /// A connection, greeted and logged in.
    pub(super) fn open(&self) -> Result<Connection, WireError> {
        let login = Login { user: self.user.clone(), password: self.password.clone() };
        Connection::open(self.server, &login)
    }
}
