//! Programs that append to streams through any node, repeat what got no answer, and read what is there.

use crate::cluster::client::{Town, pause};
use crate::cluster::door::{Request, Told};
use sluice_raft::types::NodeId;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The streams, one in each group of the simulation.
pub(crate) const STREAMS: [&str; 2] = ["{a}events", "{shop}events"];
/// An append is repeated for so long, ms, before its asker gives up.
const APPEND_MS: u64 = 8_000;

pub(crate) struct Writer {
    town: Arc<Town>,
    number: u64,
    rng: fastrand::Rng,
}

impl Writer {
    pub(crate) fn new(town: Arc<Town>, number: u64, seed: u64) -> Writer {
        let rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Writer { town, number, rng }
    }

    pub(crate) async fn live(mut self) {
        let mut count = 0;
        while !self.town.is_closing.load(Ordering::Relaxed) {
            count += 1;
            let key = STREAMS[self.rng.usize(..STREAMS.len())];
            self.append(key, &format!("{}-{count}", self.number)).await;
            if self.rng.u8(..4) == 0 {
                let node = self.town.any_node(&mut self.rng);
                read(&self.town, node, key).await;
            }
            let rest_ms = self.rng.u64(5..400);
            pause(rest_ms).await;
        }
    }

    async fn append(&mut self, key: &'static str, text: &str) {
        let began = self.town.now();
        while self.town.now() < began + APPEND_MS {
            let node = self.town.any_node(&mut self.rng);
            let request = Request::Append { key, text: text.to_owned() };
            if let Some(Ok(Told::Added { epoch, number })) = self.town.ask(node, request).await {
                self.town.judge().streams.appended(key, text, (epoch, number));
                // Sometimes its answer is lost on the way: it asks once more.
                if self.rng.u8(..8) > 0 {
                    return;
                }
            }
            let wait_ms = self.rng.u64(20..300);
            pause(wait_ms).await;
        }
    }
}

/// Reads a stream at a node; the epoch and how many entries it has, where it answers.
pub(crate) async fn read(town: &Town, node: NodeId, key: &'static str) -> Option<(u64, u64)> {
    let Some(Ok(Told::Entries { epoch, entries })) = town.ask(node, Request::Read { key }).await else {
        return None;
    };
    town.judge().streams.read(key, epoch, &entries);
    Some((epoch, entries.len() as u64))
}
