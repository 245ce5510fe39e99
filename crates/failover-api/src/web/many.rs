//! What a move of many services would do, in their order, and the way to ask for it. Rendering it moves nothing.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use failover_core::change::{Move, Refused};
use failover_core::check::{Check, Finding, Verdict};
use failover_core::code::Problem;
use failover_core::name::ServiceName;
use failover_core::plan::Plan;
use failover_core::render;
use failover_core::topology::Active;
use maud::{Markup, html};

use super::layout::{Frame, Part};
use super::plan::{Asked, blocked, intent, of, request};
use super::selected::Selected;
use super::words::{self, count};
use super::{diff, holds};
use crate::clock;
use crate::http::{Answer, AppState, newest};
use crate::pipeline::MoveError;

/// Longer lists are folded.
const UNFOLDED: usize = 12;
/// So many changed files are shown unfolded.
const OPEN_DIFFS: usize = 3;

/// `GET /plan`
pub(super) async fn page(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let asked = Selected::read(query.as_deref().unwrap_or_default())?;
    // Without a view there is nothing to show, whatever is asked.
    let seen = newest(&state)?;
    let (planned, view) =
        match state.pipeline.dry_run(&intent(asked.services.clone(), asked.to, asked.partial)?).await {
            Ok((plan, view)) => (Ok(plan), view),
            // All or nothing, and something is against some of it: that is what the page is about.
            Err(MoveError::Problems(problems))
                if problems.iter().any(|problem| problem.service.is_some()) =>
            {
                (Err(problems), seen)
            }
            Err(other) => return Err(other.into()),
        };
    let frame = Frame::read(&state)?;
    let title = asked.title();
    let pages = state.pipeline.commit_pages();
    let main = html! {
        p class="back" { a href="/" { "Back to the services" } }
        h1 { (title) }
        (holds::banner(&view, clock::now()))
        div id="plan" data-hold {
            @match &planned { Ok(plan) => (shown(plan)), Err(problems) => (rejected(problems)) }
        }
        p id="moved-on" class="banner" role="status" hidden {
            "The repository has changed, and so has this plan. " a href="" { "Show the plan as it is now" }
        }
        (asked.partial_form(planned.is_err()))
        @if let Some(plan) = planned.as_ref().ok().filter(|plan| !plan.is_empty()) {
            (request(offer(&asked, plan), plan, &frame, pages.map(|pages| pages.prefix())))
        }
    };
    Ok(frame.page(Part::Services, &title, &main))
}

fn rejected(problems: &[Problem]) -> Markup {
    let mut services: BTreeMap<Option<&ServiceName>, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        services.entry(problem.service.as_deref()).or_default().push(problem);
    }
    let named = services.keys().flatten().count();
    html! {
        p class="lead" {
            "Nothing would be moved: it is all or nothing, and something is against " (count(named, "service", "services")) "."
        }
        section aria-labelledby="against" {
            h2 id="against" { "What is against it" }
            ul class="findings" role="list" {
                @for (service, problems) in services { (left(service, problems.into_iter())) }
            }
        }
    }
}

/// A service that stays, and everything that is against its move.
fn left<'p>(service: Option<&ServiceName>, problems: impl Iterator<Item = &'p Problem>) -> Markup {
    html! {
        li class="block" data-refused=[service] {
            @if let Some(service) = service { strong { a href={ "/services/" (service) } { (service) } } }
            @for problem in problems {
                p { (problem) " " code { (problem.code) } }
                p class="hint" { (problem.hint) }
            }
        }
    }
}

fn shown(plan: &Plan) -> Markup {
    let (moves, there): (Vec<&Move>, Vec<&Move>) = plan.moves.iter().partition(|one| !one.changes.is_empty());
    html! {
        (lead(plan, moves.len(), there.len()))
        @if !plan.refused.is_empty() {
            section aria-labelledby="refused" {
                h2 id="refused" { "Left where they are" }
                (folded(&count(plan.refused.len(), "service", "services"), plan.refused.len(), &html! {
                    ul class="findings" role="list" {
                        @for Refused { service, problems } in &plan.refused { (left(Some(service), problems.iter())) }
                    }
                }))
            }
        }
        @if !plan.not_chosen.is_empty() {
            section aria-labelledby="not-chosen" {
                h2 id="not-chosen" { "Not chosen" }
                p class="problem" { "Where these run cannot be told, so they stay where they are. Select them on the first page to move them, too:" }
                p { @for (index, service) in plan.not_chosen.iter().enumerate() { @if index > 0 { ", " } a href={ "/services/" (service) } { (service) } } }
            }
        }
        @if !moves.is_empty() {
            section aria-labelledby="order" {
                h2 id="order" { "In this order" }
                (folded(&count(moves.len(), "service", "services"), moves.len(), &html! {
                    ol class="moves" { @for one in &moves { (line(one, &plan.findings)) } }
                }))
            }
        }
        @if !there.is_empty() {
            section aria-labelledby="there" {
                h2 id="there" { "At " (plan.to) " already" }
                (folded(&count(there.len(), "service", "services"), there.len(), &html! {
                    p { @for (index, one) in there.iter().enumerate() { @if index > 0 { ", " } (one.service) } }
                }))
            }
        }
        @if !plan.findings.is_empty() {
            section aria-labelledby="findings" {
                h2 id="findings" { "Checks" }
                (checks(&plan.findings))
            }
        }
        @if !plan.is_empty() {
            section aria-labelledby="diff" {
                h2 id="diff" { "The change" }
                @for file in &plan.files {
                    details class="file" open[plan.files.len() <= OPEN_DIFFS] {
                        summary { (file.path) }
                        pre class="diff" tabindex="0" role="group" aria-label={ "Change of " (file.path) } {
                            (diff::marked(&render::file_diff(file)))
                        }
                    }
                }
            }
        }
    }
}

fn lead(plan: &Plan, moves: usize, there: usize) -> Markup {
    html! {
        p class="lead" {
            @if moves > 0 {
                "One commit on " code { (plan.base.branch) } " moves " strong { (count(moves, "service", "services")) } " to " (plan.to)
                ", in " (count(plan.files.len(), "file", "files")) "."
            } @else if plan.refused.is_empty() {
                "Nothing to do: every one of them is at " (plan.to) " already."
            } @else {
                "Nothing can be moved."
            }
            (blocked(plan))
            @if there > 0 && moves + plan.refused.len() > 0 { " " (there) " " (is(there)) " there already." }
            @if !plan.not_chosen.is_empty() { " " strong { (plan.not_chosen.len()) " may be on the node, too, and " (is(plan.not_chosen.len())) " not chosen." } }
            @if !plan.refused.is_empty() { " " (plan.refused.len()) " " (is(plan.refused.len())) " refused and left as " (if plan.refused.len() == 1 { "it is" } else { "they are" }) "." }
        }
    }
}

fn is(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// A list that is folded where it is long.
fn folded(summary: &str, length: usize, list: &Markup) -> Markup {
    html! { @if length > UNFOLDED { details { summary { (summary) } (list) } } @else { (list) } }
}

/// One service's part.
fn line(one: &Move, findings: &[Finding]) -> Markup {
    let own: Vec<Finding> =
        findings.iter().filter(|finding| finding.service == one.service).cloned().collect();
    html! {
        li data-service=(one.service) {
            details {
                summary {
                    strong { (one.service) } " "
                    (words::state(one.from)) span class="unseen" { " to " } span aria-hidden="true" { " → " } (words::state(Active::from(one.to)))
                    @if let Some((class, text)) = words::gravest(&own) { span class={ "checks " (class) } { (text) } }
                }
                ul class="changes" role="list" { @for change in &one.changes { li { (of(change)) } } }
                (words::findings(&own))
            }
        }
    }
}

/// What was found in all, a line for each check and verdict; the services' own lines say the rest.
fn checks(findings: &[Finding]) -> Markup {
    const NAMED: usize = 6;
    // The gravest first.
    let rank = |verdict: Verdict| match verdict {
        Verdict::Block => 0,
        Verdict::Warn => 1,
        Verdict::Unknown => 2,
        Verdict::Pass => 3,
    };
    let mut kinds: BTreeMap<(u8, Check), (Verdict, Vec<&ServiceName>)> = BTreeMap::new();
    for Finding { check, verdict, service, .. } in findings {
        let (_, services) = kinds.entry((rank(*verdict), *check)).or_insert((*verdict, Vec::new()));
        if !services.contains(&service) {
            services.push(service);
        }
    }
    html! {
        ul class="findings" role="list" {
            @for ((_, check), (verdict, services)) in kinds {
                li class=(words::verdict_class(verdict)) {
                    strong { (words::verdict(verdict)) } " " code { (check) } " "
                    @for (index, service) in services.iter().take(NAMED).enumerate() { @if index > 0 { ", " } (service) }
                    @if services.len() > NAMED { " and " (services.len() - NAMED) " more" }
                }
            }
        }
    }
}

/// The move as the page offers it. It is bound to the state that is shown where all services share one.
fn offer(asked: &Selected, plan: &Plan) -> Asked<'static> {
    let mut from = plan.moves.iter().map(|one| one.from);
    let first = from.next();
    let active = first.filter(|first| from.all(|other| other == *first));
    let moves: Vec<&Move> = plan.moves.iter().filter(|one| !one.changes.is_empty()).collect();
    let what = count(moves.len(), "service", "services");
    Asked {
        address: "/api/failover".to_owned(),
        body: Some(asked.body()),
        what,
        service: None,
        active,
        summary: html! {
            (folded("In this order", moves.len(), &html! { ol { @for one in &moves { li { (one.service) } } } }))
            @if !plan.refused.is_empty() {
                p { "Left where " (if plan.refused.len() == 1 { "it is" } else { "they are" }) ": "
                    (count(plan.refused.len(), "service", "services")) "." }
            }
            @if !plan.not_chosen.is_empty() {
                p class="problem" { "Not chosen, since where they run cannot be told: "
                    @for (index, service) in plan.not_chosen.iter().enumerate() { @if index > 0 { ", " } (service) } "." }
            }
        },
    }
}
