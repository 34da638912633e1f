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
    /// Something was left that nobody has looked for. By owners; taken back by the gate's task.
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Gate {
    /// What the caller left is looked for soon.
    pub(crate) fn ring(&self) {
        // Release: what was left is visible to whoever takes the ring back.
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.task.wake();
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
