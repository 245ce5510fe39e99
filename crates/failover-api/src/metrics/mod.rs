//! What is counted and measured, and its text for Prometheus. Every metric stands in `docs/metrics.md`.

mod labels;
mod process;
mod instruments;
mod exposition;

pub use exposition::{CONTENT_TYPE, MAX_SERVICES, Observed, ServiceRole};
pub use instruments::Metrics;
pub use labels::{Delivery, Outcome, Step, Verb};
