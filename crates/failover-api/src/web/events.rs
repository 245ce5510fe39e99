//! What happened, as a list.

use failover_core::history::{Event, EventKind};
use failover_core::name::ServiceName;
use maud::{Markup, html};

use super::words;
use crate::pipeline::CommitPages;

/// The events in their order.
pub(super) fn list<'a>(events: impl Iterator<Item = &'a Event>, pages: Option<&CommitPages>) -> Markup {
    html! {
        ol class="events" role="list" {
            @for event in events {
                li { (entry(event, pages)) }
            }
        }
    }
}

fn entry(event: &Event, pages: Option<&CommitPages>) -> Markup {
    html! {
        p class="what" {
            @match &event.kind {
                EventKind::Hold => {
                    strong { "Hold" } " on " (what(event)) " until "
                    @match event.until { Some(until) => (words::moment(until)), None => "it is released" }
                },
                EventKind::Release => { strong { "Release" } " of " (what(event)) },
                EventKind::Move | EventKind::Revert { .. } | EventKind::CherryPick { .. } => {
                    (what(event)) " to "
                    @match event.to { Some(to) => strong { (to) }, None => "an unknown role" }
                },
            }
            @match &event.kind {
                EventKind::Move | EventKind::Hold | EventKind::Release => {},
                EventKind::Revert { reverts: Some(commit) } => { ", by a revert of " (words::commit(commit, pages)) },
                EventKind::Revert { reverts: None } => ", by a revert",
                EventKind::CherryPick { of } => { ", by a repetition of " (words::commit(of, pages)) },
            }
        }
        @if let Some(reason) = &event.reason { p class="reason" { (reason) } }
        @if event.services.len() > SHOWN {
            details { summary { "All " (event.services.len()) ", in their order" } p { (names(&event.services)) } }
        }
        (rest("Refused and left where they were", "refused", &event.refused))
        (rest("There already", "there", &event.already_there))
        (rest("Not chosen, since where they run could not be told", "not-chosen", &event.not_chosen))
        p class="details" {
            (words::time(event.time)) " · "
            @if let Some(who) = &event.requested_by { "asked for by " (who) " · " }
            "written by " (event.author) " · "
            @if let Some(who) = &event.rewritten_by { "rewritten by " (who) " · " }
            "commit " (words::commit(&event.commit, pages))
        }
    }
}

/// So many names stand in a line; more are counted and folded.
const SHOWN: usize = 8;

/// What moved: the names, or how many there are; and how they were chosen.
fn what(event: &Event) -> Markup {
    let chosen =
        event.selection.as_deref().map(|selection| match selection.strip_prefix("from_node_label=") {
            Some(label) => format!(" (everything on {label} was asked for)"),
            None => " (every service was asked for)".to_owned(),
        });
    html! {
        @if event.services.len() > SHOWN { strong { (event.services.len()) " services" } } @else { (links(&event.services)) }
        @if event.services.is_empty() && !event.kind.is_move() { "every service" }
        (chosen.unwrap_or_default())
    }
}

fn links(services: &[ServiceName]) -> Markup {
    html! {
        @for (index, service) in services.iter().enumerate() {
            @if index > 0 { ", " }
            a href={ "/services/" (service) } { (service) }
        }
    }
}

/// The names of many, without what each link would add to the page.
fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

/// Services that were asked for and did not move.
fn rest(words: &str, class: &str, services: &[ServiceName]) -> Markup {
    html! {
        @if services.len() > SHOWN {
            details class=(class) { summary { (words) ": " (services.len()) " services" } p { (names(services)) } }
        } @else if !services.is_empty() {
            p class=(class) { (words) ": " (links(services)) }
        }
    }
}
