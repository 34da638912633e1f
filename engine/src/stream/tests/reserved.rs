//! The server's own keys: bounded, in no namespace, spared by a flush.

use super::add;
use crate::command::Command;
use crate::directory::Names;
use crate::id::{GroupId, KeyGen};
use crate::keyring::Keyring;
use crate::limit::{REVOCATIONS_MAX, REVOKED_MS};
use crate::sequencer::Committed;
use crate::shard::{Outcome, Shard};
use crate::snapshot::cut::ShardCut;
use crate::snapshot::{hash::state_hash, restore::restore};
use crate::stream::op::KeyOp;
use crate::stream::policy::{OnFull, Policy};
use crate::stream::reserved::{NO_PERMISSION, REVOKED_PASSES, TOO_MANY};
use crate::stream::text::Text;
use crate::stream::value::Value;
use crate::time::{LogTime, WallMs};
use std::sync::Arc;

struct Bench {
    shard: Shard,
    wall: u64,
}

impl Bench {
    fn new() -> Bench {
        let keys = Keyring::new(KeyGen(1), [7; 16]);
        Bench { shard: Shard::new(GroupId(0), keys, LogTime(1), Arc::new(Names::default())), wall: 5_000 }
    }

    fn apply(&mut self, op: KeyOp) -> Value {
        let (index, now) = (self.shard.index + 1, self.wall);
        let commands = vec![Command::Key(Box::new(op))];
        let batch = Committed { index, stamp: LogTime(now), wall: WallMs(now), proposal: None, commands };
        let mut outcomes = Vec::new();
        self.shard.apply(batch, &mut outcomes);
        let Some(Outcome::Key(value, _)) = outcomes.pop() else { panic!("a value is answered") };
        value
    }

    fn revoke(&mut self) -> Value {
        self.apply(KeyOp::RevokePass(Text::from(b"0123456789012345678901")))
    }

    fn revoked(&mut self) -> Value {
        self.apply(KeyOp::Len(Text::from(REVOKED_PASSES)))
    }
}

#[test]
fn revocations_are_bounded_and_the_one_beyond_is_refused_until_old_ones_have_run_out() {
    let mut bench = Bench::new();
    for _ in 0..REVOCATIONS_MAX {
        assert!(matches!(bench.revoke(), Value::Added(_)));
    }
    assert_eq!(bench.revoke(), Value::error(TOO_MANY));
    assert_eq!(bench.revoked(), Value::Integer(REVOCATIONS_MAX as i64), "none was lost for it");
    assert!(bench.shard.keyspace.bytes() < 16 << 20, "{} bytes", bench.shard.keyspace.bytes());
    bench.wall += REVOKED_MS + 1;
    assert!(matches!(bench.revoke(), Value::Added(_)));
    assert_eq!(bench.revoked(), Value::Integer(1));
}

#[test]
fn no_namespace_holds_for_what_is_the_servers() {
    let mut bench = Bench::new();
    let policy =
        Policy { maxlen: Some(1), ttl_ms: Some(5), memory_bytes: Some(4_096), on_full: OnFull::DropOldest };
    let narrow = |prefix: &[u8]| KeyOp::SetNamespace(Text::from(prefix), policy);
    assert_eq!(bench.apply(narrow(b"sluice:")), Value::error(NO_PERMISSION));
    assert_eq!(bench.apply(narrow(b"s")), Value::Done);
    (0..300).for_each(|_| assert!(matches!(bench.revoke(), Value::Added(_))));
    (0..300).for_each(|_| _ = bench.apply(KeyOp::Add(add(&Text::from(b"stream")))));
    bench.wall += 1_000;
    assert_eq!(bench.revoked(), Value::Integer(300));
    assert_eq!(bench.shard.keyspace.usage().map(|usage| usage.keys).sum::<u64>(), 1);
}

#[test]
fn a_flush_leaves_no_copy_of_what_is_the_servers() {
    let mut bench = Bench::new();
    (0..3_000).for_each(|_| assert!(matches!(bench.revoke(), Value::Added(_))));
    let held = bench.shard.keyspace.bytes();
    for _ in 0..10 {
        assert_eq!(bench.apply(KeyOp::Clear), Value::Done);
        assert!(bench.shard.keyspace.waste.is_empty(), "there was nothing else");
    }
    assert_eq!((bench.shard.keyspace.bytes(), bench.shard.keyspace.recount()), (held, held));
    assert_eq!(bench.revoked(), Value::Integer(3_000));
}

#[test]
fn i9_what_is_the_servers_outlives_a_flush_also_while_a_snapshot_is_written() {
    let mut bench = Bench::new();
    for key in 0..300 {
        bench.apply(KeyOp::Add(add(&Text::from(format!("orders:{key}").as_bytes()))));
        if key == 200 {
            bench.revoke();
        }
    }
    let before = state_hash(&bench.shard);
    bench.shard.cut = Some(ShardCut::begin(&mut bench.shard));
    assert_eq!(bench.apply(KeyOp::Clear), Value::Done);
    assert_eq!((bench.revoked(), bench.apply(KeyOp::Size)), (Value::Integer(1), Value::Integer(1)));
    bench.revoke();
    bench.apply(KeyOp::Add(add(&Text::from(b"orders:0"))));
    let mut written = Vec::new();
    while let Some(mut cut) = bench.shard.cut.take() {
        let Some(slice) = cut.slice(&mut bench.shard) else { break };
        written.extend(slice);
        bench.shard.cut = Some(cut);
    }
    let restored =
        |bytes: &[u8]| restore(bytes, GroupId(0), Arc::new(Names::default())).expect("it restores");
    assert_eq!(state_hash(&restored(&written)), before, "I9");
    assert_eq!(bench.shard.keyspace.bytes(), bench.shard.keyspace.recount());
    assert_eq!((bench.revoked(), bench.apply(KeyOp::Size)), (Value::Integer(2), Value::Integer(2)));
}
