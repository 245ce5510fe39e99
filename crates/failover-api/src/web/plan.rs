//! What a move would do, and the way to ask for it. Rendering it moves nothing.

use std::collections::BTreeSet;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use failover_core::change::{Move, SettingChange};
use failover_core::check::Finding;
use failover_core::code::Code;
use failover_core::intent::Intent;
use failover_core::name::{Role, ServiceName};
use failover_core::plan::Plan;
use failover_core::render;
use failover_core::topology::Active;
use maud::{Markup, html};

use super::layout::{Frame, Part};
use super::service::find;
use super::words::{self, count};
use super::{diff, events};
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
    let no_id = || Answer::problem(Code::Internal, "no operation id could be made", "report the defect");
    let intent = Intent {
        services: service.clone().into(),
        partial: false,
        to,
        reason: None,
        requested_by: None,
        expect: None,
        force: BTreeSet::new(),
        operation: clock::new_operation().ok_or_else(no_id)?,
        idempotency_key: None,
    };
    let (plan, view) = state.pipeline.dry_run(&intent).await?;
    let frame = Frame::read(&state)?;
    let title = format!("Move {service} to {to}");
    let active = plan.moves.first().map_or(Active::Unknown, |one| one.from);
    let pages = state.pipeline.commit_pages();
    let main = html! {
        p class="back" { a href={ "/services/" (service) } { "Back to " (service) } }
        div class="title" { h1 { (title) } (words::state(active)) }
        div id="plan" data-hold { (shown(&plan, &service, active)) }
        p id="moved-on" class="banner" role="status" hidden {
            "The repository has changed, and so has this plan. " a href="" { "Show the plan as it is now" }
        }
        @if plan.is_empty() {
            @if let Some(event) = view.events.iter().find(|event| event.services.contains(&service)) {
                section aria-labelledby="events" {
                    h2 id="events" { "The last move" }
                    (events::list(std::iter::once(event), pages))
                }
            }
        } @else if frame.read_only() {
            p id="read-only" { "This server is read-only: it shows plans and carries none of them out." }
        } @else {
            (request(&plan, &service, active, &frame, pages.map(|pages| pages.prefix())))
        }
    };
    Ok(frame.page(Part::Services, &title, &main))
}

fn shown(plan: &Plan, service: &ServiceName, active: Active) -> Markup {
    let changes: Vec<&SettingChange> = plan.moves.iter().flat_map(|one: &Move| &one.changes).collect();
    html! {
        @if plan.is_empty() {
            p class="lead" { "Nothing to do: every setting of " (service) " has its value for " (plan.to) " already." }
        } @else {
            p class="lead" {
                (service) " is " strong { (active) } " now. One commit on " code { (plan.base.branch) } " sets "
                (count(changes.len(), "field", "fields")) " in " (count(plan.files.len(), "file", "files")) ":"
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

fn of(change: &SettingChange) -> Markup {
    html! {
        (values(change))
        p class="details" { code { (change.field) } " · " (change.file) ":" (change.place.line) }
    }
}

fn values(change: &SettingChange) -> Markup {
    html! {
        p {
            (words::setting(change.kind)) ": "
            @match &change.from { Some(from) => code { (from) }, None => em { "missing" } }
            " → " span class="unseen" { "becomes " } code { (change.to) }
        }
    }
}

/// The form that asks the API for the move. The key names this opened plan, so that asking twice moves once.
fn request(plan: &Plan, service: &ServiceName, active: Active, frame: &Frame, pages: Option<&str>) -> Markup {
    let (to, verb) = (plan.to, words::verb(plan.to));
    let address = format!("/api/failover/{service}/{verb}");
    let mut blocked: Vec<&Finding> = plan.blocked_by.iter().collect();
    blocked.dedup_by_key(|finding| finding.check);
    html! {
        section id="act" aria-labelledby="act-title" {
            h2 id="act-title" { "Carry it out" }
            noscript {
                p { "Without JavaScript this page only shows. Ask the API for the move:" }
                pre { code { "curl -X POST -H \"Authorization: Bearer $TOKEN\" …" (address) } }
            }
            form id="move" hidden data-address=(address) data-key=(clock::new_id()) data-active=(active)
                data-revision=(plan.base) data-to=(to) data-service=(service) data-needs-token=[frame.needs_token().then_some("")]
                data-commits=[pages] {
                @if !blocked.is_empty() {
                    fieldset id="overrides" {
                        legend { "Blocked. Override only if you know better:" }
                        @for finding in &blocked {
                            label { input type="checkbox" name="force" value=(finding.check); " Override " code { (finding.check) } }
                        }
                    }
                }
                label for="reason" { "Reason " span class="optional" { "(optional, stands in the commit)" } }
                input id="reason" maxlength="500" autocomplete="off" placeholder="k3s-w1 is down";
                div id="token-field" hidden {
                    label for="token" { "Token" }
                    input id="token" type="password" autocomplete="current-password" spellcheck="false" autocapitalize="off" aria-describedby="token-note";
                    p id="token-note" class="details" { "Stays in this tab, and is gone when you close it." }
                }
                button class="first danger" { "Move " (service) " to " (to) "…" }
            }
            dialog id="confirm" aria-labelledby="confirm-title" {
                h2 id="confirm-title" { "Move " (service) " to " (to) "?" }
                p { "This commits to " code { (plan.base.branch) } ", and Flux applies it:" }
                ul { @for change in plan.moves.iter().flat_map(|one| &one.changes) { li { (values(change)) } } }
                p id="confirm-reason" hidden { "Reason: " span {} }
                p id="confirm-force" class="problem" hidden { "Overrides: " span {} }
                div class="actions" {
                    button id="cancel" type="button" autofocus { "Cancel" }
                    button id="confirm-move" type="button" class="first danger" { "Move " (service) " to " (to) }
                }
            }
            div id="outcome" tabindex="-1" hidden {}
        }
    }
}
