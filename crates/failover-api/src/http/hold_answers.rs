//! What answers about holds have, for the OpenAPI document. `hold_answer.rs` puts them together; the test `openapi` holds
//! their answers against these types, in both directions.
#![expect(dead_code, reason = "described, never built")]

use failover_core::holding::{HoldOutcome, Verb};
use failover_core::name::{Actor, CommitId, OperationId, Reason, Revision, ServiceName};
use jiff::Timestamp;
use schemars::JsonSchema;

/// A hold: on one service, or with `all` on every one.
#[derive(JsonSchema)]
pub(super) struct Hold {
    /// The service.
    #[schemars(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceName>,
    /// On every service.
    #[schemars(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    /// Who holds it.
    owner: Actor,
    /// Why.
    reason: Reason,
    /// Since when.
    #[schemars(skip_serializing_if = "Option::is_none", with = "Option<String>", extend("format" = "date-time"))]
    since: Option<Timestamp>,
    /// Until when; until it is released where this is missing.
    #[schemars(skip_serializing_if = "Option::is_none", with = "Option<String>", extend("format" = "date-time"))]
    until: Option<Timestamp>,
    /// Whether it is not over.
    in_force: bool,
    /// What is odd about it.
    #[schemars(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A cooldown that is not over.
#[derive(JsonSchema)]
pub(super) struct Cooldown {
    /// When the service was moved to its backup node.
    #[schemars(with = "String", extend("format" = "date-time"))]
    since: Timestamp,
    /// When it is over.
    #[schemars(with = "String", extend("format" = "date-time"))]
    until: Timestamp,
    /// The commit that moved it.
    commit: CommitId,
}

/// Everything that is held.
#[derive(JsonSchema)]
pub(super) struct HoldList {
    /// How many there are, those that are over included.
    count: usize,
    /// First that on every service, then by name.
    holds: Vec<Hold>,
    /// The commit that this is about, as Flux writes it.
    revision: Revision,
    /// How long ago the remote was seen to be there.
    view_age_seconds: u64,
    /// The config file is refused as it is now, and the last good one is in force.
    #[schemars(skip_serializing_if = "Option::is_none")]
    config_problem: Option<String>,
}

/// What holding or releasing would change.
#[derive(JsonSchema)]
pub(super) struct HoldPlan {
    /// Nothing was changed.
    dry_run: bool,
    /// Whether something would be.
    changed: bool,
    /// What was asked for.
    verb: Verb,
    /// What would become of each.
    lines: Vec<HoldLine>,
    /// Everything that would be held afterwards.
    holds: Vec<Hold>,
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

/// What holding or releasing did.
#[derive(JsonSchema)]
pub(super) struct HoldDone {
    /// `true`: the remote branch holds `commit`. `false`: everything was so already.
    changed: bool,
    /// An earlier call with this idempotency key made the commit.
    #[schemars(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    /// The commit that made it so, if it is in sight.
    commit: Option<CommitId>,
    /// The request's id.
    operation_id: Option<OperationId>,
    /// What was asked for.
    #[schemars(skip_serializing_if = "Option::is_none")]
    verb: Option<Verb>,
    /// What became of each.
    #[schemars(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<HoldLine>>,
    /// Everything that is held now; not repeated for a replayed call.
    #[schemars(skip_serializing_if = "Option::is_none")]
    holds: Option<Vec<Hold>>,
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
pub(super) enum HoldDoneOrPlan {
    /// A dry run.
    Plan(HoldPlan),
    /// A hold or a release.
    Done(HoldDone),
}

/// What becomes of the hold on one service, or with `all` of that on every one.
#[derive(JsonSchema)]
pub(super) struct HoldLine {
    /// The service.
    #[schemars(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceName>,
    /// Every service.
    #[schemars(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    /// What becomes of it.
    outcome: HoldOutcome,
}

/// What is to be held, why, and until when. One of the first two says what, and at most one of the last two until when.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct HoldOptions {
    /// These services, each once.
    #[schemars(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<ServiceName>>,
    /// `true`: every service, those included that are configured later.
    #[schemars(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    /// Why, on one line; stands in the file and in the commit.
    #[schemars(length(min = 1, max = 500), regex(pattern = REASON))]
    reason: String,
    /// Until when, with its offset from UTC.
    #[schemars(skip_serializing_if = "Option::is_none", with = "Option<String>", extend("format" = "date-time"))]
    until: Option<Timestamp>,
    /// For how long: hours, minutes and seconds such as `4h` or `1h30m`.
    #[schemars(rename = "for", skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    /// Only show what would change.
    #[schemars(rename = "dry-run", skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// One line that is not empty.
pub(super) const REASON: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";
