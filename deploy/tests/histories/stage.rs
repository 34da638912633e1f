//! Where the nodes are, and how far the writers have come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

use crate::nodes::Nodes;

/// Addresses of a node.
pub(crate) struct Place {
    pub(crate) resp: String,
    pub(crate) http: String,
}

pub(crate) struct Stage {
    pub(crate) places: Vec<Place>,
    appended: Mutex<u64>,
    complete: AtomicBool,
    news: Condvar,
}

impl Stage {
    pub(crate) fn new(nodes: &Nodes) -> Stage {
        let place = |node: &crate::nodes::Node| Place { resp: node.resp.clone(), http: node.http.clone() };
        let places = nodes.all.iter().map(place).collect();
        let (appended, complete) = (Mutex::new(0), AtomicBool::new(false));
        Stage { places, appended, complete, news: Condvar::new() }
    }

    /// One more append was acknowledged.
    pub(crate) fn appended(&self) {
        *self.appended.lock().expect("nobody panics with it") += 1;
        self.news.notify_all();
    }

    /// Every stream has ended.
    pub(crate) fn is_complete(&self) {
        self.complete.store(true, Ordering::Release);
        self.appended();
    }

    /// Returns when there are more appends than were seen, with their number; at once when every stream has ended.
    pub(crate) fn next_append(&self, seen: u64) -> u64 {
        let appended = self.appended.lock().expect("nobody panics with it");
        let waits = |appended: &mut u64| *appended <= seen && !self.complete.load(Ordering::Acquire);
        *self.news.wait_while(appended, waits).expect("nobody panics with it")
    }

    /// Returns when so many appends were acknowledged.
    pub(crate) fn wait_for(&self, appends: u64) {
        let appended = self.appended.lock().expect("nobody panics with it");
        drop(self.news.wait_while(appended, |appended| *appended < appends));
    }
}
