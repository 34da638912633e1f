//! Writes zeros into a file that will be written later, from a thread of its own.
//!
//! Room that is only reserved reads as zeros but is none to the file system: the first write of each part changes its books, and
//! a sync waits for them too. On ext4 a sync of 20 kB takes 187 us there, and 115 us where zeros were written before. Nothing
//! depends on how far this comes: what was not filled still reads as zeros. But an error is the file's: the system tells it
//! once, here, and whoever writes and syncs the file later would never hear of it.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

/// Bytes written at a time.
pub(super) static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// Bytes after which they are made durable, so that nobody has to wait for all of them later.
const SYNC_EVERY: u64 = 1 << 20;
/// Smaller files are not worth a thread.
const BYTES_MIN: u64 = 4 << 20;

/// A file that is being filled, until somebody else writes to it.
#[derive(Default)]
pub(super) struct Filling {
    /// Nobody fills any more.
    is_over: AtomicBool,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// What the system said against it. By the thread, once.
    failure: OnceLock<Failure>,
}

/// An error that can be told again and again.
struct Failure {
    kind: io::ErrorKind,
    text: String,
}

impl Filling {
    /// Nothing is filled.
    pub(super) fn none() -> Filling {
        let filling = Filling::default();
        filling.is_over.store(true, Ordering::Relaxed);
        filling
    }

    /// Begins to fill the first `bytes` bytes.
    pub(super) fn begin(file: &fs::File, bytes: u64) -> Filling {
        let Some(file) = file.try_clone().ok().filter(|_| bytes >= BYTES_MIN) else {
            return Filling::none();
        };
        let filling = Filling::default();
        let shared = Arc::clone(&filling.shared);
        let thread =
            thread::Builder::new().name("log-zeros".to_owned()).spawn(move || run(&file, bytes, &shared));
        // Without a thread it stays as it is.
        *filling.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread.ok();
        filling
    }

    /// From here on nothing is filled: what the caller writes stays.
    ///
    /// # Errors
    /// What the system said while it was filled. Nobody knows what is on the disk then.
    pub(super) fn end(&self) -> io::Result<()> {
        if self.is_over.load(Ordering::Acquire) {
            return self.check();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
        // Held until the thread has ended, so that nobody passes it meanwhile.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // It cannot have panicked; and if it had, it would write no more either.
        thread.take().map(JoinHandle::join);
        self.is_over.store(true, Ordering::Release);
        self.check()
    }

    /// The error that filling met so far.
    ///
    /// # Errors
    /// As [`Filling::end`].
    pub(super) fn check(&self) -> io::Result<()> {
        match self.shared.failure.get() {
            None => Ok(()),
            Some(Failure { kind, text }) => Err(io::Error::new(*kind, text.clone())),
        }
    }
}

impl Drop for Filling {
    /// Nobody waits: a file of the same name that is made later is another one.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn run(file: &fs::File, bytes: u64, shared: &Shared) {
    let Err(error) = fill(file, bytes, &shared.stop) else { return };
    // No room is no damage: the file has what it had, and its next writer is told.
    if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        let failure = Failure { kind: error.kind(), text: format!("zeros cannot be written: {error}") };
        // Set by this thread alone.
        let _ = shared.failure.set(failure);
    }
}

fn fill(file: &fs::File, bytes: u64, stop: &AtomicBool) -> io::Result<()> {
    let mut offset = 0;
    while offset < bytes && !stop.load(Ordering::Relaxed) {
        let part = (bytes - offset).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..part as usize], offset)?;
        offset += part;
        if offset % SYNC_EVERY == 0 {
            file.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MIN, Filling};
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    /// A file of this length that reads as zeros, and what fills it.
    fn begun(bytes: u64) -> (fs::File, Filling) {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(bytes).expect("room");
        let filling = Filling::begin(&file, bytes);
        (file, filling)
    }

    #[test]
    fn what_is_written_behind_the_end_of_filling_stays() {
        for round in 0..50 {
            let (file, filling) = begun(BYTES_MIN);
            filling.end().expect("nothing went wrong");
            // Twice is once.
            filling.end().expect("nothing went wrong");
            let at = round * 70_000;
            file.write_all_at(b"kept", at).expect("written");
            let mut read = [0; 4];
            file.read_exact_at(&mut read, at).expect("read");
            assert_eq!(&read, b"kept");
            drop(filling);
            assert_eq!(file.metadata().expect("its length").len(), BYTES_MIN);
        }
    }

    #[test]
    fn an_error_while_filling_is_told_to_whoever_writes_later() {
        use std::io::ErrorKind;
        // One that may only be read takes no zeros.
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read_only = fs::File::open(file.path()).expect("it is there");
        let filling = Filling::begin(&read_only, BYTES_MIN);
        let thread = filling.thread.lock().expect("no panic").take().expect("it runs");
        thread.join().expect("it ends");
        for told in [filling.check(), filling.end(), filling.end(), filling.check()] {
            let error = told.expect_err("the disk said no");
            assert!(error.to_string().contains("zeros cannot be written"), "{error}");
            assert_ne!(error.kind(), ErrorKind::StorageFull);
        }
    }

    #[test]
    fn a_file_that_is_left_alone_is_filled_to_its_end_and_no_further() {
        use std::os::unix::fs::MetadataExt as _;
        let (file, filling) = begun(BYTES_MIN);
        let thread = filling.thread.lock().expect("no panic").take().expect("it runs");
        thread.join().expect("it ends");
        let about = file.metadata().expect("its length");
        assert_eq!(about.len(), BYTES_MIN);
        assert!(about.blocks() * 512 >= BYTES_MIN, "a hole was filled");
        let (_, small) = begun(BYTES_MIN - 1);
        assert!(small.thread.lock().expect("no panic").is_none());
    }
}
