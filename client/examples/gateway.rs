//! A checkout page with a waiting room in front of it.
//!
//! ```sh
//! cargo run --release                              # sluice
//! cargo run -p sluice-client --example gateway     # http://127.0.0.1:8080/checkout
//! ```

mod service;

use axum::response::Html;
use axum::routing::get;
use axum::{Extension, Router};
use sluice_client::guard::{Guard, OnFailure};
use sluice_client::pass::Pass;
use sluice_client::{Error, ZoneSettings};
use std::sync::Arc;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = service::Options::read("127.0.0.1:8080");
    let client = options.client()?;
    // An operator makes the zone; here nobody else does.
    if let Err(Error::NoZone) = client.zone("checkout").get().await {
        client.zone("checkout").set(&ZoneSettings { limit: Some(60), ..Default::default() }).await?;
    }
    let guard = Guard::builder(&client, "checkout")
        .bypass_path("/healthz")
        .on_failure(OnFailure::OpenFor(Duration::from_secs(30)))
        .insecure_cookies() // plain HTTP on this machine
        .build();
    let app = Router::new()
        .route("/checkout", get(checkout))
        .route("/healthz", get(|| async { "ok" }))
        .layer(guard);
    Ok(options.serve(app).await?)
}

async fn checkout(pass: Option<Extension<Arc<Pass>>>) -> Html<String> {
    let until =
        pass.map_or_else(|| "the room is open".to_owned(), |pass| format!("until {}", pass.expires_at));
    Html(format!(
        "<!doctype html><title>Checkout</title><main data-state=\"in\"><h1>Checkout</h1><p>{until}</p></main>"
    ))
}
