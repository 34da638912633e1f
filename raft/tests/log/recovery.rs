//! What a start makes of the bytes it finds: a last write cut short anywhere is dropped, any other wrong byte is refused.

use crate::disk::FaultyDisk;
use crate::stand::{entry, id, indices, last, open, run};
use openraft::RaftLogReader;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::{Log, LogError, LogOptions, Vote};
use std::sync::Arc;

type Disk = FaultyDisk<SimRuntime>;

const FIRST: &str = "log/0000000001.seg";
const SECOND: &str = "log/0000000002.seg";
const CURE: &str =
    "remove it from the cluster and add it again under a new node id with an empty data folder";

/// Two groups, one vote, a truncation, a purge and 24 entries in group 0, on two segments, every write synced.
async fn written() -> (Disk, Log<SimRuntime>) {
    let disk = Disk::new(1);
    let log = open(&disk).await.expect("a new log");
    let mut group = log.group(GroupId(0));
    group.save_vote(&Vote::new(4, 1)).await.expect("saved");
    for index in 0..23 {
        group.blocking_append([entry(4, index, 700)]).await.expect("appended");
    }
    group.purge(id(4, 1)).await.expect("purged");
    group.truncate_after(Some(id(4, 21))).await.expect("truncated");
    let mut other = log.group(GroupId(1));
    other.blocking_append([entry(1, 0, 30)]).await.expect("appended");
    group.blocking_append([entry(5, 22, 40), entry(5, 23, 50)]).await.expect("appended");
    assert_eq!(
        disk.names("log"),
        ["0000000001.seg", "0000000002.seg", "spare"],
        "the story needs two segments"
    );
    (disk, log)
}

/// Bytes of a segment that are not the zeros at its end.
fn used(disk: &Disk, path: &str) -> usize {
    disk.read(path).iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

async fn refusal(disk: &Disk) -> String {
    match open(disk).await {
        Ok(_) => panic!("a damaged log was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_last_write_cut_at_any_byte_is_dropped() {
    run(async {
        let (disk, log) = written().await;
        let (before, start) = (disk.read(SECOND), used(&disk, SECOND));
        let mut group = log.group(GroupId(0));
        group.blocking_append([entry(5, 24, 60), entry(5, 25, 70)]).await.expect("appended");
        let (after, end) = (disk.read(SECOND), used(&disk, SECOND));
        for cut in start..=end {
            let mut torn = before.clone();
            torn[start..cut].copy_from_slice(&after[start..cut]);
            let copy = disk.copy();
            copy.replace(SECOND, torn);
            let log = open(&copy).await.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let mut group = log.group(GroupId(0));
            let found = indices(&mut group).await;
            let whole = found.len() as u64;
            assert!((22..=24).contains(&whole), "cut at {cut}: {found:?}");
            assert_eq!(found, (2..2 + whole).collect::<Vec<_>>(), "cut at {cut}");
            assert_eq!(whole == 24, cut == end, "only a whole write is kept whole, cut at {cut}");
            // The log goes on where it was cut, and the next start finds that.
            let next = 2 + whole;
            group.blocking_append([entry(6, next, 10)]).await.expect("appended");
            let log =
                open(&copy.copy()).await.unwrap_or_else(|error| panic!("after a cut at {cut}: {error}"));
            assert_eq!(last(&mut log.group(GroupId(0))).await, Some(next));
        }
    });
}

/// Damage in what the last write wrote cannot be told from a cut: nothing was written after it that could vouch for it.
#[test]
fn any_flipped_bit_before_the_last_write_is_refused() {
    run(async {
        let (disk, log) = written().await;
        let start = used(&disk, SECOND);
        log.group(GroupId(0)).blocking_append([entry(5, 24, 60)]).await.expect("appended");
        for (path, end) in [(FIRST, disk.read(FIRST).len()), (SECOND, start)] {
            let good = disk.read(path);
            let copy = disk.copy();
            for bit in 0..end * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                copy.replace(path, bad);
                let line =
                    match Log::<SimRuntime>::open(Arc::new(copy.clone()), crate::stand::options()).await {
                        Ok(_) => panic!("bit {bit} of {path}"),
                        Err(error) => error.to_string(),
                    };
                assert!(line.contains(path) && line.contains(CURE), "bit {bit} of {path}: {line}");
                assert!(!line.contains('\n'), "one line");
            }
        }
    });
}

#[test]
fn a_flipped_bit_in_the_last_write_never_goes_unseen() {
    run(async {
        let (disk, log) = written().await;
        let start = used(&disk, SECOND);
        log.group(GroupId(0)).blocking_append([entry(5, 24, 60)]).await.expect("appended");
        let good = disk.read(SECOND);
        for bit in start * 8..used(&disk, SECOND) * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let copy = disk.copy();
            copy.replace(SECOND, bad);
            let log = open(&copy).await.expect("a cut write");
            assert_eq!(last(&mut log.group(GroupId(0))).await, Some(23), "bit {bit}");
        }
    });
}

#[test]
fn a_missing_segment_is_refused() {
    run(async {
        for path in [FIRST, SECOND] {
            let (disk, _log) = written().await;
            disk.lose(path);
            let line = refusal(&disk).await;
            assert!(line.contains("missing") && line.contains(CURE), "{path}: {line}");
        }
    });
}

#[test]
fn what_another_node_or_a_newer_program_wrote_is_refused() {
    run(async {
        let (disk, _log) = written().await;
        for (node, cluster) in [(9, 2), (1, 9)] {
            let mut options = crate::stand::options();
            (options.node, options.cluster) = (node, cluster);
            let refused = Log::<SimRuntime>::open(Arc::new(disk.copy()), options).await.err();
            assert!(matches!(refused, Some(LogError::Foreign { .. })), "{refused:?}");
        }
        let mut bytes = disk.read(FIRST);
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        disk.replace(FIRST, bytes);
        let line = refusal(&disk).await;
        assert_eq!(
            line,
            format!(
                "{FIRST} has format 2, this program reads up to 1; start the newer program that wrote it"
            )
        );
    });
}

#[test]
fn a_start_finds_votes_marks_and_entries_of_each_group_apart() {
    run(async {
        let (disk, log) = written().await;
        log.group(GroupId(1)).save_committed(Some(id(1, 0))).await.expect("saved");
        log.group(GroupId(2)).save_vote(&Vote::new_committed(7, 3)).await.expect("saved");
        let log = open(&disk.copy()).await.expect("a good log");
        let mut groups: Vec<_> = (0..3).map(|group| log.group(GroupId(group))).collect();
        let votes = [Some(Vote::new(4, 1)), None, Some(Vote::new_committed(7, 3))];
        for (group, vote) in groups.iter_mut().zip(votes) {
            assert_eq!(group.read_vote().await.expect("readable"), vote);
        }
        let state = groups[0].get_log_state().await.expect("readable");
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(4, 1)), Some(id(5, 23))));
        assert_eq!(groups[1].read_committed().await.expect("readable"), Some(id(1, 0)));
        assert_eq!(indices(&mut groups[1]).await, [0]);
        assert_eq!(indices(&mut groups[2]).await, [0; 0]);
    });
}

/// The sizes may change between two starts of a program; what is there keeps its own.
#[test]
fn segments_of_another_size_are_read() {
    run(async {
        let (disk, _log) = written().await;
        let log = Log::<SimRuntime>::open(Arc::new(disk.copy()), LogOptions::new(1, 2, 8))
            .await
            .expect("a good log");
        assert_eq!(last(&mut log.group(GroupId(0))).await, Some(23));
    });
}
