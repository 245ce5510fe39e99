//! The JSON of holds.

use failover_core::brake;
use failover_core::config::{Config, Hold, Holds, Scope, Service};
use failover_core::history::Event;
use failover_core::holding::{HoldOutcome, HoldPlan, Verb};
use failover_core::render;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::add_view;
use crate::pipeline::Moved;
use crate::view::View;

/// Every hold, those that are over included.
pub(super) fn holds(holds: &Holds, config: &Config, now: Timestamp) -> Vec<Value> {
    let one = |hold: &Hold| {
        let mut answer = one(hold, now);
        if let Scope::Service(name) = &hold.scope
            && config.get(name).is_none()
        {
            answer["note"] = json!("no service of this name is configured");
        }
        answer
    };
    holds.iter().map(one).collect()
}

fn one(hold: &Hold, now: Timestamp) -> Value {
    let mut answer = scope(&hold.scope);
    answer["owner"] = json!(hold.owner);
    answer["reason"] = json!(hold.reason);
    for (key, time) in [("since", hold.since), ("until", hold.until)] {
        if let Some(time) = time {
            answer[key] = json!(time);
        }
    }
    answer["in_force"] = json!(!hold.is_expired(now));
    if let Some(oddity) = hold.oddity(now) {
        answer["note"] = json!(oddity);
    }
    answer
}

fn scope(scope: &Scope) -> Value {
    match scope {
        Scope::All => json!({ "all": true }),
        Scope::Service(name) => json!({ "service": name }),
    }
}

/// What holds a service back, where something does. Holds that are over are shown, too.
pub(super) fn add_restraints(answer: &mut Value, service: &Service, view: &View, now: Timestamp) {
    let restraints = &view.tree.restraints;
    if let Ok(holds) = &restraints.holds.holds {
        let of_service: Vec<Value> = holds.of(&service.name).map(|hold| one(hold, now)).collect();
        if !of_service.is_empty() {
            answer["holds"] = json!(of_service);
        }
    }
    if let Some(cooldown) = brake::cooldown(service, restraints, now) {
        answer["cooldown"] = json!({
            "since": cooldown.after.at,
            "until": cooldown.until,
            "commit": cooldown.after.commit,
        });
    }
}

/// That it is not known what is held, when that is so.
pub(super) fn add_problem(answer: &mut Value, view: &View) {
    if let Err(problems) = view.tree.restraints.holds.known() {
        answer["holds_problems"] = json!(problems);
    }
}

/// What holding or releasing would change.
pub(super) fn dry_run(plan: &HoldPlan, view: &View, now: Timestamp) -> Value {
    let mut answer = json!({ "dry_run": true, "changed": !plan.is_empty() });
    add_plan(&mut answer, plan, now);
    answer["message"] = if plan.is_empty() { Value::Null } else { json!(plan.message) };
    answer["diff"] = json!(render::hold_diff(plan));
    add_view(&mut answer, view);
    answer
}

/// What holding or releasing did.
pub(super) fn done(done: &Moved<HoldPlan>, now: Timestamp) -> Value {
    let (mut answer, plan, view) = match done {
        Moved::Changed { committed, plan, event, view } => {
            let mut answer = json!({
                "changed": true,
                "replayed": event.is_some(),
                "commit": committed.commit(),
                "operation_id": committed.operation(),
            });
            if let (Some(event), None) = (event, plan) {
                add_event(&mut answer, event);
            }
            (answer, plan.as_deref(), view.as_ref())
        }
        Moved::Unchanged { plan, done_by, view } => {
            let answer = json!({
                "changed": false,
                "commit": done_by.as_ref().map(|event| &event.commit),
                "operation_id": done_by.as_ref().and_then(|event| event.operation_id.as_ref()),
            });
            (answer, Some(&**plan), Some(view))
        }
    };
    if let Some(plan) = plan {
        add_plan(&mut answer, plan, now);
    }
    if let Some(view) = view {
        add_view(&mut answer, view);
    }
    answer
}

fn add_plan(answer: &mut Value, plan: &HoldPlan, now: Timestamp) {
    let lines = plan.lines.iter().map(|(of, outcome)| {
        let mut line = scope(of);
        line["outcome"] = json!(outcome);
        line
    });
    answer["verb"] = json!(plan.verb);
    answer["lines"] = lines.collect();
    answer["holds"] = plan.holds.iter().map(|hold| one(hold, now)).collect();
}

/// An earlier call's part; what is held now, its list says.
fn add_event(answer: &mut Value, event: &Event) {
    use failover_core::history::EventKind;
    let (verb, outcome) = match event.kind {
        EventKind::Release => (Verb::Release, HoldOutcome::Released),
        EventKind::Hold | EventKind::Move | EventKind::Revert { .. } | EventKind::CherryPick { .. } => {
            (Verb::Hold, HoldOutcome::Held)
        }
    };
    let line = |scope: Value, outcome: HoldOutcome| {
        let mut line = scope;
        line["outcome"] = json!(outcome);
        line
    };
    let mut lines = Vec::new();
    if event.selection.is_some() {
        lines.push(line(scope(&Scope::All), outcome));
    }
    lines.extend(event.services.iter().map(|name| line(json!({ "service": name }), outcome)));
    let unchanged = event.already_there.iter();
    lines.extend(unchanged.map(|name| line(json!({ "service": name }), HoldOutcome::Unchanged)));
    answer["verb"] = json!(verb);
    answer["lines"] = json!(lines);
}
