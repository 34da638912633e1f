//! The way from a request to the shard that answers it.
//!
//! ```text
//! poll, peek, settings ──▶ directory: any thread, no message
//! everything else      ──▶ owner on this worker: called, its reply comes out after the turn
//!                      ──▶ owner elsewhere: one message there, one back
//! ```
//! Group g belongs to worker g mod C, for good.

use super::mailbox::Mail;
use super::own_news::OwnNews;
use crate::cluster::{Decide, Operation};
use crate::hub::{News, Sent, Told as HubTold, Wish};
use crate::limit;
use crate::observer::Survey;
use crate::request::Request;
use crate::session::settled::Settled;
use crate::session::told::Told;
use crate::shared::Shared;
use crate::worker::accept::Arriving;
use crate::worker::ticket::Address;
use crate::worker::turn::Turn;
use sluice_engine::account::Part;
use sluice_engine::command::Command;
use sluice_engine::directory::Polled;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket, ZoneId};
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Departure, Reply};
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::op::{Follow, FollowFrom};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::{ListenerId, Tidings};
use sluice_engine::time::MonoMs;
use sluice_engine::token::Place;
use sluice_engine::zone::settings::ZoneName;
use std::sync::Arc;

/// What is told where this node cannot know whether what it has is new enough, and nobody else is asked.
const UNPROVEN: Refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };

/// What became of a request at once.
pub(crate) enum Outcome {
    /// This is the answer.
    Told(Told),
    /// The answer comes under the ticket. `parked`: it may be made to come now.
    Later { parked: Option<ZoneId> },
}

/// The owners of this worker, and the way to the others.
pub(crate) struct Shards {
    shared: Arc<Shared>,
    /// This worker.
    me: usize,
    /// By group; those of other workers are `None`.
    owners: Vec<Option<Owner>>,
    /// Requests that may still be sent to other workers.
    credits: usize,
    /// Operations on the cluster whose outcome has not come yet.
    operations: usize,
    /// Workers that were sent something since the last `notify`.
    woken: Vec<bool>,
    /// Parked polls to answer after the owners' turn.
    withdrawn: Vec<(ZoneId, Ticket)>,
    /// Between turns empty; kept for its capacity.
    replies: Vec<(Ticket, Reply)>,
    /// The same.
    spread: Vec<(ListenerId, Tidings)>,
    news: OwnNews,
}

impl Shards {
    /// The shards as worker `me` sees them. `owners` are its own.
    pub(crate) fn new(shared: Arc<Shared>, me: usize, owners: Vec<(GroupId, Owner)>) -> Shards {
        assert!(
            shared.directory.groups() <= limit::GROUPS_MAX,
            "request numbers suffice for a part for each group"
        );
        let workers = shared.mailboxes.len();
        let mut by_group: Vec<Option<Owner>> = (0..shared.directory.groups()).map(|_| None).collect();
        for (group, owner) in owners {
            if let Some(place) = by_group.get_mut(usize::from(group.0)) {
                *place = Some(owner);
            }
        }
        Shards {
            me,
            owners: by_group,
            credits: super::mailbox::credits(workers),
            operations: 0,
            woken: vec![false; workers],
            withdrawn: Vec::new(),
            replies: Vec::new(),
            spread: Vec::new(),
            news: OwnNews::default(),
            shared,
        }
    }

    /// Answers the request, or sees to it that its answer comes under the ticket.
    pub(crate) fn perform(&mut self, request: &Request<'_>, ticket: Ticket, turn: Turn<'_>) -> Outcome {
        match self.try_perform(request, ticket, turn) {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Told(Told::refused(refusal)),
        }
    }

    fn try_perform(
        &mut self,
        request: &Request<'_>,
        ticket: Ticket,
        turn: Turn<'_>,
    ) -> Result<Outcome, Refusal> {
        let directory = &self.shared.directory;
        match request {
            Request::Poll { zone, token } => match directory.poll(turn.guard, zone, token, turn.now)? {
                Polled::Standing(standing) => Ok(Outcome::Told(Told::Standing(standing))),
                Polled::Turn(token) => Ok(self.ask(token.zone.group, Ask::Turn(token), ticket, turn.now)),
            },
            Request::Peek { zone, token } => {
                let standing = directory.peek(turn.guard, zone, token, turn.now)?;
                Ok(Outcome::Told(Told::Standing(standing)))
            }
            Request::Join { .. } => self.join(request, ticket, turn),
            Request::Leave { zone, token } => {
                let own = directory.verify(zone, token)?;
                let Place::Queue(seq) = own.place else {
                    // Admitted at once: there never was a place to give up.
                    let departure = match directory.peek(turn.guard, zone, token, turn.now) {
                        Ok(_) => Departure::Admitted,
                        Err(Refusal::Gone) => Departure::Gone,
                        Err(refusal) => return Err(refusal),
                    };
                    return Ok(Outcome::Told(Told::Settled(Settled::Reply(Reply::Left(departure)))));
                };
                let command = Box::new(Command::Leave { zone: own.zone, seq });
                Ok(self.ask(own.zone.group, Ask::Change(command), ticket, turn.now))
            }
            Request::ZoneSet { zone, patch } => {
                let command = Command::ZoneSet { name: ZoneName::parse(zone)?, patch: patch.clone() };
                Ok(self.change(zone, command, ticket, turn.now))
            }
            Request::ZoneDel { zone } => {
                let command = Command::ZoneDelete { name: ZoneName::parse(zone)? };
                Ok(self.change(zone, command, ticket, turn.now))
            }
            Request::ZoneGet { zone } => {
                let group = directory.group_of(zone);
                if directory.prove(group, turn.now).is_none() {
                    let ask = Ask::Settings(ZoneName::parse(zone).map_err(|_| Refusal::NoZone)?);
                    return Ok(self.ask(group, ask, ticket, turn.now));
                }
                let settings = directory.settings(zone).ok_or(Refusal::NoZone)?;
                Ok(Outcome::Told(Told::Settings(settings)))
            }
            Request::ZoneList => {
                directory.prove_all(turn.now).ok_or(UNPROVEN)?;
                Ok(Outcome::Told(Told::Zones(directory.names())))
            }
            Request::Hash(group) => Ok(self.ask(*group, Ask::Hash, ticket, turn.now)),
            Request::Stats { zone } => {
                let id = directory.zone(zone);
                let id = id.ok_or_else(|| match directory.prove(directory.group_of(zone), turn.now) {
                    Some(_) => Refusal::NoZone,
                    None => UNPROVEN,
                })?;
                Ok(self.ask(id.group, Ask::Stats(id), ticket, turn.now))
            }
            Request::Administer(operation) => self.administer((**operation).clone(), ticket),
        }
    }

    fn join(&mut self, request: &Request<'_>, ticket: Ticket, turn: Turn<'_>) -> Result<Outcome, Refusal> {
        let Request::Join { zone, user, request, is_trusted } = request else { return Err(Refusal::NoZone) };
        let (directory, request, is_trusted) = (&self.shared.directory, *request, *is_trusted);
        let known = directory.zone(zone);
        let group = known.map_or_else(|| directory.group_of(zone), |id| id.group);
        let text = std::str::from_utf8(zone).map_err(|_| Refusal::NoZone)?;
        let user = user.map(|user| directory.user_hash(text, user));
        let ask = match known {
            Some(zone) => Ask::Join { zone, user, request, is_trusted },
            None if directory.leads(group, turn.now) => return Err(Refusal::NoZone),
            // The leader may know a zone that has not come here yet.
            None => {
                let name = ZoneName::parse(zone).map_err(|_| Refusal::NoZone)?;
                Ask::JoinNamed { name, user, request, is_trusted }
            }
        };
        Ok(self.ask(group, ask, ticket, turn.now))
    }

    /// Its outcome comes from another thread, by the mailbox.
    fn administer(&mut self, operation: Operation, ticket: Ticket) -> Result<Outcome, Refusal> {
        if self.operations == limit::OPERATIONS_MAX {
            return Err(Refusal::Busy { retry_ms: limit::BUSY_RETRY_MS });
        }
        self.operations += 1;
        let (shared, me) = (Arc::clone(&self.shared), self.me);
        let decide = Decide::new(move |decision| {
            if let Some(mailbox) = shared.mailboxes.get(me) {
                mailbox.decide(ticket, decision);
                mailbox.notify();
            }
        });
        self.shared.cluster.administer(operation, decide);
        Ok(Outcome::Later { parked: None })
    }

    /// The outcome of an operation came.
    pub(crate) fn end_operation(&mut self) {
        self.operations -= 1;
    }

    fn change(&mut self, name: &[u8], command: Command, ticket: Ticket, now: MonoMs) -> Outcome {
        let group = self.shared.directory.group_of(name);
        self.ask(group, Ask::Change(Box::new(command)), ticket, now)
    }

    /// Asks about keys of a group. `None`: the answer comes under the ticket.
    pub(crate) fn ask_keys(
        &mut self,
        group: GroupId,
        work: Ask,
        ticket: Ticket,
        now: MonoMs,
    ) -> Option<Settled> {
        match self.ask(group, work, ticket, now) {
            Outcome::Told(Told::Settled(settled)) => Some(settled),
            // Owners say nothing else.
            Outcome::Told(_) => Some(Settled::refused(Refusal::Gone)),
            Outcome::Later { .. } => None,
        }
    }

    fn ask(&mut self, group: GroupId, work: Ask, ticket: Ticket, now: MonoMs) -> Outcome {
        let parked = if let Ask::Turn(token) = &work { Some(token.zone) } else { None };
        if let Some(owner) = self.owners.get_mut(usize::from(group.0)).and_then(Option::as_mut) {
            return match owner.request(work, ticket, now) {
                Some(reply) => Outcome::Told(Told::Settled(Settled::Reply(reply))),
                None => Outcome::Later { parked },
            };
        }
        if self.credits == 0 {
            return Outcome::Told(Told::refused(Refusal::Busy { retry_ms: limit::BUSY_RETRY_MS }));
        }
        self.credits -= 1;
        self.send(self.worker_of(group), Mail::Ask(ticket, group, work));
        Outcome::Later { parked }
    }

    /// Has a parked poll answered once its owner has had a turn: its asker is gone, or something waits
    /// behind it on its connection. Not at once, or a poll with others behind it would never be admitted.
    pub(crate) fn withdraw(&mut self, zone: ZoneId, ticket: Ticket) {
        if self.owners.get(usize::from(zone.group.0)).is_some_and(Option::is_some) {
            self.withdrawn.push((zone, ticket));
        } else {
            self.send(self.worker_of(zone.group), Mail::Unpark(ticket, zone));
        }
    }

    /// Handles one message from another worker. `Some`: it is an answer for a connection of ours.
    pub(crate) fn receive(&mut self, mail: Mail, now: MonoMs) -> Option<(Address, Settled)> {
        match mail {
            Mail::Answer(ticket, settled) => {
                self.credits += 1;
                return Some((Address::of(ticket), settled));
            }
            Mail::Ask(ticket, group, work) => {
                let owner = self.owners.get_mut(usize::from(group.0)).and_then(Option::as_mut);
                let settled = match owner {
                    Some(owner) => owner.request(work, ticket, now).map(Settled::Reply),
                    None => Some(Settled::refused(Refusal::Busy { retry_ms: limit::BUSY_RETRY_MS })),
                };
                if let Some(settled) = settled {
                    self.answer_elsewhere(ticket, settled);
                }
            }
            Mail::Unpark(ticket, zone) => self.withdrawn.push((zone, ticket)),
        }
        None
    }

    /// Does what the hubs of a worker want of a stream of ours. Bytes that were read for it.
    pub(crate) fn grant(&mut self, from: usize, sent: Sent) -> usize {
        let Sent { group, wish, question } = sent;
        let Some(owner) = self.owners.get_mut(usize::from(group.0)).and_then(Option::as_mut) else {
            return 0;
        };
        let listener = ListenerId(from as u8);
        let told = match wish {
            Wish::Listen(key) => Some((key.clone(), owner.listen(listener, extent_of(key)))),
            Wish::Follow(follow) => Some((follow.key.clone(), owner.follow(follow))),
            Wish::Unlisten(key) => {
                owner.unlisten(listener, &key);
                None
            }
        };
        let Some((key, followed)) = told else { return 0 };
        // What was told of the stream before goes first.
        self.spread_tidings();
        let bytes = followed.entries.bytes() + key.len();
        let charge = self.shared.directory.account().charge(Part::Passing, bytes as u64);
        self.send_news(from, News::Told(HubTold { key, question, followed, _charge: charge }));
        bytes
    }

    /// Sends a wish to the owner of the stream; gives it back where that has too many. Bytes that were read for it here.
    pub(crate) fn wish(&mut self, sent: Sent) -> Result<usize, Sent> {
        let worker = self.worker_of(sent.group);
        if worker == self.me {
            return Ok(self.grant(self.me, sent));
        }
        let Some(mailbox) = self.shared.mailboxes.get(worker) else { return Ok(0) };
        self.woken[worker] = true;
        mailbox.wish(self.me, sent).map(|()| 0)
    }

    /// News for this worker's hubs, from owners of this worker.
    pub(crate) fn news(&mut self) -> &mut OwnNews {
        &mut self.news
    }

    /// Whether there is any.
    pub(crate) fn has_news(&self) -> bool {
        self.news.has_any()
    }

    /// Tells listeners what became of streams of ours.
    fn spread_tidings(&mut self) {
        let mut spread = std::mem::take(&mut self.spread);
        for owner in self.owners.iter_mut().flatten() {
            owner.drain_tidings(|listener, tidings| spread.push((listener, tidings)));
        }
        for (listener, tidings) in spread.drain(..) {
            self.send_news(usize::from(listener.0), News::Tidings(tidings));
        }
        self.spread = spread;
    }

    fn send_news(&mut self, worker: usize, news: News) {
        if worker == self.me {
            self.news.push(news);
        } else if let Some(mailbox) = self.shared.mailboxes.get(worker) {
            mailbox.tell(news);
            self.woken[worker] = true;
        }
    }

    /// Tells somebody who is no client about zones and namespaces of ours.
    pub(crate) fn answer_survey(&self, survey: Survey, now: MonoMs) {
        let stats = |name: ZoneName| {
            let zone = self.shared.directory.zone(name.as_str().as_bytes())?;
            let owner = self.owners.get(usize::from(zone.group.0))?.as_ref()?;
            Some((name, owner.stats(zone, now).ok()?))
        };
        match survey {
            Survey::Zones(zones, take) => take(zones.into_iter().filter_map(stats).collect()),
            Survey::Namespaces(group, take) => {
                let owner = self.owners.get(usize::from(group.0)).and_then(Option::as_ref);
                take(owner.map_or_else(Vec::new, |owner| owner.namespaces().collect()));
            }
        }
    }

    /// Hands a new connection to another worker; gives it back where too many are on their way there.
    pub(crate) fn hand_over(&mut self, worker: usize, arriving: Arriving) -> Result<(), Arriving> {
        let Some(mailbox) = self.shared.mailboxes.get(worker) else { return Err(arriving) };
        mailbox.hand_over(arriving)?;
        self.woken[worker] = true;
        Ok(())
    }

    /// Runs this worker's owners. Replies to other workers' connections are sent there; those to ours
    /// are appended to `ours`.
    pub(crate) fn turn(&mut self, now: MonoMs, ours: &mut Vec<(Address, Settled)>) {
        let mut replies = std::mem::take(&mut self.replies);
        let at = self.shared.wall.at(now);
        for owner in self.owners.iter_mut().flatten() {
            owner.set_wall(now, at.wall, at.clock);
            owner.turn(now);
            owner.drain_replies(&mut replies);
        }
        for (zone, ticket) in self.withdrawn.drain(..) {
            let owner = self.owners.get_mut(usize::from(zone.group.0)).and_then(Option::as_mut);
            if let Some(reply) = owner.and_then(|owner| owner.unpark(zone, ticket, now)) {
                replies.push((ticket, reply));
            }
        }
        for (ticket, reply) in replies.drain(..) {
            let address = Address::of(ticket);
            if address.worker == self.me {
                ours.push((address, Settled::Reply(reply)));
            } else {
                self.answer_elsewhere(ticket, Settled::Reply(reply));
            }
        }
        self.replies = replies;
        self.spread_tidings();
    }

    /// When an owner wants its turn even if nothing arrives.
    pub(crate) fn next_wake(&self) -> Option<MonoMs> {
        self.owners.iter().flatten().filter_map(Owner::next_wake).min()
    }

    /// Sends what the owners left for others, and wakes the workers that were sent something.
    pub(crate) fn notify(&mut self) {
        self.owners.iter_mut().flatten().for_each(Owner::flush);
        self.owners.iter_mut().flatten().for_each(Owner::wake);
        for (woken, mailbox) in self.woken.iter_mut().zip(&self.shared.mailboxes) {
            if std::mem::take(woken) {
                mailbox.notify();
            }
        }
    }

    /// Gives the owners back, in order of their groups.
    pub(crate) fn into_owners(self) -> Vec<(GroupId, Owner)> {
        let owned = self.owners.into_iter().enumerate();
        owned.filter_map(|(group, owner)| Some((GroupId(group as u16), owner?))).collect()
    }

    fn answer_elsewhere(&mut self, ticket: Ticket, settled: Settled) {
        self.send(Address::of(ticket).worker, Mail::Answer(ticket, settled));
    }

    fn send(&mut self, worker: usize, mail: Mail) {
        let Some(mailbox) = self.shared.mailboxes.get(worker) else { return };
        mailbox.send(mail);
        self.woken[worker] = true;
    }

    fn worker_of(&self, group: GroupId) -> usize {
        usize::from(group.0) % self.shared.mailboxes.len()
    }
}

/// Asks for nothing of what is in the stream.
pub(crate) fn extent_of(key: Text) -> Follow {
    Follow { key, epoch: None, from: FollowFrom::Newest, limit: 0, bytes_max: 0 }
}
