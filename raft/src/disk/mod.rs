//! Files, as the log and the snapshots need them: [`Folder`] is the real thing; tests bring one that forgets and lies.
//!
//! Paths are `folder/name`, relative to the node's data folder. A write is durable when a later [`File::sync`] has
//! returned, a created, renamed or removed file when [`Disk::sync_folder`] has; before that a crash may keep any part.

mod aside;
mod folder;
mod zeros;

pub(crate) use aside::on_own_thread;
pub use folder::Folder;

use futures_util::future::BoxFuture;
use std::io;
use std::sync::Arc;

/// What an operation of a disk returns: real disks block, simulated ones wait in virtual time.
pub type Io<'a, T> = BoxFuture<'a, io::Result<T>>;

/// Puts a file into its folder whole, or leaves the one that was there. When this returns it is durable; the file stays open.
pub(crate) async fn put(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<Arc<dyn File>> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let new = format!("{path}.new");
    let file = disk.create(&new, 0).await?;
    file.write_at(bytes, 0).await?;
    file.sync().await?;
    disk.rename(&new, path).await?;
    disk.sync_folder(folder).await?;
    Ok(file)
}

/// A place for files.
///
/// Errors are the operating system's. [`io::ErrorKind::StorageFull`] says that there is no room; the operation
/// had no effect that a retry would not repeat.
pub trait Disk: Send + Sync + 'static {
    /// Names of the files in `folder`, sorted. The folder is created when it is missing.
    fn list<'a>(&'a self, folder: &'a str) -> Io<'a, Vec<String>>;

    /// Creates the file, or empties it, with room for `bytes` bytes that read as zero.
    fn create<'a>(&'a self, path: &'a str, bytes: u64) -> Io<'a, Arc<dyn File>>;

    /// Opens a file that is there.
    fn open<'a>(&'a self, path: &'a str) -> Io<'a, Arc<dyn File>>;

    /// Gives a file another name in the same folder, in place of one that has it already.
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Io<'a, ()>;

    /// Removes a file. Who has it open may still read it.
    fn remove<'a>(&'a self, path: &'a str) -> Io<'a, ()>;

    /// Makes the names in `folder` durable.
    fn sync_folder<'a>(&'a self, folder: &'a str) -> Io<'a, ()>;
}

/// An open file.
pub trait File: Send + Sync + 'static {
    /// Its length in bytes.
    fn size(&self) -> Io<'_, u64>;

    /// Writes all of `bytes` at `offset`; the file grows as needed.
    fn write_at<'a>(&'a self, bytes: &'a [u8], offset: u64) -> Io<'a, ()>;

    /// Reads at `offset` until `into` is full or the file ends. Returns how many bytes that were.
    fn read_at<'a>(&'a self, into: &'a mut [u8], offset: u64) -> Io<'a, usize>;

    /// Makes all that was written durable. After an error nobody knows what is on the disk: the caller must stop.
    fn sync(&self) -> Io<'_, ()>;
}
