//! Where log lines go: standard error, as text for a person or JSON for a collector.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Installs the process's logger. Standard output stays free for what was asked for.
pub(crate) fn start(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives(log.level)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// The consensus library tells every step of every group, and warns each time that a lost node does not answer: that is
/// for those who look for a defect.
fn directives(level: Level) -> String {
    match level {
        Level::ERROR | Level::WARN | Level::INFO => format!("{level},openraft=error"),
        _ => level.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::directives;
    use tracing::Level;

    #[test]
    fn the_library_is_quiet_until_somebody_looks_for_a_defect() {
        assert_eq!(directives(Level::INFO), "INFO,openraft=error");
        assert_eq!(directives(Level::DEBUG), "DEBUG");
    }
}
