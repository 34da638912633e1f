//! Where log lines go: standard error, as text for a person or JSON for a collector. Nobody waits for whoever reads them (`lines`).

mod lines;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::IsTerminal as _;
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{Log, LogFormat};
use crate::limit::LOG_FLUSH_MS;
use lines::{LINES, Queued};

/// Installs the process's logger. Standard output stays free for what was asked for.
pub(crate) fn start(log: Log) {
    // Without a thread for them lines go straight out.
    let writer = match LINES.begin() {
        true => BoxMakeWriter::new(|| Queued),
        false => BoxMakeWriter::new(std::io::stderr),
    };
    std::panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::capture();
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        match trace.status() {
            BacktraceStatus::Captured => end_with(&format_args!("thread '{name}' {panic}\n{trace}")),
            _ => end_with(&format_args!("thread '{name}' {panic}")),
        }
    }));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives(log.level)))
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

/// Writes what this process ends with, after all that was logged, as far as somebody reads.
pub(crate) fn end_with(line: &impl Display) {
    if !LINES.push_last(format!("{line}\n").as_bytes(), Duration::from_millis(LOG_FLUSH_MS)) {
        eprintln!("{line}");
    }
}

/// Waits until all that was logged is written, as far as somebody reads.
pub(crate) fn flush() {
    LINES.flush(Duration::from_millis(LOG_FLUSH_MS));
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
