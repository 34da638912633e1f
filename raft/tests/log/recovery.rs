//! What a start makes of the bytes it finds: a last write cut short anywhere is dropped, any other wrong byte is refused.

use crate::disk::FaultyDisk;
use crate::stand::{SEGMENT_BYTES, entry, id, indices, last, open, run};
use openraft::RaftLogReader;
use openraft::async_runtime::AsyncRuntime as _;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::{Expected, Log, LogError, LogOptions, Vote};
use std::sync::Arc;

type Disk = FaultyDisk<SimRuntime>;

const FIRST: &str = "log/0000000001.seg";
const SECOND: &str = "log/0000000002.seg";
const CURE: &str = "remove it from the cluster and add it again under a new node id with an empty data folder; a node without peers: put the whole \
     data folder back from a backup, or move it away to begin anew and lose what it held";

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

#[test]
fn what_a_leader_took_back_just_before_a_crash_is_no_loss() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        let entries: Vec<_> = (0..10).map(|index| entry(4, index, 30)).collect();
        group.blocking_append(entries).await.expect("appended");
        let promised = log.durable().groups[&GroupId(0)];
        assert_eq!(promised.last, Some(id(4, 9)));
        group.truncate_after(Some(id(4, 5))).await.expect("truncated");
        // Answered in order: the truncation is durable then.
        group.save_vote(&Vote::new(5, 2)).await.expect("saved");
        for found in [log.durable(), open(&disk.crash()).await.expect("whole").durable()] {
            let has = found.groups[&GroupId(0)];
            assert_eq!(has.last, Some(id(4, 5)));
            assert!(has.keeps(&promised), "{has:?} after {promised:?}");
        }
        group.blocking_append([entry(5, 6, 30)]).await.expect("appended");
        let replaced = log.durable().groups[&GroupId(0)];
        let again = open(&disk.crash()).await.expect("whole").durable().groups[&GroupId(0)];
        assert_eq!((replaced.excused, again), (None, replaced), "what replaces it is a promise of its own");
    });
}

/// A purge freed the first segment; then the second lost its end, and the record of the purge with it.
#[test]
fn entries_that_follow_nothing_in_a_log_that_falls_short_are_forgotten_for_good() {
    run(async {
        let disk = Disk::new(1);
        let log = open(&disk).await.expect("a new log");
        let mut group = log.group(GroupId(0));
        for index in 0..40 {
            group.blocking_append([entry(4, index, 700)]).await.expect("appended");
        }
        log.group(GroupId(1)).blocking_append([entry(1, 0, 30)]).await.expect("appended");
        // What a leader took back before is no excuse for what is forgotten.
        group.truncate_after(Some(id(4, 37))).await.expect("truncated");
        group.blocking_append([entry(5, 38, 30)]).await.expect("appended");
        let end = used(&disk, SECOND);
        group.purge(id(4, 30)).await.expect("purged");
        group.save_vote(&Vote::new(5, 2)).await.expect("saved");
        assert_eq!(disk.names("log"), ["0000000002.seg", "spare"], "the purge frees a segment");
        let (mark, promised) = (log.durable().mark.expect("synced"), log.durable().groups[&GroupId(0)]);
        let cut = disk.copy();
        cut.replace(SECOND, disk.read(SECOND)[..end].to_vec());
        assert!(
            refusal(&cut).await.contains("the entries before this one are missing"),
            "damage, for all one knows"
        );
        let refuses = expecting(Expected { mark, or_refuse: true });
        let refused = Log::<SimRuntime>::open(Arc::new(cut.clone()), refuses).await.err();
        assert!(matches!(refused, Some(LogError::Short { .. })), "{refused:?}");
        let log = Log::open(Arc::new(cut.clone()), expecting(Expected { mark, or_refuse: false })).await;
        let log = log.expect("what falls short is taken");
        assert!(log.short().is_some());
        drop(SimRuntime::spawn(log.writer()));
        let mut group = log.group(GroupId(0));
        assert_eq!((last(&mut group).await, last(&mut log.group(GroupId(1))).await), (None, Some(0)));
        // As openraft does where its snapshot goes further than the log.
        group.purge(id(4, 25)).await.expect("purged");
        group.blocking_append([entry(4, 26, 700), entry(4, 27, 700)]).await.expect("appended");
        for log in [log, open(&cut.crash()).await.expect("whole")] {
            assert_eq!(indices(&mut log.group(GroupId(0))).await, [26, 27]);
            let has = log.durable().groups[&GroupId(0)];
            assert!(has.excused.is_none() && !has.keeps(&promised), "{has:?} is less than {promised:?}");
        }
    });
}

fn expecting(expected: Expected) -> LogOptions {
    LogOptions { expected: Some(expected), ..crate::stand::options() }
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

/// What may be the last write: one of some sectors; one whose records are all zeros inside.
const LAST_WRITES: [(u16, u64, usize); 2] = [(0, 24, 700), (2, 0, 300)];

/// The log with one more write of two records, and where it begins.
async fn written_with(last: (u16, u64, usize)) -> (Disk, usize) {
    let (disk, log) = written().await;
    let start = used(&disk, SECOND);
    let (group, index, bytes) = last;
    let entries = [entry(5, index, bytes), entry(5, index + 1, bytes + 10)];
    log.group(GroupId(group)).blocking_append(entries).await.expect("appended");
    (disk, start)
}

/// A torn write is recovered: the records before it are there, and of its own the first ones. The log goes on behind them.
async fn recovers(disk: &Disk, torn: Vec<u8>, (group, index, _): (u16, u64, usize), what: &str) -> usize {
    let copy = disk.copy();
    copy.replace(SECOND, torn);
    let log = open(&copy).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(last(&mut log.group(GroupId(0))).await >= Some(23), "{what}");
    let mut group_log = log.group(GroupId(group));
    let found = indices(&mut group_log).await;
    let kept = found.iter().filter(|found| **found >= index).count();
    let next = index + kept as u64;
    group_log.blocking_append([entry(6, next, 10)]).await.expect("appended");
    assert_eq!(copy.read(SECOND).len(), SEGMENT_BYTES as usize, "{what}: the segment has its size again");
    let log = open(&copy.copy()).await.unwrap_or_else(|error| panic!("after {what}: {error}"));
    assert_eq!(last(&mut log.group(GroupId(group))).await, Some(next), "after {what}");
    kept
}

#[test]
fn a_last_write_cut_at_any_byte_is_dropped() {
    run(async {
        for last in LAST_WRITES {
            let (disk, start) = written_with(last).await;
            let (whole, end) = (disk.read(SECOND), used(&disk, SECOND));
            for cut in start..=end {
                let mut torn = whole.clone();
                torn[cut..].fill(0);
                let kept = recovers(&disk, torn, last, &format!("zeros from {cut}")).await;
                assert_eq!(kept == 2, cut == end, "only a whole write is kept whole, cut at {cut}");
                recovers(&disk, whole[..cut].to_vec(), last, &format!("nothing from {cut}")).await;
            }
        }
    });
}

#[test]
fn a_last_write_of_which_any_sectors_are_missing_is_dropped() {
    run(async {
        for last in LAST_WRITES {
            let (disk, start) = written_with(last).await;
            let (whole, end) = (disk.read(SECOND), used(&disk, SECOND));
            let sectors: Vec<usize> = (start / 512..end.div_ceil(512)).collect();
            for missing in 1..1_u32 << sectors.len() {
                let mut torn = whole.clone();
                for (_, sector) in (0..).zip(&sectors).filter(|(place, _)| missing >> place & 1 == 1) {
                    torn[(sector * 512).max(start)..sector * 512 + 512].fill(0);
                }
                let kept = recovers(&disk, torn, last, &format!("without sectors {missing:b}")).await;
                assert!(kept < 2, "without sectors {missing:b}");
            }
        }
    });
}

/// In the heads, in each record, in the last write, and in the zeros behind it.
#[test]
fn any_flipped_bit_is_refused() {
    run(async {
        for last in LAST_WRITES {
            let (disk, _) = written_with(last).await;
            for path in [FIRST, SECOND] {
                let good = disk.read(path);
                let copy = disk.copy();
                for bit in 0..good.len() * 8 {
                    let mut bad = good.clone();
                    bad[bit / 8] ^= 1 << (bit % 8);
                    copy.replace(path, bad);
                    refuses(&copy, path, &format!("bit {bit} of {path}")).await;
                }
            }
        }
    });
}

/// They may be what is left of a write whose first sector is missing: they go, and nothing else does.
#[test]
fn several_bad_bytes_where_nothing_was_are_wiped() {
    run(async {
        let (disk, _log) = written().await;
        let (good, end) = (disk.read(SECOND), used(&disk, SECOND));
        let copy = disk.copy();
        let mut bad = good.clone();
        bad[end + 1_000..end + 1_010].fill(1);
        copy.replace(SECOND, bad);
        let log = open(&copy).await.expect("a good log");
        assert_eq!(last(&mut log.group(GroupId(0))).await, Some(23));
        assert_eq!(copy.read(SECOND)[end + 1_000..], good[end + 1_000..]);
    });
}

async fn refuses(disk: &Disk, path: &str, what: &str) {
    let opened = Log::<SimRuntime>::open(Arc::new(disk.clone()), crate::stand::options()).await;
    let Err(error) = opened else { panic!("{what}") };
    let line = error.to_string();
    assert!(line.contains(path) && line.contains(CURE), "{what}: {line}");
    assert!(!line.contains('\n'), "one line");
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
fn what_another_node_or_another_version_wrote_is_refused() {
    run(async {
        let (disk, _log) = written().await;
        for (node, cluster) in [(9, 2), (1, 9)] {
            let mut options = crate::stand::options();
            (options.node, options.cluster) = (node, cluster);
            let refused = Log::<SimRuntime>::open(Arc::new(disk.copy()), options).await.err();
            assert!(matches!(refused, Some(LogError::Foreign { .. })), "{refused:?}");
        }
        for (format, what) in [
            (5, "this program reads up to 4; start the newer program that wrote it"),
            (3, "this program reads from 4 on; start the older program that wrote it"),
        ] {
            let mut bytes = disk.read(FIRST);
            bytes[8] = format;
            let crc = crc32fast::hash(&bytes[..60]);
            bytes[60..64].copy_from_slice(&crc.to_le_bytes());
            disk.replace(FIRST, bytes);
            assert_eq!(refusal(&disk).await, format!("{FIRST} has format {format}, {what}"));
        }
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
