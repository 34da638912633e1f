//! What a worker lends to the connection it is serving.

use super::jitter::Jitter;
use super::pace::Pace;
use super::passing::Passing;
use super::shards::Shards;
use super::waits::Waits;
use super::wheel::Wheel;
use crate::clock::HttpDate;
use crate::http::respond::Responder;
use crate::hub::Hubs;
use crate::limit;
use crate::pass::Signer;
use crate::pubsub::post::Post;
use crate::resp::args::ArgsBuf;
use crate::session::buffers::Pool;
use crate::shared::Shared;
use crate::stats::Counts;
use sluice_engine::account::Part;
use std::sync::Arc;

/// Scratch space and the way to the engine; between two connections all buffers are empty.
pub(crate) struct Desk {
    /// The number of this worker.
    pub(crate) me: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Shards,
    /// Streams that its connections follow.
    pub(crate) hubs: Hubs,
    /// Reads that wait for news of streams.
    pub(crate) waits: Waits,
    /// When event streams want attention.
    pub(crate) wheel: Wheel,
    pub(crate) jitter: Jitter,
    pub(crate) counts: Counts,
    pub(crate) pool: Pool,
    pub(crate) post: Post,
    pub(crate) passing: Passing,
    pub(crate) date: HttpDate,
    pub(crate) signer: Signer,
    pub(crate) pace: Pace,
    /// Requests that may still be answered in this visit.
    pub(crate) budget: usize,
    /// The server is draining: every answer is its connection's last.
    pub(crate) closing: bool,
    /// What is sent to the connection at the end of its visit.
    pub(crate) out: Vec<u8>,
    /// The body of an HTTP response while it is made.
    pub(crate) body: Vec<u8>,
    /// The body of an HTTP request that came in chunks.
    pub(crate) joined: Vec<u8>,
    /// The arguments of a RESP request.
    pub(crate) args: ArgsBuf,
}

impl Desk {
    pub(crate) fn new(me: usize, shared: Arc<Shared>, shards: Shards) -> Desk {
        let post = Post::new(me, shared.mailboxes.len());
        let pace = Pace::new();
        let mut hubs = Hubs::default();
        let (_, standing) = shared.directory.account().of(Part::Standing);
        let workers = shared.mailboxes.len().max(1);
        hubs.bound_caches((standing / 4) as usize / workers);
        hubs.bound_names((standing / 4 * 3) as usize / workers);
        let (_, passing) = shared.directory.account().of(Part::Passing);
        hubs.bound_answers(passing / 4 / workers as u64);
        let passing = Passing::new(Arc::clone(shared.directory.account()));
        Desk {
            me,
            shared,
            shards,
            hubs,
            waits: Waits::default(),
            wheel: Wheel::new(),
            jitter: Jitter::new(),
            counts: Counts::default(),
            pool: Pool::default(),
            post,
            passing,
            date: HttpDate::new(),
            signer: Signer::new(),
            pace,
            budget: 0,
            closing: false,
            out: Vec::new(),
            body: Vec::new(),
            joined: Vec::new(),
            args: ArgsBuf::new(),
        }
    }

    /// Counts what connections hold, and keeps no more than the next turn is likely to want.
    pub(crate) fn close_turn(&mut self) {
        self.passing.close_turn(self.hubs.kept_bytes());
        for buffer in [&mut self.out, &mut self.body, &mut self.joined] {
            buffer.shrink_to(limit::SCRATCH_KEEP_BYTES);
        }
    }

    /// Writes HTTP responses to `out`.
    pub(crate) fn responder(&mut self) -> Responder<'_> {
        Responder {
            out: &mut self.out,
            body: &mut self.body,
            date: &self.date,
            origins: &self.shared.config.cors_origins,
        }
    }
}
