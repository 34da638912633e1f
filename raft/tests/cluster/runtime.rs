//! Virtual time for several nodes: each node's tasks can be stopped for a while, and all of them can be ended at once.
//!
//! The runtime beneath knows nothing of nodes. Here every task carries the host that it runs on, and what it spawns runs there,
//! too. A paused host's tasks are not polled, as after SIGSTOP; a dead one's are dropped at their next step, which is
//! before they do anything more.

use crate::cluster::clock::NodeInstant;
use openraft::OptionalSend;
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft_rt_sim::{Elapsed, SimJoinError, SimJoinHandle, SimRuntime, SimSleep, SimTimeout};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

thread_local! {
    /// The host whose task is polled now.
    static HERE: RefCell<Option<Arc<Host>>> = const { RefCell::new(None) };
    /// A task of this thread has panicked. The runtime keeps that to itself.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// From now on every panic is noted.
pub(crate) fn watch_panics() {
    static WATCHES: Once = Once::new();
    WATCHES.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED.set(true);
            print(info);
        }));
    });
}

/// Whether a task of this thread has panicked.
pub(crate) fn panicked() -> bool {
    PANICKED.get()
}

/// What runs on one node, from its start to its end.
#[derive(Default)]
pub(crate) struct Host(Mutex<State>);

#[derive(Default)]
struct State {
    is_dead: bool,
    is_paused: bool,
    /// How far its clock is ahead.
    jumped: Duration,
    /// By task: how it is woken.
    tasks: BTreeMap<u64, Waker>,
    spawned: u64,
}

impl Host {
    pub(crate) fn new() -> Arc<Host> {
        Arc::default()
    }

    /// Ends every task of the host.
    pub(crate) fn kill(&self) {
        self.state().is_dead = true;
        self.wake_all();
    }

    /// Stops all tasks where they are.
    pub(crate) fn pause(&self) {
        self.state().is_paused = true;
    }

    /// Lets them go on.
    pub(crate) fn resume(&self) {
        self.state().is_paused = false;
        self.wake_all();
    }

    /// Its clock is further ahead from now on. What sleeps there sleeps on, as long as it meant to.
    pub(crate) fn jump(&self, by: Duration) {
        self.state().jumped += by;
    }

    /// How far the clock of the node whose task runs now is ahead.
    pub(crate) fn jumped() -> Duration {
        let here = HERE.with(|here| here.borrow().clone());
        here.map_or(Duration::ZERO, |host| host.state().jumped)
    }

    /// Runs `f` as if a task of this host called it: what it spawns runs here.
    pub(crate) fn within<T>(self: &Arc<Host>, f: impl FnOnce() -> T) -> T {
        let _here = Here::enter(Some(Arc::clone(self)));
        f()
    }

    /// `future` as one of this host's tasks, driven by whoever waits for it.
    pub(crate) fn hosted<F: Future>(self: &Arc<Host>, future: F) -> impl Future<Output = F::Output> {
        Hosted { host: Arc::clone(self), number: self.next_number(), future: Some(Box::pin(future)) }
    }

    /// Runs `f` as nobody's: what it spawns goes on when this host ends.
    pub(crate) fn outside<T>(f: impl FnOnce() -> T) -> T {
        let _here = Here::enter(None);
        f()
    }

    fn next_number(&self) -> u64 {
        let mut state = self.state();
        state.spawned += 1;
        state.spawned
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.state().tasks.values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic while it is held")
    }
}

/// The host before, to be gone back to.
struct Here(Option<Arc<Host>>);

impl Here {
    fn enter(host: Option<Arc<Host>>) -> Here {
        Here(HERE.with(|here| here.replace(host)))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let before = self.0.take();
        HERE.with(|here| drop(here.replace(before)));
    }
}

/// A task of a host.
struct Hosted<F> {
    host: Arc<Host>,
    number: u64,
    /// None when its host is dead.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Hosted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _here = Here::enter(Some(Arc::clone(&self.host)));
        let (is_dead, is_paused) = {
            let mut state = self.host.state();
            let number = self.number;
            state.tasks.entry(number).or_insert_with(|| context.waker().clone());
            (state.is_dead, state.is_paused)
        };
        if is_dead {
            self.future = None;
        }
        match &mut self.future {
            Some(future) if !is_paused => future.as_mut().poll(context),
            _ => Poll::Pending,
        }
    }
}

impl<F> Drop for Hosted<F> {
    fn drop(&mut self) {
        self.host.state().tasks.remove(&self.number);
    }
}

/// The runtime of a simulated cluster.
#[derive(Debug)]
pub(crate) struct Runtime(SimRuntime);

impl Runtime {
    pub(crate) fn with_seed(seed: u64) -> Runtime {
        Runtime(SimRuntime::with_seed(seed))
    }
}

impl AsyncRuntime for Runtime {
    type JoinError = SimJoinError;
    type JoinHandle<T: OptionalSend + 'static> = SimJoinHandle<T>;
    type Sleep = SimSleep;
    type Instant = NodeInstant;
    type TimeoutError = Elapsed;
    type Timeout<T, F: Future<Output = T> + OptionalSend> = SimTimeout<F>;
    type ThreadLocalRng = <SimRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <SimRuntime as AsyncRuntime>::Mpsc;
    type Watch = <SimRuntime as AsyncRuntime>::Watch;
    type Oneshot = <SimRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let Some(host) = HERE.with(|here| here.borrow().clone()) else { return SimRuntime::spawn(future) };
        let number = host.next_number();
        SimRuntime::spawn(Hosted { host, number, future: Some(Box::pin(future)) })
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        SimRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        SimRuntime::sleep(deadline - NodeInstant::now())
    }

    fn timeout<T, F: Future<Output = T> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<T, F> {
        SimRuntime::timeout(duration, future)
    }

    fn timeout_at<T, F: Future<Output = T> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<T, F> {
        SimRuntime::timeout(deadline - NodeInstant::now(), future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        SimRuntime::is_panic(error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        SimRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Runtime(SimRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SimRuntime::spawn_blocking(f)
    }
}
