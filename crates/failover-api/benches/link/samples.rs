//! Times, and what is told of them.

use std::time::Duration;

use serde_json::{Value, json};

/// One row: how long one way to do something took.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Minimum, median and maximum in milliseconds.
    fn summary(&self) -> [f64; 3] {
        let mut sorted = self.0.clone();
        sorted.sort();
        let half = sorted.len() / 2;
        let median = (sorted[half] + sorted[(sorted.len() - 1) / 2]) / 2;
        [sorted[0], median, sorted[sorted.len() - 1]].map(|time| (time.as_secs_f64() * 1e5).round() / 100.)
    }

    /// The median in milliseconds.
    pub(crate) fn median(&self) -> f64 {
        self.summary()[1]
    }

    pub(crate) fn json(&self) -> Value {
        let [min, median, max] = self.summary();
        json!({ "median_ms": median, "min_ms": min, "max_ms": max, "samples": self.0.len() })
    }

    /// For a line of a table.
    pub(crate) fn columns(&self) -> String {
        let [min, median, max] = self.summary();
        format!("{median:>9.1} {min:>9.1} {max:>9.1} {:>8}", self.0.len())
    }
}

/// What was aimed at, and what came of it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) limit: f64,
    /// Whether more is better.
    pub(crate) at_least: bool,
}

impl Target {
    pub(crate) fn at_most(what: impl Into<String>, found: f64, limit: f64) -> Self {
        Self { what: what.into(), found: round(found), limit, at_least: false }
    }

    pub(crate) fn at_least(what: impl Into<String>, found: f64, limit: f64) -> Self {
        Self { what: what.into(), found: round(found), limit, at_least: true }
    }

    fn is_met(&self) -> bool {
        if self.at_least { self.found >= self.limit } else { self.found <= self.limit }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "what": self.what, "found": self.found, "limit": self.limit, "met": self.is_met() })
    }

    pub(crate) fn line(&self) -> String {
        let (sign, met) =
            (if self.at_least { ">=" } else { "<=" }, if self.is_met() { "met" } else { "MISSED" });
        format!("{:<64} {:>9.2} {sign} {:>6.1}  {met}", self.what, self.found, self.limit)
    }
}

fn round(number: f64) -> f64 {
    (number * 100.).round() / 100.
}
