//! The nodes of a cluster, and the way of one call through them: try, judge, wait, try again, until its deadline.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_net::resp::limit::{ARGS_MAX, BULK_BYTES_MAX, REQUEST_BYTES_MAX};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use crate::fault::Error;
use crate::limit::{PASS_OVER_EVERY, UNIT_BYTES};
use crate::link::{Answer, Submission, Want};
use crate::metrics::{Counters, count};
use crate::node::{Node, Phase};
use crate::settings::Settings;

/// What a call does, and so whether it may be sent again when it is not known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It changes nothing that a repeat would change again.
    Question,
    /// It changes something; a repeat changes nothing more.
    Change,
    /// It is sent again only where it was certainly not carried out.
    Once,
}

/// A call: its commands, all but the last of them steps of a transaction.
pub(crate) struct Call<'a> {
    pub(crate) commands: &'a [&'a [&'a [u8]]],
    pub(crate) want: Want,
    pub(crate) kind: Kind,
}

/// The nodes, and which of them calls go to first.
#[derive(Debug)]
pub(crate) struct Pool {
    nodes: Vec<Arc<Node>>,
    preferred: AtomicUsize,
    /// When calls last moved on although their node was there.
    passed_over: Mutex<Option<Instant>>,
    /// Calls that wait for room.
    waiting: AtomicUsize,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
}

/// Where a call may go.
enum Choice {
    /// To this node: it is open, or about to be, or may be tried.
    Node(usize),
    /// Nowhere before that.
    Later(Instant),
}

/// What follows from how a try went.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Again, after that long, and elsewhere where the node itself is at fault.
    Again { delay: Duration, elsewhere: bool },
    /// This is the caller's.
    Final,
}

impl Pool {
    pub(crate) fn new(settings: Arc<Settings>, counters: Arc<Counters>) -> Self {
        let node =
            |address: &String| Arc::new(Node::new(address.clone(), settings.clone(), counters.clone()));
        Self {
            nodes: settings.addresses.iter().map(node).collect(),
            preferred: AtomicUsize::new(0),
            passed_over: Mutex::new(None),
            waiting: AtomicUsize::new(0),
            settings,
            counters,
        }
    }

    /// Makes a call and has its answer read.
    ///
    /// # Errors
    /// What the server or `read` says, and everything that can go wrong on the way.
    pub(crate) async fn ask<T>(
        &self,
        call: &Call<'_>,
        timeout: Duration,
        read: impl Fn(Answer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        count(&self.counters.calls);
        let units = units(call.commands)?.min(u32::try_from(self.settings.in_flight).unwrap_or(u32::MAX));
        let deadline = Instant::now() + timeout;
        let submission = Submission { commands: call.commands, want: call.want, units, deadline };
        loop {
            let at = self.reach(deadline).await?;
            let node = &self.nodes[at];
            let room = self.room(node, units, deadline).await?;
            let error = match node.send(&submission, room).await {
                None => continue,
                Some(Answer::Late) => return Err(self.late(at, call.kind)),
                Some(Answer::Lost { sent: true }) if call.kind == Kind::Once => {
                    return Err(Error::Unanswered);
                }
                Some(Answer::Lost { .. }) => {
                    tracing::debug!(address = node.address(), "repeating a call whose connection was lost");
                    count(&self.counters.retries);
                    continue;
                }
                Some(answer) => {
                    self.note(at, &answer);
                    match read(answer) {
                        Ok(value) => return Ok(value),
                        Err(error) => error,
                    }
                }
            };
            let Verdict::Again { delay, elsewhere } = judge(&error, call.kind) else { return Err(error) };
            if Instant::now() + delay >= deadline {
                return Err(error);
            }
            tracing::debug!(address = node.address(), %error, ?delay, "repeating a call");
            if elsewhere {
                self.pass_over(at);
                sleep(delay).await;
                // What was connected meanwhile is there now.
                self.pass_over(at);
            } else {
                sleep(delay).await;
            }
            count(&self.counters.retries);
        }
    }

    /// A node that is cut off says what it last knew, and nobody there hears of a waiter's sign of life: the next call goes
    /// elsewhere.
    fn note(&self, at: usize, answer: &Answer) {
        if matches!(answer, Answer::Place(place) if place.stale) {
            self.pass_over(at);
        }
    }

    /// A node that is open; connects where none is.
    async fn reach(&self, deadline: Instant) -> Result<usize, Error> {
        let preferred = self.preferred();
        if self.nodes[preferred].is_lively() {
            return Ok(preferred);
        }
        loop {
            match self.choose(Instant::now()) {
                Choice::Node(at) => {
                    self.nodes[at].begin()?;
                    if self.nodes[at].settled(deadline).await {
                        return Ok(at);
                    }
                }
                Choice::Later(moment) => {
                    if let Some(refused) = self.refused() {
                        return Err(refused);
                    }
                    sleep_until(moment.min(deadline)).await;
                }
            }
            if Instant::now() >= deadline {
                count(&self.counters.timeouts);
                return Err(self.unreachable());
            }
        }
    }

    /// The preferred node if it is open and answers, else the next one that does; where none does, the first that is not known
    /// to be down, and then one that is silent. It is preferred from then on. Nobody waits for a connection to be made while
    /// there is one.
    fn choose(&self, now: Instant) -> Choice {
        let first = self.preferred();
        let mut earliest: Option<Instant> = None;
        let (mut hopeful, mut silent) = (None, None);
        for at in self.from(first) {
            match self.nodes[at].phase() {
                Phase::Open if self.nodes[at].is_lively() => {
                    self.prefer(first, at);
                    return Choice::Node(at);
                }
                Phase::Open => silent = silent.or(Some(at)),
                Phase::Down { until, .. } if until > now => {
                    earliest = Some(earliest.map_or(until, |moment| moment.min(until)));
                }
                Phase::Idle | Phase::Connecting | Phase::Down { .. } => hopeful = hopeful.or(Some(at)),
            }
        }
        match hopeful.or(silent) {
            Some(at) => {
                self.prefer(first, at);
                Choice::Node(at)
            }
            None => Choice::Later(earliest.unwrap_or(now)),
        }
    }

    /// All nodes in turn, beginning with this one.
    fn from(&self, first: usize) -> impl Iterator<Item = usize> {
        let len = self.nodes.len();
        (first..first + len).map(move |at| at % len)
    }

    /// Another node that is open is preferred to this one; where none is, one is connected to. While no node has a leader,
    /// calls do not go round faster than now and then.
    fn pass_over(&self, at: usize) {
        let now = Instant::now();
        let mut others = self.from(at).skip(1);
        if let Some(other) = others.find(|other| self.nodes[*other].is_lively()) {
            let mut passed_over = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
            if self.preferred() == at && passed_over.is_none_or(|moment| moment + PASS_OVER_EVERY <= now) {
                *passed_over = Some(now);
                self.prefer(at, other);
            }
            return;
        }
        let is_down = |node: &Node| matches!(node.phase(), Phase::Down { until, .. } if until > now);
        if let Some(other) = self.from(at).skip(1).find(|other| !is_down(&self.nodes[*other])) {
            // The caller is within a runtime, as it has called.
            let _ = self.nodes[other].begin();
        }
    }

    fn prefer(&self, instead_of: usize, at: usize) {
        if at != instead_of && self.preferred.compare_exchange(instead_of, at, Relaxed, Relaxed).is_ok() {
            count(&self.counters.failovers);
            tracing::debug!(address = self.nodes[at].address(), "preferred from now on");
        }
    }

    /// Where the credentials are refused everywhere there is nothing to wait for.
    fn refused(&self) -> Option<Error> {
        let mut refusals = self.nodes.iter().map(|node| match node.phase() {
            Phase::Down { why: Error::NoAuth(text), .. } => Some(Error::NoAuth(text)),
            _ => None,
        });
        let first = refusals.next().flatten();
        first.filter(|_| refusals.all(|refusal| refusal.is_some()))
    }

    fn unreachable(&self) -> Error {
        let of = |node: &Arc<Node>| match node.phase() {
            Phase::Down { why: Error::Disconnected(why), .. } => Some(why),
            Phase::Down { why, .. } => Some(format!("{}: {why}", node.address())),
            _ => None,
        };
        let why: Vec<String> = self.nodes.iter().filter_map(of).collect();
        Error::Disconnected(if why.is_empty() {
            "connecting takes too long".to_owned()
        } else {
            why.join(", ")
        })
    }

    async fn room<'a>(
        &self,
        node: &'a Node,
        units: u32,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'a>, Error> {
        if let Some(room) = node.try_room(units) {
            return Ok(room);
        }
        let _waits = Waits::begin(&self.waiting, self.settings.waiting)?;
        let room = node.room(units, deadline).await;
        if room.is_err() {
            count(&self.counters.timeouts);
        }
        room
    }

    /// Which address is preferred now.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Relaxed)
    }

    fn late(&self, at: usize, kind: Kind) -> Error {
        count(&self.counters.timeouts);
        self.pass_over(at);
        match kind {
            Kind::Question | Kind::Change => Error::Deadline,
            Kind::Once => Error::Unanswered,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.nodes.iter().for_each(|node| node.stop());
    }
}

/// One of the calls that wait for room, of which there are so many at most.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize, max: usize) -> Result<Self, Error> {
        let waits = Self(waiting);
        if waiting.fetch_add(1, Relaxed) >= max { Err(Error::Overloaded) } else { Ok(waits) }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn judge(error: &Error, kind: Kind) -> Verdict {
    match error {
        Error::Busy { retry_ms } => Verdict::Again { delay: spread(*retry_ms), elsewhere: false },
        // What it refused may have happened.
        Error::NoLeader { retry_ms } if kind != Kind::Once => {
            Verdict::Again { delay: spread(*retry_ms), elsewhere: true }
        }
        _ => Verdict::Final,
    }
}

/// The delay that was asked for, and up to half of it more, so that not everybody comes back at once.
fn spread(retry_ms: u64) -> Duration {
    Duration::from_millis(retry_ms).mul_f64(1.0 + fastrand::f64() / 2.0)
}

/// What a call takes of the bound in flight. A server closes the connection of whoever sends more than it takes, which
/// would hit every other call of this one.
fn units(commands: &[&[&[u8]]]) -> Result<u32, Error> {
    let mut total = 0;
    for command in commands {
        // As the server counts: `*` and `$` lines have at most eight bytes here.
        let bytes = 8 + command.iter().map(|word| word.len() + 10).sum::<usize>();
        if command.is_empty() || command.len() > ARGS_MAX {
            return Err(Error::Invalid("a command has 1 to 1,024 arguments"));
        }
        if command.iter().any(|word| word.len() > BULK_BYTES_MAX) {
            return Err(Error::Invalid("an argument has at most 65,536 bytes"));
        }
        if bytes > REQUEST_BYTES_MAX {
            return Err(Error::Invalid("a command has at most 131,072 bytes"));
        }
        total += bytes;
    }
    Ok(u32::try_from(total / UNIT_BYTES + 1).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kind, Verdict, judge, units};
    use crate::fault::Error;

    #[test]
    fn a_refusal_that_asks_for_patience_is_repeated_after_its_delay() {
        for _ in 0..100 {
            let Verdict::Again { delay, elsewhere } = judge(&Error::Busy { retry_ms: 100 }, Kind::Once)
            else {
                panic!("nothing was done, so it is repeated")
            };
            assert!((Duration::from_millis(100)..=Duration::from_millis(150)).contains(&delay), "{delay:?}");
            assert!(!elsewhere, "every node forwards to the same leader");
        }
        let no_leader = Error::NoLeader { retry_ms: 250 };
        assert!(matches!(judge(&no_leader, Kind::Change), Verdict::Again { elsewhere: true, .. }));
        assert_eq!(judge(&no_leader, Kind::Once), Verdict::Final, "it may have happened");
        assert_eq!(judge(&Error::Gone, Kind::Change), Verdict::Final);
    }

    #[test]
    fn what_a_server_would_hang_up_on_is_not_sent() {
        let (word, words) = (vec![b'x'; 65_537], vec![&b"x"[..]; 1_025]);
        let half = [&word[..60_000], &word[..60_000], &word[..20_000]];
        for command in [&[][..], &[&word[..]], &words, &half] {
            assert!(matches!(units(&[command]), Err(Error::Invalid(_))));
        }
        assert_eq!(units(&[&[b"PING"]]), Ok(1));
        assert_eq!(units(&[&[b"ECHO", &word[..65_536]]]), Ok(65));
    }
}
