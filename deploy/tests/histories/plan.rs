//! How much of everything a run has.

/// One run.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) streams: usize,
    /// Readers of each stream.
    pub(crate) readers: usize,
    pub(crate) writers: usize,
    /// Appends of all writers together.
    pub(crate) appends: u64,
    pub(crate) kills: u64,
}

/// What happens to a stream beside appends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing: its readers miss nothing at all.
    Calm,
    Trimmed,
    Recreated,
    Both,
}

impl Plan {
    pub(crate) fn of_environment() -> Plan {
        Plan {
            seed: number("SEED", 1),
            streams: number("STREAMS", 12) as usize,
            readers: number("READERS", 6) as usize,
            writers: number("WRITERS", 4) as usize,
            appends: number("APPENDS", 1_200),
            kills: number("KILLS", 2),
        }
    }

    /// What reproduces the run, as far as several processes can be.
    pub(crate) fn command(&self) -> String {
        format!(
            "SLUICE_HISTORIES_SEED={} SLUICE_HISTORIES_STREAMS={} SLUICE_HISTORIES_READERS={} \
             SLUICE_HISTORIES_WRITERS={} SLUICE_HISTORIES_APPENDS={} SLUICE_HISTORIES_KILLS={} \
             cargo test -p sluice --test histories",
            self.seed, self.streams, self.readers, self.writers, self.appends, self.kills
        )
    }

    pub(crate) fn fate(stream: usize) -> Fate {
        [Fate::Calm, Fate::Trimmed, Fate::Recreated, Fate::Both][stream % 4]
    }

    pub(crate) fn key(stream: usize) -> String {
        format!("history:{stream}")
    }

    /// The stream of a key.
    pub(crate) fn stream(key: &str) -> usize {
        key.strip_prefix("history:").and_then(|number| number.parse().ok()).expect("a key of this run")
    }
}

fn number(name: &str, usual: u64) -> u64 {
    let name = format!("SLUICE_HISTORIES_{name}");
    match std::env::var(&name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
        Err(_) => usual,
    }
}
