//! One person, one place: which live place a user id holds.
//!
//! Costs memory only for waiters who joined with a user id: two map entries, about 100 bytes. Owned
//! by the shard's one writer; nothing here is read by other threads.

use crate::cost::{EXPIRY_BYTES, USER_BYTES};
use crate::id::{Seq, UserHash};
use crate::parted_map::PartedMap;
use crate::time::LogTime;
use crate::token::Place;
use std::collections::VecDeque;

/// An admission to forget when its pass has expired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expiry {
    pub(crate) admitted_at: LogTime,
    pub(crate) user: UserHash,
    pub(crate) place: Place,
}

/// The users of a zone.
#[derive(Debug, Default)]
pub struct Users {
    by_user: PartedMap<UserHash, Place>,
    by_seq: PartedMap<u64, UserHash>,
    /// In the order of admission. Some may have been replaced since.
    expiring: VecDeque<Expiry>,
}

impl Users {
    /// The place that this user was last given; it may be gone by now.
    #[must_use]
    pub fn place(&self, user: UserHash) -> Option<Place> {
        self.by_user.get(user).copied()
    }

    /// Records a new place; an earlier one is forgotten.
    pub fn insert(&mut self, user: UserHash, place: Place) {
        if let Some(Place::Queue(old)) = self.by_user.insert(user, place) {
            self.by_seq.remove(old.0);
        }
        match place {
            Place::Queue(seq) => {
                self.by_seq.insert(seq.0, user);
            }
            Place::Direct { stamp, .. } => {
                self.expiring.push_back(Expiry { admitted_at: stamp, user, place })
            }
        }
    }

    /// The waiter left or was dropped.
    pub fn remove(&mut self, seq: Seq) {
        if let Some(user) = self.by_seq.remove(seq.0) {
            self.forget(user, Place::Queue(seq));
        }
    }

    /// The waiter was admitted: remembered until its pass expires.
    pub fn admitted(&mut self, seq: Seq, at: LogTime) {
        if let Some(user) = self.by_seq.get(seq.0) {
            let place = Place::Queue(seq);
            self.expiring.push_back(Expiry { admitted_at: at, user: *user, place });
        }
    }

    /// The first admission, if it is over; removed from the list.
    pub(crate) fn next_expired(&mut self, is_over: impl FnOnce(LogTime) -> bool) -> Option<Expiry> {
        self.expiring.pop_front_if(|first| is_over(first.admitted_at))
    }

    /// Forgets what an expired admission was kept for.
    pub(crate) fn expire(&mut self, expiry: Expiry) {
        if let Place::Queue(seq) = expiry.place {
            self.by_seq.remove(seq.0);
        }
        self.forget(expiry.user, expiry.place);
    }

    /// The user who holds this place.
    #[must_use]
    pub fn user_of(&self, seq: Seq) -> Option<UserHash> {
        self.by_seq.get(seq.0).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_user.is_empty() && self.expiring.is_empty()
    }

    pub(crate) fn expiring(&self) -> &VecDeque<Expiry> {
        &self.expiring
    }

    /// Puts back what `user_of` said of a waiter.
    pub(crate) fn restore_waiter(&mut self, user: UserHash, seq: Seq) {
        self.by_user.insert(user, Place::Queue(seq));
        self.by_seq.insert(seq.0, user);
    }

    /// Puts back an entry of `expiring`, in its order; `held` where its user holds that place.
    pub(crate) fn restore_expiry(&mut self, expiry: Expiry, held: bool) {
        if held {
            self.by_user.insert(expiry.user, expiry.place);
        }
        self.expiring.push_back(expiry);
    }

    /// Puts back that a user holds a direct admission.
    pub(crate) fn restore_holder(&mut self, user: UserHash, place: Place) {
        self.by_user.insert(user, place);
    }

    /// Memory that the users take, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.by_user.len() as u64 * USER_BYTES + self.expiring.len() as u64 * EXPIRY_BYTES
    }

    fn forget(&mut self, user: UserHash, place: Place) {
        if self.by_user.get(user) == Some(&place) {
            self.by_user.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Users;
    use crate::id::{Seq, UserHash};
    use crate::time::LogTime;
    use crate::token::Place;

    const ANN: UserHash = UserHash(1);

    #[test]
    fn a_user_who_left_holds_no_place() {
        let mut users = Users::default();
        users.insert(ANN, Place::Queue(Seq(4)));
        users.remove(Seq(4));
        assert_eq!(users.place(ANN), None);
        assert!(users.is_empty());
    }

    #[test]
    fn an_old_admission_that_expires_does_not_take_the_new_place_along() {
        let mut users = Users::default();
        users.insert(ANN, Place::Queue(Seq(4)));
        users.admitted(Seq(4), LogTime(100));
        users.insert(ANN, Place::Queue(Seq(9)));
        let expired = users.next_expired(|at| at == LogTime(100)).unwrap();
        users.expire(expired);
        assert_eq!(users.place(ANN), Some(Place::Queue(Seq(9))));
    }

    #[test]
    fn admissions_are_remembered_for_the_life_of_the_pass() {
        let mut users = Users::default();
        let place = Place::Direct { serial: 0, stamp: LogTime(100) };
        users.insert(ANN, place);
        assert!(users.next_expired(|_| false).is_none());
        assert_eq!(users.place(ANN), Some(place));
        let expired = users.next_expired(|at| at == LogTime(100)).unwrap();
        users.expire(expired);
        assert!(users.is_empty());
    }
}
