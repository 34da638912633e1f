//! A folder of the file system. Its calls block, and are made where that holds up nobody: see [`super::aside`].

use super::aside::{elsewhere, hand_over, make};
use super::zeros::{Filling, ZEROS};
use super::{Disk, File, Io};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::geteuid;
use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Mode of a folder that nobody else may look into.
const PRIVATE_FOLDER: u32 = 0o700;
/// Mode of a file that nobody else may read.
const PRIVATE_FILE: u32 = 0o600;
/// The bits of a mode that let others in.
const OF_OTHERS: u32 = 0o077;
/// Those of a folder in which others may put things in each other's place.
const WRITABLE: u32 = 0o022;
/// Of a folder in which each may move only what is its own.
const STICKY: u32 = 0o1000;

/// A node's data folder. As long as this value lives, no other process can open it.
pub struct Folder {
    root: PathBuf,
    _lock: fs::File,
}

impl Folder {
    /// Opens the folder, creating it if it is missing.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::ResourceBusy`] when another process has the folder open.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Folder> {
        let root = root.into();
        // Keys of tokens lie in here.
        let is_new = !root.exists();
        fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(&root)?;
        if let Some(parent) = root.parent().filter(|_| is_new) {
            // A folder that a power cut takes away would be taken for one that never was.
            sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        }
        // Whoever may open it may hold it, and so keep the node from starting.
        let mut options = fs::OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let lock = lock.open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {
                close_to_others(&root)?;
                Ok(Folder { root, _lock: lock })
            }
            Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "{} is in use by another process: stop that one or name another with --data",
                    root.display()
                ),
            )),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

fn list(root: &Path, path: &Path) -> io::Result<Vec<String>> {
    if !path.exists() {
        fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)?;
        sync_folder(root)?;
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn create(path: &Path, bytes: u64) -> io::Result<Arc<dyn File>> {
    // Not emptied but made anew: zeros may still be on their way into the old one.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(PRIVATE_FILE).open(path);
    let file = file.map_err(no_room)?;
    match reserve(&file, bytes).map_err(no_room) {
        Ok(()) => Ok(opened(Filling::begin(&file, bytes), file)),
        Err(error) => {
            // Half a reservation would hold the very room that is missing.
            fs::remove_file(path)?;
            Err(error)
        }
    }
}

fn open(path: &Path) -> io::Result<Arc<dyn File>> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    Ok(opened(Filling::none(), file))
}

/// What was left open to other users of the machine, by an older build or by a copy, is closed: identity, log and snapshots hold
/// keys. The folder itself may be somebody else's, as a volume is, and may be shared: what matters lies in the folders within. But
/// where it is this user's, nobody else may put other folders in their place.
fn close_to_others(root: &Path) -> io::Result<()> {
    let about = fs::metadata(root)?;
    let mode = about.permissions().mode();
    if about.uid() == geteuid().as_raw() && mode & STICKY == 0 && mode & WRITABLE != 0 {
        fs::set_permissions(root, fs::Permissions::from_mode(mode & !WRITABLE))?;
    }
    restrict(&root.join("lock"), PRIVATE_FILE)?;
    for folder in [root.join("node"), root.join("log"), root.join("snapshot")] {
        let files = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            files => files?,
        };
        restrict(&folder, PRIVATE_FOLDER)?;
        for file in files {
            restrict(&file?.path(), PRIVATE_FILE)?;
        }
    }
    Ok(())
}

fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    if about.permissions().mode() & OF_OTHERS == 0 || about.is_symlink() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| {
        let what = format!(
            "{} is open to other users of this machine, and cannot be closed: {error}",
            path.display()
        );
        io::Error::new(error.kind(), what)
    })
}

/// A quota that is used up is a disk that is full.
fn no_room(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => io::Error::new(io::ErrorKind::StorageFull, error),
        _ => error,
    }
}

fn reserve(file: &fs::File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::OPNOTSUPP) => return fill(file, bytes),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn fill(file: &fs::File, bytes: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < bytes {
        let part = (bytes - offset).min(ZEROS.len() as u64) as usize;
        file.write_all_at(&ZEROS[..part], offset)?;
        offset += part as u64;
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

impl Disk for Folder {
    fn list<'a>(&'a self, folder: &'a str) -> Io<'a, Vec<String>> {
        let (root, path) = (self.root.clone(), self.at(folder));
        make(move || list(&root, &path))
    }

    fn create<'a>(&'a self, path: &'a str, bytes: u64) -> Io<'a, Arc<dyn File>> {
        let path = self.at(path);
        make(move || create(&path, bytes))
    }

    fn open<'a>(&'a self, path: &'a str) -> Io<'a, Arc<dyn File>> {
        let path = self.at(path);
        make(move || open(&path))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Io<'a, ()> {
        let (from, to) = (self.at(from), self.at(to));
        make(move || fs::rename(from, to))
    }

    fn remove<'a>(&'a self, path: &'a str) -> Io<'a, ()> {
        let path = self.at(path);
        make(move || fs::remove_file(path))
    }

    fn sync_folder<'a>(&'a self, folder: &'a str) -> Io<'a, ()> {
        let path = self.at(folder);
        make(move || sync_folder(&path))
    }
}

/// An open file.
struct Open {
    /// There until this is dropped.
    inner: Option<Arc<Inner>>,
}

impl Open {
    fn inner(&self) -> &Arc<Inner> {
        self.inner.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Open {
    /// The last one to close a removed file frees all its blocks.
    fn drop(&mut self) {
        if let (Some(inner), Some(elsewhere)) = (self.inner.take(), elsewhere()) {
            drop(elsewhere.spawn_blocking(move || drop(inner)));
        }
    }
}

struct Inner {
    file: fs::File,
    /// Zeros on their way into a new file.
    filling: Filling,
}

fn opened(filling: Filling, file: fs::File) -> Arc<dyn File> {
    Arc::new(Open { inner: Some(Arc::new(Inner { file, filling })) })
}

impl Inner {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.filling.end()?;
        self.file.write_all_at(bytes, offset).map_err(no_room)
    }

    fn sync(&self) -> io::Result<()> {
        self.filling.check()?;
        self.file.sync_data()
    }
}

impl File for Open {
    fn size(&self) -> Io<'_, u64> {
        let inner = Arc::clone(self.inner());
        make(move || inner.file.metadata().map(|about| about.len()))
    }

    fn write_at<'a>(&'a self, bytes: &'a [u8], offset: u64) -> Io<'a, ()> {
        let Some(elsewhere) = elsewhere() else {
            return Box::pin(std::future::ready(self.inner().write(bytes, offset)));
        };
        let (inner, bytes) = (Arc::clone(self.inner()), bytes.to_vec());
        hand_over(&elsewhere, move || inner.write(&bytes, offset))
    }

    fn read_at<'a>(&'a self, into: &'a mut [u8], offset: u64) -> Io<'a, usize> {
        let Some(elsewhere) = elsewhere() else {
            return Box::pin(std::future::ready(read_full(&self.inner().file, into, offset)));
        };
        let (inner, mut bytes) = (Arc::clone(self.inner()), vec![0; into.len()]);
        let read = hand_over(&elsewhere, move || {
            let count = read_full(&inner.file, &mut bytes, offset)?;
            bytes.truncate(count);
            Ok(bytes)
        });
        Box::pin(async move {
            let bytes = read.await?;
            into[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        })
    }

    fn sync(&self) -> Io<'_, ()> {
        let inner = Arc::clone(self.inner());
        make(move || inner.sync())
    }
}

fn read_full(file: &fs::File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
