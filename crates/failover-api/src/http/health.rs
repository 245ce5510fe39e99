//! Health for people and probes.

use axum::extract::State;
use failover_core::code::Code;
use serde_json::{Value, json};

use super::answer::Readable;
use super::problem::Answer;
use super::state::AppState;
use crate::clock;
use crate::source::ConfigProblem;

/// So many files that cannot be read are named.
const NAMED_FILES: usize = 10;

/// `GET /livez`: the process answers. Touches nothing outside it, since a restart would help nothing outside it.
pub(super) async fn live() -> Readable {
    Readable(json!({ "status": "ok" }))
}

/// `GET /readyz`: a good config and one successful look at the repository. Stays true through an outage of the
/// Git host, in which this server is still the best source of what was last known.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Readable, Answer> {
    if state.pipeline.is_stopping() {
        return Err(Answer::problem(Code::ShuttingDown, "the server is stopping", "ask another replica"));
    }
    super::services::newest(&state).map(|_| Readable(json!({ "status": "ok" })))
}

/// `GET /api/health`: 200 whenever the process answers; the body says how well it is.
pub(super) async fn health(State(state): State<AppState>) -> Readable {
    Readable(report(&state))
}

/// How well the server is.
pub(crate) fn report(state: &AppState) -> Value {
    let config = state.pipeline.config();
    let view = state.pipeline.view().borrow().clone();
    let failure = state.pipeline.failure();
    let mut problems = Vec::new();
    if let Some(problem) = &config.problem {
        let detail = problem.to_string();
        problems.push(json!({ "code": Code::ConfigInvalid, "detail": detail, "hint": "repair the config file; it is read again by itself" }));
    }
    if let Some(known) = state.admission.tokens() {
        problems.extend(known.problems().iter().map(|problem| json!(problem)));
    }
    if let Some(problem) = state.pipeline.credentials_problem() {
        problems.push(json!(problem));
    }
    if let Some(error) = &failure {
        problems.push(json!({ "code": error.code, "detail": error.detail, "hint": error.hint() }));
    }
    if let Some(error) = state.pipeline.refusal().filter(|error| failure.as_ref() != Some(error)) {
        let detail = format!("the last push was refused, and the next may be: {}", error.detail);
        problems.push(json!({ "code": error.code, "detail": detail, "hint": error.hint() }));
    }
    if let Some(error) = state.pipeline.signing_problem() {
        let hint = "repair the file that --signing-key names; without it nothing can be committed";
        problems.push(json!({ "code": Code::SigningFailed, "detail": error.to_string(), "hint": hint }));
    }
    if let Some(age) =
        view.as_ref().map(|view| view.age_seconds()).filter(|age| *age > state.pipeline.stale_seconds())
    {
        let detail = format!("the repository was last read {age} seconds ago");
        let hint = "see the other problems, and the server's log";
        problems.push(json!({ "code": Code::ViewStale, "detail": detail, "hint": hint }));
    }
    for doubt in state.pipeline.in_doubt() {
        problems.push(json!({
            "code": Code::OutcomeUnknown,
            "detail": format!("it is not known yet whether operation {} landed: {}", doubt.operation, doubt.detail),
            "hint": "it is being found out; ask again with the same Idempotency-Key",
            "operation_id": doubt.operation,
            "commit": doubt.commit,
        }));
    }
    let notifier = state.pipeline.notifier();
    let receivers = notifier.receivers();
    if let Some(problem) = &receivers.problem {
        let hint = "repair the file that --receivers names; it is read again by itself, and the last good one is in force";
        problems.push(json!({ "code": Code::ReceiversInvalid, "detail": problem.to_string(), "hint": hint }));
    }
    for failing in receivers.failing {
        problems.push(json!({
            "code": Code::ReceiverFailed,
            "detail": format!("the receiver {} was not told of the last commit: {}", failing.name, failing.detail),
            "hint": "moves are not affected: Flux finds the commit at its next look",
            "receiver": failing.name,
        }));
    }
    let notifications = notifier.notifications();
    if let Some(problem) = &notifications.problem {
        let hint = "repair the file that --notifications names; it is read again by itself, and the last good one is in force";
        problems
            .push(json!({ "code": Code::NotificationsInvalid, "detail": problem.to_string(), "hint": hint }));
    }
    for failing in notifications.failing {
        problems.push(json!({
            "code": Code::NotificationFailed,
            "detail": format!("the last message of the notification {} did not arrive: {}", failing.name, failing.detail),
            "hint": "moves are not affected; `failover-api notify test` tries it",
            "notification": failing.name,
        }));
    }
    let now = clock::now();
    // `None` where it is not known, which is not the same as none.
    let holds = match view.as_ref().map(|view| view.tree.restraints.holds.known()) {
        Some(Ok(holds)) => {
            let in_force = holds.in_force(now).count();
            Some((in_force, holds.iter().count() - in_force))
        }
        Some(Err(found)) => {
            problems.extend(found.iter().map(|problem| json!(problem)));
            None
        }
        None => None,
    };
    let (in_force, expired) = holds.unzip();
    let nowhere = view.as_ref().and_then(|view| view.tree.listing.problem().cloned());
    problems.extend(nowhere.iter().map(|problem| json!(problem)));
    for (service, problem) in view.iter().flat_map(|view| &view.problems) {
        // Said once, and not for each service.
        if nowhere.as_ref() == Some(problem) {
            continue;
        }
        let mut entry = json!(problem);
        entry["service"] = json!(service);
        problems.push(entry);
    }
    let status = match (&view, problems.is_empty()) {
        (None, true) => "starting",
        (None, false) => "unavailable",
        (Some(_), true) => "ok",
        (Some(_), false) => "degraded",
    };
    let (files, unreadable) = view
        .as_ref()
        .map_or((0, [].as_slice()), |view| (view.tree.listing.files().len(), view.tree.listing.unreadable()));
    let named: Vec<_> = unreadable.iter().take(NAMED_FILES).collect();
    json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "services": config.config.as_ref().map_or(0, |config| config.services().len()),
        "revision": view.as_ref().map(|view| &view.tree.revision),
        "view_age_seconds": view.as_ref().map(|view| view.age_seconds()),
        "config": {
            "generation": config.generation,
            "digest": config.digest,
            "valid": config.problem.is_none(),
            "problems": match &config.problem {
                Some(ConfigProblem::Invalid(errors)) => json!(errors),
                Some(problem @ ConfigProblem::Unreadable { .. }) => json!([{ "message": problem.to_string() }]),
                None => json!([]),
            },
        },
        "repository": { "files": files, "unreadable_files": unreadable.len(), "unreadable": named },
        "holds": { "in_force": in_force, "expired": expired },
        "problems": problems,
    })
}
