//! The data folder: one process at a time, and one file with the state of every shard.
//!
//! ```text
//! magic 8 | format u32 | shards u32 | per shard: slices, each length u32 and bytes; length 0 | checksum 16
//! ```
//! Numbers are little-endian; the checksum is over all before it. Shards come in slices, so that writing needs no second
//! copy of them. The file is written beside the old one, synced, and put in its place by a rename, and the folder is synced: after a
//! crash at any moment there is the old state or the new one, whole. Its bytes hold the keys of tokens, so only the
//! owner may read it.
//!
//! A second file is there while a process runs. Who finds it knows that the last one did not end cleanly, and that the
//! state is of an earlier stop.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::Hasher as _;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::limit;

const MAGIC: &[u8; 8] = b"sluice\r\n";
/// The version that this build writes, and the newest it reads.
const FORMAT: u32 = 1;
const STATE: &str = "state";
const STATE_NEW: &str = "state.new";
const RUNNING: &str = "running";
const LOCK: &str = "lock";

/// Why the folder cannot be used. The operator's move.
#[derive(Debug)]
pub(crate) enum DataError {
    /// The folder cannot be made, read or written.
    Unusable { path: PathBuf, why: io::Error },
    /// Another process holds it.
    Locked { path: PathBuf },
    /// The state is not what was written.
    Damaged { path: PathBuf, why: &'static str },
    /// A newer build wrote it.
    Newer { path: PathBuf, format: u32 },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataError::Unusable { path, why } => {
                write!(
                    f,
                    "data folder: {}: {why}; make it writable or name another with --data",
                    path.display()
                )
            }
            DataError::Locked { path } => write!(
                f,
                "data folder {} is in use by another process: stop that one or name another with --data",
                path.display()
            ),
            DataError::Damaged { path, why } => write!(
                f,
                "{} is damaged ({why}): restore it from a copy, or move it away to start empty",
                path.display()
            ),
            DataError::Newer { path, format } => write!(
                f,
                "{} has format {format}, this build reads up to {FORMAT}: start the newer build, or move the file away to start empty",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DataError {}

/// What a folder holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Saved {
    /// The state of every shard, at the last clean stop.
    pub(crate) shards: Vec<Vec<u8>>,
    /// Whether nobody ran since then.
    pub(crate) is_latest: bool,
}

/// A folder that this process holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The lock lives as long as this file is open, however the process ends.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if there is none, and takes it.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |why| DataError::Unusable { path, why }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable(path))?;
        let lock_path = path.join(LOCK);
        let options = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).to_owned();
        let lock = options().open(&lock_path).map_err(unusable(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(DataError::Locked { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(why)) => Err(unusable(&lock_path)(why)),
        }
    }

    /// What was last saved; `None` where nothing ever was.
    pub(crate) fn load(&self) -> Result<Option<Saved>, DataError> {
        let path = self.path.join(STATE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(DataError::Unusable { path, why }),
        };
        let shards = read_state(BufReader::new(file)).map_err(|stop| stop.at(path))?;
        let running = self.path.join(RUNNING);
        let is_latest = match running.try_exists() {
            Ok(exists) => !exists,
            Err(why) => return Err(DataError::Unusable { path: running, why }),
        };
        Ok(Some(Saved { shards, is_latest }))
    }

    /// Notes that from now on what is saved is out of date, until the next [`DataDir::save`]. False where a run that did
    /// not end cleanly has noted so already.
    pub(crate) fn begin(&self) -> Result<bool, DataError> {
        let path = self.path.join(RUNNING);
        let synced = match OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path) {
            Ok(_) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        };
        synced.map_err(|why| DataError::Unusable { path, why })
    }

    /// Takes back what [`DataDir::begin`] noted.
    pub(crate) fn end(&self) -> Result<(), DataError> {
        let path = self.path.join(RUNNING);
        let removed = match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync(),
        };
        removed.map_err(|why| DataError::Unusable { path, why })
    }

    /// Replaces what was saved. `next_slice` is asked for slices of each shard in turn, until it has no more.
    pub(crate) fn save(
        &self,
        shards: u32,
        next_slice: impl FnMut(u32) -> Option<Vec<u8>>,
    ) -> Result<(), DataError> {
        let new = self.path.join(STATE_NEW);
        let written = self.replace(&new, shards, next_slice);
        written.map_err(|why| DataError::Unusable { path: new, why })?;
        self.end()
    }

    fn replace(
        &self,
        new: &Path,
        shards: u32,
        next_slice: impl FnMut(u32) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(new)?;
        let mut out = BufWriter::new(file);
        write_state(&mut out, shards, next_slice)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(new, self.path.join(STATE))?;
        self.sync()
    }

    /// Makes what was created, renamed or removed in the folder survive a crash of the machine.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Why reading stopped.
enum Stop {
    Io(io::Error),
    Damaged(&'static str),
    Newer(u32),
}

impl Stop {
    fn at(self, path: PathBuf) -> DataError {
        match self {
            Stop::Io(why) if why.kind() == io::ErrorKind::UnexpectedEof => {
                DataError::Damaged { path, why: "it ends too early" }
            }
            Stop::Io(why) => DataError::Unusable { path, why },
            Stop::Damaged(why) => DataError::Damaged { path, why },
            Stop::Newer(format) => DataError::Newer { path, format },
        }
    }
}

impl From<io::Error> for Stop {
    fn from(why: io::Error) -> Self {
        Stop::Io(why)
    }
}

/// Passes bytes through and sums them up.
struct Summed<T> {
    inner: T,
    sum: SipHasher13,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, sum: SipHasher13::new() }
    }

    fn checksum(&self) -> [u8; 16] {
        self.sum.finish128().as_u128().to_le_bytes()
    }
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.write(bytes);
        self.inner.write_all(bytes)
    }
}

impl<R: Read> Summed<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.sum.write(&bytes);
        Ok(bytes)
    }

    /// Appends `len` bytes to `bytes`. Memory grows with what is there, not with what the length claims.
    fn append(&mut self, len: u32, bytes: &mut Vec<u8>) -> io::Result<()> {
        let start = bytes.len();
        let got = self.inner.by_ref().take(u64::from(len)).read_to_end(bytes)?;
        if u32::try_from(got) != Ok(len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.sum.write(&bytes[start..]);
        Ok(())
    }
}

fn write_state(
    out: &mut impl Write,
    shards: u32,
    mut next_slice: impl FnMut(u32) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let mut out = Summed::new(out);
    out.put(MAGIC)?;
    out.put(&FORMAT.to_le_bytes())?;
    out.put(&shards.to_le_bytes())?;
    for shard in 0..shards {
        while let Some(slice) = next_slice(shard) {
            // An empty slice would read as the end of its shard.
            if !slice.is_empty() {
                let len = u32::try_from(slice.len()).map_err(io::Error::other)?;
                out.put(&len.to_le_bytes())?;
                out.put(&slice)?;
            }
        }
        out.put(&0u32.to_le_bytes())?;
    }
    let checksum = out.checksum();
    out.inner.write_all(&checksum)
}

fn read_state(input: impl Read) -> Result<Vec<Vec<u8>>, Stop> {
    let mut input = Summed::new(input);
    if &input.array::<8>()? != MAGIC {
        return Err(Stop::Damaged("it does not begin like a state of sluice"));
    }
    match u32::from_le_bytes(input.array()?) {
        FORMAT => {}
        0 => return Err(Stop::Damaged("it has no format")),
        newer => return Err(Stop::Newer(newer)),
    }
    let count = u32::from_le_bytes(input.array()?);
    if !(1..=limit::SHARDS_MAX).contains(&count) {
        return Err(Stop::Damaged("it names no shards, or too many"));
    }
    let shards = (0..count).map(|_| read_shard(&mut input)).collect::<Result<Vec<_>, _>>()?;
    let expected = input.checksum();
    if input.array::<16>()? != expected {
        return Err(Stop::Damaged("its checksum is wrong"));
    }
    match input.inner.read(&mut [0])? {
        0 => Ok(shards),
        _ => Err(Stop::Damaged("something follows its end")),
    }
}

fn read_shard(input: &mut Summed<impl Read>) -> io::Result<Vec<u8>> {
    let mut shard = Vec::new();
    loop {
        match u32::from_le_bytes(input.array()?) {
            0 => return Ok(shard),
            len => input.append(len, &mut shard)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDir, DataError, STATE, Saved};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// Saves whole shards, each cut into slices of `slice` bytes.
    fn save(data: &DataDir, shards: &[&[u8]], slice: usize) {
        let mut slices = shards.iter().map(|shard| shard.chunks(slice)).collect::<Vec<_>>();
        let count = u32::try_from(shards.len()).unwrap();
        data.save(count, |shard| slices[shard as usize].next().map(<[u8]>::to_vec)).unwrap();
    }

    fn latest(shards: &[&[u8]]) -> Option<Saved> {
        Some(Saved { shards: shards.iter().map(|shard| shard.to_vec()).collect(), is_latest: true })
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = folder();
        let path = folder.path().join("deep/data");
        let data = DataDir::open(&path).unwrap();
        assert_eq!(data.load().unwrap(), None);
        let long = vec![7; 100_000];
        save(&data, &[b"first", b"", &long], 7);
        assert_eq!(data.load().unwrap(), latest(&[b"first", b"", &long]));
        save(&data, &[b"second"], 1);
        drop(data);
        let again = DataDir::open(&path).unwrap();
        assert_eq!(again.load().unwrap(), latest(&[b"second"]));
    }

    #[test]
    fn a_run_that_did_not_end_cleanly_is_known() {
        let folder = folder();
        let data = DataDir::open(folder.path()).unwrap();
        save(&data, &[b"a"], 1);
        assert!(data.begin().unwrap());
        data.end().unwrap();
        assert_eq!(data.load().unwrap(), latest(&[b"a"]), "nothing came of that run");
        assert!(data.begin().unwrap());
        drop(data);
        let again = DataDir::open(folder.path()).unwrap();
        assert!(!again.load().unwrap().unwrap().is_latest);
        assert!(!again.begin().unwrap());
        save(&again, &[b"b"], 1);
        assert_eq!(again.load().unwrap(), latest(&[b"b"]));
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = folder();
        let first = DataDir::open(folder.path()).unwrap();
        let refused = DataDir::open(folder.path()).unwrap_err();
        assert!(matches!(refused, DataError::Locked { .. }), "{refused}");
        drop(first);
        DataDir::open(folder.path()).unwrap();
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let folder = folder();
        let data = DataDir::open(folder.path()).unwrap();
        save(&data, &[b"abc", b"de"], 2);
        let path = folder.path().join(STATE);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(data.load(), Err(DataError::Damaged { .. })), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            std::fs::write(&path, &changed).unwrap();
            let refused = data.load().unwrap_err();
            assert!(
                matches!(refused, DataError::Damaged { .. } | DataError::Newer { .. }),
                "at {at}: {refused}"
            );
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(matches!(data.load(), Err(DataError::Damaged { .. })));
    }

    #[test]
    fn a_newer_format_says_what_to_do() {
        let folder = folder();
        let data = DataDir::open(folder.path()).unwrap();
        std::fs::write(folder.path().join(STATE), b"sluice\r\n\x02\0\0\0\0\0\0\0").unwrap();
        let line = data.load().unwrap_err().to_string();
        assert!(line.contains("has format 2, this build reads up to 1: start the newer build"), "{line}");
    }

    #[test]
    fn a_place_that_cannot_be_used_is_named() {
        let refused = DataDir::open(std::path::Path::new("/dev/null/data")).unwrap_err();
        assert!(matches!(refused, DataError::Unusable { .. }), "{refused}");
        assert!(refused.to_string().ends_with("make it writable or name another with --data"));
    }
}
