//! Order boards of many stores: each store is a stream, each board a browser. A board counts the numbers of what it is told, and
//! fetches the orders anew where one is missing.
//!
//! ```sh
//! cargo run --release                                  # sluice
//! cargo run -p sluice-client --example order_board     # http://127.0.0.1:8082/?store=seoul
//! curl -d 'two coffees' http://127.0.0.1:8082/stores/seoul/orders
//! ```

mod service;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use service::Failure;
use sluice_client::{Append, Client, Hub};

/// Orders that a store keeps.
const KEPT: u64 = 50;

#[derive(Clone)]
struct Board {
    client: Client,
    hub: Hub,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = service::Options::read("127.0.0.1:8082");
    let client = options.client()?;
    let board = Board { hub: Hub::new(&client), client };
    let app = Router::new()
        .route("/", get(|| async { Html(include_str!("order_board.html")) }))
        .route("/stores/{store}/orders", get(orders).post(order))
        .route("/stores/{store}/events", get(events))
        .with_state(board);
    Ok(options.serve(app).await?)
}

fn key(store: &str) -> String {
    format!("orders:{store}")
}

/// An order comes in.
async fn order(
    State(board): State<Board>,
    Path(store): Path<String>,
    text: String,
) -> Result<Response, Failure> {
    let append = Append { maxlen: Some(KEPT), ..Append::default() };
    let id = board.client.stream(key(&store)).append(&[("order", text)], append).await?;
    Ok((StatusCode::CREATED, id).into_response())
}

/// What the board goes on from where it lost its place: the orders that there are.
async fn orders(State(board): State<Board>, Path(store): Path<String>) -> Result<Response, Failure> {
    let entries = board.client.stream(key(&store)).range("-", "+", None).await?;
    let list: Vec<String> = entries.iter().map(|entry| service::json(&entry.fields)).collect();
    Ok(([("content-type", "application/json")], format!("[{}]", list.join(","))).into_response())
}

async fn events(
    State(board): State<Board>,
    Path(store): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let listening = board.hub.listen(key(&store), service::last_event(&headers)).await?;
    Ok(service::events(listening).into_response())
}
