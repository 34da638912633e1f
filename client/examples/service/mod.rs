//! What the examples share: where to listen and where sluice is, and an event stream for browsers.

use axum::http::StatusCode;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use sluice_client::{Client, Cursor, Error, Event, Listening};
use std::convert::Infallible;

/// `--listen ADDRESS`, `--sluice ADDRESS,…`.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) sluice: Vec<String>,
}

impl Options {
    /// From the command line; an argument that is not known ends the program.
    pub(crate) fn read(default_listen: &str) -> Options {
        let mut options =
            Options { listen: default_listen.to_owned(), sluice: vec!["127.0.0.1:7379".to_owned()] };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            match (name.as_str(), arguments.next()) {
                ("--listen", Some(address)) => options.listen = address,
                ("--sluice", Some(addresses)) => {
                    options.sluice = addresses.split(',').map(str::to_owned).collect();
                }
                _ => {
                    eprintln!("usage: [--listen ADDRESS] [--sluice ADDRESS,…]");
                    std::process::exit(2);
                }
            }
        }
        options
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        Client::builder(self.sluice.iter().cloned()).build()
    }

    /// Serves until the process is ended.
    pub(crate) async fn serve(&self, app: axum::Router) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::bind(&self.listen).await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, app).await
    }
}

/// The place behind which a browser comes back, or begins.
#[allow(dead_code, reason = "one of the examples has no event stream")]
pub(crate) fn last_event(headers: &axum::http::HeaderMap) -> Option<Cursor> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// Entries as server-sent events: the id is the cursor, the data an object of the fields; `reset` where something was lost, `end`
/// behind the last one. A stream that just stops is asked for again by the browser, with the last id.
#[allow(dead_code, reason = "one of the examples has no event stream")]
pub(crate) fn events(listening: Listening) -> Sse<impl Stream<Item = Result<Frame, Infallible>>> {
    let frames = unfold(Some(listening), |listening| async {
        let mut listening = listening?;
        let event = listening.next().await?;
        let is_last = matches!(event, Event::End { .. } | Event::Refused { .. });
        Some((Ok(frame(&event)), (!is_last).then_some(listening)))
    });
    Sse::new(frames).keep_alive(KeepAlive::default())
}

fn frame(event: &Event) -> Frame {
    match event {
        Event::Entry { cursor, fields, .. } => Frame::default().id(cursor.to_string()).data(json(fields)),
        Event::Gap { reason, .. } => Frame::default().event("reset").data(format!("{reason:?}")),
        _ => Frame::default().event("end").data(""),
    }
}

/// An object of the fields.
#[allow(dead_code, reason = "one of the examples has no entries")]
pub(crate) fn json(fields: &[(Vec<u8>, Vec<u8>)]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let object: serde_json::Map<_, _> =
        fields.iter().map(|(name, value)| (text(name), serde_json::Value::String(text(value)))).collect();
    serde_json::Value::Object(object).to_string()
}

/// What a user is told while sluice cannot be asked.
#[allow(dead_code, reason = "one of the examples asks through the guard alone")]
pub(crate) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "2")], self.0.to_string()).into_response()
    }
}
