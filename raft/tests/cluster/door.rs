//! Where clients reach a node.

use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;
use sluice_engine::zone::settings::ZonePatch;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::{Notify, oneshot};

/// What a client asks.
#[derive(Clone)]
pub(crate) enum Request {
    Join {
        zone: &'static str,
        request: String,
    },
    Poll {
        zone: &'static str,
        token: Vec<u8>,
    },
    Leave {
        zone: &'static str,
        token: Vec<u8>,
    },
    ZoneSet {
        zone: &'static str,
        patch: Box<ZonePatch>,
    },
    /// Append this text, once, however often it is asked.
    Append {
        key: &'static str,
        text: String,
    },
    /// All entries of a stream.
    Read {
        key: &'static str,
    },
}

/// What it is told.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Told {
    Place { token: Vec<u8>, standing: Standing },
    Added { epoch: u64, number: u64 },
    Entries { epoch: u64, entries: Vec<(u64, String)> },
    Done,
}

pub(crate) type Answer = Result<Told, Refusal>;

pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) back: oneshot::Sender<Answer>,
}

/// The calls that wait for a process.
#[derive(Default)]
pub(crate) struct Door {
    /// None: the process is gone.
    calls: Mutex<Option<VecDeque<Call>>>,
    bell: Notify,
}

impl Door {
    /// Leaves a request there. The receiver fails when the process ends.
    pub(crate) fn ask(&self, request: Request) -> oneshot::Receiver<Answer> {
        let (back, answer) = oneshot::channel();
        if let Some(calls) = &mut *self.calls.lock().expect("no panic") {
            calls.push_back(Call { request, back });
        }
        self.bell.notify_one();
        answer
    }

    pub(crate) fn take(&self) -> Option<Call> {
        self.calls.lock().expect("no panic").get_or_insert_default().pop_front()
    }

    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(crate) fn close(&self) {
        *self.calls.lock().expect("no panic") = None;
    }
}
