//! What the answers to moves hold, and what asks for a move, for the OpenAPI document. `answer.rs` puts the answers together; the
//! test `openapi` holds them against these types, in both directions.
#![expect(dead_code, reason = "described, never built")]

use failover_core::change::{Move, SettingChange};
use failover_core::check::{Check, Finding};
use failover_core::code::{Code, Problem};
use failover_core::name::{CommitId, LabelValue, OperationId, RepoPath, Revision, Role, ServiceName};
use failover_core::topology::Active;
use schemars::JsonSchema;

use super::hold_answers::REASON;

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
    /// The services that `from_node_label` leaves out because where they run cannot be told; name them to move them, too.
    #[schemars(skip_serializing_if = "Option::is_none")]
    not_chosen: Option<Vec<ServiceName>>,
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
    /// The services that `from_node_label` left out because where they run cannot be told; name them to move them, too.
    #[schemars(skip_serializing_if = "Option::is_none")]
    not_chosen: Option<Vec<ServiceName>>,
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
    /// Every service that is known to be on nodes with this value of a node label.
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

/// A role, a full commit id or a revision.
pub(super) const EXPECT: &str = "^(primary|backup|mixed|unknown|(.*:)?[0-9a-f]{40}|(.*:)?[0-9a-f]{64})$";
