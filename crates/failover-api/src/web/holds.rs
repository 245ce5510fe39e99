//! What must not be moved, on every page where somebody might try.

use failover_core::brake;
use failover_core::config::{Hold, Scope, Service};
use jiff::Timestamp;
use maud::{Markup, html};

use super::words;
use crate::view::View;

/// A banner with what concerns every service: the hold on all of them, and that nobody can read what is held.
pub(super) fn banner(view: &View, now: Timestamp) -> Markup {
    html! {
        @match view.tree.restraints.holds.known() {
            Ok(holds) => {
                @if let Some(hold) = holds.get(&Scope::All).filter(|hold| !hold.is_expired(now)) {
                    section class="banner" aria-label="Everything is held" { p { (sentence(hold, now)) } }
                }
            },
            Err(problems) => {
                section class="banner" aria-label="Nothing can be moved" {
                    p { strong { "It is not known what is held, so nothing is moved." } }
                    @for problem in &problems { p { (problem) " " (problem.hint) } }
                }
            },
        }
    }
}

/// A mark beside the name of a service that is held or cools down.
pub(super) fn mark(service: &Service, view: &View, now: Timestamp) -> Markup {
    let restraints = &view.tree.restraints;
    let is_held = restraints
        .holds
        .holds
        .as_ref()
        .is_ok_and(|holds| holds.of(&service.name).any(|hold| !hold.is_expired(now)));
    html! {
        @if is_held { " " span class="badge warn" { "Held" } }
        @if brake::cooldown(service, restraints, now).is_some() { " " span class="badge warn" { "Cooldown" } }
    }
}

/// Everything that holds a service back, those holds included that are over.
pub(super) fn of_service(service: &Service, view: &View, now: Timestamp) -> Markup {
    let restraints = &view.tree.restraints;
    let holds: Vec<&Hold> =
        restraints.holds.holds.as_ref().map(|holds| holds.of(&service.name).collect()).unwrap_or_default();
    let cooldown = brake::cooldown(service, restraints, now);
    html! {
        @if !holds.is_empty() || cooldown.is_some() {
            section aria-labelledby="holds" {
                h2 id="holds" { "Held" }
                ul class="findings" role="list" {
                    @for hold in &holds {
                        li class=(if hold.is_expired(now) { "pass" } else { "block" }) { p { (sentence(hold, now)) } }
                    }
                    @if let Some(cooldown) = &cooldown {
                        li class="block" {
                            p { "Moved to backup " (words::time(cooldown.after.at)) "; its cooldown lasts until " (words::moment(cooldown.until)) "." }
                        }
                    }
                }
            }
        }
    }
}

fn sentence(hold: &Hold, now: Timestamp) -> Markup {
    html! {
        @match &hold.scope {
            Scope::All => strong { "Every service" },
            Scope::Service(name) => strong { (name) },
        }
        @if hold.is_expired(now) { " was held by " } @else { " is held by " }
        (hold.owner) " until "
        @match hold.until { Some(until) => (words::moment(until)), None => "it is released" }
        ": " span class="reason" { (hold.reason) }
        @if let Some(oddity) = hold.oddity(now) { " (" (oddity) ")" }
    }
}
