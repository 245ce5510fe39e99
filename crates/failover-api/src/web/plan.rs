//! What a move would do, and the way to ask for it. Rendering it moves nothing.

use std::collections::BTreeSet;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use failover_core::change::{Move, SettingChange};
use failover_core::check::Finding;
use failover_core::code::Code;
use failover_core::config::SettingKind;
use failover_core::history;
use failover_core::intent::{Intent, Selection};
use failover_core::name::{Role, ServiceName};
use failover_core::plan::Plan;
use failover_core::render;
use failover_core::topology::Active;
use maud::{Markup, html};

use super::layout::{Frame, Part};
use super::offer::{self, Deed, Offer, Seen};
use super::service::find;
use super::words::{self, count};
use super::{diff, events, holds};
use crate::clock;
use crate::http::{Answer, AppState, Parameters, newest};

/// `GET /services/{service}/promote` and `…/demote`
pub(super) async fn page(
    to: Role,
    State(state): State<AppState>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let service = find(&newest(&state)?, &name)?.name;
    let intent = intent(service.clone().into(), to, false)?;
    let (plan, view) = state.pipeline.dry_run(&intent).await?;
    let frame = Frame::read(&state)?;
    let title = format!("Move {service} to {to}");
    let active = plan.moves.first().map_or(Active::Unknown, |one| one.from);
    let pages = state.pipeline.commit_pages();
    let main = html! {
        p class="back" { a href={ "/services/" (service) } { "Back to " (service) } }
        div class="title" { h1 { (title) } (words::state(active)) }
        (holds::banner(&view, clock::now()))
        div id="plan" data-hold { (shown(&plan, &service, active)) }
        p id="moved-on" class="banner" role="status" hidden {
            "The repository has changed, and so has this plan. " a href="" { "Show the plan as it is now" }
        }
        @if plan.is_empty() {
            @if let Some(event) = history::last_of(&view.events, &service) {
                section aria-labelledby="events" {
                    h2 id="events" { "The last move" }
                    (events::list(std::iter::once(event), pages))
                }
            }
        } @else {
            (request(one(&plan, &service, active), &plan, &frame, pages.map(|pages| pages.prefix())))
        }
    };
    Ok(frame.page(Part::Services, &title, &main))
}

/// What a plan is made for.
pub(super) fn intent(services: Selection, to: Role, partial: bool) -> Result<Intent, Answer> {
    let no_id = || Answer::problem(Code::Internal, "no operation id could be made", "report the defect");
    Ok(Intent {
        services,
        partial,
        to,
        reason: None,
        requested_by: None,
        expect: None,
        alarm_began: None,
        force: BTreeSet::new(),
        operation: clock::new_operation().ok_or_else(no_id)?,
        idempotency_key: None,
    })
}

fn shown(plan: &Plan, service: &ServiceName, active: Active) -> Markup {
    let changes: Vec<&SettingChange> = plan.moves.iter().flat_map(|one: &Move| &one.changes).collect();
    html! {
        @if plan.is_empty() {
            p class="lead" { "Nothing to do: every setting of " (service) " has its value for " (plan.to) " already." }
        } @else {
            p class="lead" {
                (service) " is " strong { (active) } " now. One commit on " code { (plan.base.branch) } " sets "
                (count(changes.len(), "field", "fields")) " in " (count(plan.files.len(), "file", "files")) "." (blocked(plan))
            }
            ul class="changes" role="list" { @for change in &changes { li { (of(change)) } } }
            @if !plan.findings.is_empty() {
                section aria-labelledby="findings" {
                    h2 id="findings" { "Checks" }
                    (words::findings(&plan.findings))
                }
            }
            section {
                h2 id="diff" { "The change" }
                pre class="diff" tabindex="0" role="region" aria-labelledby="diff" {
                    (diff::marked(&render::unified_diff(plan)))
                }
            }
        }
    }
}

/// What is to be known before anybody asks for a move that a check stops.
pub(super) fn blocked(plan: &Plan) -> Markup {
    html! { @if !plan.blocked_by.is_empty() { " " strong { "A check blocks it" } ", so it would be refused as it is." } }
}

/// A field that changes, and where it is.
pub(super) fn of(change: &SettingChange) -> Markup {
    html! {
        (values(change))
        p class="details" { code { (change.field) } " · " (change.file) ":" (change.place.line) }
    }
}

fn values(change: &SettingChange) -> Markup {
    html! {
        p {
            (words::setting(change.kind))
            // Several of them are told apart by nothing else.
            @if change.kind == SettingKind::Field { " " code { (change.field) } " of " (change.target.kind) " " (change.target.name) }
            ": "
            @match &change.from { Some(from) => code { (from) }, None => em { "missing" } }
            " → " span class="unseen" { "becomes " } code { (change.to) }
        }
    }
}

/// The move as the page offers it.
pub(super) struct Asked<'p> {
    /// The API's route.
    pub(super) address: String,
    /// What the body says besides the options of every move; nothing for a single service.
    pub(super) body: Option<serde_json::Value>,
    /// What moves, in words.
    pub(super) what: String,
    /// The service, where it is only one.
    pub(super) service: Option<&'p ServiceName>,
    /// Where all of it is, as the page shows it; the move is bound to that.
    pub(super) active: Option<Active>,
    /// What is shown once more before the move.
    pub(super) summary: Markup,
}

fn one<'p>(plan: &'p Plan, service: &'p ServiceName, active: Active) -> Asked<'p> {
    Asked {
        address: format!("/api/failover/{service}/{}", words::verb(plan.to)),
        body: None,
        what: service.to_string(),
        service: Some(service),
        active: Some(active),
        summary: html! {
            ul { @for change in plan.moves.iter().flat_map(|one| &one.changes) { li { (values(change)) } } }
        },
    }
}

/// The form that asks the API for the move.
pub(super) fn request(asked: Asked<'_>, plan: &Plan, frame: &Frame, pages: Option<&str>) -> Markup {
    let Asked { address, body, what, service, active, summary } = asked;
    let offer = Offer {
        deed: Deed::Move,
        title: format!("Move {what} to {}", plan.to),
        address,
        example: body.clone(),
        body,
        what,
        service,
        base: &plan.base,
        seen: Some(Seen { active, to: plan.to }),
        before: overrides(&plan.blocked_by, service.is_some()),
        after: html! {},
        summary,
    };
    offer::form(&offer, frame, pages)
}

/// What stops the move until it is overridden.
fn overrides(blocked_by: &[Finding], of_one: bool) -> Markup {
    let mut blocked: Vec<&Finding> = blocked_by.iter().collect();
    blocked.sort_by_key(|finding| finding.check);
    blocked.dedup_by_key(|finding| finding.check);
    html! {
        @if !blocked.is_empty() {
            fieldset id="overrides" {
                legend { "Blocked. Override only if you know better:" }
                @for finding in &blocked {
                    label {
                        input type="checkbox" name="force" value=(finding.check); " Override " code { (finding.check) }
                        @if !of_one { (of_many(blocked_by, finding)) }
                    }
                }
            }
        }
    }
}

/// Which services of many a check blocks.
fn of_many(blocked_by: &[Finding], finding: &Finding) -> String {
    const NAMED: usize = 3;
    let blocked = blocked_by.iter().filter(|other| other.check == finding.check);
    let names: BTreeSet<&str> = blocked.map(|other| other.service.as_str()).collect();
    let some: Vec<&str> = names.iter().copied().take(NAMED).collect();
    match names.len() - some.len() {
        0 => format!(" ({})", some.join(", ")),
        more => format!(" ({} and {more} more)", some.join(", ")),
    }
}
