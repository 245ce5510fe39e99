//! What answers hold, for the OpenAPI document. `answer.rs`, `rendered.rs`, `health.rs` and `problem.rs` put them together;
//! the test `openapi` holds their answers against these types, in both directions.
#![expect(dead_code, reason = "described, never built")]

use failover_core::change::{Move, SettingChange};
use failover_core::check::{Check, Finding};
use failover_core::code::{Class, Code, Problem};
use failover_core::config::{SettingKind, Target};
use failover_core::field::{FieldPath, Value};
use failover_core::history::Event;
use failover_core::name::{
    CommitId, LabelValue, Namespace, OperationId, RepoPath, Revision, Role, ServiceName,
};
use failover_core::topology::{Active, Side};
use schemars::JsonSchema;

use crate::operations::Operation;

/// Every service and where it is.
#[derive(JsonSchema)]
pub(super) struct ServiceList {
    /// How many there are.
    count: usize,
    /// By name.
    services: Vec<Service>,
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

/// What a move would do.
#[derive(JsonSchema)]
pub(super) struct Plan {
    /// Nothing was changed.
    dry_run: bool,
    /// Whether something would be.
    changed: bool,
    #[schemars(flatten)]
    moves: Moves,
    /// Where to.
    to: Role,
    /// What was looked at, and what was found.
    findings: Vec<Finding>,
    /// The findings that block, each until `force` names its check.
    blocked_by: Vec<Finding>,
    /// The files that would be edited.
    files: Vec<RepoPath>,
    /// The commit's message.
    message: Option<String>,
    /// The unified diff.
    diff: String,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// One service's part, or that of each.
#[derive(JsonSchema)]
pub(super) struct Moves {
    /// The service.
    #[schemars(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceName>,
    /// Where it was.
    #[schemars(skip_serializing_if = "Option::is_none")]
    from: Option<Active>,
    /// The fields that change.
    #[schemars(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<SettingChange>>,
    /// Each service's part, when there are several.
    #[schemars(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<Move>>,
}

/// What a move did.
#[derive(JsonSchema)]
pub(super) struct Moved {
    /// `true`: the remote branch holds `commit`. `false`: everything was there already.
    changed: bool,
    /// An earlier call with this idempotency key made the commit.
    #[schemars(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    /// The commit that brought the service there, if it is in sight.
    commit: Option<CommitId>,
    /// The move's id.
    operation_id: Option<OperationId>,
    /// Why a monitor's body asked for nothing.
    #[schemars(skip_serializing_if = "Option::is_none")]
    ignored: Option<String>,
    #[schemars(flatten)]
    moves: Moves,
    /// Where to.
    #[schemars(skip_serializing_if = "Option::is_none")]
    to: Option<Role>,
    /// What was looked at, and what was found; not repeated for a replayed move.
    #[schemars(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    /// The commit that this is about, as Flux writes it.
    #[schemars(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// How long ago the remote was seen to be there.
    #[schemars(skip_serializing_if = "Option::is_none")]
    view_age_seconds: Option<u64>,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// What was done, or for a dry run what would be.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum MovedOrPlan {
    /// A dry run.
    Plan(Plan),
    /// A move.
    Moved(Moved),
}

/// What a batch would do.
#[derive(JsonSchema)]
pub(super) struct BatchPlan {
    /// Nothing was changed.
    dry_run: bool,
    /// Whether something would be.
    changed: bool,
    /// Where to.
    to: Role,
    /// How many services have which outcome.
    counts: Counts,
    /// A line for each service, in the order of the config's `after`.
    services: Vec<BatchLine>,
    /// What was looked at, and what was found.
    findings: Vec<Finding>,
    /// The findings that block, each until `force` names its check.
    blocked_by: Vec<Finding>,
    /// The files that would be edited.
    files: Vec<RepoPath>,
    /// The commit's message.
    message: Option<String>,
    /// The unified diff.
    diff: String,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// What a batch did.
#[derive(JsonSchema)]
pub(super) struct BatchMoved {
    /// `true`: the remote branch holds `commit`. `false`: everything was there already.
    changed: bool,
    /// An earlier call with this idempotency key made the commit.
    #[schemars(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    /// The commit that brought the services there, if it is in sight.
    commit: Option<CommitId>,
    /// The move's id.
    operation_id: Option<OperationId>,
    /// Where to.
    #[schemars(skip_serializing_if = "Option::is_none")]
    to: Option<Role>,
    /// How many services have which outcome.
    #[schemars(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    /// A line for each service, in the order of the config's `after`.
    #[schemars(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<BatchLine>>,
    /// What was looked at, and what was found; not repeated for a replayed move.
    #[schemars(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    /// The commit that this is about, as Flux writes it.
    #[schemars(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// How long ago the remote was seen to be there.
    #[schemars(skip_serializing_if = "Option::is_none")]
    view_age_seconds: Option<u64>,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// What was done, or for a dry run what would be.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum BatchMovedOrPlan {
    /// A dry run.
    Plan(BatchPlan),
    /// A move.
    Moved(BatchMoved),
}

/// How many services have which outcome.
#[derive(JsonSchema)]
pub(super) struct Counts {
    /// They moved.
    #[schemars(skip_serializing_if = "Option::is_none")]
    moved: Option<usize>,
    /// They would move.
    #[schemars(skip_serializing_if = "Option::is_none")]
    would_move: Option<usize>,
    /// They were there already.
    already_there: usize,
    /// They stay where they are; only of a `partial` batch.
    refused: usize,
}

/// A service of a batch.
#[derive(JsonSchema)]
pub(super) struct BatchLine {
    /// The service.
    service: ServiceName,
    /// What becomes of it.
    outcome: Outcome,
    /// Where it was.
    #[schemars(skip_serializing_if = "Option::is_none")]
    from: Option<Active>,
    /// The fields that change.
    #[schemars(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<SettingChange>>,
    /// Why it is refused.
    #[schemars(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    /// The same in words.
    #[schemars(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What to do about it.
    #[schemars(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Everything that is against its move.
    #[schemars(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
}

/// What becomes of a service of a batch.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// It moved.
    Moved,
    /// It would move.
    WouldMove,
    /// It was there already.
    AlreadyThere,
    /// It stays where it is.
    Refused,
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

/// The options of a move, in the body.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct MoveOptions {
    /// Only show the plan.
    #[schemars(rename = "dry-run", skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    /// Why, on one line; stands in the commit.
    #[schemars(skip_serializing_if = "Option::is_none", length(min = 1, max = 500), regex(pattern = REASON))]
    reason: Option<String>,
    /// What the caller saw: a role, a full commit id or a revision. Otherwise `expectation-failed`.
    #[schemars(skip_serializing_if = "Option::is_none", regex(pattern = EXPECT))]
    expect: Option<String>,
    /// Checks to override.
    #[schemars(skip_serializing_if = "Option::is_none")]
    force: Option<Vec<Check>>,
}

/// Which services go where in one commit, and the options of a move. One of the first three says which.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct BatchOptions {
    /// These, each once.
    #[schemars(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<ServiceName>>,
    /// Every service that a node setting holds to this value of its node label.
    #[schemars(skip_serializing_if = "Option::is_none")]
    from_node_label: Option<LabelValue>,
    /// `true`: every service of the config.
    #[schemars(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    /// Where to.
    to: Role,
    /// `true`: move those that can be moved, instead of all or nothing.
    #[schemars(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
    #[schemars(flatten)]
    options: MoveOptions,
}

/// One line that is not empty.
pub(super) const REASON: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";
/// A role, a full commit id or a revision.
pub(super) const EXPECT: &str = "^(primary|backup|mixed|unknown|(.*:)?[0-9a-f]{40}|(.*:)?[0-9a-f]{64})$";
