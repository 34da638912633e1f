//! What the stories are told with: two servers, one who writes, and readers that may block.

use crate::generator::{Command, words};
use crate::pair::{Kind, Pair, Servers};
use crate::peer::{Connection, eventually};
use crate::reply::{Protocol, Reply};

pub(crate) struct Stage {
    pub(crate) servers: Servers,
    pub(crate) kind: Kind,
    pub(crate) protocol: Protocol,
    /// Never blocks.
    pub(crate) writer: Pair,
}

impl Stage {
    /// Tells a story once in each protocol, beginning without keys.
    pub(crate) fn tell(story: fn(&mut Stage)) {
        let kind = Kind::chosen();
        let mut servers = Servers::start(kind);
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let writer = servers.connect(protocol);
            let mut stage = Self { servers, kind, protocol, writer };
            stage.ask("FLUSHALL");
            story(&mut stage);
            stage.blocked(0);
            servers = stage.servers;
        }
    }

    /// One more connection to each server.
    pub(crate) fn reader(&self) -> Pair {
        self.servers.connect(self.protocol)
    }

    /// The writer asks both; the replies have to agree. Words are separated by spaces.
    pub(crate) fn ask(&mut self, command: &str) -> Reply {
        self.writer.both(&parts(command))
    }

    /// A reader that both servers have seen block with this command.
    pub(crate) fn reader_blocked(&mut self, command: &str, blocked: usize) -> Blocked {
        let mut pair = self.reader();
        let command = words(&parts(command));
        pair.send(&command);
        self.blocked(blocked);
        Blocked { pair, command }
    }

    /// Waits until so many clients block on each server.
    pub(crate) fn blocked(&mut self, count: usize) {
        let expected = format!("blocked_clients:{count}\r\n");
        for connection in [&mut self.writer.reference, &mut self.writer.peer] {
            let what = format!("{count} blocked clients of {}", connection.name);
            eventually(&what, || information(connection, "clients").contains(&expected).then_some(()));
        }
    }
}

pub(crate) struct Blocked {
    pub(crate) pair: Pair,
    pub(crate) command: Command,
}

impl Blocked {
    /// The reply on both, which must come and agree.
    pub(crate) fn woken(&mut self) -> String {
        self.pair.await_both(&self.command).to_string()
    }
}

fn parts(command: &str) -> Vec<&str> {
    command.split(' ').collect()
}

fn information(connection: &mut Connection, section: &str) -> String {
    match connection.ask(&words(&["INFO", section])) {
        Reply::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        // RESP3: behind `txt:`.
        Reply::Verbatim(text) => String::from_utf8_lossy(&text[4..]).into_owned(),
        other => panic!("{} answers INFO with {other}", connection.name),
    }
}
