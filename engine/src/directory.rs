//! All groups of a node, for any thread: names to zones, tokens to answers.
//!
//! [`Directory::poll`] is the hot path of the product. In order: decode the token (it names its group),
//! check its MAC, find the zone by id, compare the name, look the place up, store the last poll, and
//! either answer or say that the owner decides.

use crate::account::Account;
use crate::error::Refusal;
use crate::id::{GroupId, RequestHash, UserHash, ZoneId};
use crate::keyring::Keyring;
use crate::limit::NO_LEADER_RETRY_MS;
use crate::memory::{Bound, Memory, Refusals, Shares, Used};
use crate::pass::{PassKey, PassKeys};
use crate::readers::Readers;
use crate::reply::Standing;
use crate::shard::fresh::Fresh;
use crate::shard::view::ShardView;
use crate::slot;
use crate::structure::{Guard, collect, pin};
use crate::time::{LogTime, MonoMs, WallMs};
use crate::token::{Place, Token, TokenText, UnverifiedToken};
use crate::zone::settings::{ZoneName, ZoneSettings};
use crate::zone::view::{Look, Seen, ZoneView};
use dashmap::DashMap;
use std::sync::Arc;

/// Names of the zones of all groups. Its reads take a lock, so polls do not go through it.
pub(crate) type Names = DashMap<ZoneName, Arc<ZoneView>>;

/// The readable half of a node's shards.
pub struct Directory {
    views: Vec<Arc<ShardView>>,
    names: Arc<Names>,
    account: Arc<Account>,
    readers: Readers,
    shares: Shares,
    refusals: Refusals,
}

/// What a poll learned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Polled {
    /// The answer.
    Standing(Standing),
    /// The turn may have come: ask the owner of this token's group.
    Turn(Token),
}

/// An authentic token, and where it belongs. No view: its zone is newer than anything applied here.
struct Found<'g> {
    token: Token,
    shard: &'g ShardView,
    view: Option<&'g ZoneView>,
}

impl Directory {
    pub(crate) fn new(views: Vec<Arc<ShardView>>, names: Arc<Names>, account: Arc<Account>) -> Directory {
        let shares = Shares::of(account.state_max());
        Directory {
            views,
            names,
            account,
            readers: Readers::default(),
            shares,
            refusals: Refusals::default(),
        }
    }

    /// What this process may hold, and holds.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// How many groups there are.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.views.len()
    }

    /// The group of a zone's name.
    #[must_use]
    pub fn group_of(&self, name: &[u8]) -> GroupId {
        slot::group_of(name, self.views.len() as u16)
    }

    /// The id of a zone, by name.
    #[must_use]
    pub fn zone(&self, name: &[u8]) -> Option<ZoneId> {
        self.with_zone(name, ZoneView::id)
    }

    /// The settings of a zone, by name.
    #[must_use]
    pub fn settings(&self, name: &[u8]) -> Option<Arc<ZoneSettings>> {
        self.with_zone(name, |view| Arc::clone(view.settings(&pin())))
    }

    /// The names of all zones, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<ZoneName> {
        let mut names: Vec<ZoneName> = self.names.iter().map(|entry| entry.key().clone()).collect();
        names.sort();
        names
    }

    /// How many zones there are.
    #[must_use]
    pub fn zone_count(&self) -> usize {
        self.names.len()
    }

    /// The threads that poll. One that shares the process with the owners says there when it begins and ends.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// A guard to poll under. Pinning costs about 10 ns: pin once for a batch, and let go before sleeping.
    #[must_use]
    pub fn pin() -> Guard {
        pin()
    }

    /// Frees a part of what was replaced or removed and nobody reads any more. Called now and then by each thread that polls.
    pub fn collect(guard: &Guard) {
        collect(guard);
    }

    /// A poll: answers it, and notes that the waiter is present. A node that is behind leaves the answer to the
    /// group's owner, who asks the leader; one that is cut off says what it last knew.
    ///
    /// # Errors
    /// [`Refusal::NoZone`], [`Refusal::BadToken`], [`Refusal::Gone`].
    pub fn poll(&self, guard: &Guard, zone: &[u8], token: &[u8], now: MonoMs) -> Result<Polled, Refusal> {
        let Found { token, shard, view } = self.resolve(guard, zone, token, now)?;
        let Some(view) = view else { return Ok(Polled::Turn(token)) };
        let proof = shard.prove(now);
        let log_now = shard.now(now);
        let Some(proof) = proof else {
            if !shard.is_cut() {
                return Ok(Polled::Turn(token));
            }
            if view.hear(token.place, log_now, guard) {
                return Ok(Polled::Turn(token));
            }
            return view.last_known(token.place, log_now, guard).map(Polled::Standing);
        };
        match see(view, token.place, Look::Poll, log_now, guard, proof)? {
            Seen::Standing(standing) => Ok(Polled::Standing(standing)),
            Seen::Turn => Ok(Polled::Turn(token)),
        }
    }

    /// A hint that this token is polled next: has its memory fetched while something else is done. Nothing
    /// is checked and nothing changes; a forged token fetches a line in vain.
    pub fn prefetch(&self, guard: &Guard, token: &[u8]) {
        let Some(unverified) = UnverifiedToken::decode(token) else { return };
        let Some(shard) = self.views.get(usize::from(unverified.group().0)) else { return };
        let (ordinal, seq) = unverified.claims();
        if let Some(view) = shard.zones.get(ordinal, guard) {
            view.prefetch(seq, guard);
        }
    }

    /// Where a token stands, without counting as a poll: nobody is admitted by it. Marked where this node is behind.
    ///
    /// # Errors
    /// As [`Directory::poll`], and [`Refusal::NoLeader`] where this node does not know the place yet.
    pub fn peek(&self, guard: &Guard, zone: &[u8], token: &[u8], now: MonoMs) -> Result<Standing, Refusal> {
        let Found { token, shard, view } = self.resolve(guard, zone, token, now)?;
        let Some(view) = view else {
            return Err(Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS });
        };
        let proof = shard.prove(now);
        let log_now = shard.now(now);
        let Some(proof) = proof else {
            return view.last_known(token.place, log_now, guard);
        };
        match see(view, token.place, Look::Peek, log_now, guard, proof)? {
            Seen::Standing(standing) => Ok(standing),
            Seen::Turn => {
                let Place::Queue(seq) = token.place else { return Err(Refusal::Gone) };
                view.waiting(seq, log_now, guard).map(Standing::Waiting).ok_or(Refusal::Gone)
            }
        }
    }

    /// Checks that a token is one of this zone.
    ///
    /// # Errors
    /// [`Refusal::NoZone`], [`Refusal::BadToken`], [`Refusal::Gone`] where the zone was made anew.
    pub fn verify(&self, zone: &[u8], token: &[u8]) -> Result<Token, Refusal> {
        let guard = pin();
        // At no moment that proof could reach to: a zone that is not known here may be a new one.
        self.resolve(&guard, zone, token, MonoMs(u64::MAX)).map(|found| found.token)
    }

    /// Whether this node decides for the group at `now`, a reading of the clock from after the question: a name that it does not
    /// know is then no zone's.
    #[must_use]
    pub fn leads(&self, group: GroupId, now: MonoMs) -> bool {
        self.views.get(usize::from(group.0)).is_some_and(|view| view.leads(now))
    }

    /// Proof that what is here of a group is new enough to be answered from at `now`, a reading of the clock from after the question.
    #[must_use]
    pub fn prove(&self, group: GroupId, now: MonoMs) -> Option<Fresh> {
        self.views.get(usize::from(group.0))?.prove(now)
    }

    /// The same of all groups.
    #[must_use]
    pub fn prove_all(&self, now: MonoMs) -> Option<Fresh> {
        self.views.iter().try_fold(None, |_, view| view.prove(now).map(Some)).flatten()
    }

    /// The text of a token. Where its key was retired meanwhile, the active key signs.
    #[must_use]
    pub fn text(&self, token: &Token) -> Option<TokenText> {
        let guard = pin();
        let keys = self.views.get(usize::from(token.zone.group.0))?.keys(&guard);
        token.text(keys).or_else(|| Token { key: keys.active(), ..*token }.text(keys))
    }

    /// The hash under which a user id of this zone is kept.
    #[must_use]
    pub fn user_hash(&self, zone: &str, user: &[u8]) -> UserHash {
        self.with_keys(zone.as_bytes(), |keys| keys.user(zone, user))
    }

    /// The hash under which a request of this zone, or of this key, is remembered: of whoever chose its id, and of the id.
    #[must_use]
    pub fn request_hash(&self, name: &[u8], parts: &[&[u8]]) -> RequestHash {
        self.with_keys(name, |keys| keys.request(name, parts))
    }

    /// The key that signs for this purpose now, the same on every node of the cluster and nowhere else. It changes with the
    /// cluster's secret.
    #[must_use]
    pub fn signing_key(&self, purpose: &[u8]) -> [u8; 32] {
        self.with_keys(b"", |keys| keys.signing(purpose))
    }

    /// The keys by which such a signature is verified: also those of before the last change, and of after a coming one.
    #[must_use]
    pub fn verifying_keys(&self, purpose: &[u8]) -> Vec<[u8; 32]> {
        self.with_keys(b"", |keys| keys.verifying(purpose))
    }

    /// Bytes that stand for this cluster, for ever: a name, never a key.
    #[must_use]
    pub fn lasting_name(&self, purpose: &[u8]) -> [u8; 32] {
        self.with_keys(b"", |keys| keys.lasting_name(purpose))
    }

    /// The keys that sign passes of this group, as this node has them.
    #[must_use]
    pub fn pass_keys(&self, group: GroupId) -> Option<PassKeys> {
        Some(self.views.get(usize::from(group.0))?.passes(&pin()).clone())
    }

    /// What the pass of an admission is made of, as `read` takes it: the zone's name, the key, what the wall clock showed at the
    /// stamp, and for how long the pass is good, ms. `None` where the zone is not there any more.
    pub fn pass_of<T>(
        &self,
        zone: ZoneId,
        stamp: LogTime,
        read: impl FnOnce(&str, &PassKey, WallMs, u32) -> T,
    ) -> Option<T> {
        let guard = pin();
        let view = self.views.get(usize::from(zone.group.0))?;
        let (keys, zone) = (view.passes(&guard), view.zones.get(zone.ordinal, &guard)?);
        let ttl_ms = zone.settings(&guard).pass_ttl_ms;
        Some(read(zone.name().as_str(), keys.at(stamp), keys.wall_at(stamp), ttl_ms))
    }

    /// Log time of a group.
    #[must_use]
    pub fn now(&self, group: GroupId, mono: MonoMs) -> LogTime {
        self.views.get(usize::from(group.0)).map_or(LogTime::default(), |view| view.now(mono))
    }

    /// How many streams there are at this node, and how many of them expire.
    #[must_use]
    pub fn streams(&self) -> (u64, u64) {
        let counts = self.views.iter().map(|view| view.streams());
        counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }

    /// Messages of other nodes that were left out because they said what they may not say, since the start.
    #[must_use]
    pub fn unfit(&self) -> u64 {
        self.views.iter().map(|view| view.unfit()).sum()
    }

    /// Bytes of all shards' state.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        self.used().all()
    }

    /// What memory the state of this node takes, what it may, and how often that was in somebody's way.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory { used: self.used(), shares: self.shares, refused: self.refusals.totals() }
    }

    pub(crate) fn used(&self) -> Used {
        let sum = |sum: Used, used: Used| Used {
            zones: sum.zones + used.zones,
            streams: sum.streams + used.streams,
        };
        self.views.iter().map(|view| view.used()).fold(Used::default(), sum)
    }

    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Somebody is refused for want of room.
    pub(crate) fn count_refusal(&self, bound: Bound) {
        self.refusals.count(bound);
    }

    fn resolve<'g>(
        &'g self,
        guard: &'g Guard,
        zone: &[u8],
        text: &[u8],
        now: MonoMs,
    ) -> Result<Found<'g>, Refusal> {
        let refuse = || if self.zone(zone).is_some() { Refusal::BadToken } else { Refusal::NoZone };
        let unverified = UnverifiedToken::decode(text).ok_or_else(refuse)?;
        let shard = self.views.get(usize::from(unverified.group().0)).ok_or_else(refuse)?;
        let keys = shard.keys(guard);
        let Some(token) = unverified.verify(keys) else {
            // A node that is behind may not have heard of the key that mints by now.
            let is_coming = unverified.key() == keys.newest().next();
            let no_leader = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
            return Err(if is_coming && shard.prove(now).is_none() { no_leader } else { refuse() });
        };
        let view = match shard.find(token.zone.ordinal, now, guard) {
            Ok(view) => view,
            Err(false) => return Ok(Found { token, shard, view: None }),
            // Its zone was deleted; if there is one of that name now, it is another.
            Err(true) if self.zone(zone).is_some() => return Err(Refusal::Gone),
            Err(true) => return Err(Refusal::NoZone),
        };
        if view.name().as_str().as_bytes() != zone {
            return Err(refuse());
        }
        Ok(Found { token, shard, view: Some(view) })
    }

    fn with_zone<T>(&self, name: &[u8], read: impl FnOnce(&ZoneView) -> T) -> Option<T> {
        let name = std::str::from_utf8(name).ok()?;
        self.names.get(name).map(|entry| read(entry.value()))
    }

    fn with_keys<T>(&self, name: &[u8], read: impl FnOnce(&Keyring) -> T) -> T {
        let group = self.group_of(name);
        read(self.views[usize::from(group.0)].keys(&pin()))
    }
}

/// What is seen by whoever has proof that it is new enough.
fn see(
    view: &ZoneView,
    place: Place,
    look: Look,
    now: LogTime,
    guard: &Guard,
    _proof: Fresh,
) -> Result<Seen, Refusal> {
    view.see(place, look, now, guard)
}
