//! Measures polls over one connection: `polls ADDRESS [TASKS] [SECONDS]`, against a running server.
//!
//! It makes a zone in which nobody enters, takes a place for each task, and has every task poll its own in a loop. All of it
//! runs on one thread, so pin it to one core and the server to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sluice_client::{Client, Error, Join, Zone, ZoneSettings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7379".to_owned());
    let tasks: usize = arguments.next().map_or(Ok(1_000), |tasks| tasks.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    let runtime = match std::env::var("THREADS").ok() {
        None => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        Some(threads) => {
            let threads: usize = threads.parse()?;
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?
        }
    };
    let polls = runtime.block_on(async { tokio::spawn(measure(address, tasks, seconds)).await })??;
    println!("{polls:.0} polls/s, {tasks} tasks, one connection");
    Ok(())
}

async fn measure(address: String, tasks: usize, seconds: u64) -> Result<f64, Error> {
    let client = Client::builder([address]).build()?;
    let zone = client.zone("polls-example");
    let settings =
        ZoneSettings { limit: Some(60), mode: Some("paused".to_owned()), ..ZoneSettings::default() };
    zone.set(&settings).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut pollers = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        let place = zone.join(Join::default()).await?;
        pollers.push((zone.clone(), place.token));
    }
    let begun = Instant::now();
    let pollers: Vec<_> =
        pollers.into_iter().map(|(zone, token)| tokio::spawn(poll(zone, token, is_over.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    is_over.store(true, Relaxed);
    let mut polls = 0;
    for poller in pollers {
        polls += poller.await.map_err(|_| Error::Invalid("a task panicked"))??;
    }
    let rate = polls as f64 / begun.elapsed().as_secs_f64();
    zone.delete().await?;
    println!("{:?}", client.metrics());
    Ok(rate)
}

async fn poll(zone: Zone, token: String, is_over: Arc<AtomicBool>) -> Result<u64, Error> {
    let mut polls = 0;
    while !is_over.load(Relaxed) {
        zone.poll(&token).await?;
        polls += 1;
    }
    Ok(polls)
}
