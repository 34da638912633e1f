//! The shape of the command line. Help texts here are what `--help` prints.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::cluster::ClusterArgs;
use super::key::{KeyArgs, PassArgs};
use super::stream::StreamArgs;
use super::zone::ZoneArgs;
use crate::config::Layer;

/// A waiting room: holds the traffic to a zone at a limit, first come first served.
#[derive(Parser, Debug)]
#[command(name = "sluice", version = env!("BUILD_VERSION"), args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Without a subcommand the server starts.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start the server
    Serve(ServeArgs),
    /// Zones of a running server
    Zone(ZoneArgs),
    /// Streams of a running server, and their namespaces
    Stream(StreamArgs),
    /// Keys that sign passes
    Key(KeyArgs),
    /// Passes of the admitted
    Pass(PassArgs),
    /// The cluster of a running node
    Cluster(ClusterArgs),
    /// Look at configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Say whether a server would start with this file, and if not, why
    Check {
        /// The file to read
        file: PathBuf,
    },
}

/// Flags win over `SLUICE_*` variables, which win over the file.
#[derive(Args, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for identity, log and snapshots [default: sluice-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// First of four consecutive ports: RESP, HTTP, admin, peer; 0 takes any free ones [default: 7379]
    #[arg(long, value_name = "BASE")]
    ports: Option<String>,
    /// Where to serve RESP [default: 127.0.0.1:7379]
    #[arg(long, value_name = "ADDR")]
    resp: Option<String>,
    /// Where to serve HTTP [default: 127.0.0.1:7380]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where to serve health, metrics and administration [default: 127.0.0.1:7381]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// Where to serve the other nodes of the cluster; a lone node serves none unless this is given [default: 127.0.0.1:7382]
    #[arg(long, value_name = "ADDR")]
    peer: Option<String>,
    /// Found no cluster: wait to be added to the one of which a node's peer port is here
    #[arg(long, value_name = "ADDR")]
    join: Option<String>,
    /// File with the join secret of that cluster: each member has it in its data folder, node/join-secret
    #[arg(long, value_name = "FILE")]
    join_secret: Option<String>,
    /// Threads that serve clients [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Memory to use: a size such as 2GiB, or a share of what there is such as 50% [default: 75%]
    #[arg(long, value_name = "SIZE")]
    memory_max: Option<String>,
    /// Listen beyond this machine without credentials
    #[arg(long)]
    insecure: bool,
}

impl ServeArgs {
    /// The flags that were given, as the topmost layer of the configuration.
    pub(crate) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        layer.push_flag("--data", "data_dir", self.data.as_deref());
        layer.push_flag("--ports", "ports", self.ports.as_deref());
        layer.push_flag("--resp", "listen.resp", self.resp.as_deref());
        layer.push_flag("--http", "listen.http", self.http.as_deref());
        layer.push_flag("--admin", "listen.admin", self.admin.as_deref());
        layer.push_flag("--peer", "listen.peer", self.peer.as_deref());
        layer.push_flag("--join", "node.join", self.join.as_deref());
        layer.push_flag("--join-secret", "cluster.join_secret_file", self.join_secret.as_deref());
        layer.push_flag("--workers", "workers", self.workers.as_deref());
        layer.push_flag("--memory-max", "memory_max", self.memory_max.as_deref());
        layer.push_flag("--insecure", "insecure", self.insecure.then_some("true"));
        layer
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::{CommandFactory as _, Parser as _};

    fn parse(line: &str) -> Option<Command> {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}")).command
    }

    #[test]
    fn the_shape_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_command_is_recognised_and_none_means_serve() {
        assert!(parse("sluice").is_none());
        assert!(parse("sluice --ports 8000 --insecure").is_none());
        assert!(matches!(parse("sluice serve --resp 127.0.0.1:1"), Some(Command::Serve(_))));
        assert!(matches!(parse("sluice zone list --resp 127.0.0.1:1"), Some(Command::Zone(_))));
        assert!(matches!(parse("sluice zone set shop --limit 60"), Some(Command::Zone(_))));
        assert!(matches!(parse("sluice stream len s"), Some(Command::Stream(_))));
        assert!(matches!(parse("sluice cluster init --expect 3"), Some(Command::Cluster(_))));
        assert!(matches!(parse("sluice config check a.toml"), Some(Command::Config(_))));
    }
}
