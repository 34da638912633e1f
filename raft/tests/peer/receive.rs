//! Snapshots received into real files.

use bytes::Bytes;
use openraft::alias::{CommittedLeaderIdOf, SnapshotMetaOf, VoteOf};
use openraft::{LogId, Vote};
use openraft_rt_tokio::TokioRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::disk::Folder;
use sluice_raft::peer::{Refusal, Response, SnapshotSource, Transfers};
use sluice_raft::snapshot::Snapshots;
use sluice_raft::types::Types;
use std::sync::Arc;
use tempfile::TempDir;

use futures_util::TryStreamExt;

type R = TokioRuntime;
type C = Types<R>;

const GROUP: GroupId = GroupId(2);

async fn transfers() -> (TempDir, Transfers<R>) {
    let folder = TempDir::new().expect("a folder");
    let disk = Arc::new(Folder::open(folder.path()).expect("a data folder"));
    let snapshots = Snapshots::open(disk, 7).await.expect("an empty folder");
    (folder, Transfers::new(snapshots))
}

fn vote() -> VoteOf<C> {
    Vote::new_committed(1, 1)
}

fn meta(index: u64) -> SnapshotMetaOf<C> {
    let last_log_id = Some(LogId::new(CommittedLeaderIdOf::<C>::new(1), index));
    SnapshotMetaOf::<C> { last_log_id, ..Default::default() }
}

/// Begins a transfer; its number.
async fn begin(transfers: &Transfers<R>, index: u64) -> u64 {
    match transfers.begin(GROUP, vote(), meta(index)).await {
        Response::SnapshotWants { transfer, offset: 0 } => transfer,
        other => panic!("{other:?}"),
    }
}

/// Bytes that the receiver has after this chunk; None where it refused.
async fn chunk(transfers: &Transfers<R>, number: u64, offset: u64, bytes: &'static str) -> Option<u64> {
    match transfers.chunk(GROUP, number, offset, &Bytes::from(bytes)).await {
        Response::SnapshotWants { transfer, offset } => {
            assert_eq!(transfer, number);
            Some(offset)
        }
        Response::Refused(Refusal::NoTransfer) => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_sent_arrives() {
    let (_folder, transfers) = transfers().await;
    let number = begin(&transfers, 9).await;
    assert_eq!(chunk(&transfers, number, 0, "one").await, Some(3));
    assert_eq!(chunk(&transfers, number, 3, "three").await, Some(8));
    let arrived = transfers.finish(GROUP, number, 8).await.expect("all is there");
    assert_eq!((arrived.vote, arrived.file.index()), (vote(), 9));
    let chunks: Vec<Bytes> = arrived.file.chunks().try_collect().await.expect("undamaged");
    assert_eq!(chunks, ["one", "three"]);
}

#[tokio::test]
async fn a_repeated_chunk_is_written_once() {
    let (_folder, transfers) = transfers().await;
    let number = begin(&transfers, 9).await;
    for _ in 0..3 {
        assert_eq!(chunk(&transfers, number, 0, "one").await, Some(3));
    }
    let arrived = transfers.finish(GROUP, number, 3).await.expect("all is there");
    let chunks: Vec<Bytes> = arrived.file.chunks().try_collect().await.expect("undamaged");
    assert_eq!(chunks, ["one"]);
    assert_eq!(transfers.finish(GROUP, number, 3).await.err(), Some(Refusal::NoTransfer), "finished once");
}

#[tokio::test]
async fn a_gap_or_an_overlap_is_refused() {
    let (_folder, transfers) = transfers().await;
    let number = begin(&transfers, 9).await;
    assert_eq!(chunk(&transfers, number, 0, "one").await, Some(3));
    assert_eq!(chunk(&transfers, number, 4, "x").await, None);
    assert_eq!(chunk(&transfers, number, 2, "xx").await, None);
    assert_eq!(chunk(&transfers, number, u64::MAX, "xx").await, None);
    assert_eq!(transfers.finish(GROUP, number, 4).await.err(), Some(Refusal::NoTransfer));
    assert!(transfers.finish(GROUP, number, 3).await.is_ok(), "refusals do no harm");
}

#[tokio::test]
async fn a_newer_transfer_ends_the_one_before() {
    let (_folder, transfers) = transfers().await;
    let old = begin(&transfers, 9).await;
    let new = begin(&transfers, 12).await;
    assert_eq!(chunk(&transfers, old, 0, "old").await, None);
    assert_eq!(chunk(&transfers, new, 0, "new").await, Some(3));
    assert_eq!(transfers.finish(GROUP, old, 3).await.err(), Some(Refusal::NoTransfer));
    assert_eq!(transfers.finish(GROUP, new, 3).await.expect("all is there").file.index(), 12);
}

#[tokio::test]
async fn groups_do_not_disturb_each_other() {
    let (_folder, transfers) = transfers().await;
    let number = begin(&transfers, 9).await;
    let other = transfers.begin(GroupId(3), vote(), meta(4)).await;
    assert!(matches!(other, Response::SnapshotWants { offset: 0, .. }));
    assert_eq!(chunk(&transfers, number, 0, "one").await, Some(3));
}

#[tokio::test]
async fn a_snapshot_of_nothing_is_refused() {
    let (_folder, transfers) = transfers().await;
    let refused = transfers.begin(GROUP, vote(), SnapshotMetaOf::<C>::default()).await;
    assert!(matches!(refused, Response::Refused(Refusal::Other(_))), "{refused:?}");
}
