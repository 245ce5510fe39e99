//! What became of telling somebody something: the same counters for receivers and for notifications.

use std::time::Duration;

use failover_core::name::ObjectName;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::labels::Delivery;

/// The name of those who are told, and what became of it.
type Labels = Vec<(&'static str, String)>;

/// See the module.
#[derive(Debug)]
pub struct Deliveries {
    /// The label that names who is told.
    who: &'static str,
    /// How telling can end.
    ends: [Delivery; 3],
    pub(super) ended: Family<Labels, Counter>,
    pub(super) attempts: Family<Labels, Counter>,
    pub(super) seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

impl Deliveries {
    pub(super) fn new(who: &'static str, ends: [Delivery; 3], histogram: fn() -> Histogram) -> Self {
        let seconds = Family::new_with_constructor(histogram);
        Self { who, ends, ended: Family::default(), attempts: Family::default(), seconds }
    }

    fn named(&self, name: &ObjectName) -> Labels {
        vec![(self.who, name.to_string())]
    }

    fn ending(&self, name: &ObjectName, delivery: Delivery) -> Labels {
        vec![(self.who, name.to_string()), ("result", delivery.as_str().to_owned())]
    }

    /// Somebody of this name is in force.
    pub fn expect(&self, name: &ObjectName) {
        for delivery in self.ends {
            drop(self.ended.get_or_create(&self.ending(name, delivery)));
        }
        drop(self.attempts.get_or_create(&self.named(name)));
        drop(self.seconds.get_or_create(&self.named(name)));
    }

    /// Somebody of this name is no longer in force.
    pub fn forget(&self, name: &ObjectName) {
        for delivery in self.ends {
            self.ended.remove(&self.ending(name, delivery));
        }
        self.attempts.remove(&self.named(name));
        self.seconds.remove(&self.named(name));
    }

    /// Somebody was asked to take note, whatever came of it.
    pub fn attempt(&self, name: &ObjectName) {
        self.attempts.get_or_create(&self.named(name)).inc();
    }

    /// Telling somebody something ended, this long after it happened.
    pub fn delivery(&self, name: &ObjectName, delivery: Delivery, took: Duration) {
        self.ended.get_or_create(&self.ending(name, delivery)).inc();
        if delivery == Delivery::Told {
            self.seconds.get_or_create(&self.named(name)).observe(took.as_secs_f64());
        }
    }
}
