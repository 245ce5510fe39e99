//! What answers hold, for the OpenAPI document. `answer.rs`, `rendered.rs`, `health.rs` and `problem.rs` put them together;
//! the test `openapi` holds their answers against these types, in both directions.
#![expect(dead_code, reason = "described, never built")]

use failover_core::check::Finding;
use failover_core::code::{Class, Code, Problem};
use failover_core::config::{SettingKind, Target};
use failover_core::field::{FieldPath, Value};
use failover_core::history::Event;
use failover_core::name::{CommitId, Namespace, OperationId, RepoPath, Revision, Role, ServiceName};
use failover_core::topology::{Active, Side};
use schemars::JsonSchema;

use super::hold_answers::{Cooldown, Hold};
use crate::operations::Operation;

/// Every service and where it is.
#[derive(JsonSchema)]
pub(super) struct ServiceList {
    /// How many there are.
    count: usize,
    /// By name.
    services: Vec<Service>,
    /// Why it is not known what is held. Nothing is moved then.
    #[schemars(skip_serializing_if = "Option::is_none")]
    holds_problems: Option<Vec<Problem>>,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// A service and where it is.
#[derive(JsonSchema)]
pub(super) struct Service {
    /// Its name in the config.
    name: ServiceName,
    /// Where its objects live.
    namespace: Namespace,
    /// The workload that runs it, if the config names one.
    workload: Option<Target>,
    /// Where it is.
    active: Active,
    /// The fields that a move sets.
    settings: Vec<Setting>,
    /// The newest entry of history.
    last_operation: Option<Event>,
    /// Why settings cannot be read.
    #[schemars(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
    /// The holds on it, those that are over included.
    #[schemars(skip_serializing_if = "Option::is_none")]
    holds: Option<Vec<Hold>>,
    /// Its cooldown, while it lasts.
    #[schemars(skip_serializing_if = "Option::is_none")]
    cooldown: Option<Cooldown>,
}

/// A field that a move sets, as the manifest has it.
#[derive(JsonSchema)]
pub(super) struct Setting {
    /// What it is for.
    kind: SettingKind,
    /// The object.
    target: Target,
    /// The field.
    field: FieldPath,
    /// Its value at the primary role.
    primary: Value,
    /// Its value at the backup role.
    backup: Value,
    /// The value it has.
    current: Option<Value>,
    /// Which of the two that is.
    side: Side,
    /// The file.
    file: RepoPath,
    /// Line in the file, from 1.
    line: usize,
    /// Column in the line, from 1.
    column: usize,
}

/// One service in full.
#[derive(JsonSchema)]
pub(super) struct ServiceStatus {
    #[schemars(flatten)]
    service: Service,
    /// Why it is not known what is held. Nothing is moved then.
    #[schemars(skip_serializing_if = "Option::is_none")]
    holds_problems: Option<Vec<Problem>>,
    /// What a move to `findings_for` would find.
    findings: Vec<Finding>,
    /// The role that it is not at.
    findings_for: Role,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
    /// What the caller expected.
    #[schemars(skip_serializing_if = "Option::is_none")]
    expected: Option<Active>,
}

/// What happened, newest first.
#[derive(JsonSchema)]
pub(super) struct History {
    /// How many entries there are.
    count: usize,
    /// Newest first.
    history: Vec<Event>,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
}

/// The moves of this process, newest first.
#[derive(JsonSchema)]
pub(super) struct Operations {
    /// How many there are.
    count: usize,
    /// Newest first.
    operations: Vec<Operation>,
}

/// One server-sent event.
#[derive(JsonSchema)]
pub(super) struct StreamedEvent {
    /// What it is about.
    event: EventKind,
    /// JSON: the operation, the revision and number of services, or how many events were missed.
    data: String,
}

/// What a server-sent event is about.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum EventKind {
    /// The branch or the config changed.
    View,
    /// A move took a step.
    Operation,
    /// Something else is held.
    Holds,
    /// Some events were missed.
    Resync,
}

/// A probe that went well.
#[derive(JsonSchema)]
pub(super) struct Alive {
    /// Always the same.
    status: Ok,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub(super) enum Ok {
    Ok,
}

/// How well the server is.
#[derive(JsonSchema)]
pub(super) struct Health {
    /// In one word.
    status: Wellness,
    /// The program's version.
    version: String,
    /// How many services are configured.
    services: usize,
    /// The newest commit that was read, as Flux writes it.
    revision: Option<Revision>,
    /// How long ago the remote was seen to be there.
    view_age_seconds: Option<u64>,
    /// The config file.
    config: ConfigHealth,
    /// The repository.
    repository: RepositoryHealth,
    /// The holds, as far as they can be read.
    holds: HoldsHealth,
    /// Everything that is wrong.
    problems: Vec<HealthProblem>,
}

/// How well the server is, in one word.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum Wellness {
    /// All is well.
    Ok,
    /// The repository is being read for the first time.
    Starting,
    /// There is a view, and something in `problems`.
    Degraded,
    /// There is no view.
    Unavailable,
}

/// The holds; `null` while they are not known, because the holds file cannot be read or was not read yet.
#[derive(JsonSchema)]
pub(super) struct HoldsHealth {
    /// Those that are not over.
    in_force: Option<usize>,
    /// Those that are.
    expired: Option<usize>,
}

/// The config file.
#[derive(JsonSchema)]
pub(super) struct ConfigHealth {
    /// Counts the good versions since the start.
    generation: u64,
    /// The first 12 digits of the SHA-256 of the version in force; the same in every replica that has it.
    digest: Option<String>,
    /// Whether the file as it is now is in force.
    valid: bool,
    /// What is wrong with it.
    problems: Vec<ConfigMistake>,
}

/// A mistake in the config file.
#[derive(JsonSchema)]
pub(super) struct ConfigMistake {
    /// Line, from 1.
    #[schemars(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column, from 1.
    #[schemars(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// What is wrong there.
    message: String,
    /// What to do about it.
    #[schemars(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The repository.
#[derive(JsonSchema)]
pub(super) struct RepositoryHealth {
    /// The manifests that were read.
    files: usize,
    /// Those that cannot be.
    unreadable_files: usize,
    /// The first ten of them.
    unreadable: Vec<RepoPath>,
}

/// Something that keeps the server from being well.
#[derive(JsonSchema)]
pub(super) struct HealthProblem {
    #[schemars(flatten)]
    problem: Problem,
    /// The move that it is about.
    #[schemars(skip_serializing_if = "Option::is_none")]
    operation_id: Option<OperationId>,
    /// The commit that may have landed.
    #[schemars(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
}

/// An answer that says no: RFC 9457.
#[derive(JsonSchema)]
pub(super) struct ProblemDetails {
    /// Always `about:blank`.
    r#type: String,
    /// What the code means; the same for every occurrence.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Stable: branch on it.
    code: Code,
    /// What happened this time.
    detail: String,
    /// What to do next.
    hint: String,
    /// What kind of "no" it is.
    class: Class,
    /// Everything that is wrong.
    #[schemars(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
    /// The evidence of checks.
    #[schemars(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    /// The move of which it is not known whether it landed.
    #[schemars(skip_serializing_if = "Option::is_none")]
    operation_id: Option<OperationId>,
    /// The commit that may have landed.
    #[schemars(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
    /// Finds the call in the log.
    request_id: String,
}
