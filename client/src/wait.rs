//! A waiter's way to its admission, as a stream of places.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use tokio::time::{Sleep, sleep};

use crate::fault::Error;
use crate::limit::{POLL_MS_MAX, POLL_MS_MIN, RETRY_MS};
use crate::node::jittered;
use crate::reply::Place;
use crate::zone::Zone;

/// Polls a token as often as the server says. It ends behind the admitted place, or behind an error that does not pass.
/// Errors that pass are told, and it goes on.
///
/// ```no_run
/// # async fn example(zone: sluice_client::Zone, token: &str) {
/// let mut wait = zone.wait(token);
/// while let Some(place) = wait.next().await {
///     println!("{place:?}");
/// }
/// # }
/// ```
#[must_use = "nothing is polled unless it is awaited"]
pub struct Wait {
    zone: Zone,
    token: String,
    step: Step,
}

enum Step {
    Begin,
    Asking(BoxFuture<'static, Result<Place, Error>>),
    Resting(Pin<Box<Sleep>>),
    Over,
}

impl Wait {
    pub(crate) fn new(zone: Zone, token: &str) -> Self {
        Self { zone, token: token.to_owned(), step: Step::Begin }
    }

    /// The next place; `None` behind the last one. It loses nothing when it is dropped.
    ///
    /// ```no_run
    /// # async fn example(zone: sluice_client::Zone, token: &str) -> Result<(), sluice_client::Error> {
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    /// let mut wait = zone.wait(token);
    /// loop {
    ///     match timeout(Duration::from_secs(10), wait.next()).await {
    ///         Ok(Some(place)) => println!("at {}", place?.position),
    ///         Ok(None) => break,
    ///         Err(_) => println!("nothing new yet"), // it goes on with the next call
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Place, Error>> {
        poll_fn(|cx| self.poll_place(cx)).await
    }

    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Place, Error>>> {
        loop {
            match &mut self.step {
                Step::Begin => {
                    let (zone, token) = (self.zone.clone(), self.token.clone());
                    self.step = Step::Asking(Box::pin(async move { zone.poll(&token).await }));
                }
                Step::Asking(asking) => {
                    let told = ready!(asking.as_mut().poll(cx));
                    self.step =
                        after(&told).map_or(Step::Over, |delay| Step::Resting(Box::pin(sleep(delay))));
                    return Poll::Ready(Some(told));
                }
                Step::Resting(rest) => {
                    ready!(rest.as_mut().poll(cx));
                    self.step = Step::Begin;
                }
                Step::Over => return Poll::Ready(None),
            }
        }
    }
}

/// When to poll again; `None`: never.
fn after(told: &Result<Place, Error>) -> Option<Duration> {
    match told {
        Ok(place) if place.is_admitted() => None,
        Ok(place) => Some(Duration::from_millis(place.poll_ms.clamp(POLL_MS_MIN, POLL_MS_MAX))),
        Err(error) if error.is_passing() => Some(jittered(Duration::from_millis(2 * RETRY_MS))),
        Err(_) => None,
    }
}

impl Stream for Wait {
    type Item = Result<Place, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_place(cx)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wait")
            .field("zone", &self.zone.name())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
