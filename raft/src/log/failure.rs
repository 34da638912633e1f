//! Whether the log can still be written, for whoever waits to stop the process.

use super::lock;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};

/// The first reason why not, and who waits for it.
#[derive(Default)]
pub(super) struct Failure {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reason: Option<String>,
    waiting: Vec<Waker>,
}

impl Failure {
    /// Only the first reason counts: the others follow from it.
    pub(super) fn set(&self, reason: String) {
        let mut state = lock(&self.state);
        if state.reason.is_none() {
            tracing::error!(reason, "the log cannot be written any more");
            state.reason = Some(reason);
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// The reason, as soon as there is one.
    pub(super) async fn wait(&self) -> String {
        poll_fn(|context| {
            let mut state = lock(&self.state);
            if let Some(reason) = &state.reason {
                return Poll::Ready(reason.clone());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
