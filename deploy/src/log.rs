//! Where log lines go: standard error, as text for a person or JSON for a collector.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};

/// Installs the process's logger. Standard output stays free for what was asked for.
pub(crate) fn start(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(log.level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
