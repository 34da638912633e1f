//! Writes zeros into a file that will be written later, from a thread of its own.
//!
//! Room that is only reserved reads as zeros but is none to the file system: the first write of each part changes its books, and
//! a sync waits for them too. On ext4 a sync of 20 kB takes 187 us there, and 115 us where zeros were written before. Nothing
//! depends on how far this comes: what was not filled still reads as zeros.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        let stop = Arc::clone(&filling.stop);
        let thread =
            thread::Builder::new().name("log-zeros".to_owned()).spawn(move || fill(&file, bytes, &stop));
        // Without a thread it stays as it is.
        *filling.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread.ok();
        filling
    }

    /// From here on nothing is filled: what the caller writes stays.
    pub(super) fn end(&self) {
        if self.is_over.load(Ordering::Acquire) {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        // Held until the thread has ended, so that nobody passes it meanwhile.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // It cannot have panicked; and if it had, it would write no more either.
        thread.take().map(JoinHandle::join);
        self.is_over.store(true, Ordering::Release);
    }
}

impl Drop for Filling {
    /// Nobody waits: a file of the same name that is made later is another one.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Where it fails it stops: whoever writes there is told.
fn fill(file: &fs::File, bytes: u64, stop: &AtomicBool) {
    let mut offset = 0;
    while offset < bytes && !stop.load(Ordering::Relaxed) {
        let part = (bytes - offset).min(ZEROS.len() as u64);
        if file.write_all_at(&ZEROS[..part as usize], offset).is_err() {
            return;
        }
        offset += part;
        if offset % SYNC_EVERY == 0 && file.sync_all().is_err() {
            return;
        }
    }
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
            filling.end();
            // Twice is once.
            filling.end();
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
