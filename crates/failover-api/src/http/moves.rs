//! Moving a service, and showing what a move would do.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Extension, FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use failover_core::intent::{Intent, Selection};
use failover_core::name::{Actor, Role, ServiceName};
use failover_core::plan::{Plan, unknown_service};
use failover_core::render;
use http_body_util::LengthLimitError;
use serde_json::Value;

use super::answer::{self, Readable};
use super::guard::Caller;
use super::options::Options;
use super::problem::{Answer, ServiceParameter};
use super::request_id;
use super::services::newest;
use super::state::{AppState, MAX_BODY};
use super::webhook::Alarm;
use crate::clock;
use crate::pipeline::Moved;
use crate::view::View;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// What a handler is told of a request that names a service.
#[derive(Debug)]
pub(super) struct ServiceRequest {
    service: String,
    query: String,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
}

impl FromRequest<AppState> for ServiceRequest {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let service = ServiceParameter::from_request_parts(&mut parts, state).await;
        let ServiceParameter(service) = service.map_err(IntoResponse::into_response)?;
        let caller = Extension::<Caller>::from_request_parts(&mut parts, state).await;
        let Extension(caller) = caller.map_err(IntoResponse::into_response)?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { service, query, caller, headers: parts.headers, body })
    }
}

/// The whole body, if it comes in time and is not too large.
pub(super) async fn read_body(body: Body) -> Result<Bytes, Answer> {
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY)).await.map_err(|_| {
        Answer::problem(Code::InvalidBody, "the body did not arrive in time", "send the whole body at once")
    })?;
    body.map_err(|error| match error.into_inner().downcast::<LengthLimitError>() {
        Ok(_) => Answer::problem(
            Code::BodyTooLarge,
            format!("the body has more than {MAX_BODY} bytes"),
            "send only the options",
        ),
        Err(_) => Answer::problem(Code::InvalidBody, "the body broke off", "send the whole body"),
    })
}

/// `POST …/promote` and `…/demote`
pub(super) async fn carry_out(
    to: Role,
    state: AppState,
    request: ServiceRequest,
) -> Result<Response, Answer> {
    let body = read_body(request.body).await?;
    let mut options = Options::read(&request.query, &request.headers, &body)
        .map_err(|problems| Answer::problems(&problems))?;
    let service = service_name(&state, &request.service)?;
    let mut alarm_began = None;
    if let Some(webhook) = options.webhook {
        match webhook.read(&body, &service, to).map_err(|problem| Answer::problems(&[problem]))? {
            Alarm::Raised { reason, key, began } => {
                options.reason = options.reason.or(reason);
                options.idempotency_key = options.idempotency_key.or(key);
                alarm_began = began;
            }
            Alarm::Quiet(why) => return ignored(&*newest(&state)?, &service, to, &why),
        }
    }
    let dry_run = options.dry_run;
    let intent = intent(service.into(), to, false, options, request.caller.0)?;
    let intent = Intent { alarm_began, ..intent };
    if dry_run {
        return show_plan(&state, &intent, &request.headers, answer::dry_run).await;
    }
    moved(&state, intent, answer::moved).await
}

/// The answer to a monitor's body that asks for nothing.
fn ignored(view: &View, service: &ServiceName, to: Role, why: &str) -> Result<Response, Answer> {
    // A misspelt name must show when the monitor is tried out, not when it matters.
    if view.config.get(service).is_none() {
        return Err(unknown_service(&view.config, service.as_str()).into());
    }
    Ok(Readable(answer::ignored(service, to, why, view)).into_response())
}

/// Carries out a move that was asked for by whomever; `json` writes the answer.
pub(super) async fn moved(
    state: &AppState,
    intent: Intent,
    json: fn(&Moved) -> Value,
) -> Result<Response, Answer> {
    let moved = state.pipeline.carry_out(intent, request_id::current()).await?;
    let mut answer = json(&moved);
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
    if options.webhook.is_some() {
        let hint = "POST with webhook= and dry-run=true, and a body as the monitor sends it";
        return Err(Answer::problem(Code::InvalidRequest, "a GET has no body for webhook to read", hint));
    }
    let intent = intent(service_name(&state, &request.service)?.into(), to, false, options, None)?;
    show_plan(&state, &intent, &request.headers, answer::dry_run).await
}

/// The name in the path, checked.
fn service_name(state: &AppState, service: &str) -> Result<ServiceName, Answer> {
    match ServiceName::new(service) {
        Ok(service) => Ok(service),
        Err(_) => Err(unknown_service(&newest(state)?.config, service).into()),
    }
}

/// What the caller wants, once it is known which services and where to.
pub(super) fn intent(
    services: Selection,
    to: Role,
    partial: bool,
    options: Options,
    requested_by: Option<Actor>,
) -> Result<Intent, Answer> {
    let operation = clock::new_operation().ok_or_else(|| {
        Answer::problem(Code::Internal, "no operation id could be made", "report the defect")
    })?;
    let Options { dry_run: _, webhook: _, reason, expect, force, idempotency_key } = options;
    Ok(Intent {
        services,
        to,
        partial,
        reason,
        requested_by,
        expect,
        alarm_began: None,
        force,
        operation,
        idempotency_key,
    })
}

/// A plan in the form that the caller accepts; `json` writes that form.
pub(super) async fn show_plan(
    state: &AppState,
    intent: &Intent,
    headers: &HeaderMap,
    json: fn(&Plan, &View) -> Value,
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
pub(super) enum Form {
    Json,
    Diff,
    Patch,
}

impl Form {
    /// The first form in the Accept header that there is; quality values are not weighed.
    pub(super) fn accepted(headers: &HeaderMap) -> Result<Self, Answer> {
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
