//! How many of those ahead will still be there: departures by age, measured.
//!
//! A life table (the actuarial estimator, Berkson and Gage 1950): for each age since joining, waiters
//! at risk times seconds, and departures. The hazard of an age is departures per waiter second; the
//! share that survives from one age to another is `exp` of minus the hazard summed between them.
//! Departures of a prior, "a quarter leave between one and six minutes", stand in until the
//! zone has history. Old history fades with a half-life of about ten minutes.
//!
//! Soft state of the owner: never part of what replicas must agree on.

/// Ages at which one bucket ends and the next begins, in seconds.
const EDGES_S: [u32; 30] = [
    15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165, 180, 195, 210, 225, 240, 255, 270, 285, 300, 315, 330,
    345, 360, 480, 720, 960, 1_920, 3_840, 7_680,
];
const BUCKETS: usize = EDGES_S.len() + 1;
/// Waiter seconds that the prior weighs in each bucket.
const PRIOR_EXPOSURE_S: f64 = 3_000.0;
/// A quarter departs between these ages: minus ln 0.75 over five minutes.
const PRIOR_HAZARD: f64 = 0.287_682 / 300.0;
const PRIOR_FROM_S: u32 = 60;
const PRIOR_TO_S: u32 = 360;
/// Once a minute each count loses this share: half is left after ten minutes.
const FADE_A_MINUTE: f64 = 0.933;

/// Departures and exposure by age.
#[derive(Clone, Debug)]
pub struct Survival {
    exposure_s: [f64; BUCKETS],
    departures: [f64; BUCKETS],
    /// Hazard summed up to the start of each bucket.
    summed: [f64; BUCKETS],
    hazard: [f64; BUCKETS],
}

impl Default for Survival {
    fn default() -> Survival {
        let zero = [0.0; BUCKETS];
        let mut fresh = Survival { exposure_s: zero, departures: zero, summed: zero, hazard: zero };
        fresh.refresh();
        fresh
    }
}

impl Survival {
    /// `waiters` of this age were seen waiting for `span_ms`.
    pub fn exposed(&mut self, age_ms: u64, waiters: u64, span_ms: u64) {
        self.exposure_s[bucket(age_ms)] += waiters as f64 * span_ms as f64 / 1_000.0;
    }

    /// `waiters` of this age left or were dropped.
    pub fn departed(&mut self, age_ms: u64, waiters: u64) {
        self.departures[bucket(age_ms)] += waiters as f64;
    }

    /// Forgets a minute's share of old history.
    pub fn fade(&mut self) {
        self.exposure_s.iter_mut().chain(&mut self.departures).for_each(|count| *count *= FADE_A_MINUTE);
    }

    /// Makes what was counted since the last call count in [`Survival::share`].
    pub fn refresh(&mut self) {
        let mut sum = 0.0;
        for at in 0..BUCKETS {
            let (from_s, to_s) = edges(at);
            let in_prior = from_s >= PRIOR_FROM_S && to_s.is_some_and(|to| to <= PRIOR_TO_S);
            let prior = if in_prior { PRIOR_HAZARD * PRIOR_EXPOSURE_S } else { 0.0 };
            self.hazard[at] = (self.departures[at] + prior) / (self.exposure_s[at] + PRIOR_EXPOSURE_S);
            self.summed[at] = sum;
            sum += self.hazard[at] * f64::from(to_s.unwrap_or(from_s) - from_s);
        }
    }

    /// The share of waiters of this age who still wait `later_ms` later, unless admitted.
    #[must_use]
    pub fn share(&self, age_ms: u64, later_ms: u64) -> f64 {
        (self.hazard_until(age_ms) - self.hazard_until(age_ms + later_ms)).exp()
    }

    fn hazard_until(&self, age_ms: u64) -> f64 {
        let at = bucket(age_ms);
        let into_s = age_ms as f64 / 1_000.0 - f64::from(edges(at).0);
        self.summed[at] + self.hazard[at] * into_s
    }
}

fn bucket(age_ms: u64) -> usize {
    EDGES_S.partition_point(|edge| u64::from(*edge) * 1_000 <= age_ms)
}

fn edges(bucket: usize) -> (u32, Option<u32>) {
    let from = bucket.checked_sub(1).map_or(0, |before| EDGES_S[before]);
    (from, EDGES_S.get(bucket).copied())
}

#[cfg(test)]
mod tests {
    use super::Survival;

    #[test]
    fn without_history_a_quarter_is_expected_to_depart() {
        let survival = Survival::default();
        assert!((survival.share(0, 3_600_000) - 0.75).abs() < 0.001);
        assert!((survival.share(400_000, 3_600_000) - 1.0).abs() < 0.001);
    }

    #[test]
    fn measured_departures_replace_the_prior() {
        let mut survival = Survival::default();
        // Of 100,000 who wait six minutes, 40 % depart evenly; nobody older does.
        let mut alive = 100_000u64;
        for second in 0..360u64 {
            survival.exposed(second * 1_000, alive, 1_000);
            let leave = 40_000 / 360;
            survival.departed(second * 1_000, leave);
            alive -= leave;
        }
        survival.exposed(400_000, 60_000 * 600, 1_000);
        survival.refresh();
        assert!((survival.share(0, 360_000) - 0.6).abs() < 0.01, "{}", survival.share(0, 360_000));
        assert!(survival.share(360_000, 60_000) > 0.99);
    }
}
