//! What happened, as a list.

use failover_core::history::{Event, EventKind};
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
                    strong { "Hold" } " on " (services(event)) " until "
                    @match event.until { Some(until) => (words::moment(until)), None => "it is released" }
                },
                EventKind::Release => { strong { "Release" } " of " (services(event)) },
                EventKind::Move | EventKind::Revert { .. } | EventKind::CherryPick { .. } => {
                    (services(event)) " to "
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
        p class="details" {
            (words::time(event.time)) " · "
            @if let Some(who) = &event.requested_by { "asked for by " (who) " · " }
            "written by " (event.author) " · "
            @if let Some(who) = &event.rewritten_by { "rewritten by " (who) " · " }
            "commit " (words::commit(&event.commit, pages))
        }
    }
}

/// The services' names; of many, some.
fn services(event: &Event) -> Markup {
    const SHOWN: usize = 8;
    html! {
        @if event.services.is_empty() && !event.kind.is_move() { "every service" }
        @for (index, service) in event.services.iter().take(SHOWN).enumerate() {
            @if index > 0 { ", " }
            a href={ "/services/" (service) } { (service) }
        }
        @if event.services.len() > SHOWN { " and " (event.services.len() - SHOWN) " more" }
    }
}
