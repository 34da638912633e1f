//! From the owners' threads to the node's: one wake for all that they left, in whichever queue of whichever group.
//!
//! A wake costs a system call and may cost the waker its core. So tasks that serve owners sleep until the gate's own task, which
//! runs on their thread, wakes those who have something to do.

use futures_util::task::AtomicWaker;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::shared::Shared;

/// The gate of a node.
#[derive(Default)]
pub(crate) struct Gate {
    /// Something was left that the gate was not rung for. By owners.
    left: AtomicBool,
    /// The gate was rung, and nobody has looked. By owners; taken back by the gate's task.
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Gate {
    /// Something is there for the next ring.
    pub(crate) fn leave(&self) {
        // Release: what was left is visible to whoever rings for it.
        self.left.store(true, Ordering::Release);
    }

    /// What was left, by whomever, is looked for soon. Where others rang for it already this does nothing: the task, woken in
    /// between on the caller's core, would find nothing.
    pub(crate) fn ring(&self) {
        if self.left.load(Ordering::Relaxed) && self.left.swap(false, Ordering::AcqRel) {
            // Release: what was left is visible to whoever takes the ring back.
            if !self.rung.swap(true, Ordering::AcqRel) {
                self.task.wake();
            }
        }
    }

    async fn rung(&self) {
        poll_fn(|context| {
            // Registered first, so that a ring meanwhile wakes this task.
            self.task.register(context.waker());
            if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Wakes whoever has something to do, as long as it is driven.
pub(crate) async fn open_gate(gate: Arc<Gate>, groups: Vec<Arc<Shared>>) {
    loop {
        gate.rung().await;
        for shared in &groups {
            shared.proposals.wake();
            shared.errands.wake();
        }
    }
}
