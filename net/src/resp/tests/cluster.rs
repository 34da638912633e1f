//! The cluster's views, and what its commands ask. The views are of three nodes, one of them cut off, and a fourth
//! that waits; the first leads four of six groups.

use super::fixture::Fixture;
use crate::cluster::{
    Addresses, Clocks, Cluster, Decide, Group, Log, Member, Operation, Part, Progress, Refused, Secret,
    Standing, Status,
};
use crate::request::{Answer, Request, RequestKind};
use crate::resp::command::encode_answer;
use crate::resp::encode::Proto;

/// Three nodes as the first of them sees them.
struct Three;

const CLUSTER: &str = "00112233445566778899aabbccddeeff";

impl Cluster for Three {
    fn status(&self) -> Status {
        let node = |id: u64, part, reachable| Member {
            id,
            part,
            addresses: Addresses {
                resp: format!("10.0.0.{id}:7379"),
                peer: format!("10.0.0.{id}:7382"),
                ..Addresses::default()
            },
            reachable: Some(reachable),
            heard_ms: Some(id * 100),
            disk_full: false,
            behind: false,
        };
        let progress = |matched| Progress { node: 2, matched };
        let group = |id: u16| Group {
            id,
            leader: [Some(1), Some(1), Some(2), None, Some(1), Some(1)][usize::from(id)],
            term: 7,
            last_log: 50,
            committed: 49,
            applied: 48,
            snapshot: (id == 0).then_some(40),
            log_bytes: 900,
            progress: if id < 2 { vec![progress(Some(45))] } else { Vec::new() },
            joint: if id == 1 { vec![vec![1, 2], vec![1, 2, 3]] } else { Vec::new() },
        };
        Status {
            cluster: CLUSTER.to_owned(),
            format: 1,
            node: 1,
            nodes: vec![
                node(1, Part::Voter, true),
                node(2, Part::Voter, true),
                node(3, Part::Learner, false),
                node(0, Part::Waiting, true),
            ],
            groups: (0..6).map(group).collect(),
            operation: None,
            log: Log::default(),
            clocks: Clocks::default(),
            standing: Standing::Member,
            refused_messages: 0,
            secret: Secret { number: 1, waits_for: Vec::new() },
        }
    }

    fn administer(&self, _: Operation, decide: Decide) {
        decide.tell(Err(Refused::new("QUORUM", "would lose quorum: 2 of 3 are down")));
    }

    fn can_write(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }
}

fn three() -> Fixture {
    Fixture { cluster: Box::new(Three), ..Fixture::open() }
}

/// Replies without the lengths of their strings, which say nothing here.
fn said(line: &str) -> String {
    let reply = three().says(format!("{line}\r\n").as_bytes());
    let lines = reply.split("\r\n").filter(|line| !line.starts_with('$'));
    lines.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

const FIRST: &str = "00112233445566778899aabb0000000000000001";
const SECOND: &str = "00112233445566778899aabb0000000000000002";
const THIRD: &str = "00112233445566778899aabb0000000000000003";

#[test]
fn nodes_are_listed_with_the_slots_they_lead() {
    assert_eq!(said("cluster myid"), FIRST);
    let expected = format!(
        "{FIRST} 10.0.0.1:7379@7382 myself,master - 0 0 7 connected 0-2730 2731-5461 10923-13653 13654-16383\n\
         {SECOND} 10.0.0.2:7379@7382 master - 0 1699999999800 7 connected 5462-8191\n\
         {THIRD} 10.0.0.3:7379@7382 slave,fail? {FIRST} 0 1699999999700 0 disconnected"
    );
    assert_eq!(said("cluster nodes").trim_end(), expected);
}

#[test]
fn slots_without_a_leader_are_not_served() {
    let info = said("cluster info");
    for line in ["state:fail", "slots_ok:13653", "slots_fail:2731", "known_nodes:3", "size:2", "my_epoch:7"] {
        assert!(info.split(' ').any(|said| said == format!("cluster_{line}")), "{line} not in {info}");
    }
    let slots = said("cluster slots");
    assert!(
        slots.starts_with(&format!("*5 *5 :0 :2730 *4 10.0.0.1 :7379 {FIRST} *0 *4 10.0.0.2")),
        "{slots}"
    );
    assert!(!slots.contains(":8192"), "{slots}");
    assert!(slots.contains(&format!(":5462 :8191 *4 10.0.0.2 :7379 {SECOND} *0 *4 10.0.0.1")), "{slots}");
}

#[test]
fn shards_name_master_and_replicas() {
    let shards = said("cluster shards");
    let first = format!(
        "*6 *4 slots *2 :0 :2730 nodes *3 *14 id {FIRST} port :7379 ip 10.0.0.1 endpoint 10.0.0.1 role master \
         replication-offset :50 health online *14 id {SECOND} port :7379 ip 10.0.0.2 endpoint 10.0.0.2 role replica \
         replication-offset :45 health online *14 id {THIRD} port :7379 ip 10.0.0.3 endpoint 10.0.0.3 role replica \
         replication-offset :0 health fail *4 slots"
    );
    assert!(shards.starts_with(&first), "{shards}");
}

#[test]
fn a_key_has_the_slot_that_redis_gives_it() {
    for (key, slot) in [("x", 16_287), ("a{b}c", 3_300), ("shop", 3_808)] {
        assert_eq!(said(&format!("cluster keyslot {key}")), format!(":{slot}"));
    }
}

#[test]
fn the_status_tells_nodes_and_groups() {
    let status = said("raft status");
    let head = format!("*12 cluster {CLUSTER} format :1 node :1 nodes *4 *22 id :1 role voter reachable :1");
    assert!(status.starts_with(&head), "{status}");
    for part in [
        "id :3 role learner reachable :0 heard_ms :300 leads :0 resp 10.0.0.3:7379",
        "id :0 role waiting",
        "groups *6 *20 id :0 leader :1 term :7 last_log :50 committed :49 applied :48 snapshot :40 log_bytes :900 \
         progress *2 2 :45 joint *0",
        "joint *2 *2 :1 :2 *3 :1 :2 :3",
        "*20 id :3 leader term :7",
    ] {
        assert!(status.contains(part), "{part} not in {status}");
    }
}

#[test]
fn information_lists_the_other_nodes() {
    let info = said("info replication");
    for line in [
        "role:master",
        "connected_slaves:1",
        "slave0:ip=10.0.0.2,port=7379,state=online,offset=90,lag=0",
        "master_repl_offset:200",
        "groups_led:4",
        "group3:leader=none,term=7,last_log=50,committed=49,applied=48",
    ] {
        assert!(info.split(' ').any(|said| said == line), "{line} not in {info}");
    }
}

fn asks(line: &str, operation: Operation) {
    let expected = Request::Administer(Box::new(operation));
    three().expect(format!("{line}\r\n").as_bytes(), &expected, RequestKind::Administer);
}

#[test]
fn operators_change_the_cluster() {
    let peer = || "10.0.0.4:7382".to_owned();
    asks("raft add-learner 4 10.0.0.4:7382", Operation::AddLearner { node: Some(4), peer: peer() });
    asks("RAFT ADD-LEARNER 0 10.0.0.4:7382", Operation::AddLearner { node: None, peer: peer() });
    asks("raft add-learner * 10.0.0.4:7382", Operation::AddLearner { node: None, peer: peer() });
    asks("raft promote 4", Operation::Promote { node: 4 });
    asks("raft remove 2", Operation::Remove { node: 2 });
    asks("raft transfer 3 2", Operation::Transfer { group: Some(3), node: 2 });
    asks("raft transfer * 2", Operation::Transfer { group: None, node: 2 });
    asks("raft snapshot", Operation::Snapshot { group: None });
    asks("raft snapshot 0", Operation::Snapshot { group: Some(0) });
}

#[test]
fn odd_words_are_refused() {
    let number = "-ERR value is not an integer or out of range";
    for line in [
        "raft promote 0",
        "raft promote x",
        "raft remove -1",
        "raft transfer 65536 1",
        "raft transfer 1 *",
        "raft snapshot x",
        "raft add-learner x a:1",
    ] {
        assert_eq!(said(line), number, "{line}");
    }
    let long = "x".repeat(300);
    assert_eq!(said(&format!("raft add-learner 4 {long}")), "-ERR addr is empty or too long");
    assert_eq!(said("raft snapshot 1 2"), "-ERR wrong number of arguments for 'raft|snapshot' command");
}

#[test]
fn outcomes_are_an_id_or_a_reason() {
    let encoded = |decision| {
        let mut out = Vec::new();
        encode_answer(&Answer::Decided(&decision), RequestKind::Administer, Proto::Resp3, &mut out);
        String::from_utf8(out).unwrap()
    };
    let done = |node| Ok(crate::cluster::Done { message: "done".to_owned(), node });
    assert_eq!(encoded(done(Some(4))), ":4\r\n");
    assert_eq!(encoded(done(None)), "+OK\r\n");
    let refused = Refused::new("QUORUM", "would lose quorum: 2 of 3 are down");
    assert_eq!(encoded(Err(refused)), "-QUORUM would lose quorum: 2 of 3 are down\r\n");
}
