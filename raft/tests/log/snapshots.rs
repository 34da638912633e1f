//! Snapshot files: whole or not there, read as they were written, and only the newest kept.

use crate::disk::FaultyDisk;
use crate::stand::{id, run};
use openraft::StoredMembership;
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::LogError;
use sluice_raft::snapshot::{SnapshotFile, SnapshotMeta, Snapshots};
use std::io;
use std::sync::Arc;

type Disk = FaultyDisk<SimRuntime>;

const GROUP: GroupId = GroupId(3);

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(id(1, index)), last_membership: StoredMembership::default() }
}

async fn open(disk: &Disk) -> Result<Snapshots, LogError> {
    Snapshots::open(Arc::new(disk.clone()), 2).await
}

/// A snapshot of three chunks, the first made of `index`.
async fn write(snapshots: &Snapshots, index: u64) -> io::Result<SnapshotFile> {
    let mut writer = snapshots.create(GROUP, meta(index)).await?;
    for chunk in [vec![index as u8; 1_000], vec![1], vec![2; 3_000]] {
        writer.write(&chunk).await?;
    }
    writer.finish().await
}

async fn read(file: &SnapshotFile) -> io::Result<Vec<u8>> {
    let mut reader = file.reader();
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn content(index: u64) -> Vec<u8> {
    [vec![index as u8; 1_000], vec![1], vec![2; 3_000]].concat()
}

#[test]
fn the_newest_is_found_again_and_replaces_the_older() {
    run(async {
        let disk = Disk::new(1);
        let snapshots = open(&disk).await.expect("a new folder");
        assert!(snapshots.newest(GROUP).is_none());
        let old = write(&snapshots, 5).await.expect("written");
        write(&snapshots, 9).await.expect("written");
        assert_eq!(disk.names("snapshot"), ["3-9.snap"]);
        assert_eq!(read(&old).await.expect("who has it open reads on"), content(5));

        // One that took longer than a newer one does not take its place.
        write(&snapshots, 7).await.expect("written");
        let snapshots = open(&disk.crash()).await.expect("a good folder");
        let found = snapshots.newest(GROUP).expect("found");
        assert_eq!((found.index(), found.group, &found.meta), (9, GROUP, &meta(9)));
        assert_eq!(read(&found).await.expect("readable"), content(9));
        assert!(snapshots.newest(GroupId(0)).is_none());
    });
}

#[test]
fn what_cannot_be_loaded_takes_the_place_of_nothing() {
    run(async {
        let disk = Disk::new(1);
        let snapshots = open(&disk).await.expect("a new folder");
        write(&snapshots, 5).await.expect("written");
        let received = snapshots.checked(Arc::new(|file| {
            Box::pin(async move {
                let is_good = read(&file).await? == content(7);
                is_good.then_some(None).ok_or_else(|| io::Error::other("no state"))
            })
        }));
        assert!(write(&received, 6).await.is_err());
        assert_eq!(disk.names("snapshot"), ["3-5.snap"], "and the other one is gone");
        assert_eq!(snapshots.newest(GROUP).expect("found").index(), 5);
        write(&received, 7).await.expect("that is one");
        assert_eq!(disk.names("snapshot"), ["3-7.snap"]);
        assert_eq!(snapshots.newest(GROUP).expect("found").index(), 7);
    });
}

#[test]
fn a_disk_that_fails_at_any_change_leaves_the_old_one_or_the_new_one() {
    run(async {
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
            for changes in 0.. {
                let disk = Disk::new(changes);
                let snapshots = open(&disk).await.expect("a new folder");
                write(&snapshots, 5).await.expect("written");
                disk.fail_after(changes, kind);
                let is_written = write(&snapshots, 8).await.is_ok();
                let found = open(&disk.copy()).await.expect("a good folder").newest(GROUP).expect("found");
                assert_eq!(read(&found).await.expect("readable"), content(found.index()));
                assert!(found.index() == 8 || !is_written, "{kind} after {changes} changes");
                if !disk.has_failed() {
                    assert!(is_written);
                    break;
                }
            }
        }
    });
}

#[test]
fn a_power_cut_leaves_the_old_one_or_the_new_one() {
    run(async {
        for seed in 0..200 {
            let disk = Disk::new(seed);
            let snapshots = open(&disk).await.expect("a new folder");
            write(&snapshots, 5).await.expect("written");
            let mut writer = snapshots.create(GROUP, meta(6)).await.expect("created");
            writer.write(&content(6)[..1_000]).await.expect("written");
            let found = open(&disk.crash()).await.expect("a good folder").newest(GROUP).expect("found");
            assert_eq!(read(&found).await.expect("readable"), content(5), "seed {seed}");

            write(&snapshots, 8).await.expect("written");
            let crashed = disk.crash();
            let found = open(&crashed).await.expect("a good folder").newest(GROUP).expect("found");
            assert_eq!(
                read(&found).await.expect("readable"),
                content(8),
                "what was finished stays, seed {seed}"
            );
            assert_eq!(crashed.names("snapshot"), ["3-8.snap"], "a start removes what is left over");
        }
    });
}

#[test]
fn no_flipped_bit_goes_unseen() {
    run(async {
        let disk = Disk::new(1);
        write(&open(&disk).await.expect("a new folder"), 5).await.expect("written");
        let good = disk.read("snapshot/3-5.snap");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            disk.replace("snapshot/3-5.snap", bad);
            let is_seen = match open(&disk).await {
                Err(error) => error.to_string().contains("snapshot/3-5.snap"),
                Ok(snapshots) => read(&snapshots.newest(GROUP).expect("found")).await.is_err(),
            };
            assert!(is_seen, "bit {bit}");
        }
    });
}

#[test]
fn a_file_cut_short_is_refused() {
    run(async {
        let disk = Disk::new(1);
        write(&open(&disk).await.expect("a new folder"), 5).await.expect("written");
        let good = disk.read("snapshot/3-5.snap");
        for end in 0..good.len() {
            disk.replace("snapshot/3-5.snap", good[..end].to_vec());
            let refused = open(&disk).await.err().expect("it has no end");
            assert!(matches!(refused, LogError::Corrupt { .. }), "{refused}");
        }
    });
}

#[test]
fn a_full_disk_fails_the_snapshot_alone() {
    run(async {
        let disk = Disk::new(1);
        let snapshots = open(&disk).await.expect("a new folder");
        write(&snapshots, 5).await.expect("written");
        disk.set_room(disk.used() + 2_000);
        let refused = write(&snapshots, 6).await.expect_err("there is no room");
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.names("snapshot"), ["3-5.snap"], "what was written gives its room back");
        let found = snapshots.newest(GROUP).expect("found");
        assert_eq!(read(&found).await.expect("readable"), content(5));
    });
}
