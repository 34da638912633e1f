//! How many files the process may hold open, which bounds how many clients it can serve.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limit;

/// Raises the soft limit to the hard one. The number of open files that are allowed from now on.
pub(crate) fn raise_limit() -> u64 {
    let current = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: current.maximum, maximum: current.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => current.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            current.current
        }
    };
    // No limit at all.
    now.unwrap_or(u64::MAX)
}

/// The connections to allow: as configured, else as many as open files leave room for. The second value is how many
/// connections the open files really allow, where that is fewer than configured.
pub(crate) fn connections(configured: Option<usize>, files_max: u64) -> (usize, Option<usize>) {
    let reserved = limit::FILES_RESERVED.min(files_max / limit::FILES_RESERVED_PART);
    let room = usize::try_from(files_max - reserved).unwrap_or(usize::MAX).max(1);
    match configured {
        Some(wanted) => (wanted, (wanted > room).then_some(room)),
        None => (room.min(limit::CONNECTIONS_DEFAULT_MAX), None),
    }
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn connections_follow_open_files_unless_configured() {
        assert_eq!(connections(None, 20_000), (19_552, None));
        assert_eq!(connections(None, 1_024), (768, None));
        assert_eq!(connections(None, u64::MAX), (1_000_000, None));
        assert_eq!(connections(None, 10), (8, None));
        assert_eq!(connections(Some(1_000), 20_000), (1_000, None));
        assert_eq!(connections(Some(30_000), 20_000), (30_000, Some(19_552)));
    }
}
