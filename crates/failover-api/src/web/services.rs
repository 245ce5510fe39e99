//! The first page: every service and where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use failover_core::check::Finding;
use failover_core::code::{Code, Problem};
use failover_core::config::{Service, SettingKind};
use failover_core::field::Value;
use failover_core::history::{self, Event};
use failover_core::name::{LabelValue, Role};
use failover_core::plan::is_on;
use failover_core::topology::{Active, ServiceState};
use maud::{Markup, html};

use super::layout::{Frame, Part};
use super::{holds, words};
use crate::clock;
use crate::http::{Answer, AppState, Parameters, newest};
use crate::pipeline::blocking;
use crate::view::View;

const ACTIVES: [Active; 4] = [Active::Primary, Active::Backup, Active::Mixed, Active::Unknown];

/// One service in short.
struct Line {
    service: Service,
    active: Active,
    /// Where a move would bring it.
    to: Role,
    findings: Vec<Finding>,
    problems: Vec<Problem>,
    last: Option<Event>,
    held: bool,
    mark: Markup,
}

/// Every service, and what is on which node.
struct Overview {
    lines: Vec<Line>,
    /// How many services a selection of each node label takes.
    nodes: BTreeMap<LabelValue, usize>,
}

/// Which services are shown.
struct Choice {
    state: Option<Active>,
    name: String,
}

/// `GET /`
pub(super) async fn page(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let choice = Choice::read(query.as_deref())?;
    let view = newest(&state)?;
    let frame = Frame::read(&state)?;
    let banner = holds::banner(&view, clock::now());
    let overview = blocking(move || overview(&view)).await?;
    Ok(frame.page(Part::Services, "Services", &main(&overview, &choice, &banner)))
}

impl Choice {
    fn read(query: Option<&str>) -> Result<Self, Answer> {
        let parameters = Parameters::read(query, &["state", "name"])?;
        let state = match parameters.get("state").filter(|state| !state.is_empty()) {
            None => None,
            Some(wanted) => {
                Some(ACTIVES.into_iter().find(|active| active.as_str() == wanted).ok_or_else(|| {
                    let detail = format!("state is {wanted:?}");
                    Answer::problem(Code::InvalidRequest, detail, "give primary, backup, mixed or unknown")
                })?)
            }
        };
        Ok(Self { state, name: parameters.get("name").unwrap_or_default().trim().to_owned() })
    }

    fn takes(&self, line: &Line) -> bool {
        self.state.is_none_or(|state| state == line.active)
            && line.service.name.as_str().contains(&self.name.to_ascii_lowercase())
    }
}

fn overview(view: &Arc<View>) -> Overview {
    let now = clock::now();
    let states: Vec<_> =
        view.config.services().map(|service| ServiceState::read(service, &view.tree)).collect();
    let at = states.iter().flat_map(|state| &state.settings).filter_map(|setting| match &setting.current {
        Some(Value::String(label)) if setting.setting.kind == SettingKind::Node => {
            LabelValue::new(label).ok()
        }
        _ => None,
    });
    let labels: BTreeSet<LabelValue> = at.collect();
    let count =
        |label: LabelValue| (label.clone(), states.iter().filter(|state| is_on(state, &label)).count());
    let nodes = labels.into_iter().map(count).collect();
    let line = |state: ServiceState<'_>| {
        let service = state.service;
        let (active, to) = (state.active(), other_role(state.active()));
        Line {
            active,
            to,
            findings: view.findings(&state, to, now),
            last: history::last_of(&view.events, &service.name).cloned(),
            problems: state.problems,
            held: holds::is_held(service, view, now),
            mark: holds::mark(service, view, now),
            service: service.clone(),
        }
    };
    Overview { lines: states.into_iter().map(line).collect(), nodes }
}

/// Where a move would bring a service that is here.
pub(super) fn other_role(active: Active) -> Role {
    match active {
        Active::Backup => Role::Primary,
        Active::Primary | Active::Mixed | Active::Unknown => Role::Backup,
    }
}

fn main(overview: &Overview, choice: &Choice, banner: &Markup) -> Markup {
    let lines = &overview.lines;
    let shown: Vec<&Line> = lines.iter().filter(|line| choice.takes(line)).collect();
    html! {
        h1 { "Services" }
        div id="services" data-live {
            (banner)
            nav class="states" aria-label="Services by state" {
                (tab("All", lines.len(), "/", choice.state.is_none()))
                @for active in ACTIVES {
                    @let number = lines.iter().filter(|line| line.active == active).count();
                    @if number > 0 || choice.state == Some(active) {
                        (tab(&words::capital(active.as_str()), number, &format!("/?state={active}"), choice.state == Some(active)))
                    }
                }
            }
            @if lines.len() > 12 || !choice.name.is_empty() {
                form class="search" role="search" action="/" {
                    @if let Some(active) = choice.state { input type="hidden" name="state" value=(active); }
                    label for="name" { "Name contains" }
                    input id="name" name="name" type="search" value=(choice.name) autocomplete="off" spellcheck="false";
                    button { "Show" }
                }
            }
            @if shown.is_empty() { p { "No service is like that." } }
            @if lines.len() > 1 && !shown.is_empty() { (several(overview, shown.len())) }
            ul class="services" role="list" { @for line in shown { (row(line, lines.len() > 1)) } }
        }
    }
}

/// The way to a plan for several services: a form that only asks for a page.
fn several(overview: &Overview, shown: usize) -> Markup {
    html! {
        form id="choose" action="/plan" aria-label="Move several services" {
            label id="pick-all-label" class="pick" hidden {
                input id="pick-all" type="checkbox" autocomplete="off"; " Select all " (shown)
            }
            label for="which" class="unseen" { "Which services" }
            select id="which" name="which" autocomplete="off" {
                option value="selected" { "The selected services" }
                @for (label, number) in &overview.nodes {
                    option value={ "on:" (label) } { "Everything on " (label) " (" (number) ")" }
                }
                option value="all" { "Every service (" (overview.lines.len()) ")" }
            }
            button id="plan-backup" name="to" value="backup" { "Plan failover" span class="unseen" { " to backup" } }
            button id="plan-primary" name="to" value="primary" { "Plan failback" span class="unseen" { " to primary" } }
            p id="picked" role="status" {}
        }
    }
}

fn tab(name: &str, number: usize, address: &str, current: bool) -> Markup {
    html! { a href=(address) aria-current=[current.then_some("true")] { (name) " " span class="number" { (number) } } }
}

fn row(line: &Line, can_be_picked: bool) -> Markup {
    let Line { service, active, to, .. } = line;
    html! {
        li data-service=(service.name) data-active=(active) data-held[line.held] {
            @if can_be_picked {
                label class="pick" {
                    input id={ "pick-" (service.name) } type="checkbox" name="service" value=(service.name) form="choose" autocomplete="off";
                    span class="unseen" { " Select " (service.name) }
                }
            }
            div class="name" {
                h2 { a href={ "/services/" (service.name) } { (service.name) } }
                p { (service.namespace) @if let Some(workload) = &service.workload { " · " (workload.target.kind) } (line.mark) }
            }
            (words::state(*active))
            p class="last" {
                @match &line.last {
                    Some(event) => {
                        "Last move " (words::time(event.time))
                        @if let Some(reason) = &event.reason { span class="reason" { (reason) } }
                    }
                    None => "No move lately"
                }
            }
            (checks(line))
            @if line.problems.is_empty() {
                a class="button" href={ "/services/" (service.name) "/" (words::verb(*to)) } {
                    "Plan move" span class="unseen" { " of " (service.name) } " to " (to)
                }
            } @else {
                a class="button" href={ "/services/" (service.name) } {
                    "See why" span class="unseen" { " " (service.name) " cannot be moved" }
                }
            }
        }
    }
}

/// The findings in short.
fn checks(line: &Line) -> Markup {
    if let Some(problem) = line.problems.first() {
        return html! { p class="checks block" { "Cannot be moved: " (problem.code.title()) } };
    }
    // The gravest kind of finding decides; the plan shows all.
    let (class, text) =
        words::gravest(&line.findings).unwrap_or_else(|| ("pass", "Checks passed".to_owned()));
    html! { p class={ "checks " (class) } { (text) } }
}
