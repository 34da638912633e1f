//! Keeps calls that block off the threads that must not: those of a tokio runtime, unless one is kept for the disk.
//!
//! Invariant: every call of [`super::Folder`] to the operating system goes through here, whoever makes it, so no disk
//! holds up heartbeats.

use super::Io;
use std::cell::Cell;
use std::io;
use tokio::runtime::Handle;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on this thread, which is kept for the disk: calls to it are made here.
pub(crate) fn on_own_thread<T>(work: impl FnOnce() -> T) -> T {
    let before = MAY_BLOCK.replace(true);
    let result = work();
    MAY_BLOCK.set(before);
    result
}

/// Where blocking calls of this thread go; `None`: they are made here.
pub(super) fn elsewhere() -> Option<Handle> {
    if MAY_BLOCK.get() { None } else { Handle::try_current().ok() }
}

/// Makes the call in another thread. It is made, and to its end, also when nobody waits for it.
pub(super) fn hand_over<'a, T: Send + 'static>(
    to: &Handle,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Io<'a, T> {
    let made = to.spawn_blocking(call);
    Box::pin(async { made.await.unwrap_or_else(|error| Err(io::Error::other(error))) })
}

/// Makes a call that needs nothing of its caller, where it may block.
pub(super) fn make<'a, T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Io<'a, T> {
    match elsewhere() {
        Some(handle) => hand_over(&handle, call),
        None => Box::pin(std::future::ready(call())),
    }
}

#[cfg(test)]
mod tests {
    use super::{make, on_own_thread};
    use std::thread::current;

    #[test]
    fn a_runtime_makes_no_call_itself_unless_its_thread_is_kept_for_that() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let made_here = || {
            let caller = current().id();
            runtime.block_on(async move { make(move || Ok(current().id() == caller)).await }).expect("made")
        };
        assert!(!made_here());
        assert!(on_own_thread(made_here));
        assert!(!made_here(), "a thread is kept for the disk only as long as it says");
    }
}
