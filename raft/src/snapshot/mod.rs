//! Snapshot files: the newest of each group, in `snapshot/<group>-<index>.snap`.
//!
//! [`Snapshots`] is the folder, [`SnapshotWriter`] writes a new file, [`SnapshotReader`] reads one back in chunks; `format`
//! has the bytes. A file appears under its name only when all of it is durable, and replaces the group's older
//! ones. Whoever reads a file that is replaced meanwhile reads it to the end.

mod checked;
mod empty;
mod format;
mod reader;
mod writer;

pub use checked::Checked;
pub(crate) use checked::Loaded;
pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

use crate::disk::{Disk, File, Io};
use crate::log::LogError;
use crate::types::{Member, NodeId};
use empty::Empty;
use format::Head;
use openraft::StoredMembership;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FOLDER: &str = "snapshot";

/// What openraft knows of a snapshot: the last log id in it, and the membership.
pub type SnapshotMeta = openraft::storage::SnapshotMeta<crate::log::CommittedLeaderId, NodeId, Member>;

/// A finished snapshot. Clones read the same file, also after a newer one replaced it.
pub struct SnapshotFile {
    /// The group it is of.
    pub group: GroupId,
    /// What it holds.
    pub meta: SnapshotMeta,
    /// Bytes of the file.
    pub bytes: u64,
    file: Arc<dyn File>,
    /// Where the first chunk begins.
    start: u64,
    /// What is in it, where that was checked just now.
    checked: Option<Checked>,
}

impl Clone for SnapshotFile {
    /// A state exists once: it stays with the first.
    fn clone(&self) -> SnapshotFile {
        let (meta, file) = (self.meta.clone(), Arc::clone(&self.file));
        SnapshotFile { group: self.group, meta, bytes: self.bytes, file, start: self.start, checked: None }
    }
}

impl SnapshotFile {
    /// Index of the last entry that it holds.
    pub fn index(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |id| id.index)
    }

    /// Index of the state in it: that of its last entry, and one more.
    pub(crate) fn state_index(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |id| id.index + 1)
    }

    /// What is in it, where it is loaded already; once.
    pub(crate) fn take_loaded(&mut self) -> Option<Loaded> {
        let loaded = self.checked.take()?.take()?;
        assert_eq!(loaded.state.index(), self.state_index(), "the state in {self:?}");
        Some(loaded)
    }

    /// What stands for a snapshot that was not written. It holds no entry, and cannot be read.
    pub(crate) fn nothing(group: GroupId) -> SnapshotFile {
        let meta = SnapshotMeta { last_log_id: None, last_membership: StoredMembership::default() };
        SnapshotFile { group, meta, bytes: 0, file: Arc::new(Empty), start: 0, checked: None }
    }

    /// Reads it from the first chunk.
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader::new(self.file.clone(), path(self.group, self.index()), self.start, self.bytes)
    }
}

impl std::fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "snapshot of group {} up to {}, {} bytes", self.group.0, self.index(), self.bytes)
    }
}

/// The snapshots of a node. Clones are handles of the same folder.
#[derive(Clone)]
pub struct Snapshots {
    shared: Arc<Shared>,
    check: Option<Check>,
}

/// Looks into a file that is whole, and says what is wrong with it. What it has loaded to see that goes with the file.
pub type Check = Arc<dyn Fn(SnapshotFile) -> Io<'static, Option<Checked>> + Send + Sync>;

struct Shared {
    disk: Arc<dyn Disk>,
    cluster: u128,
    newest: Mutex<BTreeMap<GroupId, SnapshotFile>>,
    /// Names unfinished files apart.
    started: AtomicU64,
}

impl Snapshots {
    /// Opens the folder `snapshot` of `disk`: finds the newest file of each group and removes all that a crash left over.
    ///
    /// Chunks are checked when they are read, not here.
    ///
    /// # Errors
    /// [`LogError`], which says what to do.
    pub async fn open(disk: Arc<dyn Disk>, cluster: u128) -> Result<Snapshots, LogError> {
        let names = disk.list(FOLDER).await.map_err(LogError::io("cannot list the snapshots"))?;
        let mut newest: BTreeMap<GroupId, SnapshotFile> = BTreeMap::new();
        let mut left_over = Vec::new();
        for name in names {
            let path = format!("{FOLDER}/{name}");
            let Some((group, index)) = parse(&name) else {
                left_over.push(path);
                continue;
            };
            let found = load(&*disk, &path, group, index, cluster).await?;
            let older = match newest.get(&group) {
                Some(known) if known.index() >= found.index() => Some(found),
                _ => newest.insert(group, found),
            };
            left_over.extend(older.map(|older| self::path(group, older.index())));
        }
        for path in left_over {
            disk.remove(&path).await.map_err(LogError::io(format!("cannot remove {path}")))?;
        }
        let shared = Shared { disk, cluster, newest: Mutex::new(newest), started: AtomicU64::new(0) };
        Ok(Snapshots { shared: Arc::new(shared), check: None })
    }

    /// A handle of the same folder for what others send: a file that is written through it takes the place of an older one only when
    /// `check` finds nothing wrong with it. A start could not do without either.
    #[must_use]
    pub fn checked(&self, check: Check) -> Snapshots {
        Snapshots { shared: Arc::clone(&self.shared), check: Some(check) }
    }

    /// The newest snapshot of the group.
    pub fn newest(&self, group: GroupId) -> Option<SnapshotFile> {
        self.shared.newest().get(&group).cloned()
    }

    /// Begins a snapshot, built here or received from a peer.
    ///
    /// # Errors
    /// Those of the disk; `InvalidInput` for one that holds no entry.
    pub async fn create(&self, group: GroupId, meta: SnapshotMeta) -> io::Result<SnapshotWriter> {
        let number = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let path = format!("{FOLDER}/{}-{number}.part", group.0);
        let index = meta.last_log_id.map(|id| id.index);
        let index =
            index.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a snapshot of nothing"))?;
        let head = Head { group, index, cluster: self.shared.cluster };
        SnapshotWriter::create(self.clone(), path, head, meta).await
    }

    /// A file is whole and durable: gives it its name, and removes what it replaces.
    async fn adopt(&self, part: &str, file: SnapshotFile) -> io::Result<SnapshotFile> {
        let checked = match &self.check {
            Some(check) => check(file.clone()).await?,
            None => None,
        };
        let disk = &*self.shared.disk;
        disk.rename(part, &path(file.group, file.index())).await?;
        disk.sync_folder(FOLDER).await?;
        if let Some(older) = self.shared.replace(&file) {
            disk.remove(&path(file.group, older)).await?;
        }
        Ok(SnapshotFile { checked, ..file })
    }
}

impl Shared {
    fn newest(&self) -> MutexGuard<'_, BTreeMap<GroupId, SnapshotFile>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `file` the newest of its group unless there is a newer one. Returns the index of the file that is no longer
    /// needed, `file` itself or another.
    fn replace(&self, file: &SnapshotFile) -> Option<u64> {
        let mut newest = self.newest();
        let known = newest.get(&file.group).map(SnapshotFile::index);
        if known.is_some_and(|known| known > file.index()) {
            return Some(file.index());
        }
        newest.insert(file.group, file.clone());
        known.filter(|known| *known != file.index())
    }
}

fn path(group: GroupId, index: u64) -> String {
    format!("{FOLDER}/{}-{index}.snap", group.0)
}

fn parse(name: &str) -> Option<(GroupId, u64)> {
    let (group, index) = name.strip_suffix(".snap")?.split_once('-')?;
    Some((GroupId(group.parse().ok()?), index.parse().ok()?))
}

async fn load(
    disk: &dyn Disk,
    path: &str,
    group: GroupId,
    index: u64,
    cluster: u128,
) -> Result<SnapshotFile, LogError> {
    let doing = || LogError::io(format!("cannot read {path}"));
    let file = disk.open(path).await.map_err(doing())?;
    let bytes = file.size().await.map_err(doing())?;
    let (meta, start) = format::read_head(&*file, path, &Head { group, index, cluster }).await?;
    if !format::has_end(&*file, start, bytes).await.map_err(doing())? {
        return Err(LogError::Corrupt { file: path.to_owned(), offset: bytes, what: "the file has no end" });
    }
    Ok(SnapshotFile { group, meta, bytes, file, start, checked: None })
}
