//! A network that loses, delays, repeats and reorders, on virtual time: one seed, one course of events.
//!
//! Every message is written and read as on the wire. A call is carried by a task of its own, as by a real network: the caller's
//! giving up recalls nothing. Without reordering, the messages of one lane between two nodes keep their order, as on TCP.

use crate::SimRuntime;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft_rt_sim::SimInstant;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_raft::peer::frame::{self, Kind};
use sluice_raft::peer::limit::UNACKED_MS;
use sluice_raft::peer::{CallError, Called, Cast, Lane, Request, Response, Service, Transport};
use sluice_raft::types::{Member, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;

type R = SimRuntime;

/// What the network does to messages. Probabilities are of 1,000 messages.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// Time on the way, µs.
    pub(crate) delay_us: RangeInclusive<u64>,
    /// Messages that never arrive.
    pub(crate) lost: u32,
    /// Calls whose connection breaks after they arrived: the caller learns at once that it has no answer.
    pub(crate) broken: u32,
    /// Requests that arrive twice.
    pub(crate) repeated: u32,
    /// Messages that take up to [`Faults::detour_us`] longer and are overtaken. Not entries: a connection keeps their order, and
    /// one that breaks says so.
    pub(crate) reordered: u32,
    /// The longest detour, µs.
    pub(crate) detour_us: u64,
}

impl Faults {
    /// A good network.
    pub(crate) const NONE: Faults =
        Faults { delay_us: 50..=200, lost: 0, broken: 0, repeated: 0, reordered: 0, detour_us: 1 };
}

/// All nodes, and the ways between them.
pub(crate) struct Net(Mutex<State>);

struct State {
    random: fastrand::Rng,
    faults: Faults,
    nodes: BTreeMap<NodeId, Running>,
    /// Ways that are cut, from and to.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// When the last message of a lane arrives.
    last_arrival: BTreeMap<(NodeId, NodeId, Lane), SimInstant>,
    next_incarnation: u64,
}

/// A node from its start to its crash.
struct Running {
    address: String,
    incarnation: u64,
    service: Arc<dyn Service<R>>,
    /// Requests that it was asked.
    served: u64,
    /// Those under way.
    serving: BTreeMap<u64, AbortHandle>,
}

/// What becomes of one message.
enum Fate {
    Lost,
    Arrives(SimInstant),
}

impl Net {
    pub(crate) fn new(seed: u64, faults: Faults) -> Arc<Net> {
        Arc::new(Net(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            faults,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            last_arrival: BTreeMap::new(),
            next_incarnation: 1,
        })))
    }

    /// Starts node `node` at `address`: others reach `service` from now on. The transport is the node's own, until it crashes.
    pub(crate) fn start(
        self: &Arc<Net>,
        node: NodeId,
        address: &str,
        service: impl FnOnce(Arc<dyn Transport<R>>) -> Arc<dyn Service<R>>,
    ) {
        let incarnation = {
            let mut state = self.lock();
            state.next_incarnation += 1;
            state.next_incarnation
        };
        let transport = Arc::new(SimTransport { net: Arc::clone(self), from: node, incarnation });
        let service = service(transport);
        let running = Running {
            address: address.to_owned(),
            incarnation,
            service,
            served: 0,
            serving: BTreeMap::new(),
        };
        assert!(self.lock().nodes.insert(node, running).is_none(), "node {node} runs already");
    }

    /// Node `node` is gone at once: what it serves ends in the middle, and what it still sends goes nowhere.
    pub(crate) fn crash(&self, node: NodeId) {
        let running = self.lock().nodes.remove(&node);
        for call in running.into_iter().flat_map(|running| running.serving.into_values()) {
            call.abort();
        }
    }

    /// Nothing gets from `from` to `to` any more; the other way is untouched.
    pub(crate) fn cut(&self, from: NodeId, to: NodeId) {
        self.lock().cut.insert((from, to));
    }

    /// All ways are open again.
    pub(crate) fn heal(&self) {
        self.lock().cut.clear();
    }

    /// Messages sent from now on meet these faults.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

impl State {
    fn chance(&mut self, of_thousand: u32) -> bool {
        self.random.u32(..1_000) < of_thousand
    }

    fn send(&mut self, from: NodeId, to: NodeId, lane: Lane) -> Fate {
        if self.cut.contains(&(from, to)) || self.chance(self.faults.lost) {
            return Fate::Lost;
        }
        let delay_us = self.random.u64(self.faults.delay_us.clone());
        let arrival = SimInstant::now() + Duration::from_micros(delay_us);
        if lane != Lane::Append && self.chance(self.faults.reordered) {
            let detour_us = self.random.u64(..=self.faults.detour_us);
            return Fate::Arrives(arrival + Duration::from_micros(detour_us));
        }
        let last = self.last_arrival.entry((from, to, lane)).or_insert(arrival);
        *last = arrival.max(*last);
        Fate::Arrives(*last)
    }

    /// Whether a request arrives twice, and how much later.
    fn repeats(&mut self) -> Option<Duration> {
        let repeated = self.chance(self.faults.repeated);
        let later_us = self.random.u64(..=self.faults.detour_us);
        repeated.then(|| Duration::from_micros(later_us))
    }

    /// The node a caller means: by id, or by its address where it knows no id.
    fn resolve(&self, to: NodeId, member: &Member) -> Option<NodeId> {
        let is_meant =
            |(id, running): &(&NodeId, &Running)| running.address == member.peer && (to == 0 || **id == to);
        self.nodes.iter().find(is_meant).map(|(id, _)| *id)
    }

    fn runs(&self, node: NodeId, incarnation: u64) -> bool {
        self.nodes.get(&node).is_some_and(|running| running.incarnation == incarnation)
    }
}

/// One incarnation's way into the network.
struct SimTransport {
    net: Arc<Net>,
    from: NodeId,
    incarnation: u64,
}

impl SimTransport {
    /// Puts a message on its way, if this node still runs and the other one does.
    fn send(&self, to: NodeId, member: &Member, lane: Lane) -> Result<(NodeId, Fate), CallError> {
        let mut state = self.net.lock();
        if !state.runs(self.from, self.incarnation) {
            return Err(CallError::Unreachable("this node has crashed".to_owned()));
        }
        let refused = || CallError::Unreachable("connection refused".to_owned());
        let to = state.resolve(to, member).ok_or_else(refused)?;
        let fate = state.send(self.from, to, lane);
        Ok((to, fate))
    }
}

impl Transport<R> for SimTransport {
    fn call(
        &self,
        to: NodeId,
        member: &Member,
        lane: Lane,
        request: Request<R>,
        within: Duration,
    ) -> BoxFuture<'static, Called<R>> {
        let sent = self.send(to, member, lane).and_then(|(to, fate)| {
            let wire = written(Kind::Request, &request)?;
            Ok((Call { net: Arc::clone(&self.net), from: self.from, to, lane, wire }, fate))
        });
        let (answer, answered) = oneshot::channel();
        match sent {
            Ok((call, Fate::Arrives(arrival))) => drop(SimRuntime::spawn(call.carry(arrival, answer))),
            Ok((_, Fate::Lost)) => {}
            Err(error) => return std::future::ready(Err(error)).boxed(),
        }
        let deadline = SimInstant::now() + within;
        let answered = SimRuntime::timeout(within, answered);
        async move {
            match answered.await {
                Ok(Ok(called)) => called,
                // A lost message says nothing, until the connection is given up.
                Ok(Err(_)) => {
                    let given_up = SimInstant::now() + Duration::from_millis(UNACKED_MS.into());
                    sleep_until(deadline.min(given_up)).await;
                    Err(CallError::Timeout)
                }
                Err(_) => Err(CallError::Timeout),
            }
        }
        .boxed()
    }

    fn cast(&self, to: NodeId, member: &Member, cast: Cast) {
        let Ok((to, Fate::Arrives(arrival))) = self.send(to, member, Lane::Vote) else { return };
        let (net, from) = (Arc::clone(&self.net), self.from);
        let _detached = SimRuntime::spawn(async move {
            sleep_until(arrival).await;
            let service = net.lock().nodes.get(&to).map(|running| Arc::clone(&running.service));
            if let Some(service) = service {
                service.cast(from, cast);
            }
        });
    }
}

/// By the true clock, whatever a node takes for the time.
async fn sleep_until(moment: SimInstant) {
    SimRuntime::sleep(moment - SimInstant::now()).await;
}

fn written<T: Serialize>(kind: Kind, value: &T) -> Result<bytes::Bytes, CallError> {
    frame::encode(kind, value).map_err(CallError::Frame)
}

fn read<T: DeserializeOwned>(wire: &bytes::Bytes) -> T {
    let taken = frame::take(&mut wire.clone().into(), usize::MAX).expect("just written");
    frame::decode(&taken.expect("whole").body).expect("just written")
}

/// A request on its way, and its answer back.
struct Call {
    net: Arc<Net>,
    from: NodeId,
    to: NodeId,
    lane: Lane,
    wire: bytes::Bytes,
}

impl Call {
    async fn carry(self, arrival: SimInstant, answer: oneshot::Sender<Called<R>>) {
        sleep_until(arrival).await;
        if let Some(later) = self.net.lock().repeats() {
            drop(SimRuntime::spawn(self.repeat(later)));
        }
        match self.serve().await {
            Some(response) => self.give_back(response, answer).await,
            // The caller may have given up.
            None => drop(answer.send(Err(CallError::Lost))),
        }
    }

    /// Has the request answered; None where the node does not run any more, or crashes before the answer.
    async fn serve(&self) -> Option<Response<R>> {
        let (handle, registration) = AbortHandle::new_pair();
        let (service, incarnation, number) = {
            let mut state = self.net.lock();
            let running = state.nodes.get_mut(&self.to)?;
            running.served += 1;
            running.serving.insert(running.served, handle);
            (Arc::clone(&running.service), running.incarnation, running.served)
        };
        let call = service.call(self.from, read(&self.wire));
        let response = Abortable::new(call, registration).await.ok()?;
        if let Some(running) = self.net.lock().nodes.get_mut(&self.to)
            && running.incarnation == incarnation
        {
            running.serving.remove(&number);
        }
        Some(response)
    }

    /// The request arrives once more, and nobody waits for the answer.
    fn repeat(&self, later: Duration) -> impl Future<Output = ()> + Send + 'static {
        let Call { net, wire, .. } = self;
        let again =
            Call { net: Arc::clone(net), from: self.from, to: self.to, lane: self.lane, wire: wire.clone() };
        async move {
            sleep_until(SimInstant::now() + later).await;
            let _nobody_waits = again.serve().await;
        }
    }

    async fn give_back(self, response: Response<R>, answer: oneshot::Sender<Called<R>>) {
        let fate = {
            let mut state = self.net.lock();
            let broken = state.faults.broken;
            if state.chance(broken) {
                return drop(answer.send(Err(CallError::Lost)));
            }
            state.send(self.to, self.from, self.lane)
        };
        let Fate::Arrives(arrival) = fate else { return };
        sleep_until(arrival).await;
        let response = written(Kind::Response, &response).map(|wire| read(&wire));
        drop(answer.send(response));
    }
}
