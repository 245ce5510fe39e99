//! Moving a service, and showing what a move would do.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use failover_core::intent::{Intent, Selection};
use failover_core::name::{Actor, Role, ServiceName};
use failover_core::plan::{Plan, unknown_service};
use failover_core::render;
use serde_json::Value;

use super::answer::{self, Readable};
use super::options::Options;
use super::problem::{Answer, ServiceParameter};
use super::services::newest;
use super::state::{AppState, MAX_BODY};
use crate::clock;
use crate::view::View;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// What a handler is told of a request that names a service.
#[derive(Debug)]
pub(super) struct ServiceRequest {
    service: String,
    query: String,
    peer: SocketAddr,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<AppState> for ServiceRequest {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let service = ServiceParameter::from_request_parts(&mut parts, state).await;
        let ServiceParameter(service) = service.map_err(IntoResponse::into_response)?;
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(&mut parts, state).await;
        let ConnectInfo(peer) = peer.map_err(IntoResponse::into_response)?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { service, query, peer, headers: parts.headers, body })
    }
}

/// Who asks.
pub(super) fn actor(peer: SocketAddr) -> Option<Actor> {
    Actor::new(format!("unauthenticated ({})", peer.ip().to_canonical())).ok()
}

/// The whole body, if it comes in time and is not too large.
pub(super) async fn read_body(body: Body) -> Result<Bytes, Answer> {
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await.map_err(|_| {
        Answer::problem(Code::InvalidBody, "the body did not arrive in time", "send the whole body at once")
    })?;
    body.map_err(|_| {
        Answer::problem(
            Code::BodyTooLarge,
            format!("the body has more than {MAX_BODY} bytes or broke off"),
            "send only the options of a move",
        )
    })
}

/// `POST …/promote` and `…/demote`
pub(super) async fn carry_out(
    to: Role,
    state: AppState,
    request: ServiceRequest,
) -> Result<Response, Answer> {
    let body = read_body(request.body).await?;
    let options = Options::read(&request.query, &request.headers, &body)
        .map_err(|problems| Answer::problems(&problems))?;
    let dry_run = options.dry_run;
    let intent = intent(&state, &request.service, to, options, actor(request.peer))?;
    if dry_run {
        return show_plan(&state, &intent, &request.headers, answer::dry_run).await;
    }
    let moved = state.pipeline.carry_out(intent).await?;
    let mut answer = answer::moved(&moved);
    answer::add_config_problem(&mut answer, &state.pipeline.config());
    Ok(Readable(answer).into_response())
}

/// `GET …/promote?dry-run=true` and `…/demote?dry-run=true`
pub(super) async fn show(to: Role, state: AppState, request: ServiceRequest) -> Result<Response, Answer> {
    let options = Options::read(&request.query, &request.headers, &[])
        .map_err(|problems| Answer::problems(&problems))?;
    if !options.dry_run {
        let hint = "POST to move the service, or GET with ?dry-run=true to see what would change";
        return Err(
            Answer::problem(Code::MethodNotAllowed, "a GET never moves a service", hint).allowing("POST")
        );
    }
    let intent = intent(&state, &request.service, to, options, None)?;
    show_plan(&state, &intent, &request.headers, answer::dry_run).await
}

fn intent(
    state: &AppState,
    service: &str,
    to: Role,
    options: Options,
    requested_by: Option<Actor>,
) -> Result<Intent, Answer> {
    let Ok(service) = ServiceName::new(service) else {
        let view = newest(state)?;
        return Err(unknown_service(&view.config, service).into());
    };
    intent_for(service.into(), to, false, options, requested_by)
}

/// What the caller wants, once it is known which services and where to.
pub(super) fn intent_for(
    services: Selection,
    to: Role,
    partial: bool,
    options: Options,
    requested_by: Option<Actor>,
) -> Result<Intent, Answer> {
    let operation = clock::new_operation().ok_or_else(|| {
        Answer::problem(Code::Internal, "no operation id could be made", "report the defect")
    })?;
    let Options { dry_run: _, reason, expect, force, idempotency_key } = options;
    Ok(Intent { services, to, partial, reason, requested_by, expect, force, operation, idempotency_key })
}

/// A plan in the form that the caller accepts; `json` writes that form.
pub(super) async fn show_plan(
    state: &AppState,
    intent: &Intent,
    headers: &HeaderMap,
    json: impl FnOnce(&Plan, &View) -> Value,
) -> Result<Response, Answer> {
    let form = Form::accepted(headers)?;
    let (plan, view) = state.pipeline.dry_run(intent).await?;
    Ok(match form {
        Form::Json => {
            let mut answer = json(&plan, &view);
            answer::add_config_problem(&mut answer, &state.pipeline.config());
            Readable(answer).into_response()
        }
        Form::Diff => ([(header::CONTENT_TYPE, "text/x-diff; charset=utf-8")], render::unified_diff(&plan))
            .into_response(),
        Form::Patch => {
            let author = state.pipeline.author().to_string();
            let patch = render::mail_patch(&plan, &author, clock::now());
            ([(header::CONTENT_TYPE, "text/x-patch; charset=utf-8")], patch).into_response()
        }
    })
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Diff,
    Patch,
}

impl Form {
    /// The first form in the Accept header that there is; quality values are not weighed.
    fn accepted(headers: &HeaderMap) -> Result<Self, Answer> {
        let accept: Vec<&str> =
            headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if accept.is_empty() {
            return Ok(Self::Json);
        }
        let accept = accept.join(",");
        let forms = accept.split(',').filter_map(|range| match range.split(';').next()?.trim() {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "text/x-diff" | "text/*" => Some(Self::Diff),
            "text/x-patch" => Some(Self::Patch),
            _ => None,
        });
        forms.into_iter().next().ok_or_else(|| {
            Answer::problem(
                Code::NotAcceptable,
                format!("a plan has no form {accept:?}"),
                "accept application/json, text/x-diff or text/x-patch",
            )
        })
    }
}
