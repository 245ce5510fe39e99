//! What is counted and measured, and its text for Prometheus. Every metric stands in `docs/metrics.md`.

mod labels;
mod deliveries;
mod process;
mod instruments;
mod exposition;

pub use deliveries::Deliveries;
pub use exposition::{CONTENT_TYPE, MAX_SERVICES, Observed, ServiceRole};
pub use instruments::Metrics;
pub use labels::{Delivery, Outcome, Step, Verb};
