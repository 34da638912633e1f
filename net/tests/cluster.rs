//! What goes on between a running server and the rest of its process: operations on the cluster, whose outcomes come
//! late and from threads that are no workers, readiness, and statistics.

mod support;

use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::node::{self, Options};
use sluice_engine::sequencer::{Event, ProposalId, Role, Sequencer};
use sluice_engine::time::{LogTime, WallMs};
use sluice_net::cluster::{Addresses, Alone, Cluster, Decide, Done, Operation, Status};
use sluice_net::server::{Ports, Server};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Client, config, open, start as serve, value_of};

/// A cluster that leaves every decision to the test.
struct Undecided {
    asked: Mutex<Sender<(Operation, Decide)>>,
    writable: AtomicBool,
    ready: AtomicBool,
}

impl Cluster for Undecided {
    fn status(&self) -> Status {
        Alone::new(6, Addresses::default()).status()
    }

    fn administer(&self, operation: Operation, decide: Decide) {
        self.asked.lock().unwrap().send((operation, decide)).unwrap();
    }

    fn can_write(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

fn start(workers: usize) -> (Server, Arc<Undecided>, Receiver<(Operation, Decide)>) {
    let config = config(|config| config.workers = workers);
    let (directory, owners) = open(&config);
    let (asked, asks) = channel();
    let cluster = Arc::new(Undecided {
        asked: Mutex::new(asked),
        writable: AtomicBool::new(true),
        ready: AtomicBool::new(true),
    });
    let ports = Ports::take(&config).unwrap();
    let server = Server::start_on(ports, config, directory, owners, Arc::clone(&cluster) as _).unwrap();
    (server, cluster, asks)
}

/// A node that has heard nothing of its group yet.
struct Behind;

impl Sequencer for Behind {
    fn propose(&mut self, _: Vec<Command>, _: usize, _: LogTime, _: WallMs) -> Result<ProposalId, Refusal> {
        Err(Refusal::NoLeader { retry_ms: 1 })
    }

    fn next(&mut self) -> Option<Event> {
        None
    }

    fn role(&self) -> Role {
        Role::Follower
    }

    fn lease_age_ms(&self) -> Option<u64> {
        None
    }
}

/// What became of an admission is not said by who cannot know it.
#[test]
fn a_node_that_is_behind_says_of_no_admission_that_it_was_given_up() {
    let leads = serve(config(|_| ()), &[("shop", 5)]);
    let config = config(|_| ());
    let behind = |_, _| Box::new(Behind) as Box<dyn Sequencer>;
    let (directory, owners) =
        node::open(Options::new([7; 16]), Vec::new(), behind, config.clock.now()).unwrap();
    let server = Server::start(config, directory, owners).unwrap();
    let mut there = Client::connect(leads.local_addrs().resp);
    let token = value_of(&there.ask("Q.JOIN shop"), "token");
    assert_eq!(value_of(&there.ask(&format!("Q.POLL shop {token}")), "state"), "admitted");
    let mut http = Client::connect(server.local_addrs().http);
    let refused = http.call("DELETE", &format!("/v1/zones/shop/tokens/{token}"));
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"NOLEADER".into()), "{refused:?}");
    let refused = Client::connect(server.local_addrs().resp).ask(&format!("Q.LEAVE shop {token}"));
    assert!(refused.starts_with("-NOLEADER"), "{refused}");
}

#[test]
fn outcomes_find_their_place_among_the_replies() {
    let (server, _, asks) = start(2);
    let mut client = Client::connect(server.local_addrs().resp);
    client.send("RAFT PROMOTE 2\r\nPING\r\nRAFT ADD-LEARNER * a:1\r\nRAFT REMOVE 3\r\n");
    let (promote, add, remove) = (asks.recv().unwrap(), asks.recv().unwrap(), asks.recv().unwrap());
    assert_eq!(promote.0, Operation::Promote { node: 2 });
    assert_eq!(add.0, Operation::AddLearner { node: None, peer: "a:1".to_owned() });
    drop(remove);
    add.1.tell(Ok(Done { message: "added".to_owned(), node: Some(9) }));
    promote.1.tell(Ok(Done { message: "promoted".to_owned(), node: None }));
    let expected = "+OK\r\n+PONG\r\n:9\r\n-LOST nobody can say";
    assert_eq!(client.take(expected.len()), expected.as_bytes());
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
}

#[test]
fn an_outcome_for_nobody_is_dropped() {
    let (server, _, asks) = start(1);
    let mut gone = Client::connect(server.local_addrs().resp);
    gone.send("RAFT PROMOTE 2\r\n");
    let (_, decide) = asks.recv().unwrap();
    drop(gone);
    decide.tell(Ok(Done { message: "promoted".to_owned(), node: None }));
    let mut client = Client::connect(server.local_addrs().resp);
    assert_eq!(client.ask("PING"), "+PONG\r\n");
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
}

#[test]
fn operations_under_way_are_bounded() {
    let (server, _, asks) = start(1);
    let mut client = Client::connect(server.local_addrs().resp);
    let most = sluice_net::limit::OPERATIONS_MAX;
    client.send("RAFT SNAPSHOT\r\n".repeat(most + 1));
    let begun: Vec<_> = (0..most).map(|_| asks.recv().unwrap()).collect();
    for (_, decide) in begun {
        decide.tell(Ok(Done { message: "written".to_owned(), node: None }));
    }
    let expected = "+OK\r\n".repeat(most) + "-BUSY ";
    assert_eq!(client.take(expected.len()), expected.as_bytes());
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
}

#[test]
fn readiness_for_polls_needs_no_leader() {
    let (server, cluster, _asks) = start(1);
    let mut client = Client::connect(server.local_addrs().http);
    let mut status = |path| client.call("GET", path).status;
    assert_eq!((status("/readyz"), status("/readyz?for=writes")), (200, 200));
    cluster.writable.store(false, Ordering::Release);
    assert_eq!(
        (status("/readyz"), status("/readyz?for=polls"), status("/readyz?for=writes")),
        (200, 200, 503)
    );
    cluster.ready.store(false, Ordering::Release);
    assert_eq!((status("/healthz"), status("/readyz")), (200, 503));
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
}

#[test]
fn ports_that_are_taken_refuse_until_they_are_open() {
    let config = config(|_| ());
    let ports = Ports::take(&config).unwrap();
    let at = ports.local_addrs();
    for address in [at.resp, at.http] {
        assert_ne!(address.port(), 0);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn statistics_are_told_zone_by_zone() {
    let server = serve(config(|config| config.workers = 2), &[("a", 1), ("b", 2), ("c", 3)]);
    let mut client = Client::connect(server.local_addrs().resp);
    client.ask("Q.JOIN b");
    client.ask("Q.JOIN b");
    client.ask("Q.JOIN b");
    let observer = server.observer();
    let mut told = Vec::new();
    for (group, zones) in observer.zones() {
        let (sender, taken) = channel();
        observer.survey(group, zones, Box::new(move |stats| sender.send(stats).unwrap()));
        told.extend(taken.recv().unwrap());
    }
    told.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    let shown: Vec<_> = told
        .iter()
        .map(|(zone, stats)| (zone.as_str(), stats.limit, stats.joined_total, stats.waiting))
        .collect();
    assert_eq!(shown, [("a", 1, 0, 0), ("b", 2, 3, 1), ("c", 3, 0, 0)]);
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
    assert!(!observer.is_ready());
}
