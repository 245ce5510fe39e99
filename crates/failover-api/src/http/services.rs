//! Where services are and what happened to them. Reads answer from the newest view, also while the remote is down.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use failover_core::code::{Code, Problem};
use failover_core::name::ServiceName;
use failover_core::plan::unknown_service;
use serde_json::{Value, json};

use super::answer::{self, Readable};
use super::problem::{Answer, ServiceParameter};
use super::rendered::Newest;
use super::state::AppState;
use crate::view::View;

/// `GET /api/services`
pub(super) async fn list(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let newest = rendered(&state)?;
    let start = newest.list().await?;
    Ok(start.with(&end(&newest, &state)))
}

/// `GET /api/failover/{service}/status`
pub(super) async fn status(
    State(state): State<AppState>,
    ServiceParameter(name): ServiceParameter,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let parameters = Parameters::read(query.as_deref(), &["expect"])?;
    let newest = rendered(&state)?;
    let read = newest.status(&name).await?;
    let mut end = end(&newest, &state);
    let status = match parameters.get("expect") {
        None => StatusCode::OK,
        Some(expected @ ("primary" | "backup" | "mixed" | "unknown")) => {
            let met = expected == read.active.as_str();
            end["expected"] = json!(expected);
            if met { StatusCode::OK } else { StatusCode::CONFLICT }
        }
        Some(other) => {
            let detail = format!("expect is {other:?}");
            return Err(Answer::problem(
                Code::InvalidRequest,
                detail,
                "give primary, backup, mixed or unknown",
            ));
        }
    };
    Ok((status, read.start.with(&end)).into_response())
}

fn rendered(state: &AppState) -> Result<Newest, Answer> {
    state.rendered.newest(&state.pipeline).ok_or_else(|| state.pipeline.no_view().into())
}

/// The members at the end of an answer, which are not the same for everybody who sees the view.
fn end(newest: &Newest, state: &AppState) -> Value {
    let mut end = json!({});
    answer::add_age(&mut end, &newest.view);
    answer::add_config_problem(&mut end, &state.pipeline.config());
    end
}

/// `GET /api/history`
pub(super) async fn history(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Readable, Answer> {
    let parameters = Parameters::read(query.as_deref(), &["service", "limit"])?;
    let limit = match parameters.get("limit").map(str::parse::<usize>) {
        None => 50,
        Some(Ok(limit @ 1..=1000)) => limit,
        Some(_) => {
            return Err(Answer::problem(
                Code::InvalidRequest,
                "limit is not a number from 1 to 1000",
                "leave limit out for 50",
            ));
        }
    };
    let view = newest(&state)?;
    // A service that is no longer configured still has its history.
    let service = match parameters.get("service").map(ServiceName::new) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => {
            return Err(unknown_service(&view.config, parameters.get("service").unwrap_or_default()).into());
        }
    };
    let of_service =
        view.events.iter().filter(|event| service.as_ref().is_none_or(|name| event.concerns(name)));
    let events: Vec<_> = of_service.take(limit).collect();
    let mut answer = json!({ "count": events.len(), "history": events });
    answer::add_view(&mut answer, &view);
    Ok(Readable(answer))
}

/// The newest view, or why there is none.
pub(crate) fn newest(state: &AppState) -> Result<Arc<View>, Answer> {
    let view = state.pipeline.view().borrow().clone();
    view.ok_or_else(|| state.pipeline.no_view().into())
}

/// The query of a read.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query; a parameter that the route does not know is a mistake that would go unnoticed otherwise.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Answer> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let hint = match known {
                    [] => "this route takes no parameters".to_owned(),
                    known => format!("the parameters are {}", known.join(", ")),
                };
                return Err(Problem::new(
                    Code::InvalidRequest,
                    format!("there is no parameter {name:?}"),
                    hint,
                )
                .into());
            }
            if pairs.iter().any(|(seen, _)| *seen == name) {
                return Err(Problem::new(
                    Code::InvalidRequest,
                    format!("{name} is given twice"),
                    "give it once",
                )
                .into());
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
