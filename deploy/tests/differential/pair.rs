//! Two servers side by side, asked the same.

use crate::differences::{Difference, Judge, field, name_of, refused_below_deleted};
use crate::generator::{Command, How, Step, words};
use crate::peer::{Connection, Server};
use crate::reply::{Protocol, Reply};

/// Changes what the peer answered: proof that the comparison sees it.
pub(crate) type Tamper = fn(&Command, Reply) -> Reply;

pub(crate) struct Servers {
    reference: Server,
    peer: Server,
    pub(crate) tamper: Option<Tamper>,
}

/// Which server stands beside redis-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sluice,
    Redis,
}

impl Kind {
    /// As the environment says.
    pub(crate) fn chosen() -> Self {
        match std::env::var("SLUICE_DIFF_PEER").as_deref() {
            Err(_) | Ok("sluice") => Self::Sluice,
            Ok("redis") => Self::Redis,
            Ok(other) => panic!("SLUICE_DIFF_PEER is sluice or redis, not {other:?}"),
        }
    }
}

impl Servers {
    pub(crate) fn start(kind: Kind) -> Self {
        let reference = Server::redis("redis-server");
        let peer = match kind {
            Kind::Sluice => Server::sluice(),
            Kind::Redis => Server::redis("the other redis-server"),
        };
        let redis: &[&Server] = if kind == Kind::Redis { &[&reference, &peer] } else { &[&reference] };
        for server in redis {
            let mut connection = server.connect(Protocol::Resp2);
            let info = connection.ask(&words(&["INFO", "server"])).to_string();
            assert!(
                info.contains("redis_version:7.0."),
                "differences.rs compares with Redis 7.0; installed is {info}"
            );
            // See `Difference::Approximate`.
            let configured = connection.ask(&words(&["CONFIG", "SET", "stream-node-max-entries", "1"]));
            assert_eq!(configured, Reply::Simple(b"OK".to_vec()));
        }
        Self { reference, peer, tamper: None }
    }

    pub(crate) fn peer_name(&self) -> &'static str {
        self.peer.name
    }

    /// One command to the peer alone, which must be answered OK.
    pub(crate) fn configure_peer(&self, command: &[&str]) {
        let reply = self.peer.connect(Protocol::Resp2).ask(&words(command));
        assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    }

    /// A connection to each.
    pub(crate) fn connect(&self, protocol: Protocol) -> Pair {
        Pair {
            reference: self.reference.connect(protocol),
            peer: self.peer.connect(protocol),
            judge: Judge::default(),
            tamper: self.tamper,
        }
    }
}

/// Two replies that do not agree, or what came instead of one.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) command: Command,
    pub(crate) reference: String,
    pub(crate) peer: String,
}

/// A connection to each of two servers.
pub(crate) struct Pair {
    pub(crate) reference: Connection,
    pub(crate) peer: Connection,
    pub(crate) judge: Judge,
    tamper: Option<Tamper>,
}

impl Pair {
    /// Sends commands to both, then compares their replies one by one. The position and the replies of the first that differ.
    pub(crate) fn compare(&mut self, commands: &[&Command]) -> Result<(), (usize, Mismatch)> {
        self.reference.send(commands.iter().copied());
        self.peer.send(commands.iter().copied());
        for (at, command) in commands.iter().enumerate() {
            if let Err(mismatch) = self.compare_next(command) {
                if !mismatch.is_silence() {
                    self.skip(commands.len() - at - 1);
                }
                return Err((at, mismatch));
            }
        }
        Ok(())
    }

    /// Reads replies that nobody compares, so that their commands are done before anything is asked on other connections.
    fn skip(&mut self, count: usize) {
        for connection in [&mut self.reference, &mut self.peer] {
            let _ = (0..count).try_for_each(|_| connection.receive().map(drop));
        }
    }

    /// Compares the next replies, which are to this command.
    pub(crate) fn compare_next(&mut self, command: &Command) -> Result<Reply, Mismatch> {
        let (reference, peer) = (self.reference.receive(), self.receive_peer(command));
        if let (Ok(reference), Ok(peer)) = (&reference, &peer)
            && self.judge.agree(command, reference, peer)
        {
            return Ok(peer.clone());
        }
        let shown = |reply: Result<Reply, String>| match reply {
            Ok(reply) => reply.to_string(),
            Err(what) => format!("({what})"),
        };
        Err(Mismatch { command: command.clone(), reference: shown(reference), peer: shown(peer) })
    }

    fn receive_peer(&mut self, command: &Command) -> Result<Reply, String> {
        let reply = self.peer.receive()?;
        Ok(match self.tamper {
            Some(tamper) => tamper(command, reply),
            None => reply,
        })
    }

    /// Runs a step that is not plain.
    pub(crate) fn compare_special(&mut self, step: &Step) -> Result<(), Mismatch> {
        match step.how {
            How::Plain => unreachable!("plain steps are sent in pipelines"),
            How::Scan => self.compare_scan(&step.command),
            How::SetId => self.compare_setid(&step.command),
        }
    }

    /// A whole iteration on each side, see `Difference::ScanOrder`.
    fn compare_scan(&mut self, command: &Command) -> Result<(), Mismatch> {
        let reference = iterate(&mut self.reference, command);
        let tamper = self.tamper;
        let peer = iterate(&mut self.peer, command).map(|reply| match tamper {
            Some(tamper) => tamper(command, reply),
            None => reply,
        });
        self.judge.met[Difference::ScanOrder as usize] += 1;
        if reference == peer && reference.is_ok() {
            return Ok(());
        }
        let shown = |found: Result<Reply, String>| found.map_or_else(|what| what, |found| found.to_string());
        Err(Mismatch { command: command.clone(), reference: shown(reference), peer: shown(peer) })
    }

    /// See `Difference::XsetidBelowDeleted`.
    fn compare_setid(&mut self, command: &Command) -> Result<(), Mismatch> {
        if self.is_below_deleted(command) {
            self.judge.met[Difference::XsetidBelowDeleted as usize] += 1;
            let follows_redis_7_0 = self.peer.name != "sluice";
            if follows_redis_7_0 || command.len() != 3 {
                return Ok(());
            }
            let peer = self.peer.ask(command);
            if peer == refused_below_deleted() {
                return Ok(());
            }
            let reference = format!("(by the rules of 7.2) {}", refused_below_deleted());
            return Err(Mismatch { command: command.clone(), reference, peer: peer.to_string() });
        }
        self.compare(&[command]).map_err(|(_, mismatch)| mismatch)
    }

    /// Whether an XSETID names an id below the highest that was deleted from the stream.
    fn is_below_deleted(&mut self, command: &Command) -> bool {
        let [_, key, id, ..] = command.as_slice() else { return false };
        let info = self.reference.ask(&words(&[&b"XINFO"[..], b"STREAM", key]));
        let Some(Reply::Bulk(deleted)) = field(&info, "max-deleted-entry-id") else { return false };
        match (id_of(id), id_of(deleted)) {
            (Some(id), Some(deleted)) => id < deleted,
            _ => false,
        }
    }

    /// One command on both, whose replies must agree.
    pub(crate) fn both<W: AsRef<[u8]>>(&mut self, command: &[W]) -> Reply {
        let command = words(command);
        self.send(&command);
        self.await_both(&command)
    }

    pub(crate) fn send(&mut self, command: &Command) {
        self.reference.send([command]);
        self.peer.send([command]);
    }

    /// The replies to a command that was sent before, which must agree.
    pub(crate) fn await_both(&mut self, command: &Command) -> Reply {
        self.compare_next(command).unwrap_or_else(|mismatch| panic!("{}", mismatch.text(self.peer.name)))
    }
}

impl Mismatch {
    /// Whether one did not answer at all, or ended.
    pub(crate) fn is_silence(&self) -> bool {
        let is_lost =
            |reply: &&String| reply.starts_with("(no reply") || reply.starts_with("(the connection");
        [&self.reference, &self.peer].iter().any(is_lost)
    }

    pub(crate) fn text(&self, peer: &str) -> String {
        let command = shown(&self.command);
        format!("{command}\n    redis-server: {}\n    {peer}: {}", self.reference, self.peer)
    }
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = command.iter().map(|word| {
        let is_plain =
            !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
        let text = word.escape_ascii().to_string();
        if is_plain { text } else { format!("\"{text}\"") }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What a whole iteration finds, sorted; the reply itself where it is none.
fn iterate(connection: &mut Connection, command: &Command) -> Result<Reply, String> {
    assert_eq!(name_of(command), "SCAN");
    let mut found = Vec::new();
    let mut command = command.clone();
    // Every call may return nothing, but there are not many keys.
    for _ in 0..10_000 {
        connection.send([&command]);
        match connection.receive()? {
            Reply::Array(mut parts) => {
                let (Some(Reply::Array(keys)), Some(Reply::Bulk(cursor)), true) =
                    (parts.pop(), parts.pop(), parts.is_empty())
                else {
                    return Err("not a cursor and keys".to_owned());
                };
                found.extend(keys);
                if cursor == b"0" {
                    found.sort_by_key(Reply::to_string);
                    found.dedup();
                    return Ok(Reply::Array(found));
                }
                command[1] = cursor;
            }
            other => return Ok(other),
        }
    }
    Err("an iteration without an end".to_owned())
}

/// An id as XSETID reads it: white space before a number does not count.
fn id_of(text: &[u8]) -> Option<(u64, u64)> {
    let number = |text: &str| text.trim_ascii_start().parse().ok();
    let text = std::str::from_utf8(text).ok()?;
    match text.split_once('-') {
        Some((milliseconds, sequence)) => Some((number(milliseconds)?, number(sequence)?)),
        None => Some((number(text)?, 0)),
    }
}
