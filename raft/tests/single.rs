//! One node, one voter, on a real disk: what was acknowledged is there after a start.

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::id::Ticket;
use sluice_engine::node::{Options, open};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Sequencer;
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use sluice_raft::node::{Drawn, Server, ServerConfig, Timing, limit};
use sluice_raft::types::Member;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const GROUPS: u16 = 2;
const ZONE: &[u8] = b"shop";
/// A story that takes longer has gone wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server whose owners are driven by the test's own thread.
struct Run {
    server: Server,
    directory: Arc<Directory>,
    owners: Vec<Owner>,
    rung: Receiver<()>,
    start: Instant,
}

fn config(folder: &Path) -> ServerConfig {
    ServerConfig {
        folder: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        snapshot_bytes: limit::SNAPSHOT_BYTES,
        member: Member { peer: "127.0.0.1:1".to_owned(), ..Member::default() },
        groups: GROUPS,
        epoch: 1_000,
        timing: Timing::default(),
        drawn: Drawn { cluster: 7, secret: [3; 16], salt: 11 },
        on_failure: Box::new(|reason| panic!("the node failed: {reason}")),
    }
}

impl Run {
    fn start(folder: &Path) -> Run {
        let (server, ports) = Server::start(config(folder)).unwrap();
        let identity = server.node().identity();
        let options = Options {
            groups: identity.groups,
            epoch: LogTime(identity.epoch),
            ..Options::new(identity.secret)
        };
        let mut ports = ports.into_iter();
        let next = |_, _| Box::new(ports.next().unwrap()) as Box<dyn Sequencer>;
        let (directory, owners) = open(options, vec![], next, MonoMs(0)).unwrap();
        let (ring, rung) = sync_channel(1);
        for owner in &owners {
            let ring = ring.clone();
            server.node().set_waker(owner.group(), Box::new(move || _ = ring.try_send(())));
        }
        Run { server, directory, owners, rung, start: Instant::now() }
    }

    fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    /// Drives the owners until `done`.
    fn drive(&mut self, mut done: impl FnMut(&mut Run) -> bool) {
        while !done(self) {
            assert!(self.start.elapsed() < PATIENCE, "still waiting");
            let now = self.now();
            self.owners.iter_mut().for_each(|owner| owner.turn(now));
            let _ = self.rung.recv_timeout(Duration::from_millis(10));
        }
    }

    fn replies(&mut self) -> Vec<(Ticket, Reply)> {
        let mut replies = vec![];
        self.owners.iter_mut().for_each(|owner| owner.drain_replies(&mut replies));
        replies
    }

    fn ask(&mut self, submit: impl Fn(&mut Owner, &Directory)) -> Reply {
        self.drive(|run| run.server.node().is_ready() && run.server.node().can_write());
        let group = self.directory.group_of(ZONE);
        submit(&mut self.owners[usize::from(group.0)], &self.directory);
        let mut reply = None;
        self.drive(|run| {
            reply = run.replies().pop();
            reply.is_some()
        });
        reply.unwrap().1
    }
}

fn create(owner: &mut Owner, _: &Directory) {
    let patch = Box::new(ZonePatch { limit: Some(60), ..ZonePatch::default() });
    owner.submit(Command::ZoneSet { name: ZoneName::parse(ZONE).unwrap(), patch }, Ticket(1)).unwrap();
}

fn join(owner: &mut Owner, directory: &Directory) {
    owner.join(directory.zone(ZONE).unwrap(), None, None, Ticket(2)).unwrap();
}

#[test]
fn what_was_acknowledged_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Run::start(folder.path());
    assert_eq!(first.ask(create), Reply::ZoneSet { created: true });
    let mut tokens = Vec::new();
    for _ in 0..100 {
        let Reply::Place { token, .. } = first.ask(join) else { panic!("no place") };
        tokens.push(first.directory.text(&token).unwrap());
    }
    let hashes: Vec<u64> = first.owners.iter().map(Owner::state_hash).collect();
    let applied: Vec<u64> = first.owners.iter().map(Owner::applied).collect();
    first.server.stop();

    let mut second = Run::start(folder.path());
    second.drive(|run| run.server.node().is_ready());
    let again: Vec<u64> = second.owners.iter().map(Owner::applied).collect();
    assert!(
        again.iter().zip(&applied).all(|(again, before)| again >= before),
        "I3: {again:?} after {applied:?}"
    );
    if again == applied {
        let again: Vec<u64> = second.owners.iter().map(Owner::state_hash).collect();
        assert_eq!(again, hashes, "I9");
    }
    let guard = Directory::pin();
    for token in &tokens {
        let polled = second.directory.poll(&guard, ZONE, token.as_bytes(), second.now());
        assert!(polled.is_ok(), "I3: a place is gone: {polled:?}");
    }
    let Reply::Place { .. } = second.ask(join) else { panic!("no place after a start") };
    second.server.stop();
}
