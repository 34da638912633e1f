//! Room that a list has and does not use. Replicas differ in it, so it may be given back, and nothing else may go by it.

use std::collections::VecDeque;

/// A list that may have more room than it uses.
pub(crate) trait Roomy {
    /// Gives back all but `keep` where there is room for more than `most`; whether there was.
    fn give_back(&mut self, most: usize, keep: usize) -> bool;

    /// Whether the next one needs more room.
    fn is_filled(&self) -> bool;

    /// Bytes of its room.
    #[cfg(test)]
    fn allocated(&self) -> usize;
}

/// Bytes of what is shared, beside what that has allocated.
#[cfg(test)]
pub(crate) fn shared_bytes<T>(_: &std::sync::Arc<T>) -> usize {
    size_of::<T>() + 2 * size_of::<usize>()
}

impl<T> Roomy for Vec<T> {
    fn give_back(&mut self, most: usize, keep: usize) -> bool {
        let has_more = self.capacity() > most;
        if has_more {
            self.shrink_to(keep);
        }
        has_more
    }

    fn is_filled(&self) -> bool {
        self.len() == self.capacity()
    }

    #[cfg(test)]
    fn allocated(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

impl<T> Roomy for VecDeque<T> {
    fn give_back(&mut self, most: usize, keep: usize) -> bool {
        let has_more = self.capacity() > most;
        if has_more {
            self.shrink_to(keep);
        }
        has_more
    }

    fn is_filled(&self) -> bool {
        self.len() == self.capacity()
    }

    #[cfg(test)]
    fn allocated(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::Roomy;

    #[test]
    fn much_room_is_given_back_and_little_is_kept() {
        let mut list: Vec<u64> = Vec::with_capacity(100);
        list.push(1);
        assert!(!list.give_back(100, 2) && !list.is_filled());
        assert!(list.give_back(10, 2) && list.capacity() < 100);
        list.shrink_to_fit();
        assert!(list.is_filled());
    }
}
