//! A folder of the file system. Its calls block: they belong on a thread of their own, except short reads.

use super::zeros::{Filling, ZEROS};
use super::{Disk, File, Io};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { root, _lock: lock }),
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

    fn list_now(&self, folder: &str) -> io::Result<Vec<String>> {
        let path = self.root.join(folder);
        if !path.exists() {
            fs::create_dir_all(&path)?;
            sync_folder(&self.root)?;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn create_now(&self, path: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
        let path = self.root.join(path);
        // Not emptied but made anew: zeros may still be on their way into the old one.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(no_room)?;
        match reserve(&file, bytes).map_err(no_room) {
            Ok(()) => Ok(Arc::new(Open { filling: Filling::begin(&file, bytes), file })),
            Err(error) => {
                // Half a reservation would hold the very room that is missing.
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }
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

fn ready<'a, T: Send + 'a>(result: io::Result<T>) -> Io<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Disk for Folder {
    fn list<'a>(&'a self, folder: &'a str) -> Io<'a, Vec<String>> {
        ready(self.list_now(folder))
    }

    fn create<'a>(&'a self, path: &'a str, bytes: u64) -> Io<'a, Arc<dyn File>> {
        ready(self.create_now(path, bytes))
    }

    fn open<'a>(&'a self, path: &'a str) -> Io<'a, Arc<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.root.join(path));
        ready(file.map(|file| Arc::new(Open { file, filling: Filling::none() }) as Arc<dyn File>))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Io<'a, ()> {
        ready(fs::rename(self.root.join(from), self.root.join(to)))
    }

    fn remove<'a>(&'a self, path: &'a str) -> Io<'a, ()> {
        ready(fs::remove_file(self.root.join(path)))
    }

    fn sync_folder<'a>(&'a self, folder: &'a str) -> Io<'a, ()> {
        ready(sync_folder(&self.root.join(folder)))
    }
}

struct Open {
    file: fs::File,
    /// Zeros on their way into a new file.
    filling: Filling,
}

impl File for Open {
    fn size(&self) -> Io<'_, u64> {
        ready(self.file.metadata().map(|about| about.len()))
    }

    fn write_at<'a>(&'a self, bytes: &'a [u8], offset: u64) -> Io<'a, ()> {
        self.filling.end();
        ready(self.file.write_all_at(bytes, offset).map_err(no_room))
    }

    fn read_at<'a>(&'a self, into: &'a mut [u8], offset: u64) -> Io<'a, usize> {
        ready(read_full(&self.file, into, offset))
    }

    fn sync(&self) -> Io<'_, ()> {
        ready(self.file.sync_data())
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
