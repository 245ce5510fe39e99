//! What happened to services.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use failover_core::code::Code;
use failover_core::name::ServiceName;
use failover_core::plan::unknown_service;
use maud::html;

use super::events;
use super::layout::{Frame, Part};
use crate::http::{Answer, AppState, Parameters, newest};

const USUAL: usize = 50;
const MOST: usize = 1000;

/// `GET /history`
pub(super) async fn page(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let parameters = Parameters::read(query.as_deref(), &["service", "limit"])?;
    let limit = match parameters.get("limit").map(str::parse::<usize>) {
        None => USUAL,
        Some(Ok(limit @ 1..=MOST)) => limit,
        Some(_) => {
            let detail = format!("limit is not a number from 1 to {MOST}");
            return Err(Answer::problem(
                Code::InvalidRequest,
                detail,
                format!("leave limit out for {USUAL}"),
            ));
        }
    };
    let view = newest(&state)?;
    // A service that is no longer configured still has its history.
    let service = match parameters.get("service").map(|name| (name, ServiceName::new(name))) {
        None => None,
        Some((_, Ok(name))) => Some(name),
        Some((name, Err(_))) => return Err(unknown_service(&view.config, name).into()),
    };
    let found: Vec<_> =
        view.events.iter().filter(|event| service.as_ref().is_none_or(|name| event.concerns(name))).collect();
    let more = found.len() > limit;
    let main = html! {
        div id="history" data-live {
            h1 { "History" @if let Some(name) = &service { " of " (name) } }
            p class="lead" { "Read from the newest commits of the branch; there is no other record." }
            @if found.is_empty() { p { "No move is among them." } }
            (events::list(found.iter().take(limit).copied(), state.pipeline.commit_pages()))
            p {
                @if more {
                    a href={ "/history?limit=" (MOST) @if let Some(name) = &service { "&service=" (name) } } { "Show all" } " "
                }
                @if service.is_some() { a href="/history" { "History of every service" } }
            }
        }
    };
    Ok(Frame::read(&state)?.page(Part::History, "History", &main))
}
