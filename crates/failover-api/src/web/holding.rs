//! What is held, and the pages from which services are held and released. Opening them changes nothing.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use failover_core::code::Code;
use failover_core::config::{Hold, Holds, Scope};
use failover_core::name::ServiceName;
use failover_core::plan::unknown_service;
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::json;

use super::holds::{self, Ways};
use super::layout::{Frame, Part};
use super::offer::{self, Deed, Offer};
use crate::clock;
use crate::http::{Answer, AppState, Parameters, newest};
use crate::pipeline::CommitPages;
use crate::view::View;

/// How long a hold can be made to last, as the API takes it and in words; nothing for one without an end.
const LENGTHS: [(&str, &str); 7] = [
    ("1h", "1 hour"),
    (USUAL, "4 hours"),
    ("12h", "12 hours"),
    ("24h", "1 day"),
    ("72h", "3 days"),
    ("168h", "1 week"),
    ("", "Until it is released"),
];
/// What is chosen unless somebody chooses.
const USUAL: &str = "4h";

/// `GET /holds`
pub(super) async fn list(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let view = newest(&state)?;
    let frame = Frame::read(&state)?;
    let main = listed(&view, clock::now(), Ways::of(&frame));
    Ok(frame.page(Part::Holds, "Holds", &main))
}

fn listed(view: &View, now: Timestamp, ways: Ways) -> Markup {
    html! {
        h1 { "Holds" }
        div id="held" data-live {
            p class="lead" { "What must not be moved, by whose word, why and until when." }
            @match view.tree.restraints.holds.known() {
                Err(problems) => (holds::unreadable(&problems)),
                Ok(known) => {
                    @if ways != Ways::Nowhere && in_force(known, &Scope::All, now).is_none() {
                        p class="actions" { a class="button" href="/hold?all=true" { "Hold every service" } }
                    }
                    @if known.iter().next().is_none() { p { "Nothing is held." } }
                    ul class="findings" role="list" {
                        @for hold in known.iter() { (holds::item(hold, now, note(hold, view), ways)) }
                    }
                },
            }
            p { "One service is held on its own page: " a href="/" { "choose it" } ". The same for programs: " a href="/api/holds" { "/api/holds" } }
        }
    }
}

fn note(hold: &Hold, view: &View) -> Option<&'static str> {
    match &hold.scope {
        Scope::Service(name) if view.config.get(name).is_none() => {
            Some("no service of this name is configured")
        }
        Scope::Service(_) | Scope::All => None,
    }
}

fn in_force<'h>(holds: &'h Holds, scope: &Scope, now: Timestamp) -> Option<&'h Hold> {
    holds.get(scope).filter(|hold| !hold.is_expired(now))
}

/// `GET /hold`
pub(super) async fn hold(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let scope = scope(query.as_deref())?;
    let view = newest(&state)?;
    is_configured(&scope, &view)?;
    let (known, now) = (known(&view)?, clock::now());
    let ways = if Frame::read(&state)?.read_only() { Ways::Nowhere } else { Ways::Release };
    let about = html! {
        p class="lead" {
            "A move of what is held is refused, a monitor's too, unless somebody overrides " code { "held" } " by name."
        }
        @if let Some(hold) = in_force(known, &scope, now) {
            p { "It is held already. Its owner may renew that; anybody else releases it first." }
            ul class="findings" role="list" { (holds::item(hold, now, None, ways)) }
        }
    };
    let body = match &scope {
        Scope::All => json!({ "all": true }),
        Scope::Service(name) => json!({ "services": [name] }),
    };
    let mut example = body.clone();
    example["reason"] = json!(Deed::Hold.because());
    example["for"] = json!(USUAL);
    let offer = Offer {
        deed: Deed::Hold,
        address: "/api/holds".to_owned(),
        body: Some(body),
        example: Some(example),
        title: format!("Hold {scope}"),
        what: scope.to_string(),
        service: service(&scope),
        base: &view.tree.revision,
        seen: None,
        before: html! {},
        after: html! {
            label for="for" { "For how long" }
            select id="for" autocomplete="off" {
                @for (length, words) in LENGTHS { option value=(length) selected[length == USUAL] { (words) } }
            }
        },
        summary: html! {},
    };
    shown(&state, &scope, &view, &offer, &about)
}

/// `GET /release`
pub(super) async fn release(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let scope = scope(query.as_deref())?;
    let view = newest(&state)?;
    let (known, now) = (known(&view)?, clock::now());
    let Some(hold) = known.get(&scope) else {
        is_configured(&scope, &view)?;
        let nothing = html! { p class="lead" { "Nothing to do: there is no hold on " (scope) "." } };
        return page(&state, &scope, &view, &format!("Release {scope}"), &nothing);
    };
    let about = html! {
        ul class="findings" role="list" { (holds::item(hold, now, note(hold, &view), Ways::Nowhere)) }
        @if scope != Scope::All && in_force(known, &Scope::All, now).is_some() {
            p { "The hold on every service is another one, and stays." }
        }
    };
    let offer = Offer {
        deed: Deed::Release,
        address: match &scope {
            Scope::All => "/api/holds?all=true".to_owned(),
            Scope::Service(name) => format!("/api/holds?services={name}"),
        },
        body: None,
        example: None,
        title: format!("Release {scope}"),
        what: scope.to_string(),
        service: service(&scope),
        base: &view.tree.revision,
        seen: None,
        before: html! {},
        after: html! {},
        summary: html! { ul { li { (holds::sentence(hold, now)) } } },
    };
    shown(&state, &scope, &view, &offer, &about)
}

/// What the address of a page says: `service=NAME` or `all=true`.
fn scope(query: Option<&str>) -> Result<Scope, Answer> {
    let parameters = Parameters::read(query, &["service", "all"])?;
    let hint = "give service= and a name, or all=true";
    match (parameters.get("service"), parameters.get("all")) {
        (Some(name), None) => ServiceName::new(name).map(Scope::Service).map_err(|error| {
            let detail = format!("service is {name:?}: a name {error}");
            Answer::problem(Code::InvalidRequest, detail, hint)
        }),
        (None, Some("true")) => Ok(Scope::All),
        (None, None) => Err(Answer::problem(Code::NothingSelected, "no service is selected", hint)),
        (_, Some(_)) => {
            let detail = "all is not true, or a service is given, too";
            Err(Answer::problem(Code::InvalidRequest, detail, hint))
        }
    }
}

fn known(view: &View) -> Result<&Holds, Answer> {
    view.tree.restraints.holds.known().map_err(|problems| Answer::problems(&problems))
}

fn is_configured(scope: &Scope, view: &View) -> Result<(), Answer> {
    match scope {
        Scope::Service(name) if view.config.get(name).is_none() => {
            Err(unknown_service(&view.config, name.as_str()).into())
        }
        Scope::Service(_) | Scope::All => Ok(()),
    }
}

fn service(scope: &Scope) -> Option<&ServiceName> {
    match scope {
        Scope::All => None,
        Scope::Service(name) => Some(name),
    }
}

/// The page with what it offers. What it is about does not change under the hand that is about to confirm it.
fn shown(
    state: &AppState,
    scope: &Scope,
    view: &View,
    offer: &Offer<'_>,
    about: &Markup,
) -> Result<Response, Answer> {
    let pages = state.pipeline.commit_pages().map(CommitPages::prefix);
    let form = offer::form(offer, &Frame::read(state)?, pages);
    let main = html! {
        div id="plan" data-hold { (about) }
        p id="moved-on" class="banner" role="status" hidden {
            "What is held has changed. " a href="" { "Show the page as it is now" }
        }
        (form)
    };
    page(state, scope, view, &offer.title, &main)
}

fn page(
    state: &AppState,
    scope: &Scope,
    view: &View,
    title: &str,
    about: &Markup,
) -> Result<Response, Answer> {
    let service = service(scope).and_then(|name| view.config.get(name));
    let main = html! {
        p class="back" {
            @match service {
                Some(service) => a href={ "/services/" (service.name) } { "Back to " (service.name) },
                None => a href="/holds" { "Back to the holds" },
            }
        }
        h1 { (title) }
        (about)
    };
    Ok(Frame::read(state)?.page(Part::Holds, title, &main))
}
