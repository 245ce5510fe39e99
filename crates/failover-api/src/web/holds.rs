//! What must not be moved, on every page where somebody might try.

use failover_core::brake;
use failover_core::code::Problem;
use failover_core::config::{Hold, Scope, Service};
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::Frame;
use super::words;
use crate::view::View;

/// A banner with what concerns every service: the hold on all of them, and that nobody can read what is held.
pub(super) fn banner(view: &View, now: Timestamp) -> Markup {
    html! {
        @match view.tree.restraints.holds.known() {
            Ok(holds) => {
                @if let Some(hold) = holds.get(&Scope::All).filter(|hold| !hold.is_expired(now)) {
                    section class="banner" aria-label="Everything is held" {
                        p { (sentence(hold, now)) " " a href="/holds" { "See the holds" } }
                    }
                }
            },
            Err(problems) => (unreadable(&problems)),
        }
    }
}

/// A banner with why nobody knows what is held.
pub(super) fn unreadable(problems: &[Problem]) -> Markup {
    html! {
        section class="banner" aria-label="Nothing can be moved" {
            p { strong { "It is not known what is held, so nothing is moved." } }
            @for problem in problems { p { (problem) " " (problem.hint) } }
        }
    }
}

/// Whether a hold is on the service that is not over, by its name or with every other.
pub(super) fn is_held(service: &Service, view: &View, now: Timestamp) -> bool {
    let holds = view.tree.restraints.holds.holds.as_ref();
    holds.is_ok_and(|holds| holds.of(&service.name).any(|hold| !hold.is_expired(now)))
}

/// Whether there is a hold on this very service that is not over.
pub(super) fn is_held_by_name(service: &Service, view: &View, now: Timestamp) -> bool {
    let own = Scope::Service(service.name.clone());
    let holds = view.tree.restraints.holds.holds.as_ref();
    holds.is_ok_and(|holds| holds.get(&own).is_some_and(|hold| !hold.is_expired(now)))
}

/// A mark beside the name of a service that is held or cools down.
pub(super) fn mark(service: &Service, view: &View, now: Timestamp) -> Markup {
    let restraints = &view.tree.restraints;
    html! {
        @if is_held(service, view, now) { " " span class="badge warn" { "Held" } }
        @if brake::cooldown(service, restraints, now).is_some() { " " span class="badge warn" { "Cooldown" } }
    }
}

/// Everything that holds a service back, those holds included that are over.
pub(super) fn of_service(service: &Service, view: &View, now: Timestamp, ways: Ways) -> Markup {
    let restraints = &view.tree.restraints;
    let holds: Vec<&Hold> =
        restraints.holds.holds.as_ref().map(|holds| holds.of(&service.name).collect()).unwrap_or_default();
    let cooldown = brake::cooldown(service, restraints, now);
    html! {
        @if !holds.is_empty() || cooldown.is_some() {
            section aria-labelledby="holds" {
                h2 id="holds" { "Held" }
                ul class="findings" role="list" {
                    @for hold in &holds { (item(hold, now, None, ways)) }
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

/// Which pages a hold in a list leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ways {
    /// None: the server takes no holds, or the page is the one.
    Nowhere,
    /// To its release.
    Release,
    /// To its release, and to its renewal while it is in force.
    Everywhere,
}

impl Ways {
    /// Those that this server has.
    pub(super) fn of(frame: &Frame) -> Self {
        if frame.read_only() { Self::Nowhere } else { Self::Everywhere }
    }
}

/// A hold in a list. `note` says why there is nothing to renew.
pub(super) fn item(hold: &Hold, now: Timestamp, note: Option<&str>, ways: Ways) -> Markup {
    let (what, query) = (hold.scope.to_string(), query(&hold.scope));
    let is_over = hold.is_expired(now);
    html! {
        li class=(if is_over { "held pass" } else { "held block" }) data-held=(what) {
            p { (sentence(hold, now)) @if let Some(note) = note { " (" (note) ")" } }
            @if ways != Ways::Nowhere {
                p class="actions" {
                    a class="button" href={ "/release?" (query) } { "Release" span class="unseen" { " " (what) } }
                    @if ways == Ways::Everywhere && !is_over && note.is_none() {
                        " " a class="button" href={ "/hold?" (query) } { "Renew" span class="unseen" { " the hold on " (what) } }
                    }
                }
            }
        }
    }
}

/// How an address names what a hold is on.
pub(super) fn query(scope: &Scope) -> String {
    match scope {
        Scope::All => "all=true".to_owned(),
        Scope::Service(name) => format!("service={name}"),
    }
}

pub(super) fn sentence(hold: &Hold, now: Timestamp) -> Markup {
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
