//! Why a log cannot be opened, in words that say what to do.

use std::cmp::Ordering;
use std::fmt;
use std::io;

/// What the operator of a node does when its data cannot be trusted.
pub(crate) const CURE: &str = "restore this node from its peers: remove it from the cluster and add it again under a new node id \
                               with an empty data folder; a node without peers: put the whole data folder back from a backup, \
                               or move it away to begin anew and lose what it held";

/// Why a log or a snapshot cannot be opened. Each is one line that says what to do.
#[derive(Debug)]
pub enum LogError {
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
    /// Bytes that were durable are not what was written.
    Corrupt {
        /// The file, in the data folder.
        file: String,
        /// Where in it, bytes.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A later version of the program wrote this.
    Newer {
        /// The file, in the data folder.
        file: String,
        /// Its format.
        format: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// A version of the program before the first that this one can read wrote this.
    Older {
        /// The file, in the data folder.
        file: String,
        /// Its format.
        format: u32,
        /// The oldest format that this program reads.
        known: u32,
    },
    /// The file belongs to another node or another cluster.
    Foreign {
        /// The file, in the data folder.
        file: String,
        /// Whose it is, and whose it should be.
        what: String,
    },
    /// The log is not all that this node has acknowledged.
    Short {
        /// The file, in the data folder.
        file: String,
        /// What is wrong with it.
        what: String,
    },
}

impl LogError {
    /// Whether a whole file of this format can be read by a program that knows one only.
    pub(crate) fn check_format(file: &str, format: u32, known: u32) -> Result<(), LogError> {
        let file = file.to_owned();
        match format.cmp(&known) {
            Ordering::Greater => Err(LogError::Newer { file, format, known }),
            Ordering::Less => Err(LogError::Older { file, format, known }),
            Ordering::Equal => Ok(()),
        }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> LogError {
        let doing = doing.into();
        move |error| LogError::Io { doing, error }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Io { doing, error } => write!(f, "{doing}: {error}"),
            LogError::Corrupt { file, offset, what } => {
                write!(f, "{file} is damaged at byte {offset} ({what}); {CURE}")
            }
            LogError::Newer { file, format, known } => write!(
                f,
                "{file} has format {format}, this program reads up to {known}; start the newer program that wrote it"
            ),
            LogError::Older { file, format, known } => write!(
                f,
                "{file} has format {format}, this program reads from {known} on; start the older program that wrote it"
            ),
            LogError::Foreign { file, what } => {
                write!(f, "{file} {what}; point this node at its own data folder")
            }
            LogError::Short { file, what } => write!(
                f,
                "{file} {what}: entries that this node acknowledged are missing; put the newest files back into log/, or, to \
                 go on without those entries, run `sluice cluster accept-loss` for this folder"
            ),
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
