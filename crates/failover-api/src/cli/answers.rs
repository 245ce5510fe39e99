//! The answers of the HTTP interface, as far as tables show them.

use failover_core::code::Exit;
use failover_core::name::CommitId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ending::{Finding, Stop};
use crate::http::Reply;

/// `GET /api/services`
#[derive(Debug, Deserialize)]
pub(super) struct Services {
    pub(super) services: Vec<ServiceAnswer>,
    #[serde(default)]
    pub(super) holds_problems: Vec<ProblemAnswer>,
    pub(super) revision: String,
    pub(super) view_age_seconds: u64,
    pub(super) config_problem: Option<String>,
}

/// One service.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceAnswer {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) workload: Option<Object>,
    pub(super) active: String,
    #[serde(default)]
    pub(super) settings: Vec<SettingAnswer>,
    pub(super) last_operation: Option<EventAnswer>,
    #[serde(default)]
    pub(super) problems: Vec<ProblemAnswer>,
    #[serde(default)]
    pub(super) holds: Vec<HoldAnswer>,
    pub(super) cooldown: Option<CooldownAnswer>,
}

/// A hold.
#[derive(Debug, Deserialize)]
pub(super) struct HoldAnswer {
    /// Missing where it is on every service.
    pub(super) service: Option<String>,
    pub(super) owner: String,
    pub(super) reason: String,
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) in_force: bool,
    pub(super) note: Option<String>,
}

/// A cooldown that is not over.
#[derive(Debug, Deserialize)]
pub(super) struct CooldownAnswer {
    pub(super) until: String,
    pub(super) commit: String,
}

/// `GET /api/holds`
#[derive(Debug, Deserialize)]
pub(super) struct HoldsAnswer {
    pub(super) holds: Vec<HoldAnswer>,
    pub(super) revision: String,
    pub(super) view_age_seconds: u64,
    pub(super) config_problem: Option<String>,
}

/// What holding or releasing did, or would do.
#[derive(Debug, Deserialize)]
pub(super) struct HeldAnswer {
    pub(super) changed: bool,
    #[serde(default)]
    pub(super) replayed: bool,
    pub(super) commit: Option<String>,
    #[serde(default)]
    pub(super) lines: Vec<HoldLine>,
    #[serde(default)]
    pub(super) holds: Vec<HoldAnswer>,
    #[serde(default)]
    pub(super) diff: String,
    pub(super) revision: Option<String>,
    pub(super) config_problem: Option<String>,
}

/// What becomes of the hold on one service, or on every one.
#[derive(Debug, Deserialize)]
pub(super) struct HoldLine {
    pub(super) service: Option<String>,
    pub(super) outcome: String,
}

/// `GET /api/failover/{service}/status`
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    #[serde(flatten)]
    pub(super) service: ServiceAnswer,
    #[serde(default)]
    pub(super) holds_problems: Vec<ProblemAnswer>,
    #[serde(default)]
    pub(super) findings: Vec<Finding>,
    pub(super) findings_for: Option<String>,
    pub(super) revision: String,
    pub(super) view_age_seconds: u64,
    pub(super) config_problem: Option<String>,
}

/// A Kubernetes object.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SettingAnswer {
    pub(super) field: String,
    pub(super) target: Object,
    pub(super) current: serde_json::Value,
    pub(super) side: String,
    pub(super) file: String,
    pub(super) line: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct ProblemAnswer {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) hint: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<usize>,
}

/// `GET /api/history`
#[derive(Debug, Deserialize)]
pub(super) struct History {
    pub(super) history: Vec<EventAnswer>,
    pub(super) revision: String,
    pub(super) view_age_seconds: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventAnswer {
    pub(super) commit: String,
    pub(super) time: String,
    pub(super) kind: String,
    pub(super) services: Vec<String>,
    #[serde(default)]
    pub(super) refused: Vec<String>,
    pub(super) to: Option<String>,
    pub(super) until: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) requested_by: Option<String>,
    pub(super) author: String,
}

/// What a move did, or would do.
#[derive(Debug, Deserialize)]
pub(super) struct MoveAnswer {
    pub(super) changed: bool,
    #[serde(default)]
    pub(super) replayed: bool,
    pub(super) commit: Option<String>,
    pub(super) operation_id: Option<String>,
    pub(super) service: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    #[serde(default)]
    pub(super) changes: Vec<ChangeAnswer>,
    pub(super) counts: Option<Counts>,
    #[serde(default)]
    pub(super) services: Vec<OneMove>,
    #[serde(default)]
    pub(super) not_chosen: Vec<String>,
    #[serde(default)]
    pub(super) findings: Vec<Finding>,
    #[serde(default)]
    pub(super) blocked_by: Vec<Finding>,
    #[serde(default)]
    pub(super) diff: String,
    pub(super) revision: Option<String>,
    pub(super) config_problem: Option<String>,
}

/// How many services of a batch have which outcome.
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    /// They moved, or would.
    #[serde(alias = "would_move")]
    pub(super) moved: usize,
    pub(super) already_there: usize,
    pub(super) refused: usize,
}

/// What becomes of a service of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// It moved, or would.
    #[serde(alias = "would-move")]
    Moved,
    AlreadyThere,
    Refused,
}

/// One service's part of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct OneMove {
    pub(super) service: String,
    pub(super) outcome: Outcome,
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) changes: Vec<ChangeAnswer>,
    /// Why it is refused.
    #[serde(default)]
    pub(super) problems: Vec<ProblemAnswer>,
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChangeAnswer {
    pub(super) field: String,
    pub(super) target: Object,
    pub(super) from: serde_json::Value,
    pub(super) to: serde_json::Value,
    pub(super) file: String,
    pub(super) line: usize,
}

/// `GET /api/health`
#[derive(Debug, Deserialize)]
pub(super) struct Health {
    pub(super) status: String,
    pub(super) version: String,
    pub(super) services: usize,
    pub(super) revision: Option<String>,
    pub(super) view_age_seconds: Option<u64>,
    #[serde(default)]
    pub(super) problems: Vec<HealthProblem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HealthProblem {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) hint: String,
    pub(super) service: Option<String>,
}

/// Reads an answer that is not a "no".
pub(super) fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, Stop> {
    serde_json::from_str(&reply.text).map_err(|error| Stop::Said {
        exit: Exit::Failure,
        message: format!("the answer is not one that this version understands: {error}"),
        hint: Some(
            "check that the address is that of a failover-api server, and compare the versions".to_owned(),
        ),
    })
}

/// Holds an answer that says that something changed against what every such answer has.
///
/// # Errors
/// It names no commit, so it is not a server's own, and nothing is known.
pub(super) fn proven(changed: bool, commit: Option<&str>) -> Result<(), Stop> {
    if !changed || commit.is_some_and(|commit| CommitId::new(commit).is_ok()) {
        return Ok(());
    }
    Err(Stop::Said {
        exit: Exit::Unknown,
        message: "the answer says that something changed, and names no commit: it is not a server's own"
            .to_owned(),
        hint: Some("check the address, and look at the history".to_owned()),
    })
}
