//! Snapshots of a group.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use openraft::RaftSnapshotBuilder;
use openraft::alias::SnapshotOf;
use openraft::async_runtime::AsyncRuntime;
use std::io;
use std::marker::PhantomData;

use crate::peer::SnapshotSource;
use crate::types::Types;

/// A finished snapshot.
pub struct Snapshot(());

impl SnapshotSource for Snapshot {
    fn bytes(&self) -> u64 {
        0
    }

    fn chunks(&self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::iter([Err(io::Error::other("no snapshot"))]).boxed()
    }
}

/// Writes a snapshot.
pub struct Builder<R>(PhantomData<fn() -> R>);

impl<R> Builder<R> {
    pub(crate) fn new() -> Builder<R> {
        Builder(PhantomData)
    }
}

impl<R: AsyncRuntime> RaftSnapshotBuilder<Types<R>> for Builder<R> {
    type SnapshotData = Snapshot;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types<R>, Snapshot>> {
        Err(io::Error::other("no snapshot"))
    }
}
