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
//! minute and whenever a new one is met; revoked passes are learned by push. What the waiting page adds to an address, pass and
//! token, the service never sees, and a browser is led to the address without it.
//!
//! ```no_run
//! # async fn example(client: sluice_client::Client) -> std::io::Result<()> {
//! use axum::{Router, routing::get};
//! use sluice_client::guard::Guard;
//! let guard = Guard::builder(&client, "shop").bypass_path("/healthz").build();
//! let app = Router::new().route("/checkout", get(|| async { "in" })).layer(guard);
//! axum::serve(tokio::net::TcpListener::bind("0.0.0.0:8080").await?, app).await
//! # }
//! ```

mod keeper;
mod openness;
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
///
/// ```no_run
/// # fn example(client: &sluice_client::Client) {
/// use sluice_client::guard::{Guard, OnFailure};
/// use std::time::Duration;
/// // The service bears a minute without a limit.
/// let shop = Guard::builder(client, "shop").on_failure(OnFailure::OpenFor(Duration::from_secs(60))).build();
/// // Where too many would do harm nobody enters.
/// let seats = Guard::builder(client, "seats").on_failure(OnFailure::Closed).build();
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// They wait: a page that tries again, or 503 with `Retry-After`.
    Closed,
    /// They enter, for so long in any hour, then they wait. An outage counts from its first failure on, a failure among answers
    /// for a second. [`Guard::openness`] and [`Client::metrics`] tell how many entered so.
    OpenFor(Duration),
}

/// What [`OnFailure::OpenFor`] came to so far.
///
/// ```no_run
/// # fn example(guard: sluice_client::guard::Guard) {
/// let is_worrying = guard.openness().entered > 0;
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Openness {
    /// Requests that were let in without a pass because sluice did not answer, ever.
    pub entered: u64,
    /// For how long this hour may still be open.
    pub left: Duration,
}

/// Who is let past the room.
#[derive(Default)]
struct Rules {
    paths: Vec<String>,
    addresses: Vec<IpAddr>,
    headers: Vec<(String, Vec<u8>)>,
}

/// How a guard is to be; made by [`Guard::builder`].
///
/// ```no_run
/// # fn example(client: &sluice_client::Client) {
/// use sluice_client::guard::{Guard, GuardBuilder};
/// let on_this_machine = true;
/// let mut builder: GuardBuilder = Guard::builder(client, "shop").bypass_path("/healthz");
/// if on_this_machine {
///     builder = builder.insecure_cookies();
/// }
/// let guard = builder.build();
/// # }
/// ```
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
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use sluice_client::guard::Guard;
    /// // `/assets/shop.css` is let past, `/assets-of-others` is not.
    /// let guard = Guard::builder(client, "shop").bypass_path("/healthz").bypass_path("/assets").build();
    /// # }
    /// ```
    #[must_use]
    pub fn bypass_path(mut self, path: impl Into<String>) -> Self {
        self.rules.paths.push(path.into());
        self
    }

    /// Lets requests past from this address. The service puts a [`std::net::SocketAddr`] or an [`IpAddr`] into the request's
    /// extensions: nothing a client sends is believed.
    ///
    /// ```no_run
    /// use sluice_client::guard::Guard;
    /// use std::net::{IpAddr, SocketAddr};
    /// # fn example(client: &sluice_client::Client, request: &mut http::Request<()>, peer: SocketAddr) {
    /// let guard = Guard::builder(client, "shop").bypass_address(IpAddr::from([10, 0, 0, 8])).build();
    /// request.extensions_mut().insert(peer); // in the service, before the guard sees the request
    /// # }
    /// ```
    #[must_use]
    pub fn bypass_address(mut self, address: IpAddr) -> Self {
        self.rules.addresses.push(address.to_canonical());
        self
    }

    /// Lets requests past that have this header with this value: a secret that a monitor or a partner was given.
    ///
    /// ```no_run
    /// use sluice_client::guard::Guard;
    /// # fn example(client: &sluice_client::Client) -> Result<(), std::env::VarError> {
    /// let guard = Guard::builder(client, "shop").bypass_header("x-monitor", std::env::var("MONITOR_SECRET")?).build();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn bypass_header(mut self, name: impl Into<String>, secret: impl Into<Vec<u8>>) -> Self {
        self.rules.headers.push((name.into(), secret.into()));
        self
    }

    /// What happens while sluice cannot be asked; [`OnFailure::Closed`] unless told.
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use sluice_client::guard::{Guard, OnFailure};
    /// let policy = OnFailure::OpenFor(std::time::Duration::from_secs(30));
    /// let guard = Guard::builder(client, "shop").on_failure(policy).build();
    /// # }
    /// ```
    #[must_use]
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// What the names of cookies begin with, `sluice` unless told: another one for each zone of the same host.
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use sluice_client::guard::Guard;
    /// // Two rooms of one host, each with cookies of its own.
    /// let tickets = Guard::builder(client, "tickets").cookie("tickets").build();
    /// let seats = Guard::builder(client, "seats").cookie("seats").build();
    /// # }
    /// ```
    #[must_use]
    pub fn cookie(mut self, prefix: impl Into<String>) -> Self {
        self.cookie = prefix.into();
        self
    }

    /// Cookies are sent over plain HTTP too: for a machine of one's own.
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use sluice_client::guard::Guard;
    /// let guard = Guard::builder(client, "shop").insecure_cookies().build(); // for http://127.0.0.1:8080
    /// # }
    /// ```
    #[must_use]
    pub fn insecure_cookies(mut self) -> Self {
        self.is_secure = false;
        self
    }

    /// How long sluice may take to answer before that counts as a failure, 2 s unless told.
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use sluice_client::guard::Guard;
    /// use std::time::Duration;
    /// // Where a page may not hang: half a second for each question to sluice, then the policy decides.
    /// let guard = Guard::builder(client, "shop").answer_within(Duration::from_millis(500)).build();
    /// # }
    /// ```
    #[must_use]
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time;
        self
    }

    /// The guard, with a task of its own that keeps keys and revocations; it ends with the last clone. Needs a tokio runtime. It
    /// does not wait for sluice: until keys were fetched every pass is an unknown one.
    ///
    /// ```no_run
    /// # fn example(client: &sluice_client::Client) {
    /// use axum::{Router, routing::get};
    /// use sluice_client::guard::Guard;
    /// let guard = Guard::builder(client, "shop").build();
    /// let checkout: Router = Router::new().route("/checkout", get(|| async { "in" })).layer(guard.clone());
    /// let orders: Router = Router::new().route("/orders", get(|| async { "in" })).layer(guard); // the same room
    /// # }
    /// ```
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
    ///
    /// ```
    /// use sluice_client::{Client, guard::Guard};
    /// let client = Client::builder(["10.0.0.1:7379"]).build()?;
    /// let shop = Guard::builder(&client, "shop"); // to be built within a runtime
    /// let seats = Guard::builder(&client, "seats").cookie("seats"); // over the same connections
    /// # Ok::<(), sluice_client::Error>(())
    /// ```
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

    /// Who entered while sluice could not be asked: for alarms.
    ///
    /// ```no_run
    /// # fn example(guard: sluice_client::guard::Guard) {
    /// let openness = guard.openness();
    /// println!("{} entered unasked; {:?} are left of this hour's", openness.entered, openness.left);
    /// # }
    /// ```
    #[must_use]
    pub fn openness(&self) -> Openness {
        self.desk.openness()
    }

    /// What verifies passes here: to look at one by hand.
    ///
    /// ```no_run
    /// # fn example(guard: sluice_client::guard::Guard, first_message: &str) {
    /// // Who opens a WebSocket shows the pass in its first message.
    /// match guard.verifier().verify(first_message) {
    ///     Ok(pass) => println!("{} stays until {}", pass.token, pass.expires_at),
    ///     Err(why) => println!("{why}"),
    /// }
    /// # }
    /// ```
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
///
/// ```no_run
/// use axum::Extension;
/// use sluice_client::pass::Pass;
/// use std::sync::Arc;
/// async fn checkout(pass: Option<Extension<Arc<Pass>>>) -> String {
///     pass.map_or("in without a pass".into(), |pass| format!("in until {}", pass.expires_at))
/// }
/// ```
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
                    request::strip(&mut parts.uri);
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
