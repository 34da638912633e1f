//! News for a worker's own hubs, from owners of the same worker: bounded as what other workers send.
//!
//! Owners may tell more than turns read. Where there is no room news is lost, and so is what comes behind
//! it until the rest was read. Then the hubs learn of it: what they ask anew has all the room, so its
//! answers are kept.

use crate::hub::News;
use crate::limit::TIDINGS_MAX;
use std::collections::VecDeque;

/// What waits to be read, in order.
#[derive(Default)]
pub(crate) struct OwnNews {
    waiting: VecDeque<News>,
    is_lost: bool,
}

impl OwnNews {
    /// Puts news in, or loses it.
    pub(crate) fn push(&mut self, news: News) {
        self.is_lost |= self.waiting.len() >= TIDINGS_MAX;
        if !self.is_lost {
            self.waiting.push_back(news);
        }
    }

    /// The next news.
    pub(crate) fn pop(&mut self) -> Option<News> {
        self.waiting.pop_front()
    }

    /// Whether news was lost since the last call, and all before it was read.
    pub(crate) fn has_lost(&mut self) -> bool {
        self.waiting.is_empty() && std::mem::take(&mut self.is_lost)
    }

    /// Whether there is anything to be read, or to be learned.
    pub(crate) fn has_any(&self) -> bool {
        self.is_lost || !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::OwnNews;
    use crate::hub::News;
    use crate::limit::TIDINGS_MAX;
    use sluice_engine::stream::Tidings;
    use sluice_engine::stream::text::Text;
    use std::sync::Arc;

    fn some() -> News {
        News::Tidings(Tidings {
            key: Text::from(&b"news"[..]),
            stream: None,
            entries: Arc::default(),
            group_gone: false,
            charge: Arc::default(),
        })
    }

    #[test]
    fn what_owners_tell_their_own_worker_is_bounded_and_a_loss_is_told_behind_the_rest() {
        let mut news = OwnNews::default();
        for _ in 0..2 {
            (0..TIDINGS_MAX + 100).for_each(|_| news.push(some()));
            assert_eq!(news.waiting.len(), TIDINGS_MAX);
            assert!(news.pop().is_some() && !news.has_lost(), "what is there is read first");
            news.push(some());
            let read = std::iter::from_fn(|| news.pop()).count();
            assert_eq!(read, TIDINGS_MAX - 1, "nothing comes behind a loss");
            assert!(news.has_any() && news.has_lost(), "it is told");
            assert!(!news.has_any() && !news.has_lost(), "once");
            news.push(some());
            assert!(news.pop().is_some(), "there is room again");
        }
    }
}
