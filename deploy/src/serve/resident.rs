//! Gives back what is free: the allocator keeps freed pages for a while, and looks at them only when it is asked for memory again.
//!
//! So an idle process would keep what its clients left behind, and a busy one could stand far above what it has in use. Near the
//! bound of memory there are no huge pages either: the kernel fills one up as soon as a single page of it is used.

use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::limit;

/// Pages whose time is over, and all free pages, of all arenas: jemalloc's `MALLCTL_ARENAS_ALL`.
const DECAY: &CStr = c"arena.4096.decay";
const PURGE: &CStr = c"arena.4096.purge";

/// Watches until it is dropped.
pub(super) struct Resident {
    _stop: Sender<()>,
}

impl Resident {
    /// Watches a process that may take so many bytes, on a thread of its own.
    pub(super) fn watch(memory_max: u64) -> Resident {
        let (stop, stopped) = channel::<()>();
        let pause = Duration::from_millis(limit::RESIDENT_CHECK_MS);
        thread::spawn(move || {
            let mut pressure = Pressure::new(memory_max);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                match pressure.due(resident_bytes()) {
                    Due::Nothing => {}
                    Due::Decay => give_back(DECAY),
                    Due::Purge { is_first } => {
                        if is_first && let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
                            tracing::info!(%error, "huge pages stay, near the bound of memory");
                        }
                        give_back(PURGE);
                        pressure.purged(resident_bytes());
                    }
                }
            }
        });
        Resident { _stop: stop }
    }
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Nothing,
    Decay,
    Purge { is_first: bool },
}

/// When something is to be done.
struct Pressure {
    memory_max: u64,
    /// Bytes that were left after all was given back last; `None`: that was never necessary.
    left: Option<u64>,
    /// Looks since something was given back.
    looks: u32,
}

impl Pressure {
    fn new(memory_max: u64) -> Pressure {
        Pressure { memory_max, left: None, looks: 0 }
    }

    /// One look at so many resident bytes.
    fn due(&mut self, resident: u64) -> Due {
        self.looks += 1;
        let is_near = resident > self.memory_max / limit::RESIDENT_PARTS * limit::RESIDENT_NEAR_PARTS;
        let step = self.memory_max / limit::RESIDENT_STEP_PARTS;
        let has_grown = self.left.is_none_or(|left| resident > left.saturating_add(step));
        if is_near && (has_grown || self.looks >= limit::RESIDENT_AGAIN_LOOKS) {
            self.looks = 0;
            return Due::Purge { is_first: self.left.is_none() };
        }
        if self.looks.is_multiple_of(limit::RESIDENT_DECAY_LOOKS) { Due::Decay } else { Due::Nothing }
    }

    fn purged(&mut self, resident: u64) {
        self.left = Some(resident);
    }
}

/// Tells the allocator to give pages of all arenas back.
fn give_back(which: &CStr) {
    // SAFETY: the name is a C string that lives on, and a command without arguments or results takes null for each of them.
    let failed = unsafe { tikv_jemalloc_sys::mallctl(which.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    debug_assert_eq!(failed, 0, "{which:?}");
}

/// As the kernel sees it; 0 where `/proc` does not say.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::{DECAY, Due, PURGE, Pressure, give_back, resident_bytes};
    use crate::limit;

    const MAX: u64 = 1 << 30;

    #[test]
    fn free_pages_go_near_the_bound_and_after_a_while() {
        let mut pressure = Pressure::new(MAX);
        let far: Vec<Due> = (0..limit::RESIDENT_DECAY_LOOKS).map(|_| pressure.due(MAX / 2)).collect();
        assert_eq!(far.iter().filter(|due| **due != Due::Nothing).count(), 1, "{far:?}");
        assert_eq!(far.last(), Some(&Due::Decay));
        assert_eq!(pressure.due(MAX), Due::Purge { is_first: true });
        pressure.purged(MAX - 1_000);
        assert_eq!(pressure.due(MAX), Due::Nothing, "that would find nothing");
        assert_eq!(pressure.due(MAX + MAX / 32), Due::Purge { is_first: false });
        pressure.purged(MAX);
        let later = (0..limit::RESIDENT_AGAIN_LOOKS).map(|_| pressure.due(MAX)).last();
        assert_eq!(later, Some(Due::Purge { is_first: false }));
    }

    #[test]
    fn the_allocator_knows_the_names_and_gives_back() {
        give_back(DECAY);
        let bytes = vec![1u8; 256 << 20];
        let with = resident_bytes();
        drop(bytes);
        give_back(PURGE);
        assert!(resident_bytes() + (200 << 20) < with);
    }
}
