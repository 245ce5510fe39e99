//! One service.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use failover_core::config::Service;
use failover_core::name::{Role, ServiceName};
use failover_core::plan::unknown_service;
use failover_core::topology::{Active, ServiceState, SettingState, Side};
use maud::{Markup, html};

use super::holds::Ways;
use super::layout::{Frame, Part};
use super::services::other_role;
use super::words;
use super::{events, holds};
use crate::clock;
use crate::http::{Answer, AppState, Parameters, newest};
use crate::pipeline::{CommitPages, blocking};
use crate::view::View;

/// How much of its history a service's page shows.
const EVENTS: usize = 10;

/// `GET /services/{service}`
pub(super) async fn page(
    State(state): State<AppState>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let view = newest(&state)?;
    let service = find(&view, &name)?;
    let frame = Frame::read(&state)?;
    let pages = state.pipeline.commit_pages().cloned();
    let (title, ways) = (service.name.to_string(), Ways::of(&frame));
    let main = blocking(move || main(&service, &view, pages.as_ref(), ways)).await?;
    Ok(frame.page(Part::Services, &title, &main))
}

/// The service of this name.
pub(super) fn find(view: &Arc<View>, name: &str) -> Result<Service, Answer> {
    let found = ServiceName::new(name).ok().and_then(|name| view.config.get(&name).cloned());
    found.ok_or_else(|| unknown_service(&view.config, name).into())
}

fn main(service: &Service, view: &View, pages: Option<&CommitPages>, ways: Ways) -> Markup {
    let state = ServiceState::read(service, &view.tree);
    let (active, to) = (state.active(), other_role(state.active()));
    let now = clock::now();
    let findings = view.findings(&state, to, now);
    let of_service = view.events.iter().filter(|event| event.concerns(&service.name));
    html! {
        div id="service" data-live data-service=(service.name) data-active=(active) data-held[holds::is_held(service, view, now)] {
            div class="title" { h1 { (service.name) } (words::state(active)) (holds::mark(service, view, now)) }
            p class="lead" { (sentence(active)) }
            (holds::banner(view, now))
            p class="actions" {
                (plan(service, to, true))
                @if active == Active::Mixed { " " (plan(service, to.other(), false)) }
                @if ways != Ways::Nowhere && !holds::is_held_by_name(service, view, now) {
                    " " a class="button" href={ "/hold?service=" (service.name) } { "Hold" span class="unseen" { " " (service.name) } }
                }
            }
            @if !state.problems.is_empty() {
                section aria-labelledby="problems" {
                    h2 id="problems" { "Why it cannot be moved" }
                    (words::problems(&state.problems))
                }
            }
            (holds::of_service(service, view, now, ways))
            section aria-labelledby="settings" {
                h2 id="settings" { "What a move sets" }
                ul class="settings" role="list" { @for setting in &state.settings { (of_setting(setting)) } }
            }
            section aria-labelledby="findings" {
                h2 id="findings" { "Checks for a move to " (to) }
                @if findings.is_empty() { p { "Nothing was found." } }
                (words::findings(&findings))
            }
            section aria-labelledby="events" {
                h2 id="events" { "History" }
                @if of_service.clone().next().is_none() { p { "No move among the newest commits." } }
                (events::list(of_service.take(EVENTS), pages))
                p { a href={ "/history?service=" (service.name) } { "All of its history" } }
            }
        }
    }
}

/// Where it is, as a sentence.
fn sentence(active: Active) -> &'static str {
    match active {
        Active::Primary => "Its manifests say primary: it is where it belongs.",
        Active::Backup => "Its manifests say backup: it has been moved.",
        Active::Mixed => "Its settings disagree. A move to either side makes them agree.",
        Active::Unknown => "Where it is cannot be read from its manifests.",
    }
}

fn plan(service: &Service, to: Role, first: bool) -> Markup {
    let class = if first { "button first" } else { "button" };
    html! { a class=(class) href={ "/services/" (service.name) "/" (words::verb(to)) } { "Plan move to " (to) } }
}

fn of_setting(state: &SettingState<'_>) -> Markup {
    let setting = state.setting;
    html! {
        li {
            h3 { (words::setting(setting.kind)) }
            dl {
                div class="now" {
                    dt { "Now" }
                    dd {
                        @match &state.current { Some(value) => code { (value) }, None => em { "missing" } }
                        span class="side" { (side(state.side)) }
                    }
                }
                div { dt { "Primary" } dd { code { (setting.primary) } } }
                div { dt { "Backup" } dd { code { (setting.backup) } } }
            }
            p class="details" {
                (setting.target) " · " code { (setting.field) } " · "
                (state.found.path) ":" (state.place.line)
            }
        }
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Primary => "the primary value",
        Side::Backup => "the backup value",
        Side::Other => "neither of the two",
        Side::Absent => "no value",
    }
}
