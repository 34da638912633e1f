//! A disk in memory that treats a crash as real ones do.
//!
//! What was written but not synced is kept apart, in sectors of 512 bytes: a crash keeps any of them, in any order, each
//! as it was after one of the writes to it. The same goes for names, of which a crash keeps those that came first. The disk fills up and breaks on demand, and
//! its syncs take time of the runtime `R`. All chance comes from the seed.

use fastrand::Rng;
use openraft::async_runtime::AsyncRuntime;
use sluice_raft::disk::{Disk, File, Io};
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What is torn at once.
const SECTOR: usize = 512;

/// The disk. Clones are the same disk.
pub(crate) struct FaultyDisk<R> {
    state: Arc<Mutex<State>>,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Clone for FaultyDisk<R> {
    fn clone(&self) -> Self {
        FaultyDisk { state: self.state.clone(), runtime: PhantomData }
    }
}

struct State {
    rng: Rng,
    /// Names now, and the number of the file that each stands for.
    names: BTreeMap<String, usize>,
    /// Names after a crash that keeps none of the changes below.
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    files: BTreeMap<usize, Content>,
    created: usize,
    /// Bytes that all files together may have.
    room: u64,
    is_sync_broken: bool,
    sync_us: RangeInclusive<u64>,
    syncs: u64,
    /// Changes that still succeed, and how the others fail.
    left: Option<(u64, io::ErrorKind)>,
    has_failed: bool,
}

#[derive(Clone)]
enum NameChange {
    Set(String, usize),
    Remove(String),
    Rename(String, String),
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What happened since the last sync: the new size, and what was written where.
    size: Option<usize>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl<R: AsyncRuntime> FaultyDisk<R> {
    /// An empty disk without end. Its syncs take no time.
    pub(crate) fn new(seed: u64) -> FaultyDisk<R> {
        FaultyDisk::of(State {
            rng: Rng::with_seed(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            files: BTreeMap::new(),
            created: 0,
            room: u64::MAX,
            is_sync_broken: false,
            sync_us: 0..=0,
            syncs: 0,
            left: None,
            has_failed: false,
        })
    }

    fn of(state: State) -> FaultyDisk<R> {
        FaultyDisk { state: Arc::new(Mutex::new(state)), runtime: PhantomData }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on a sync takes up to so many microseconds.
    pub(crate) fn set_sync_us_max(&self, us: u64) {
        self.set_sync_us(0..=us);
    }

    /// From now on a sync takes so many microseconds.
    pub(crate) fn set_sync_us(&self, us: RangeInclusive<u64>) {
        self.state().sync_us = us;
    }

    /// From now on all files together may have so many bytes.
    pub(crate) fn set_room(&self, bytes: u64) {
        self.state().room = bytes;
    }

    /// Bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// From now on every sync fails, and what it should have made durable never will be.
    pub(crate) fn break_sync(&self) {
        self.state().is_sync_broken = true;
    }

    /// After so many changes each fails with this, and has no effect: as if the process had ended, or where it is
    /// [`io::ErrorKind::StorageFull`], as if the disk were full.
    pub(crate) fn fail_after(&self, changes: u64, kind: io::ErrorKind) {
        self.state().left = Some((changes, kind));
    }

    /// Whether any change failed for that.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// Syncs of files so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// What a power cut at this moment leaves behind. This disk goes on as if nothing had happened.
    pub(crate) fn crash(&self) -> FaultyDisk<R> {
        let mut state = self.state();
        let seed = state.rng.u64(..);
        let mut rng = Rng::with_seed(seed);
        let mut names = state.durable_names.clone();
        let kept = rng.usize(..=state.name_changes.len());
        for change in &state.name_changes[..kept] {
            change.apply(&mut names);
        }
        let files = state.files.iter().map(|(number, content)| (*number, content.crash(&mut rng)));
        FaultyDisk::of(State {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            name_changes: Vec::new(),
            created: state.created,
            room: state.room,
            is_sync_broken: false,
            sync_us: state.sync_us.clone(),
            syncs: 0,
            left: None,
            has_failed: false,
            rng,
        })
    }

    /// The same disk once more, all of it durable.
    pub(crate) fn copy(&self) -> FaultyDisk<R> {
        let state = self.state();
        let files =
            state.files.iter().map(|(number, content)| (*number, Content::whole(content.now.clone())));
        FaultyDisk::of(State {
            rng: state.rng.clone(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            name_changes: Vec::new(),
            files: files.collect(),
            created: state.created,
            room: state.room,
            is_sync_broken: false,
            sync_us: 0..=0,
            syncs: 0,
            left: None,
            has_failed: false,
        })
    }

    /// Names of the files in `folder`.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let state = self.state();
        let inside = |path: &String| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        state.names.keys().filter_map(inside).collect()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        let state = self.state();
        state.files[&state.names[path]].now.clone()
    }

    /// Puts other bytes into a file, durably.
    pub(crate) fn replace(&self, path: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let number = state.names[path];
        state.files.insert(number, Content::whole(bytes));
    }

    /// Removes a file, durably.
    pub(crate) fn lose(&self, path: &str) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }
}

impl State {
    /// One more change. What takes no room succeeds on a full disk.
    fn count(&mut self, takes_room: bool) -> io::Result<()> {
        match &mut self.left {
            Some((0, kind)) if takes_room || *kind != io::ErrorKind::StorageFull => {
                self.has_failed = true;
                Err((*kind).into())
            }
            Some((left, _)) => {
                *left = left.saturating_sub(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|number| self.files[number].now.len() as u64).sum()
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn create(&mut self, path: &str, bytes: u64) -> io::Result<usize> {
        if let Err(error) = self.count(true) {
            if error.kind() == io::ErrorKind::StorageFull && self.names.contains_key(path) {
                self.change(NameChange::Remove(path.to_owned()));
            }
            return Err(error);
        }
        let replaced = self.names.get(path).map_or(0, |number| self.files[number].now.len() as u64);
        if self.used() - replaced + bytes > self.room {
            if self.names.contains_key(path) {
                self.change(NameChange::Remove(path.to_owned()));
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.created += 1;
        let size = bytes as usize;
        let content = Content { now: vec![0; size], size: Some(size), ..Content::default() };
        self.files.insert(self.created, content);
        self.change(NameChange::Set(path.to_owned(), self.created));
        Ok(self.created)
    }

    fn write(&mut self, number: usize, bytes: &[u8], offset: usize) -> io::Result<()> {
        self.count(true)?;
        let end = offset + bytes.len();
        let grows = end.saturating_sub(self.files[&number].now.len()) as u64;
        if grows > 0 && self.used() + grows > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        if content.now.len() < end {
            content.now.resize(end, 0);
            content.size = Some(end);
        }
        content.now[offset..end].copy_from_slice(bytes);
        content.unsynced.push((offset, bytes.to_vec()));
        Ok(())
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Set(path, number) => drop(names.insert(path.clone(), *number)),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Rename(from, to) => {
                if let Some(number) = names.remove(from) {
                    names.insert(to.clone(), number);
                }
            }
        }
    }
}

impl Content {
    fn whole(bytes: Vec<u8>) -> Content {
        Content { durable: bytes.clone(), now: bytes, size: None, unsynced: Vec::new() }
    }

    /// Makes durable what was written by the time the sync began.
    fn sync(&mut self, writes: usize) {
        self.durable.resize(self.now.len(), 0);
        for (offset, bytes) in self.unsynced.drain(..writes) {
            self.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        self.size = None;
    }

    fn crash(&self, rng: &mut Rng) -> Content {
        let mut left = self.durable.clone();
        if let Some(size) = self.size.filter(|_| rng.bool()) {
            left.resize(size, 0);
        }
        // All, none, or some of it.
        let keeps = rng.u8(0..=4);
        for pieces in self.sectors().into_values() {
            let kept = if rng.u8(0..4) < keeps { pieces.len() } else { rng.usize(0..pieces.len()) };
            for (at, bytes) in &pieces[..kept] {
                left.resize(left.len().max(at + bytes.len()), 0);
                left[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
        Content::whole(left)
    }

    /// What was written to each sector since the last sync, in order.
    fn sectors(&self) -> BTreeMap<usize, Vec<(usize, &[u8])>> {
        let mut sectors: BTreeMap<usize, Vec<(usize, &[u8])>> = BTreeMap::new();
        for (offset, bytes) in &self.unsynced {
            let mut at = *offset;
            while at < offset + bytes.len() {
                let end = ((at / SECTOR + 1) * SECTOR).min(offset + bytes.len());
                sectors.entry(at / SECTOR).or_default().push((at, &bytes[at - offset..end - offset]));
                at = end;
            }
        }
        sectors
    }
}

fn ready<'a, T: Send + 'a>(result: io::Result<T>) -> Io<'a, T> {
    Box::pin(std::future::ready(result))
}

impl<R: AsyncRuntime> Disk for FaultyDisk<R> {
    fn list<'a>(&'a self, folder: &'a str) -> Io<'a, Vec<String>> {
        ready(Ok(self.names(folder)))
    }

    fn create<'a>(&'a self, path: &'a str, bytes: u64) -> Io<'a, Arc<dyn File>> {
        let number = self.state().create(path, bytes);
        ready(number.map(|number| Arc::new(Open { disk: self.clone(), number }) as Arc<dyn File>))
    }

    fn open<'a>(&'a self, path: &'a str) -> Io<'a, Arc<dyn File>> {
        let number = self.state().names.get(path).copied().ok_or(io::ErrorKind::NotFound.into());
        ready(number.map(|number| Arc::new(Open { disk: self.clone(), number }) as Arc<dyn File>))
    }

    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> Io<'a, ()> {
        let mut state = self.state();
        let counted = state.count(false);
        if counted.is_ok() {
            state.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        }
        ready(counted)
    }

    fn remove<'a>(&'a self, path: &'a str) -> Io<'a, ()> {
        let mut state = self.state();
        let counted = state.count(false);
        if counted.is_ok() {
            state.change(NameChange::Remove(path.to_owned()));
        }
        ready(counted)
    }

    fn sync_folder<'a>(&'a self, _: &'a str) -> Io<'a, ()> {
        // All folders at once: their changes are in one list.
        let mut state = self.state();
        let counted = state.count(false);
        if counted.is_ok() {
            state.durable_names = state.names.clone();
            state.name_changes.clear();
        }
        ready(counted)
    }
}

struct Open<R> {
    disk: FaultyDisk<R>,
    number: usize,
}

impl<R: AsyncRuntime> File for Open<R> {
    fn size(&self) -> Io<'_, u64> {
        ready(Ok(self.disk.state().files[&self.number].now.len() as u64))
    }

    fn write_at<'a>(&'a self, bytes: &'a [u8], offset: u64) -> Io<'a, ()> {
        ready(self.disk.state().write(self.number, bytes, offset as usize))
    }

    fn read_at<'a>(&'a self, into: &'a mut [u8], offset: u64) -> Io<'a, usize> {
        let state = self.disk.state();
        let rest = state.files[&self.number].now.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        ready(Ok(count))
    }

    fn sync(&self) -> Io<'_, ()> {
        Box::pin(async move {
            let (writes, wait_us) = {
                let mut state = self.disk.state();
                state.syncs += 1;
                let us = state.sync_us.clone();
                (state.files[&self.number].unsynced.len(), state.rng.u64(us))
            };
            if wait_us > 0 {
                R::sleep(Duration::from_micros(wait_us)).await;
            }
            let mut state = self.disk.state();
            state.count(false)?;
            let is_broken = state.is_sync_broken;
            let content = state.files.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
            if is_broken {
                content.unsynced.drain(..writes);
                return Err(io::Error::other("the device does not answer"));
            }
            content.sync(writes);
            Ok(())
        })
    }
}
