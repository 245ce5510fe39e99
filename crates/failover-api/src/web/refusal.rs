//! A "no" as a page; the one for whoever has not said who they are asks for the token.

use axum::response::Response;
use failover_core::code::Code;
use maud::{Markup, html};
use serde_json::Value;

use super::layout;
use crate::http::Said;

/// The page in the place of an answer that says no.
pub(super) fn page(said: &Said) -> Response {
    if matches!(said.code, Code::TokenMissing | Code::TokenUnknown) {
        sign_in(said)
    } else {
        layout::bare(said.code.title(), &refused(said))
    }
}

fn refused(said: &Said) -> Markup {
    let text = |key: &str| said.document.get(key).and_then(Value::as_str).unwrap_or_default();
    let listed = said.document.get("problems").and_then(Value::as_array);
    html! {
        div id="refused" data-code=(said.code) {
            h1 { (said.code.title()) }
            @match listed {
                Some(problems) if problems.len() > 1 => {
                    ul class="findings" role="list" { @for problem in problems { (one(problem)) } }
                }
                _ => { p class="lead" { (said.detail) } p class="hint" { (text("hint")) } }
            }
            p class="details" { "Code " code { (said.code) } " · request " code { (text("request_id")) } }
            p { a class="button" href="/" { "To the services" } " " a class="button" href="/health" { "To the health" } }
        }
    }
}

fn one(problem: &Value) -> Markup {
    let text = |key: &str| problem.get(key).and_then(Value::as_str);
    let line = problem.get("line").and_then(Value::as_u64);
    html! {
        li class="block" {
            code { (text("code").unwrap_or_default()) }
            p {
                @if let Some(file) = text("file") { (file) @if let Some(line) = line { ":" (line) } ": " }
                (text("detail").unwrap_or_default())
            }
            p class="hint" { (text("hint").unwrap_or_default()) }
        }
    }
}

/// Reads are closed. The script sends the token with each page that it asks for.
fn sign_in(said: &Said) -> Response {
    let main = html! {
        form id="sign-in" class="card" hidden data-code=(said.code) {
            h1 { "This dashboard needs a token" }
            p { "It stays in this tab, and is gone when you close it." }
            p id="sign-in-error" class="problem" role="alert" {}
            label for="token" { "Token" }
            input id="token" type="password" required autocomplete="current-password" spellcheck="false" autocapitalize="off"
                aria-describedby="sign-in-error";
            button class="first" { "Show the services" }
        }
        noscript {
            h1 { "This dashboard needs a token" }
            p { "Without JavaScript a browser cannot send one. Ask the API, for example:" }
            pre { code { "curl -H \"Authorization: Bearer $TOKEN\" …/api/services" } }
        }
    };
    layout::bare("Token needed", &main)
}
