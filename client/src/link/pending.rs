//! The reply to what was sent, as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Answer, SlotId};
use crate::node::Node;

/// Waits for the answer; dropped before, it frees its slot.
pub(crate) struct Pending<'a> {
    node: &'a Node,
    slot: SlotId,
    /// The caller was registered when it sent, in the same poll.
    is_registered: bool,
    is_over: bool,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(node: &'a Node, slot: SlotId) -> Self {
        Self { node, slot, is_registered: true, is_over: false }
    }
}

impl Future for Pending<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        if std::mem::take(&mut self.is_registered) {
            return Poll::Pending;
        }
        let answer = self.node.queue().check(self.slot, cx.waker());
        self.is_over = answer.is_ready();
        answer
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.node.queue().forget(self.slot);
        }
    }
}
