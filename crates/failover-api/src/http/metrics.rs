//! What is counted, for Prometheus; and the counting of requests.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use tokio::time::Instant;

use super::problem::Answer;
use super::state::{AppState, MAX_SUBSCRIBERS};
use crate::metrics::{CONTENT_TYPE, Observed};
use crate::pipeline::blocking;
use crate::view::View;

/// `GET /metrics`
pub(super) async fn metrics(State(state): State<AppState>) -> Result<Response, Answer> {
    let config = state.pipeline.config();
    let newest = state.rendered.newest(&state.pipeline);
    let roles = match &newest {
        Some(newest) => newest.roles().await?.to_vec(),
        None => Vec::new(),
    };
    let notifier = state.pipeline.notifier();
    let (receivers, notifications) = (notifier.receivers(), notifier.notifications());
    let observed = Observed {
        view_age_seconds: newest.as_ref().map(|newest| age(&newest.view)),
        config_generation: config.generation,
        config_valid: config.config.is_some() && config.problem.is_none(),
        services: config.config.as_ref().map_or(0, |config| config.services().len()),
        roles,
        doubts: state.pipeline.in_doubt().len(),
        receivers: receivers.count,
        receivers_valid: receivers.problem.is_none(),
        notifications: notifications.count,
        notifications_valid: notifications.problem.is_none(),
        subscribers: MAX_SUBSCRIBERS - state.subscribers.available_permits().min(MAX_SUBSCRIBERS),
    };
    let pipeline = state.pipeline;
    let text = blocking(move || pipeline.metrics().exposition(&observed)).await?.map_err(|_| {
        Answer::problem(Code::Internal, "the metrics could not be written", "report the defect")
    })?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

fn age(view: &View) -> f64 {
    view.seen.elapsed().as_secs_f64()
}

/// Counts the request under its route's template. A path that is no route's is chosen by the caller and counted as
/// `other`.
pub(super) async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    state.pipeline.metrics().request(route, method, class(response.status()), started.elapsed());
    response
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
