//! Who calls, and what its calls took.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sluice_client::{Client, Join, Zone, ZoneSettings};
use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;

use crate::error::{BenchError, Result};
use crate::limit::{LATENCY_NS_MAX, LATENCY_NS_MIN};

const ZONE: &str = "bench-client";
const KEY: &str = "bench-client";
/// The value is about as long as the reply to a poll.
const VALUE_BYTES: usize = 130;

/// One task's way to its server; clones share a connection.
pub(super) trait Caller: Clone + 'static {
    /// One call.
    fn call(&mut self) -> impl Future<Output = Result<()>>;
}

/// Polls a token of its own.
#[derive(Clone)]
pub(super) struct Poll {
    zone: Zone,
    token: String,
}

impl Caller for Poll {
    async fn call(&mut self) -> Result<()> {
        self.zone.poll(&self.token).await.map(drop).map_err(|error| BenchError::Server(error.to_string()))
    }
}

/// Gets one value.
#[derive(Clone)]
pub(super) struct Get(redis::aio::MultiplexedConnection);

impl Caller for Get {
    async fn call(&mut self) -> Result<()> {
        let got = redis::cmd("GET").arg(KEY).query_async::<String>(&mut self.0).await;
        got.map(drop).map_err(|error| BenchError::Server(error.to_string()))
    }
}

/// So many waiters of a zone that admits nobody.
pub(super) async fn sluice(address: SocketAddr, tasks: usize) -> Result<Vec<Poll>> {
    let refused = |error: sluice_client::Error| BenchError::Server(error.to_string());
    let zone = Client::builder([address.to_string()]).build().map_err(refused)?.zone(ZONE);
    let settings = ZoneSettings { limit: Some(60), mode: Some("paused".to_owned()), ..Default::default() };
    zone.set(&settings).await.map_err(refused)?;
    let mut callers = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        let token = zone.join(Join::default()).await.map_err(refused)?.token;
        callers.push(Poll { zone: zone.clone(), token });
    }
    Ok(callers)
}

pub(super) async fn redis(address: SocketAddr, tasks: usize) -> Result<Vec<Get>> {
    let refused = |error: redis::RedisError| BenchError::Server(error.to_string());
    let client = redis::Client::open(format!("redis://{address}/")).map_err(refused)?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(refused)?;
    let set = redis::cmd("SET").arg(KEY).arg("v".repeat(VALUE_BYTES)).exec_async(&mut connection).await;
    set.map_err(refused)?;
    Ok(vec![Get(connection); tasks])
}

/// What the calls of a run took.
pub(super) struct Timed {
    pub(super) per_s: f64,
    pub(super) p99_us: f64,
}

/// Has all of them call for this long: at `rate` calls a second together, or as fast as they can.
pub(super) async fn drive<C: Caller>(callers: &[C], rate: Option<u64>, time: Duration) -> Result<Timed> {
    let histogram = Histogram::<u64>::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, 3);
    let taken = Rc::new(RefCell::new(histogram.expect("fixed bounds are valid")));
    let period = rate.map(|rate| Duration::from_secs_f64(callers.len() as f64 / rate.max(1) as f64));
    let began = Instant::now();
    let mut running = Vec::with_capacity(callers.len());
    for (number, caller) in callers.iter().enumerate() {
        let (mut caller, taken) = (caller.clone(), Rc::clone(&taken));
        // Spread over a period, or they would all begin at once.
        let offset = period.map(|period| period.mul_f64(number as f64 / callers.len() as f64));
        running.push(spawn_local(async move {
            let mut pace = period.map(|period| {
                let first = tokio::time::Instant::now() + offset.unwrap_or_default();
                let mut pace = tokio::time::interval_at(first, period);
                // What is late is made up for: the rate is what was asked for.
                pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
                pace
            });
            while began.elapsed() < time {
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                let started = Instant::now();
                caller.call().await?;
                let ns = started.elapsed().as_nanos() as u64;
                taken.borrow_mut().saturating_record(ns.clamp(LATENCY_NS_MIN, LATENCY_NS_MAX));
            }
            Ok::<_, BenchError>(())
        }));
    }
    for task in running {
        task.await.map_err(|_| BenchError::Server("a task panicked".to_owned()))??;
    }
    let (seconds, taken) = (began.elapsed().as_secs_f64(), taken.borrow());
    Ok(Timed { per_s: taken.len() as f64 / seconds, p99_us: taken.value_at_quantile(0.99) as f64 / 1e3 })
}
