//! Bytes of the third format. They may never change: nodes of two versions talk to each other while a cluster is upgraded.

use crate::support::{CLUSTER, ECHO, R, forward, identity};
use bytes::BytesMut;
use openraft::alias::{CommittedLeaderIdOf, EntryOf};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::{Entry, EntryPayload, LogId, Vote};
use serde::Serialize;
use sluice_raft::peer::frame::{self, Kind};
use sluice_raft::peer::handshake::{Answer, Hello};
use sluice_raft::peer::proof::{Claim, Proven};
use sluice_raft::peer::{Adoption, Cast, Denial, Lane, Refusal, Request, Response};
use sluice_raft::secret::{ClusterSecret, MemberSecrets};
use sluice_raft::types::{Batch, Command, Types};

type C = Types<R>;

fn hex<T: Serialize>(kind: Kind, value: &T) -> String {
    let frame = frame::encode(kind, value).expect("fits");
    let mut buffer = BytesMut::from(&frame[..]);
    let whole = frame::take(&mut buffer, 1_000).expect("just written").expect("whole");
    assert_eq!(whole.kind, kind);
    frame.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn append() -> Request<R> {
    let log_id = |index| LogId::new(CommittedLeaderIdOf::<C>::new(3), index);
    let batch = Batch { session: 3, proposal: 4, stamp: 500, wall: 0, commands: "join".into() };
    let payload = EntryPayload::Normal(Command::Batch(batch));
    let entry: EntryOf<C> = Entry { log_id: log_id(8), payload };
    let append = AppendEntriesRequest {
        vote: Vote::new_committed(3, 1),
        prev_log_id: Some(log_id(7)),
        entries: vec![entry],
        leader_commit: Some(log_id(6)),
    };
    Request::Append { group: ECHO, append }
}

#[test]
fn handshakes() {
    let claim = Claim { proves: Proven::Membership, proofs: vec![[1; 32], [2; 32]] };
    let proofs = format!("{}{}", "01".repeat(32), "02".repeat(32));
    assert_eq!(hex(Kind::Proof, &claim), format!("534c50520106000042000000371e4ecc0002{proofs}"));
    let hello = Hello { version: "1".to_owned(), ..Hello::new(identity(1), 2, Lane::Append) };
    assert_eq!(hex(Kind::Hello, &hello), "534c50520101000008000000acfd77700404070102010131");
    assert_eq!(
        hex::<Answer>(Kind::Welcome, &Err(Denial::Node { found: 3 })),
        "534c50520102000003000000fd54dfa4010203"
    );
}

#[test]
fn requests() {
    assert_eq!(
        hex(Kind::Request, &(1_u64, 75_u64, append())),
        "534c5052010300001d000000d4689b7d014b02000301010101030701030801000304f40300046a6f696e010306"
    );
    assert_eq!(
        hex(Kind::Request, &(2_u64, 75_u64, forward(ECHO, "x"))),
        "534c505201030000060000006f6b89aa024b07000178"
    );
    let adoption = Adoption {
        cluster: CLUSTER,
        node: 4,
        groups: 6,
        nonce: 5,
        secret: ClusterSecret::new([7; 16]),
        members: MemberSecrets::founding(ClusterSecret::new([8; 16])),
        epoch: 9,
        contacts: Vec::new(),
    };
    assert_eq!(
        hex(Kind::Request, &(3_u64, 75_u64, Request::<R>::Adopt(adoption))),
        "534c5052010300002b000000dc0c7587034b0907040605070707070707070707070707070707070108080808080808080808080808080808000900"
    );
}

#[test]
fn responses() {
    let success = Response::<R>::Append(AppendEntriesResponse::Success);
    assert_eq!(hex(Kind::Response, &(1_u64, success)), "534c50520104000003000000c326e51b010100");
    let refused = Response::<R>::Refused(Refusal::Busy { retry_ms: 100 });
    assert_eq!(hex(Kind::Response, &(2_u64, refused)), "534c505201040000040000002da9febe02090264");
}

#[test]
fn casts() {
    assert_eq!(
        hex(Kind::Cast, &Cast::Presence { group: ECHO, bytes: "seen".into() }),
        "534c50520105000007000000c2537be00000047365656e"
    );
    assert_eq!(
        hex(Kind::Cast, &Cast::Pulse { group: ECHO, bytes: "due".into() }),
        "534c50520105000006000000c48b324b010003647565"
    );
    assert_eq!(
        hex(Kind::Cast, &Cast::Publish { bytes: "news".into() }),
        "534c5052010500000600000090cd4a3602046e657773"
    );
}
