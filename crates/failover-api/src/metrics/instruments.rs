//! The counters and histograms that the program's parts write to.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::deliveries::Deliveries;
use super::labels::{
    Delivery, OperationLabels, Outcome, RequestLabels, ResultLabels, RouteLabels, Step, StepLabels, Verb,
};
use crate::clock;

/// A millisecond to a minute: a plan takes one, and a caller waits for a move no longer than the other.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

pub(super) type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that is counted. Shared by all parts of the server.
#[derive(Debug)]
pub struct Metrics {
    pub(super) operations: Family<OperationLabels, Counter>,
    pub(super) steps: Timed<StepLabels>,
    pub(super) pushes: Family<ResultLabels, Counter>,
    pub(super) fetches: Family<ResultLabels, Counter>,
    /// Seconds since 1970; 0 before the first.
    pub(super) last_fetch: Gauge<f64, AtomicU64>,
    /// Commits told to receivers.
    pub receivers: Deliveries,
    /// Messages sent.
    pub notifications: Deliveries,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_seconds: Timed<RouteLabels>,
}

impl Default for Metrics {
    /// Counters whose labels are known begin at zero: a rate over one that appears with its first event misses it.
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            operations: Family::default(),
            steps: Family::new_with_constructor(histogram),
            pushes: Family::default(),
            fetches: Family::default(),
            last_fetch: Gauge::default(),
            receivers: Deliveries::new(
                "receiver",
                [Delivery::Told, Delivery::Failed, Delivery::Superseded],
                histogram,
            ),
            notifications: Deliveries::new(
                "notification",
                [Delivery::Told, Delivery::Failed, Delivery::Dropped],
                histogram,
            ),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
        };
        for verb in Verb::ALL {
            for outcome in Outcome::ALL {
                let labels = OperationLabels { verb: verb.as_str(), result: outcome.as_str() };
                drop(metrics.operations.get_or_create(&labels));
            }
        }
        for step in Step::ALL {
            drop(metrics.steps.get_or_create(&StepLabels { step: step.as_str() }));
        }
        for result in ["accepted", "lost-race", "refused", "failed", "unknown"] {
            drop(metrics.pushes.get_or_create(&ResultLabels { result }));
        }
        for result in ["ok", "failed"] {
            drop(metrics.fetches.get_or_create(&ResultLabels { result }));
        }
        metrics
    }
}

impl Metrics {
    /// A move, a hold or a release ended.
    pub fn operation(&self, verb: Verb, outcome: Outcome) {
        let labels = OperationLabels { verb: verb.as_str(), result: outcome.as_str() };
        self.operations.get_or_create(&labels).inc();
    }

    /// A step took this long, however it ended.
    pub fn step(&self, step: Step, took: Duration) {
        self.steps.get_or_create(&StepLabels { step: step.as_str() }).observe(took.as_secs_f64());
    }

    /// A push ended like this; one of the words that a push's outcome has for the log.
    pub fn push(&self, result: &'static str) {
        self.pushes.get_or_create(&ResultLabels { result }).inc();
    }

    /// The remote was looked at.
    pub fn fetch(&self, well: bool) {
        let result = if well { "ok" } else { "failed" };
        self.fetches.get_or_create(&ResultLabels { result }).inc();
        if well {
            self.last_fetch.set(clock::exact_now().as_duration().as_secs_f64());
        }
    }

    /// A request was answered. `route` is its template, never its path: callers choose paths.
    pub fn request(&self, route: &str, method: &'static str, status: &'static str, took: Duration) {
        let route = route.to_owned();
        self.requests.get_or_create(&RequestLabels { route: route.clone(), method, status }).inc();
        self.request_seconds.get_or_create(&RouteLabels { route, method }).observe(took.as_secs_f64());
    }
}
