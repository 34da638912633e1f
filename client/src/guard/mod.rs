//! A room in front of the routes of a service: a [`tower_layer::Layer`].
//!
//! ```text
//! request ─▶ bypassed? ─▶ a good pass? ────────────────────────▶ service
//!                             │ no                                  ▲
//!                             └▶ poll the token, else join ─ admitted ┤  the pass goes into a cookie
//!                                      │ waiting                      │
//!                                      ▼                              │ for so long as the policy says
//!                        waiting page or JSON, 202          sluice is away
//! ```
//! A pass is verified here, without asking anybody; sluice is asked only for those who have none. Keys are fetched once a
//! minute and whenever a new one is met; revoked passes are learned by push.

mod keeper;
mod page;
mod request;
mod verdict;

use http::{HeaderValue, Request, Response, header};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

use crate::client::Client;
use crate::pass::{PassKeys, Verifier};
use keeper::{Keeper, Keys};
use verdict::{Desk, Verdict};

/// How long sluice may take to answer before that counts as a failure, unless the builder says otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What happens to those without a pass while sluice cannot be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// They wait: a page that tries again, or 503 with `Retry-After`.
    Closed,
    /// They enter, for so long from the first failure on; then they wait. It begins anew when sluice has answered again.
    OpenFor(Duration),
}

/// Who is let past the room.
#[derive(Default)]
struct Rules {
    paths: Vec<String>,
    addresses: Vec<IpAddr>,
    headers: Vec<(String, Vec<u8>)>,
}

/// How a guard is to be; made by [`Guard::builder`].
pub struct GuardBuilder {
    client: Client,
    zone: String,
    rules: Rules,
    on_failure: OnFailure,
    cookie: String,
    is_secure: bool,
    answer_within: Duration,
}

impl GuardBuilder {
    /// Lets requests past whose path is this or lies below it: `/healthz`, `/assets`.
    #[must_use]
    pub fn bypass_path(mut self, path: impl Into<String>) -> Self {
        self.rules.paths.push(path.into());
        self
    }

    /// Lets requests past from this address. The service puts a [`std::net::SocketAddr`] or an [`IpAddr`] into the request's
    /// extensions: nothing a client sends is believed.
    #[must_use]
    pub fn bypass_address(mut self, address: IpAddr) -> Self {
        self.rules.addresses.push(address);
        self
    }

    /// Lets requests past that have this header with this value: a secret that a monitor or a partner was given.
    #[must_use]
    pub fn bypass_header(mut self, name: impl Into<String>, secret: impl Into<Vec<u8>>) -> Self {
        self.rules.headers.push((name.into(), secret.into()));
        self
    }

    /// What happens while sluice cannot be asked; [`OnFailure::Closed`] unless told.
    #[must_use]
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// What the names of cookies begin with, `sluice` unless told: another one for each zone of the same host.
    #[must_use]
    pub fn cookie(mut self, prefix: impl Into<String>) -> Self {
        self.cookie = prefix.into();
        self
    }

    /// Cookies are sent over plain HTTP too: for a machine of one's own.
    #[must_use]
    pub fn insecure_cookies(mut self) -> Self {
        self.is_secure = false;
        self
    }

    /// How long sluice may take to answer before that counts as a failure, 2 s unless told.
    #[must_use]
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time;
        self
    }

    /// The guard, with a task of its own that keeps keys and revocations; it ends with the last clone. Needs a tokio runtime. It
    /// does not wait for sluice: until keys were fetched every pass is an unknown one.
    #[must_use]
    pub fn build(self) -> Guard {
        let client = self.client.with_timeout(self.answer_within);
        let keys = Arc::new(Keys::new(client.clone(), Verifier::new(&self.zone, PassKeys::default())));
        let keeper = Keeper::start(&keys);
        let zone = client.zone(&self.zone);
        let desk = Desk::new(zone, keys, self.on_failure, self.rules, &self.cookie, self.is_secure);
        Guard { desk: Arc::new(desk), _keeper: Arc::new(keeper) }
    }
}

/// The layer. Clones share everything.
///
/// ```no_run
/// use sluice_client::{Client, guard::{Guard, OnFailure}};
/// use std::time::Duration;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder(["127.0.0.1:7379"]).build()?;
/// let guard = Guard::builder(&client, "shop")
///     .bypass_path("/healthz")
///     .on_failure(OnFailure::OpenFor(Duration::from_secs(30)))
///     .build();
/// // axum: Router::new().route("/checkout", get(checkout)).layer(guard)
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard {
    desk: Arc<Desk>,
    _keeper: Arc<Keeper>,
}

impl Guard {
    /// Guards with the room of this zone.
    #[must_use]
    pub fn builder(client: &Client, zone: &str) -> GuardBuilder {
        GuardBuilder {
            client: client.clone(),
            zone: zone.to_owned(),
            rules: Rules::default(),
            on_failure: OnFailure::Closed,
            cookie: "sluice".to_owned(),
            is_secure: true,
            answer_within: ANSWER_WITHIN,
        }
    }

    /// What verifies passes here: to look at one by hand.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        self.desk.verifier()
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// A service behind a room. Those who enter have an `Arc<`[`Pass`](crate::pass::Pass)`>` among the extensions of their requests, unless
/// they were let past.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready; the one that was asked is.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let desk = Arc::clone(&self.guard.desk);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match desk.decide(&parts).await {
                Verdict::Enter { pass, cookies } => {
                    if let Some(pass) = pass {
                        parts.extensions.insert(pass);
                    }
                    let mut response = inner.call(Request::from_parts(parts, body)).await?;
                    set_cookies(&mut response, &cookies);
                    Ok(response)
                }
                Verdict::Answer { answer, cookies } => {
                    let mut response = answer.map(R::from);
                    set_cookies(&mut response, &cookies);
                    Ok(response)
                }
            }
        })
    }
}

fn set_cookies<R>(response: &mut Response<R>, cookies: &[String]) {
    for cookie in cookies {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    if !cookies.is_empty() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}
