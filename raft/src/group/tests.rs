//! Short stories of what lies between an owner and openraft, without either.
//!
//! Seen to fail: with `Roles` telling before the session's own entry; with `close` keeping what it returns; with `settle` blind to
//! sessions; with a lane that has always room; with a machine that
//! delivers a batch of another session as it is.

use futures_util::{FutureExt, stream};
use openraft::async_runtime::AsyncRuntime;
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, RaftSnapshotBuilder, StoredMembership};
use openraft_rt_sim::SimRuntime;
use sluice_engine::command::Command;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::id::{Seq, ZoneId};
use sluice_engine::measure::Measured;
use sluice_engine::node::{Options, open};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Departure, Reply};
use sluice_engine::sequencer::{Ask, Committed, Event, Presence, ProposalId, REMOTE, Role, Sequencer};
use sluice_engine::time::{LogTime, MonoMs, WallMs};
use std::collections::VecDeque;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use super::errands::{Errand, Errands};
use super::gate::{Gate, open_gate};
use super::lane::{Delivery, Lane};
use super::limit::{ASKED_MAX, FORWARD_BATCH_MAX, LANE_COMMITTED_MAX, LANE_SOFT_MAX, PROPOSALS_MAX};
use super::port::Port;
use super::proposals::Proposals;
use super::roles::{Lead, Roles};
use super::shared::Shared;
use super::snapshot::Head;
use super::{Files, Machine};
use crate::codec;
use crate::disk::Folder;
use crate::log::{Entry, Log, LogId, LogOptions};
use crate::snapshot::{SnapshotFile, SnapshotMeta, Snapshots};
use crate::types::{Batch, Command as Logged};

fn leave() -> Vec<Command> {
    vec![Command::Leave { zone: ZoneId { group: GroupId(0), ordinal: 1 }, seq: Seq(7) }]
}

/// A group without openraft.
struct Stand {
    lane: Lane,
    proposals: Proposals,
    roles: Roles,
}

impl Stand {
    fn new() -> Stand {
        Stand { lane: Lane::new(), proposals: Proposals::new(), roles: Roles::new() }
    }

    fn lead(&self, lead: Lead) {
        self.roles.set_lead(lead, &self.lane, &self.proposals);
    }

    fn applied(&self, session: u64) {
        self.roles.applied(session, &self.lane, &self.proposals);
    }

    /// What the owner has been told since the last call, in words.
    fn told(&self) -> Vec<String> {
        let mut deliveries = VecDeque::new();
        self.lane.take(&mut deliveries);
        let word = |delivery| match delivery {
            Delivery::Leader(session) => format!("leads {session}"),
            Delivery::Event(Event::Role(Role::Follower)) => "follows".to_owned(),
            Delivery::Event(Event::Role(_)) => "cut".to_owned(),
            Delivery::Event(Event::Refused(ProposalId(id), _)) => format!("refused {id}"),
            _ => "other".to_owned(),
        };
        deliveries.into_iter().map(word).collect()
    }
}

#[test]
fn an_owner_leads_only_after_an_entry_of_its_own_session() {
    let stand = Stand::new();
    stand.applied(3);
    stand.lead(Lead::Here(4));
    assert!(stand.told().is_empty(), "what session 3 committed may still be on its way");
    assert!(stand.proposals.add(4, leave(), 0, LogTime(1), WallMs(1)).is_err());
    stand.applied(4);
    assert_eq!(stand.told(), ["leads 4"]);
    assert!(stand.proposals.add(4, leave(), 0, LogTime(1), WallMs(1)).is_ok());
}

#[test]
fn what_was_proposed_is_refused_before_the_owner_hears_that_it_does_not_lead() {
    let stand = Stand::new();
    stand.lead(Lead::Here(4));
    stand.applied(4);
    let ids = [(); 2].map(|()| stand.proposals.add(4, leave(), 0, LogTime(1), WallMs(1)).unwrap());
    stand.lead(Lead::There(2, 5));
    assert_eq!(stand.told(), ["leads 4", "refused 1", "refused 2", "follows"]);
    assert!(!stand.proposals.refuse(ids[0].0), "each ends once");
    assert!(stand.proposals.add(4, leave(), 0, LogTime(1), WallMs(1)).is_err(), "the session is over");
}

#[test]
fn another_session_of_the_same_node_ends_the_one_before() {
    let stand = Stand::new();
    stand.lead(Lead::Here(4));
    stand.applied(4);
    stand.lead(Lead::Here(6));
    stand.applied(6);
    assert_eq!(stand.told(), ["leads 4", "cut", "leads 6"]);
}

#[test]
fn a_leader_whom_nobody_answers_is_cut_and_goes_on_in_its_session() {
    let stand = Stand::new();
    stand.lead(Lead::Here(4));
    stand.applied(4);
    stand.lead(Lead::Nobody);
    stand.lead(Lead::Here(4));
    assert_eq!(stand.told(), ["leads 4", "cut", "leads 4"]);
}

#[test]
fn a_session_that_was_given_away_is_never_led_again() {
    let stand = Stand::new();
    stand.lead(Lead::Here(4));
    stand.applied(4);
    assert!(stand.roles.give_away(4, &stand.lane, &stand.proposals));
    assert_eq!(stand.told(), ["leads 4", "cut"]);
    stand.lead(Lead::Here(4));
    assert!(
        stand.told().is_empty() && stand.roles.lead() == Lead::Nobody,
        "a majority still answers, and may vote"
    );
    assert!(!stand.roles.give_away(4, &stand.lane, &stand.proposals), "that is no news");
    stand.lead(Lead::There(2, 5));
    stand.lead(Lead::Here(6));
    stand.applied(6);
    assert_eq!(stand.told(), ["follows", "cut", "leads 6"]);
}

#[test]
fn an_owner_counts_as_leading_until_the_turn_in_which_it_hears_otherwise_is_over() {
    let shared = Arc::new(Shared::new(GroupId(0), 1, Arc::new(|| 0), Arc::default()));
    let mut port = Port::new(Arc::clone(&shared));
    shared.set_lead(Lead::Here(4));
    shared.roles.applied(4, &shared.lane, &shared.proposals);
    shared.set_acked(Some(0), false);
    assert_eq!(shared.owner_leads(), None, "it has not heard of it");
    assert!(matches!(port.next(), Some(Event::Role(Role::Leader))));
    assert_eq!(shared.owner_leads(), Some(4), "before it proves anything");
    port.flush();
    assert!(shared.lease_age_ms().is_some());
    shared.give_away(4);
    assert_eq!((shared.lease_age_ms(), shared.owner_leads()), (None, Some(4)));
    port.flush();
    assert_eq!(shared.owner_leads(), Some(4), "it has not heard of it");
    assert!(matches!(port.next(), Some(Event::Role(Role::Cut))));
    assert_eq!(shared.owner_leads(), Some(4), "it is about to take back what it proved");
    port.flush();
    assert_eq!(shared.owner_leads(), None);
}

#[test]
fn a_committed_batch_settles_the_proposal_of_its_session_once() {
    let proposals = Proposals::new();
    proposals.open(4);
    let id = proposals.add(4, leave(), 0, LogTime(9), WallMs(1)).unwrap();
    let batch = proposals.next().now_or_never().flatten().unwrap();
    assert_eq!((batch.session, batch.proposal, batch.stamp), (4, id.0, 9));
    let earlier = Batch { session: 3, ..batch.clone() };
    assert!(proposals.settle(&earlier).is_none(), "a batch of session 3 with the same number is another one");
    assert_eq!(proposals.settle(&batch), Some(leave()));
    assert!(proposals.settle(&batch).is_none());
}

#[test]
fn proposals_under_way_are_bounded_and_refused_ones_are_not_written() {
    let proposals = Proposals::new();
    proposals.open(1);
    while proposals.has_room() {
        proposals.add(1, leave(), 0, LogTime(1), WallMs(1)).unwrap();
    }
    assert!(proposals.refuse(1));
    assert!(proposals.has_room());
    let next = proposals.next().now_or_never().flatten().unwrap();
    assert_eq!(next.proposal, 2, "number 1 was refused before it was written");
    assert_eq!(proposals.close().len(), PROPOSALS_MAX - 1);
    assert!(proposals.next().now_or_never().is_none(), "nothing of a closed session is written");
}

fn committed(index: u64) -> Delivery {
    let batch = Committed { index, stamp: LogTime(0), wall: WallMs(0), proposal: None, commands: vec![] };
    Delivery::Committed(batch, 1)
}

#[test]
fn committed_entries_wait_for_room_and_soft_state_does_not() {
    let lane = Lane::new();
    for index in 0..LANE_COMMITTED_MAX as u64 {
        assert!(lane.room().now_or_never().is_some(), "room for entry {index}");
        lane.push(committed(index));
    }
    assert!(lane.room().now_or_never().is_none());
    let presence =
        || Presence { sent: MonoMs(1), covers_age_ms: 0, covers: LogTime(0), zones: vec![], ahead_ms: None };
    let soft = || Delivery::Soft(Event::Presence(2, presence()));
    let taken = (0..LANE_SOFT_MAX * 2).filter(|_| lane.push(soft())).count();
    assert_eq!(taken, LANE_SOFT_MAX);
    lane.take(&mut VecDeque::new());
    assert!(lane.room().now_or_never().is_some());
}

#[test]
fn answers_go_back_when_the_last_of_their_message_is_there() {
    let errands = Errands::new();
    let waiting = errands.ask(2).unwrap();
    let tickets: Vec<Ticket> = waiting.tickets().take(2).collect();
    assert!(tickets[0] != tickets[1] && tickets.iter().all(|ticket| ticket.0 & REMOTE != 0));
    errands
        .answer([(tickets[1], Reply::Left(Departure::Left)), (tickets[1], Reply::Left(Departure::Gone))], 4);
    assert!(waiting.answers().now_or_never().is_none(), "one of two is open, and a reply is given once");
    errands.answer([(tickets[0], Reply::KeyChanged)], 5);
    let replies = vec![Reply::KeyChanged, Reply::Left(Departure::Left)];
    assert_eq!(
        waiting.answers().now_or_never().flatten(),
        Some((replies, 5)),
        "in the order of the requests"
    );
}

#[test]
fn a_message_that_nobody_waits_for_leaves_its_room_to_others() {
    let errands = Errands::new();
    let ask = || errands.ask(FORWARD_BATCH_MAX);
    let mut waiting: Vec<_> = (0..ASKED_MAX / FORWARD_BATCH_MAX).map(|_| ask().unwrap()).collect();
    assert!(ask().is_none());
    let (gone, kept) = (waiting.pop().unwrap(), waiting.pop().unwrap());
    let ticket = gone.tickets().next().unwrap();
    drop(gone);
    errands.answer([(ticket, Reply::KeyChanged), (Ticket(3), Reply::KeyChanged)], 1);
    assert!(kept.answers().now_or_never().is_none(), "an answer reaches its own message only");
    assert!(ask().is_some());
}

#[test]
fn what_an_owner_leaves_is_taken_when_it_rings() {
    let gate = Arc::new(Gate::default());
    let shared = Arc::new(Shared::new(GroupId(0), 1, Arc::new(|| 0), Arc::clone(&gate)));
    let woken = Arc::new(AtomicUsize::new(0));
    let counting = Waker::from(Arc::new(Count(Arc::clone(&woken))));
    let mut next = pin!(shared.errands.next());
    assert!(next.as_mut().poll(&mut Context::from_waker(&counting)).is_pending());
    let mut attending = pin!(open_gate(Arc::clone(&gate), vec![Arc::clone(&shared)]));
    let mut attend =
        || assert!(attending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    attend();
    shared.errands.forward(vec![(Ticket(1), Measured::of(Ask::Hash))]);
    attend();
    gate.ring();
    attend();
    assert_eq!(woken.load(Ordering::Relaxed), 0, "the owner has not finished");
    gate.leave();
    gate.ring();
    attend();
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert!(matches!(next.now_or_never().flatten(), Some(Errand::Forward(_))));
}

/// Counts how often it wakes.
struct Count(Arc<AtomicUsize>);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A state machine without openraft, and what it hands to the owner.
struct Replica {
    machine: Machine<SimRuntime>,
    shared: Arc<Shared>,
    files: Files<SimRuntime>,
    /// What was left to the background so far.
    jobs: Arc<AtomicUsize>,
    index: u64,
}

impl Replica {
    async fn new(folder: &Path) -> Replica {
        let disk = Arc::new(Folder::open(folder).unwrap());
        let jobs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&jobs);
        let files = Files {
            snapshots: Snapshots::open(disk.clone(), 7).await.unwrap(),
            log: Log::open(disk, LogOptions::new(1, 7, 3)).await.unwrap(),
            background: Arc::new(move |job| {
                count.fetch_add(1, Ordering::Relaxed);
                job();
            }),
        };
        let shared = Arc::new(Shared::new(GroupId(0), 1, Arc::new(|| 0), Arc::default()));
        let machine = Machine::new(Arc::clone(&shared), files.clone());
        Replica { machine, shared, files, jobs, index: 0 }
    }

    /// An entry of this term is committed.
    async fn applies(&mut self, term: u64, batch: Option<&Batch>) -> LogId {
        let payload =
            batch.map_or(EntryPayload::Blank, |batch| EntryPayload::Normal(Logged::Batch(batch.clone())));
        let log_id = LogId { leader_id: term.into(), index: self.index };
        self.index += 1;
        let entries = stream::iter([Ok((Entry { log_id, payload }, None))]);
        self.machine.apply(entries).await.unwrap();
        log_id
    }

    /// An entry of this term is committed. Says what the owner is told, in words.
    async fn commits(&mut self, term: u64, batch: Option<&Batch>) -> Vec<String> {
        self.applies(term, batch).await;
        let mut deliveries = VecDeque::new();
        self.shared.lane.take(&mut deliveries);
        let word = |delivery| match delivery {
            Delivery::Committed(batch, _) => format!("{} of {:?}", batch.commands.len(), batch.proposal),
            Delivery::Event(Event::Refused(ProposalId(id), _)) => format!("refused {id}"),
            Delivery::Leader(session) => format!("leads {session}"),
            _ => "other".to_owned(),
        };
        deliveries.into_iter().map(word).collect()
    }

    /// The owner of the shard, as it is now.
    fn owner(&self) -> Owner {
        let options = Options { groups: 1, ..Options::new([1; 16]) };
        let port = |_, _| Box::new(Port::new(Arc::clone(&self.shared))) as Box<dyn Sequencer>;
        let (_, mut owners) = open(options, vec![], port, MonoMs(0)).unwrap();
        owners.remove(0)
    }

    /// A snapshot that a leader sends, whose state is at one entry.
    async fn receives(&self) -> SnapshotFile {
        let folder = tempfile::tempdir().unwrap();
        let mut leader = Replica::new(folder.path()).await;
        let last_log_id = Some(leader.applies(1, None).await);
        let mut owner = leader.owner();
        owner.turn(MonoMs(1));
        owner.begin_snapshot().unwrap();
        let bytes: Vec<u8> = std::iter::from_fn(|| owner.snapshot_slice()).flatten().collect();
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::default() };
        let received = self.files.snapshots.checked(self.files.check());
        let mut writer = received.create(GroupId(0), meta).await.unwrap();
        writer.write(&codec::encode(&Head { cluster: None })).await.unwrap();
        writer.write(&bytes).await.unwrap();
        writer.finish().await.unwrap()
    }

    /// Installs it; the index that the owner is at then.
    async fn installs(&mut self, file: SnapshotFile) -> u64 {
        let mut owner = self.owner();
        let meta = file.meta.clone();
        let mut installed = pin!(self.machine.install_snapshot(&meta, file));
        loop {
            match installed.as_mut().now_or_never() {
                Some(installed) => break installed.unwrap(),
                None => owner.turn(MonoMs(1)),
            }
        }
        owner.applied()
    }

    fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }
}

/// openraft logs a batch under whatever term leads when it gets there, also that of a leader which lost the group meanwhile.
#[test]
fn a_batch_that_another_session_logs_is_void_for_its_proposer_and_for_all_others() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    SimRuntime::with_seed(1).block_on(async {
        let mut proposer = Replica::new(here.path()).await;
        let mut other = Replica::new(there.path()).await;
        proposer.shared.set_lead(Lead::Here(4));
        assert_eq!(proposer.commits(4, None).await, ["0 of None", "leads 4"]);
        let batch = |number| Batch {
            session: 4,
            proposal: number,
            stamp: 9,
            wall: 0,
            commands: codec::encode(&leave()),
        };
        for _ in 0..2 {
            proposer.shared.proposals.add(4, leave(), 0, LogTime(9), WallMs(1)).unwrap();
        }
        assert_eq!(proposer.commits(4, Some(&batch(1))).await, ["1 of Some(ProposalId(1))"]);
        assert_eq!(other.commits(4, Some(&batch(1))).await, ["1 of None"], "in its own session it counts");

        assert_eq!(other.commits(6, Some(&batch(2))).await, ["0 of None"]);
        let told = proposer.commits(6, Some(&batch(2))).await;
        assert_eq!(told[..2], ["0 of None", "refused 2"], "what it knew in session 4 may be wrong by now");
    });
}

/// The owner goes on from a newer state while a snapshot of the old one is on its way to disk.
#[test]
fn a_snapshot_that_the_owner_abandons_is_none_and_the_next_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    SimRuntime::with_seed(1).block_on(async {
        let mut replica = Replica::new(folder.path()).await;
        replica.commits(1, None).await;
        let mut port = Port::new(Arc::clone(&replica.shared));
        let mut builder = replica.machine.get_snapshot_builder().await;
        assert!(matches!(port.next(), Some(Event::Cut)));
        port.slice(Some(vec![7; 100]));
        port.abandon_slices();
        assert!(!port.wants_slice());
        let built = builder.build_snapshot().await.unwrap();
        assert_eq!((built.meta.last_log_id, built.snapshot.bytes), (None, 0), "no snapshot, and no error");
        assert_eq!(std::fs::read_dir(folder.path().join("snapshot")).unwrap().count(), 0, "nothing is left");
        drop(builder);

        let mut builder =
            replica.machine.try_create_snapshot_builder(false).await.expect("none is under way");
        assert!(matches!(port.next(), Some(Event::Cut)));
        port.slice(Some(vec![7; 100]));
        port.slice(None);
        let built = builder.build_snapshot().await.unwrap();
        assert_eq!(built.snapshot.index(), 0);
        assert_eq!(std::fs::read_dir(folder.path().join("snapshot")).unwrap().count(), 1);
    });
}

#[test]
fn a_snapshot_that_a_leader_sent_is_loaded_once() {
    let folder = tempfile::tempdir().unwrap();
    SimRuntime::with_seed(1).block_on(async {
        let mut replica = Replica::new(folder.path()).await;
        let file = replica.receives().await;
        assert_eq!(replica.jobs(), 1, "it is loaded");
        assert_eq!(replica.installs(file).await, 1);
        assert_eq!(replica.jobs(), 2, "and the state of before is freed");
    });
}

/// openraft drops what is no newer than what it has, and what a leader sent that is none any more.
#[test]
fn the_state_of_a_snapshot_that_is_not_installed_is_freed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    SimRuntime::with_seed(1).block_on(async {
        let mut replica = Replica::new(folder.path()).await;
        let file = replica.receives().await;
        let newest = replica.files.snapshots.newest(GroupId(0)).unwrap();
        drop(file);
        assert_eq!(replica.jobs(), 2, "it is freed, in the background");
        assert_eq!(replica.installs(newest).await, 1, "the file can be loaded still");
        assert_eq!(replica.jobs(), 4);
    });
}
