//! The log on disk and in memory stays as small as what is needed of it.

use crate::disk::FaultyDisk;
use crate::stand::{SEGMENT_BYTES, entry, id, indices, open, run};
use openraft::RaftLogReader;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::Vote;

type Disk = FaultyDisk<SimRuntime>;

#[test]
fn the_log_stays_bounded_over_many_appends_and_purges() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        group.save_vote(&Vote::new(1, 1)).await.expect("saved");
        for index in 0..4_000 {
            group.blocking_append([entry(1, index, 400)]).await.expect("appended");
            if index % 20 == 19 {
                group.purge(id(1, index - 10)).await.expect("purged");
            }
            assert!(disk.used() <= 5 * SEGMENT_BYTES, "{} bytes at entry {index}", disk.used());
        }
        assert!(log.written_bytes() > 100 * SEGMENT_BYTES, "the story needs many segments");
        // The answer to a later write says that the last purge is durable too.
        log.group(GroupId(1)).save_vote(&Vote::new(1, 2)).await.expect("saved");
        let log = open(&disk.crash()).await.expect("a good log");
        let mut group = log.group(GroupId(0));
        assert_eq!(
            group.read_vote().await.expect("readable"),
            Some(Vote::new(1, 1)),
            "from a segment long gone"
        );
        assert_eq!(indices(&mut group).await, (3_990..4_000).collect::<Vec<_>>());
    });
}

#[test]
fn what_keeps_old_segments_is_named() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let (mut lazy, mut busy) = (log.group(GroupId(5)), log.group(GroupId(0)));
        assert_eq!(log.last_before(GroupId(5), 4), None);
        lazy.blocking_append([entry(1, 0, 10)]).await.expect("appended");
        for index in 0..100 {
            busy.blocking_append([entry(1, index, 900)]).await.expect("appended");
            busy.purge(id(1, index)).await.expect("purged");
        }
        assert_eq!(log.last_before(GroupId(5), 4), Some(0), "its only entry is in the oldest segment");
        assert_eq!(log.last_before(GroupId(0), 4), None, "what is purged is not kept");
        lazy.purge(id(1, 0)).await.expect("purged");
        lazy.save_vote(&Vote::new(1, 1)).await.expect("saved");
        assert_eq!(log.last_before(GroupId(5), 1), None);
        assert!(disk.used() <= 2 * SEGMENT_BYTES);
    });
}

#[test]
fn bytes_count_from_the_last_snapshot() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        for index in 0..10 {
            group.blocking_append([entry(1, index, 100)]).await.expect("appended");
        }
        let all = log.bytes_since_snapshot(GroupId(0));
        assert!((1_000..2_000).contains(&all), "{all}");
        log.snapshot_taken(GroupId(0), 4);
        assert_eq!(log.bytes_since_snapshot(GroupId(0)), all / 2);
        group.purge(id(1, 4)).await.expect("purged");
        group.truncate_after(Some(id(1, 7))).await.expect("truncated");
        group.save_vote(&Vote::new(1, 1)).await.expect("saved");
        assert_eq!(log.bytes_since_snapshot(GroupId(0)), all * 3 / 10);

        let log = open(&disk.copy()).await.expect("a good log");
        log.snapshot_taken(GroupId(0), 4);
        assert_eq!(log.bytes_since_snapshot(GroupId(0)), all * 3 / 10, "a start counts the same");
    });
}
