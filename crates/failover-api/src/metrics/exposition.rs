//! The text that Prometheus reads: what was counted, and how things are at this moment.

use std::sync::atomic::AtomicU64;

use failover_core::name::{Namespace, ServiceName};
use failover_core::topology::Active;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::deliveries::Deliveries;
use super::instruments::Metrics;
use super::labels::{BuildLabels, ServiceLabels};
use super::process::Process;

/// What the text is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The roles of more services than this are not shown, in the order of their names.
pub const MAX_SERVICES: usize = 1000;

/// How things are at this moment.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Seconds since the remote was last seen to be at the view's commit; `None` without a view.
    pub view_age_seconds: Option<f64>,
    /// How many good configs were loaded.
    pub config_generation: u64,
    /// Whether the config file as it is now is in force.
    pub config_valid: bool,
    /// How many services are configured.
    pub services: usize,
    /// Where they are, in the order of their names.
    pub roles: Vec<ServiceRole>,
    /// Pushes of which it is not known yet whether they landed.
    pub doubts: usize,
    /// Receivers in force.
    pub receivers: usize,
    /// Whether the receivers file as it is now is in force; also without one.
    pub receivers_valid: bool,
    /// Notifications in force.
    pub notifications: usize,
    /// Whether the notifications file as it is now is in force; also without one.
    pub notifications_valid: bool,
    /// Who follows the events.
    pub subscribers: usize,
}

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRole {
    /// The service.
    pub service: ServiceName,
    /// Its namespace.
    pub namespace: Namespace,
    /// Where it is.
    pub active: Active,
    /// Whether it must not be moved.
    pub held: bool,
}

/// The number that stands for a role. Never changed: alerts compare with it.
fn number(active: Active) -> i64 {
    match active {
        Active::Unknown => 0,
        Active::Primary => 1,
        Active::Backup => 2,
        Active::Mixed => 3,
    }
}

impl Metrics {
    /// All metrics as text.
    ///
    /// # Errors
    /// Never in practice: text is written into memory.
    pub fn exposition(&self, observed: &Observed) -> Result<String, std::fmt::Error> {
        let mut own = Registry::with_prefix("failover_api");
        self.counted(&mut own);
        at_this_moment(&mut own, observed);
        let mut process = Registry::with_prefix("process");
        of_the_process(&mut process, &Process::read());
        let mut text = String::new();
        text::encode_registry(&mut text, &own)?;
        text::encode_registry(&mut text, &process)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }

    fn counted(&self, to: &mut Registry) {
        to.register("operations", "Moves that ended, by verb and result", self.operations.clone());
        to.register("step_duration_seconds", "How long a step took, however it ended", self.steps.clone());
        to.register("pushes", "Pushes that ended, by result", self.pushes.clone());
        to.register("fetches", "Looks at the remote, by result", self.fetches.clone());
        to.register(
            "last_fetch_timestamp_seconds",
            "When the remote was last read, in seconds since 1970",
            self.last_fetch.clone(),
        );
        self.told(to);
        to.register(
            "http_requests",
            "Requests answered, by route, method and class of status",
            self.requests.clone(),
        );
        to.register(
            "http_request_duration_seconds",
            "Until the head of the answer was ready",
            self.request_seconds.clone(),
        );
    }
}

impl Metrics {
    fn told(&self, to: &mut Registry) {
        let Deliveries { ended, attempts, seconds, .. } = &self.receivers;
        to.register("receiver_deliveries", "Commits told to receivers, by result", ended.clone());
        let help = "Requests made to receivers, repeated ones included";
        to.register("receiver_attempts", help, attempts.clone());
        let help = "From a commit's landing until the receiver had taken note";
        to.register("receiver_delivery_duration_seconds", help, seconds.clone());
        let Deliveries { ended, attempts, seconds, .. } = &self.notifications;
        to.register("notifications", "Messages sent, by result", ended.clone());
        let help = "Requests made to send messages, repeated ones included";
        to.register("notification_attempts", help, attempts.clone());
        let help = "From what happened until its message had arrived";
        to.register("notification_duration_seconds", help, seconds.clone());
    }
}

fn at_this_moment(to: &mut Registry, observed: &Observed) {
    let count = |count: usize| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
    let flag = |flag: bool| ConstGauge::new(i64::from(flag));
    to.register("build", "The program", Info::new(BuildLabels { version: env!("CARGO_PKG_VERSION") }));
    if let Some(age) = observed.view_age_seconds {
        let help = "Since the remote was last seen to be at the commit that answers are about";
        to.register("view_age_seconds", help, ConstGauge::new(age));
    }
    to.register("config_generation", "Good configs loaded since the start", observed_generation(observed));
    to.register(
        "config_valid",
        "1 while the config file as it is now is in force",
        flag(observed.config_valid),
    );
    to.register("services", "Services configured", count(observed.services));
    let roles = Family::<ServiceLabels, Gauge>::default();
    let helds = Family::<ServiceLabels, Gauge>::default();
    for ServiceRole { service, namespace, active, held } in observed.roles.iter().take(MAX_SERVICES) {
        let labels = ServiceLabels { namespace: namespace.to_string(), service: service.to_string() };
        roles.get_or_create(&labels).set(number(*active));
        helds.get_or_create(&labels).set(i64::from(*held));
    }
    let help = "Where the manifests have the service: 0 unknown, 1 primary, 2 backup, 3 mixed";
    to.register("service_active", help, roles);
    let help = "1 while a hold keeps the service from being moved, or nobody can read what is held";
    to.register("service_held", help, helds);
    to.register("doubts", "Pushes of which it is not known yet whether they landed", count(observed.doubts));
    to.register("receivers", "Receivers in force", count(observed.receivers));
    to.register(
        "receivers_valid",
        "1 while the receivers file as it is now is in force, also without one",
        flag(observed.receivers_valid),
    );
    to.register("notification_targets", "Notifications in force", count(observed.notifications));
    to.register(
        "notifications_valid",
        "1 while the notifications file as it is now is in force, also without one",
        flag(observed.notifications_valid),
    );
    to.register("event_subscribers", "Connections that follow the events", count(observed.subscribers));
}

fn observed_generation(observed: &Observed) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(observed.config_generation).unwrap_or(i64::MAX))
}

/// The names are those that every Prometheus client gives to them.
fn of_the_process(to: &mut Registry, process: &Process) {
    let mut gauge = |name: &str, help: &str, value: Option<u64>| {
        if let Some(value) = value {
            register(to, name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
        }
    };
    gauge("resident_memory_bytes", "Memory in use, without what is swapped out", process.resident_bytes);
    gauge("open_fds", "Open file descriptors", process.open_files);
    gauge("max_fds", "The most file descriptors that may be open", process.max_files);
    gauge("threads", "Threads", process.threads);
    if let Some(seconds) = process.cpu_seconds {
        register(to, "cpu_seconds", "Processor time used", ConstCounter::new(seconds));
    }
    if let Some(seconds) = process.start_seconds {
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(seconds);
        register(to, "start_time_seconds", "When the process started, in seconds since 1970", start);
    }
}

fn register(to: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    to.register(name, help, metric);
}
