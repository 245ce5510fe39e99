//! What may be wanted of the branch: services moved, held or released. One engine carries out all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use failover_core::check::{Check, Finding};
use failover_core::code::{Code, Problem, named};
use failover_core::config::{HOLDS_PATH, Scope};
use failover_core::history::{self, Event, EventKind};
use failover_core::holding::{self, HoldIntent, HoldOutcome, HoldPlan};
use failover_core::intent::Intent;
use failover_core::name::{IdempotencyKey, OperationId, RepoPath, Revision, ServiceName};
use failover_core::notice::LeftBehind;
use failover_core::plan::{self, Plan};
use jiff::Timestamp;

use super::MoveError;
use super::moved::blocking;
use crate::clock;
use crate::git::Edit;
use crate::notify::left_behind;
use crate::operations::Operation;
use crate::view::View;

/// One request to change the branch.
pub trait Wanted: Debug + Clone + Send + Sync + 'static {
    /// How it is carried out on one commit.
    type Plan: Planned;

    /// Names the request; the same in every attempt.
    fn operation(&self) -> &OperationId;

    /// The caller's key.
    fn idempotency_key(&self) -> Option<&IdempotencyKey>;

    /// Whether `event` is what it asks for.
    fn is_answered_by(&self, event: &Event) -> bool;

    /// What operations show of it before anything is done.
    fn begun(&self, request_id: Option<String>, now: Timestamp) -> Operation;

    /// Decides what changes.
    ///
    /// # Errors
    /// Why it cannot be carried out there.
    fn plan(&self, view: &View, now: Timestamp) -> Result<Self::Plan, MoveError>;
}

/// A decided change of the branch.
pub trait Planned: Debug + Clone + Send + Sync + 'static {
    /// The commit that it changes.
    fn base(&self) -> &Revision;

    /// Whether anything changes.
    fn is_empty(&self) -> bool;

    /// The commit's message.
    fn message(&self) -> &str;

    /// What becomes of which file.
    fn edits(&self) -> BTreeMap<RepoPath, Edit>;

    /// The services that something is done to.
    fn services(&self) -> Vec<ServiceName>;

    /// The services that something should be done to, too, but cannot.
    fn left_behind(&self) -> Vec<LeftBehind>;

    /// Why it is shown but not carried out.
    fn refusal(&self) -> Option<MoveError>;

    /// The newest event that made everything as it should be.
    fn done_by(&self, events: &[Event]) -> Option<Event>;
}

/// Plans on a thread of its own: a hostile manifest may take a while, and a defect must not take the server down.
pub(super) async fn plan_on<W: Wanted>(
    view: &Arc<View>,
    wanted: &W,
) -> Result<Result<W::Plan, MoveError>, MoveError> {
    let (view, wanted) = (Arc::clone(view), wanted.clone());
    blocking(move || wanted.plan(&view, clock::now())).await
}

impl Wanted for Intent {
    type Plan = Plan;

    fn operation(&self) -> &OperationId {
        &self.operation
    }

    fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    fn is_answered_by(&self, event: &Event) -> bool {
        event.answers(self)
    }

    fn begun(&self, request_id: Option<String>, now: Timestamp) -> Operation {
        Operation::new(self, request_id, now)
    }

    fn plan(&self, view: &View, now: Timestamp) -> Result<Plan, MoveError> {
        Ok(plan::plan(&view.config, self, &view.tree, now)?)
    }
}

impl Planned for Plan {
    fn base(&self) -> &Revision {
        &self.base
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn message(&self) -> &str {
        &self.message
    }

    fn edits(&self) -> BTreeMap<RepoPath, Edit> {
        let edit = |file: &plan::FileChange| (file.path.clone(), Edit::Replace(file.after.clone().into()));
        self.files.iter().map(edit).collect()
    }

    fn services(&self) -> Vec<ServiceName> {
        let moving = self.moves.iter().filter(|one| !one.changes.is_empty());
        moving.map(|one| one.service.clone()).collect()
    }

    fn left_behind(&self) -> Vec<LeftBehind> {
        left_behind(&self.refused)
    }

    fn refusal(&self) -> Option<MoveError> {
        if !self.blocked_by.is_empty() {
            return Some(blocked(self));
        }
        // A partial move that would leave everything as it is, and not because it is right.
        (self.is_empty() && !self.refused.is_empty()).then(|| {
            let problems = self.refused.iter().flat_map(|refused| {
                refused.problems.iter().map(|problem| problem.clone().of(&refused.service))
            });
            let mut problems: Vec<Problem> = problems.collect();
            // The first one decides the status, and a hold only does where nothing else stands against the move.
            problems.sort_by_key(|problem| problem.code == Code::Held);
            MoveError::Problems(problems)
        })
    }

    fn done_by(&self, events: &[Event]) -> Option<Event> {
        // Only a service's newest event can be what brought it here; people move services without one, too.
        let newest = self.moves.iter().filter_map(|one| history::last_of(events, &one.service));
        newest.filter(|event| event.to == Some(self.to)).max_by_key(|event| event.time).cloned()
    }
}

impl Wanted for HoldIntent {
    type Plan = HoldPlan;

    fn operation(&self) -> &OperationId {
        &self.operation
    }

    fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.idempotency_key.as_ref()
    }

    fn is_answered_by(&self, event: &Event) -> bool {
        event.answers_hold(self)
    }

    fn begun(&self, request_id: Option<String>, now: Timestamp) -> Operation {
        Operation::of_hold(self, request_id, now)
    }

    fn plan(&self, view: &View, now: Timestamp) -> Result<HoldPlan, MoveError> {
        holding::plan(&view.config, self, &view.tree, now).map_err(MoveError::Problems)
    }
}

impl Planned for HoldPlan {
    fn base(&self) -> &Revision {
        &self.base
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn message(&self) -> &str {
        &self.message
    }

    fn edits(&self) -> BTreeMap<RepoPath, Edit> {
        let edit = match (&self.before, &self.after) {
            (None, Some(after)) => Some(Edit::Put(after.clone().into())),
            (Some(_), Some(after)) => Some(Edit::Replace(after.clone().into())),
            (Some(_), None) => Some(Edit::Remove),
            (None, None) => None,
        };
        edit.and_then(|edit| Some((RepoPath::new(HOLDS_PATH).ok()?, edit))).into_iter().collect()
    }

    fn services(&self) -> Vec<ServiceName> {
        let changed = self.lines.iter().filter(|(_, outcome)| *outcome != HoldOutcome::Unchanged);
        let named = changed.filter_map(|(scope, _)| match scope {
            Scope::All => None,
            Scope::Service(name) => Some(name.clone()),
        });
        named.collect()
    }

    fn left_behind(&self) -> Vec<LeftBehind> {
        Vec::new()
    }

    fn refusal(&self) -> Option<MoveError> {
        None
    }

    fn done_by(&self, events: &[Event]) -> Option<Event> {
        let [(scope, _)] = self.lines.as_slice() else { return None };
        let is_about = |event: &&Event| match scope {
            Scope::All => event.services.is_empty() && event.selection.is_some(),
            Scope::Service(name) => event.services.contains(name),
        };
        let mut holds = events.iter().filter(|event| !event.kind.is_move());
        holds.find(is_about).filter(|event| event.kind == EventKind::from(self.verb)).cloned()
    }
}

/// An answer's detail quotes so many findings.
const IN_DETAIL: usize = 3;

fn blocked(plan: &Plan) -> MoveError {
    let checks: BTreeSet<_> = plan.blocked_by.iter().map(|finding| finding.check).collect();
    // A hold decides the status only where nothing else stands against the move.
    let code = checks.iter().map(|check| check.code()).find(|code| *code != Code::Held);
    let code = code.unwrap_or(Code::Held);
    let names: Vec<&str> = checks.into_iter().map(Check::as_str).collect();
    let hint = format!("look at the evidence; to go on regardless ask again with force={}", names.join(","));
    let evidence = |finding: &Finding| match plan.moves.as_slice() {
        [_] => finding.detail.clone(),
        // Of several services nobody knows which one is meant.
        _ => named(finding.service.as_str(), &finding.detail),
    };
    let mut detail: Vec<String> = plan.blocked_by.iter().take(IN_DETAIL).map(evidence).collect();
    if let Some(more) = plan.blocked_by.len().checked_sub(IN_DETAIL).filter(|more| *more > 0) {
        detail.push(format!("and {more} more, see the findings"));
    }
    let problem = Problem::new(code, detail.join("; "), hint);
    MoveError::Refused { problem: Box::new(problem), findings: plan.findings.clone() }
}
