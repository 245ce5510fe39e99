//! What all pages have in common.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, html};

use super::assets::Asset;
use super::report::{Problem, Report};
use super::words;
use crate::auth::Admission;
use crate::clock;
use crate::http::{Answer, AppState};

/// Nothing but our own files, nothing inline, nobody's frame; text becomes markup only by way of the one policy that
/// reads our own pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types own-pages";

/// Which part of the dashboard a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Services,
    Holds,
    History,
    Health,
}

/// What surrounds a page's own text.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) report: Report,
    needs_token: bool,
    read_only: bool,
    now: Timestamp,
}

impl Frame {
    /// As things are now.
    pub(super) fn read(state: &AppState) -> Result<Self, Answer> {
        let needs_token = matches!(state.admission, Admission::Tokens(_));
        let read_only = matches!(state.admission, Admission::ReadOnly(_));
        Ok(Self { report: Report::read(state)?, needs_token, read_only, now: clock::now() })
    }

    /// Whether moves are answered for nobody.
    pub(super) fn read_only(&self) -> bool {
        self.read_only
    }

    /// Whether moves need a token.
    pub(super) fn needs_token(&self) -> bool {
        self.needs_token
    }

    /// The whole page.
    pub(super) fn page(&self, part: Part, title: &str, main: &Markup) -> Response {
        let body = html! {
            (header(Some(part), &self.freshness()))
            div id="banner" data-live { (self.banner(part)) }
            main id="main" tabindex="-1" { (main) }
            footer {
                p { @if let Some(revision) = &self.report.revision { "At " code { (revision) } " · " }
                    "failover-api " (self.report.version) }
            }
        };
        answer(title, self.report.revision.as_deref(), self.now, &body)
    }

    fn freshness(&self) -> Markup {
        let age = self.report.view_age_seconds.and_then(|age| i64::try_from(age).ok());
        html! {
            p id="freshness" {
                @if let Some(age) = age {
                    "Git read " (words::time(self.now - SignedDuration::from_secs(age)))
                } @else { "Git not read yet" }
            }
        }
    }

    /// What whoever is about to move something must know, wherever they are; and, more quietly, what moves do not wait for.
    fn banner(&self, part: Part) -> Markup {
        let (quiet, loud): (Vec<&Problem>, Vec<&Problem>) =
            self.report.of_the_server().partition(|problem| problem.leaves_moves_alone());
        html! {
            @if part != Part::Health {
                @if !loud.is_empty() { (noticed("banner", "Problems of the server", &loud)) }
                @if !quiet.is_empty() { (noticed("notice", "Somebody was not told", &quiet)) }
            }
        }
    }
}

fn noticed(class: &str, label: &str, problems: &[&Problem]) -> Markup {
    html! {
        section class=(class) aria-label=(label) {
            @for problem in problems {
                p {
                    @match problem.untold() {
                        Some(name) => { strong { "Telling " (name) " failed; moves are made all the same" } ": " (problem.detail) },
                        None => { strong { (problem.detail) } " " (problem.hint) },
                    }
                }
            }
            p { a href="/health" { "See health" } }
        }
    }
}

/// A page without a part, which tells nothing that a token would be needed for.
pub(super) fn bare(title: &str, main: &Markup) -> Response {
    let body = html! {
        (header(None, &html! {}))
        main id="main" tabindex="-1" { (main) }
    };
    answer(title, None, clock::now(), &body)
}

fn header(part: Option<Part>, freshness: &Markup) -> Markup {
    let parts = [
        (Part::Services, "/", "Services"),
        (Part::Holds, "/holds", "Holds"),
        (Part::History, "/history", "History"),
        (Part::Health, "/health", "Health"),
    ];
    html! {
        a class="skip" href="#main" { "Skip to the content" }
        header {
            p class="brand" { "failover-api" }
            nav aria-label="Pages" {
                @for (one, address, name) in parts {
                    a href=(address) aria-current=[(part == Some(one)).then_some("page")] { (name) }
                }
            }
            (freshness)
            button id="sign-out" type="button" hidden { "Forget the token" }
        }
        p id="silence" class="banner" hidden { "The server does not answer. What you see may be old." }
        p id="said" class="unseen" role="status" {}
    }
}

fn answer(title: &str, revision: Option<&str>, now: Timestamp, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · failover-api" }
                link rel="icon" type="image/svg+xml" href=(Asset::Icon.address());
                link rel="stylesheet" href=(Asset::Style.address());
                script type="module" src=(Asset::Script.address()) {}
            }
            body data-now=(now) data-revision=[revision] { (body) }
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (headers, page.into_string()).into_response()
}
