//! Full disks, failed syncs, and what is on disk when an answer is given.

use crate::disk::FaultyDisk;
use crate::stand::{SEGMENT_BYTES, entry, id, indices, open, run};
use futures_util::FutureExt;
use openraft::RaftLogReader;
use openraft::async_runtime::{AsyncRuntime, Oneshot};
use openraft::storage::{IOFlushed, RaftLogStorage, RaftLogStorageExt};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::{Log, Vote};
use std::time::Duration;

type Disk = FaultyDisk<SimRuntime>;

async fn until_full(log: &Log<SimRuntime>) -> u64 {
    let mut group = log.group(GroupId(0));
    let mut index = 0;
    while !log.is_full() {
        group.blocking_append([entry(1, index, 900)]).await.expect("appended");
        index += 1;
    }
    index
}

/// Time passes until the log has room again.
async fn until_room(log: &Log<SimRuntime>) {
    while log.is_full() {
        SimRuntime::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_full_disk_says_so_while_votes_still_fit_and_goes_on_when_there_is_room() {
    run(async {
        let disk = Disk::new(1);
        disk.set_room(4 * SEGMENT_BYTES);
        let log = open(&disk).await.expect("a new log");
        let end = until_full(&log).await;
        assert_eq!(disk.used(), 4 * SEGMENT_BYTES, "it is full when it cannot get another spare");

        // Who proposes stops here; votes, truncations and purges have a whole segment.
        let mut group = log.group(GroupId(1));
        for term in 1..40 {
            group.save_vote(&Vote::new(term, 1)).await.expect("votes still fit");
        }
        assert!(log.is_full());
        disk.set_room(8 * SEGMENT_BYTES);
        until_room(&log).await;
        log.group(GroupId(0)).blocking_append([entry(1, end, 900)]).await.expect("appended");
        let log = open(&disk.crash()).await.expect("a good log");
        assert_eq!(indices(&mut log.group(GroupId(0))).await, (0..=end).collect::<Vec<_>>());
    });
}

#[test]
fn a_purge_makes_room_by_itself() {
    run(async {
        let disk = Disk::new(1);
        disk.set_room(4 * SEGMENT_BYTES);
        let log = open(&disk).await.expect("a new log");
        let end = until_full(&log).await;
        log.group(GroupId(0)).purge(id(1, end - 1)).await.expect("purged");
        until_room(&log).await;
        log.group(GroupId(0)).blocking_append([entry(1, end, 900)]).await.expect("appended");
    });
}

#[test]
fn appends_that_do_not_fit_wait_and_lose_nothing() {
    run(async {
        let disk = Disk::new(1);
        disk.set_room(3 * SEGMENT_BYTES);
        let log = open(&disk).await.expect("a new log");
        let end = until_full(&log).await;
        let mut group = log.group(GroupId(0));
        let (done, answer) = <SimRuntime as AsyncRuntime>::Oneshot::channel();
        let many: Vec<_> = (end..end + 40).map(|index| entry(1, index, 900)).collect();
        group.append(many, IOFlushed::signal(done)).await.expect("taken in");
        let mut answer = Box::pin(answer);
        SimRuntime::sleep(Duration::from_secs(5)).await;
        assert!((&mut answer).now_or_never().is_none(), "there is no room for them");
        assert_eq!(
            indices(&mut group).await,
            (0..end + 40).collect::<Vec<_>>(),
            "they can be read all the same"
        );

        disk.set_room(8 * SEGMENT_BYTES);
        answer.await.expect("answered").expect("written");
        let log = open(&disk.crash()).await.expect("a good log");
        assert_eq!(indices(&mut log.group(GroupId(0))).await, (0..end + 40).collect::<Vec<_>>());
    });
}

#[test]
fn a_log_that_ends_waits_for_no_room_and_keeps_what_it_acknowledged() {
    run(async {
        let disk = Disk::new(1);
        disk.set_room(3 * SEGMENT_BYTES);
        let log = open(&disk).await.expect("a new log");
        let end = until_full(&log).await;
        let mut group = log.group(GroupId(0));
        let (done, answer) = <SimRuntime as AsyncRuntime>::Oneshot::channel();
        let many: Vec<_> = (end..end + 40).map(|index| entry(1, index, 900)).collect();
        group.append(many, IOFlushed::signal(done)).await.expect("taken in");
        SimRuntime::sleep(Duration::from_secs(5)).await;
        log.wait_no_more();
        assert!(!matches!(answer.await, Ok(Ok(()))), "there is no room for them");
        group.save_vote(&Vote::new(9, 1)).await.expect_err("nothing is written any more");
        log.close();
        assert!(log.failed().now_or_never().is_none(), "it ended, it did not fail");

        let log = open(&disk.crash()).await.expect("a good log");
        let found = indices(&mut log.group(GroupId(0))).await;
        assert_eq!(found[..end as usize], (0..end).collect::<Vec<_>>());
    });
}

#[test]
fn a_failed_sync_ends_the_log() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        group.save_vote(&Vote::new(1, 1)).await.expect("saved");
        assert!(log.failed().now_or_never().is_none());
        disk.break_sync();
        group.save_vote(&Vote::new(2, 1)).await.expect_err("nobody knows whether it is on the disk");
        let reason = log.failed().await;
        assert!(reason.contains("0000000001.seg") && reason.contains("does not answer"), "{reason}");
        assert_eq!(group.read_vote().await.expect("readable"), Some(Vote::new(1, 1)));

        // A disk that says that all is well again is not believed.
        let syncs = disk.syncs();
        let (done, answer) = <SimRuntime as AsyncRuntime>::Oneshot::channel();
        log.group(GroupId(1)).append([entry(1, 0, 5)], IOFlushed::signal(done)).await.expect("taken in");
        answer.await.expect("answered").expect_err("nothing is written any more");
        assert_eq!(disk.syncs(), syncs);
    });
}

#[test]
fn a_vote_is_on_disk_when_it_is_answered() {
    run(async {
        for seed in 0..50 {
            let disk = Disk::new(seed);
            disk.set_sync_us_max(500);
            let log = open(&disk).await.expect("a new log");
            log.group(GroupId(0)).save_vote(&Vote::new(seed, 1)).await.expect("saved");
            let log = open(&disk.crash()).await.expect("a good log");
            let vote = log.group(GroupId(0)).read_vote().await.expect("readable");
            assert_eq!(vote, Some(Vote::new(seed, 1)), "seed {seed}");
        }
    });
}

#[test]
fn what_is_queued_together_is_synced_together() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let syncs = log.syncs();
        let mut answers = Vec::new();
        for group in 0..10 {
            let (done, answer) = <SimRuntime as AsyncRuntime>::Oneshot::channel();
            log.group(GroupId(group))
                .append([entry(1, 0, 100)], IOFlushed::signal(done))
                .await
                .expect("taken in");
            answers.push(answer);
        }
        for answer in answers {
            answer.await.expect("answered").expect("written");
        }
        assert_eq!(log.syncs() - syncs, 1);
    });
}

#[test]
fn a_committed_mark_costs_no_sync() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        group.blocking_append([entry(1, 0, 100)]).await.expect("appended");
        let (syncs, bytes) = (log.syncs(), log.written_bytes());
        group.save_committed(Some(id(1, 0))).await.expect("saved");
        while log.written_bytes() == bytes {
            SimRuntime::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(log.syncs(), syncs);
        let log = open(&disk.copy()).await.expect("a good log");
        assert_eq!(log.group(GroupId(0)).read_committed().await.expect("readable"), Some(id(1, 0)));
    });
}
