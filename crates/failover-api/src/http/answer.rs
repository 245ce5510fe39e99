//! The JSON of what is, and of what would be.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use failover_core::change::Move;
use failover_core::config::Service;
use failover_core::history;
use failover_core::name::{Role, ServiceName};
use failover_core::plan::Plan;
use failover_core::render;
use failover_core::topology::{ServiceState, SettingState};
use serde_json::{Value, json};

use crate::pipeline::Moved;
use crate::source::ConfigState;
use crate::view::View;

/// An answer as people read it with curl: indented, in the order it was put together, with a line's end.
#[derive(Debug)]
pub(super) struct Readable(pub(super) Value);

impl IntoResponse for Readable {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], format!("{:#}\n", self.0)).into_response()
    }
}

/// One service as the view has it.
pub(super) fn service(service: &Service, view: &View) -> Value {
    let state = ServiceState::read(service, &view.tree);
    let mut answer = json!({
        "name": service.name,
        "namespace": service.namespace,
        "workload": service.workload.as_ref().map(|workload| &workload.target),
        "active": state.active(),
        "settings": state.settings.iter().map(setting).collect::<Vec<_>>(),
        "last_operation": history::last_of(&view.events, &service.name),
    });
    if !state.problems.is_empty() {
        answer["problems"] = json!(state.problems);
    }
    answer
}

fn setting(state: &SettingState<'_>) -> Value {
    json!({
        "kind": state.setting.kind,
        "target": state.setting.target,
        "field": state.setting.field,
        "primary": state.setting.primary,
        "backup": state.setting.backup,
        "current": state.current,
        "side": state.side,
        "file": state.found.path,
        "line": state.place.line,
        "column": state.place.column,
    })
}

/// Which commit an answer is about, and how old that knowledge is.
pub(super) fn add_view(answer: &mut Value, view: &View) {
    add_revision(answer, view);
    add_age(answer, view);
}

/// Which commit an answer is about.
pub(super) fn add_revision(answer: &mut Value, view: &View) {
    answer["revision"] = json!(view.tree.revision);
}

/// How long ago the remote was seen to be at the commit.
pub(super) fn add_age(answer: &mut Value, view: &View) {
    answer["view_age_seconds"] = json!(view.age_seconds());
}

/// That the config file is not what is in force, when that is so: whoever moves must know by which config.
pub(super) fn add_config_problem(answer: &mut Value, config: &ConfigState) {
    if config.problem.is_some() {
        answer["config_problem"] = json!(
            "the config file as it is now is refused, and the last good one is in force; see GET /api/health"
        );
    }
}

/// That a monitor's body moves nothing, and why.
pub(super) fn ignored(service: &ServiceName, to: Role, why: &str, view: &View) -> Value {
    let mut answer = json!({
        "changed": false,
        "commit": null,
        "operation_id": null,
        "service": service,
        "to": to,
        "ignored": why,
    });
    add_view(&mut answer, view);
    answer
}

/// What a plan would do.
pub(super) fn dry_run(plan: &Plan, view: &View) -> Value {
    if let Some(overtaken) = &plan.overtaken {
        return ignored(&overtaken.service, plan.to, &overtaken.sentence(), view);
    }
    let mut answer = json!({ "dry_run": true, "changed": !plan.is_empty() });
    add_moves(&mut answer, &plan.moves);
    answer["to"] = json!(plan.to);
    answer["findings"] = json!(plan.findings);
    answer["blocked_by"] = json!(plan.blocked_by);
    answer["files"] = json!(plan.files.iter().map(|file| &file.path).collect::<Vec<_>>());
    answer["message"] = if plan.is_empty() { Value::Null } else { json!(plan.message) };
    answer["diff"] = json!(render::unified_diff(plan));
    add_view(&mut answer, view);
    answer
}

/// What a move did.
pub(super) fn moved(moved: &Moved) -> Value {
    let (mut answer, plan, view): (Value, Option<&Plan>, Option<&Arc<View>>) = match moved {
        Moved::Changed { committed, plan, event, view } => {
            let mut answer = json!({
                "changed": true,
                "replayed": event.is_some(),
                "commit": committed.commit(),
                "operation_id": committed.operation(),
            });
            if let Some(event) = event {
                match &event.services[..] {
                    [service] => answer["service"] = json!(service),
                    services => answer["services"] = json!(services),
                }
                answer["to"] = json!(event.to);
            }
            (answer, plan.as_deref(), view.as_ref())
        }
        Moved::Unchanged { plan, done_by, view } => {
            if let Some(overtaken) = &plan.overtaken {
                return ignored(&overtaken.service, plan.to, &overtaken.sentence(), view);
            }
            let answer = json!({
                "changed": false,
                "commit": done_by.as_ref().map(|event| &event.commit),
                "operation_id": done_by.as_ref().and_then(|event| event.operation_id.as_ref()),
            });
            (answer, Some(&**plan), Some(view))
        }
    };
    if let Some(plan) = plan {
        add_moves(&mut answer, &plan.moves);
        answer["to"] = json!(plan.to);
        answer["findings"] = json!(plan.findings);
    }
    if let Some(view) = view {
        add_view(&mut answer, view);
    }
    answer
}

/// What a plan for a batch would do.
pub(super) fn batch_dry_run(plan: &Plan, view: &View) -> Value {
    let mut answer = json!({ "dry_run": true, "changed": !plan.is_empty(), "to": plan.to });
    add_lines(&mut answer, plan, "would-move");
    answer["findings"] = json!(plan.findings);
    answer["blocked_by"] = json!(plan.blocked_by);
    answer["files"] = json!(plan.files.iter().map(|file| &file.path).collect::<Vec<_>>());
    answer["message"] = if plan.is_empty() { Value::Null } else { json!(plan.message) };
    answer["diff"] = json!(render::unified_diff(plan));
    add_view(&mut answer, view);
    answer
}

/// What a batch did, with a line for each service.
pub(super) fn batch_moved(moved: &Moved) -> Value {
    let (mut answer, view) = match moved {
        Moved::Changed { committed, plan, event, view } => {
            let mut answer = json!({
                "changed": true,
                "replayed": event.is_some(),
                "commit": committed.commit(),
                "operation_id": committed.operation(),
            });
            if let Some(plan) = plan {
                answer["to"] = json!(plan.to);
                add_lines(&mut answer, plan, MOVED);
                answer["findings"] = json!(plan.findings);
            } else if let Some(event) = event {
                answer["to"] = json!(event.to);
                let line =
                    |outcome: &'static str| move |service| json!({ "service": service, "outcome": outcome });
                let lines = event.services.iter().map(line(MOVED));
                let lines = lines.chain(event.already_there.iter().map(line(ALREADY_THERE)));
                let lines: Vec<Value> = lines.chain(event.refused.iter().map(line(REFUSED))).collect();
                answer["counts"] = counts(MOVED, &lines);
                answer["services"] = json!(lines);
            }
            (answer, view.as_ref())
        }
        Moved::Unchanged { plan, done_by, view } => {
            let mut answer = json!({
                "changed": false,
                "commit": done_by.as_ref().map(|event| &event.commit),
                "operation_id": done_by.as_ref().and_then(|event| event.operation_id.as_ref()),
                "to": plan.to,
            });
            add_lines(&mut answer, plan, MOVED);
            answer["findings"] = json!(plan.findings);
            (answer, Some(view))
        }
    };
    if let Some(view) = view {
        add_view(&mut answer, view);
    }
    answer
}

const MOVED: &str = "moved";
const ALREADY_THERE: &str = "already-there";
const REFUSED: &str = "refused";

/// A line for each service of a batch; `moved` is the word for one that moves.
fn add_lines(answer: &mut Value, plan: &Plan, moved: &'static str) {
    let moves = plan.moves.iter().map(|one| {
        json!({
            "service": one.service,
            "outcome": if one.changes.is_empty() { ALREADY_THERE } else { moved },
            "from": one.from,
            "changes": one.changes,
        })
    });
    let refused = plan.refused.iter().map(|refused| {
        let first = refused.problems.first();
        json!({
            "service": refused.service,
            "outcome": REFUSED,
            "code": refused.code(),
            "detail": first.map(|problem| &problem.detail),
            "hint": first.map(|problem| &problem.hint),
            "problems": refused.problems,
        })
    });
    let lines: Vec<Value> = moves.chain(refused).collect();
    answer["counts"] = counts(moved, &lines);
    answer["services"] = json!(lines);
}

/// How many services have which outcome.
fn counts(moved: &str, lines: &[Value]) -> Value {
    let count = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count();
    let mut counts = json!({});
    for outcome in [moved, ALREADY_THERE, REFUSED] {
        counts[outcome.replace('-', "_")] = json!(count(outcome));
    }
    counts
}

/// A single service's part stands at the top, where a script looks for it.
fn add_moves(answer: &mut Value, moves: &[Move]) {
    if let [one] = moves {
        answer["service"] = json!(one.service);
        answer["from"] = json!(one.from);
        answer["to"] = json!(one.to);
        answer["changes"] = json!(one.changes);
    } else {
        answer["services"] = json!(moves);
    }
}
