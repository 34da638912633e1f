//! A server with little memory, and what is in it.

use crate::hoarder::{Client, Hoarder, request};
use crate::memory;
use crate::server::{Server, sluice};
use std::time::Duration;

/// The bound, and what a process may take at most with it: the rest of 15 % is for what no client causes.
pub(crate) const MEMORY_MAX: u64 = 256 << 20;
pub(crate) const RESIDENT_MAX: u64 = MEMORY_MAX + MEMORY_MAX * 15 / 100;
/// Bytes of a value near the bound of an argument.
pub(crate) const VALUE_BYTES: usize = 60_000;
/// Entries of a long stream: about 6 MB.
const ENTRIES: usize = 100;
/// Of them, so many in one write: less than the server takes in before it is read from.
const APPENDS_AT_ONCE: usize = 10;
/// Exchanges without any other request between them that show the server at rest.
const AT_REST: usize = 30;
/// How long a whole table may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// The server, with long streams `long:0` to `long:5` in different groups.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) client: Client,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = sluice(&["serve", "--ports", "0", "--workers", "2", "--data"]);
        command.arg(folder.path()).env("SLUICE_MEMORY_MAX", MEMORY_MAX.to_string());
        let server = Server::spawn_for(command, PATIENCE);
        let mut client = Client::new(server.resp);
        let value = vec![b'v'; VALUE_BYTES];
        for stream in 0..6 {
            let key = format!("long:{stream}");
            let append = request(&[b"XADD", key.as_bytes(), b"*", b"f", &value]);
            // Together: each by itself is a sync of the log.
            let mut filled = 0;
            while filled < ENTRIES {
                let more = APPENDS_AT_ONCE.min(ENTRIES - filled);
                client.send(&append.repeat(more));
                for reply in (0..more).map(|_| client.reply()) {
                    let (is_id, is_late) = (reply.starts_with(b"$"), reply.starts_with(b"-NOLEADER"));
                    assert!(is_id || is_late, "{key} is not filled: {}", reply.escape_ascii());
                    filled += usize::from(is_id);
                }
            }
        }
        Stage { server, client, _folder: folder }
    }

    /// A zone, keys with long names, and a group with a long name whose consumers have long names and pending entries.
    pub(crate) fn fill(&mut self) {
        let value = vec![b'v'; VALUE_BYTES];
        let long = |name: String| {
            let mut text = name.into_bytes();
            text.resize(VALUE_BYTES, b'n');
            text
        };
        let group = [b"g".as_slice(), &vec![b'g'; VALUE_BYTES - 1]].concat();
        let client = &mut self.client;
        client.ask(&[b"Q.ZONE", b"SET", b"shop", b"LIMIT", b"5"]);
        for number in 0..100 {
            client.ask(&[b"XADD", &long(format!("key{number}")), b"*", b"f", b"v"]);
        }
        for number in 1..=50 {
            client.ask(&[b"XADD", b"grouped", format!("{number}-1").as_bytes(), b"f", &value]);
        }
        client.ask(&[b"XGROUP", b"CREATE", b"grouped", &group, b"0"]);
        client.ask(&[
            b"XREADGROUP",
            b"GROUP",
            &group,
            b"reader",
            b"COUNT",
            b"10",
            b"STREAMS",
            b"grouped",
            b">",
        ]);
        for number in 0..20 {
            let consumer = long(format!("consumer{number}"));
            client.ask(&[
                b"XREADGROUP",
                b"GROUP",
                &group,
                &consumer,
                b"COUNT",
                b"2",
                b"STREAMS",
                b"grouped",
                b">",
            ]);
        }
    }

    /// Has these taken up as far as they are, while somebody else is answered.
    pub(crate) fn rest(&mut self, hoarders: &mut [Hoarder]) {
        let (mut quiet, mut requests) = (0, 0);
        while quiet < AT_REST {
            let pushed = hoarders.iter_mut().filter_map(|hoarder| hoarder.push().then_some(())).count();
            let now = self.requests();
            quiet = if pushed == 0 && now == requests + 1 { quiet + 1 } else { 0 };
            requests = now;
        }
    }

    fn requests(&mut self) -> u64 {
        let text = String::from_utf8(self.client.ask(&[b"INFO", b"stats"])).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.expect("INFO counts them").parse().expect("a number")
    }

    /// Bytes that the process took at most since the last call.
    pub(crate) fn peak(&self) -> u64 {
        let peak = memory::peak(self.server.id());
        memory::forget_peak(self.server.id());
        peak
    }
}
