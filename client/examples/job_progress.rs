//! `POST /completion` answers with the progress of the job that it starts, as server-sent events. However many users listen, the
//! gateway has one connection upstream for them.
//!
//! ```sh
//! cargo run --release                                   # sluice
//! cargo run -p sluice-client --example job_progress     # curl -N -d 'a prompt' http://127.0.0.1:8081/completion
//! ```
//! The order of things: listen first, then enqueue. A browser that was cut off goes on with `GET /completion/{id}` and the last id that
//! it read.

mod service;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use service::Failure;
use sluice_client::{After, Append, Client, Event, Hub};
use std::time::Duration;

const STAGES: [&str; 5] = ["queued", "reading", "thinking", "writing", "done"];
const QUEUE: &str = "jobs";

#[derive(Clone)]
struct Gateway {
    client: Client,
    hub: Hub,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = service::Options::read("127.0.0.1:8081");
    let client = options.client()?;
    tokio::spawn(work(client.clone()));
    let gateway = Gateway { hub: Hub::new(&client), client };
    let app = Router::new()
        .route("/completion", post(begin))
        .route("/completion/{id}", get(go_on))
        .with_state(gateway);
    Ok(options.serve(app).await?)
}

/// Starts a job, and tells how it goes.
async fn begin(State(gateway): State<Gateway>, prompt: String) -> Result<Response, Failure> {
    let id = format!("{:016x}", fastrand::u64(..));
    let listening = gateway.hub.listen(format!("job:{id}"), None).await?;
    let job = [("id", id.as_str()), ("prompt", prompt.as_str())];
    gateway.client.stream(QUEUE).append(&job, Append { maxlen: Some(10_000), ..Append::default() }).await?;
    Ok(([(HeaderName::from_static("x-job"), id)], service::events(listening)).into_response())
}

async fn go_on(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let listening = gateway.hub.listen(format!("job:{id}"), service::last_event(&headers)).await?;
    Ok(service::events(listening).into_response())
}

/// Takes jobs as they come. In a real system this is another program, on other machines.
async fn work(client: Client) {
    let mut queue = client.follow();
    queue.add(QUEUE, After::Newest).expect("one stream is not too many");
    loop {
        match queue.next().await {
            Ok(Event::Entry { fields, .. }) => {
                let id = fields.iter().find(|(name, _)| name == b"id").map(|(_, id)| id.clone());
                if let Some(id) = id {
                    tokio::spawn(run(client.clone(), String::from_utf8_lossy(&id).into_owned()));
                }
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("the queue cannot be read: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One job: three lines for each stage.
async fn run(client: Client, id: String) {
    let progress = client.stream(format!("job:{id}"));
    for (number, stage) in STAGES.iter().enumerate() {
        let end = number + 1 == STAGES.len();
        let append = Append { maxlen: Some(50), ttl_ms: Some(3_600_000), end, ..Append::default() };
        if let Err(error) = progress.append(&[("stage", *stage)], append).await {
            eprintln!("job {id}: {error}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
