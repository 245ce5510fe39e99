//! The moves of this process, step by step.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use failover_core::code::Code;
use failover_core::history;
use failover_core::name::{OperationId, ServiceName};
use serde_json::json;

use super::answer::Readable;
use super::problem::Answer;
use super::services::Parameters;
use super::state::AppState;
use crate::operations::CAPACITY;

/// `GET /api/operations`
pub(super) async fn list(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Readable, Answer> {
    let parameters = Parameters::read(query.as_deref(), &["service", "limit"])?;
    let limit = match parameters.get("limit").map(str::parse::<usize>) {
        None => CAPACITY,
        Some(Ok(limit)) if (1..=CAPACITY).contains(&limit) => limit,
        Some(_) => {
            let detail = format!("limit is not a number from 1 to {CAPACITY}");
            return Err(Answer::problem(Code::InvalidRequest, detail, "leave limit out for all"));
        }
    };
    let service = parameters.get("service");
    if let Some(name) = service.filter(|name| ServiceName::new(name.to_string()).is_err()) {
        let detail = format!("service is {name:?}, which no service can be called");
        return Err(Answer::problem(Code::InvalidRequest, detail, "leave service out for all"));
    }
    let mut operations = state.pipeline.journal().newest();
    operations.retain(|operation| {
        service.is_none_or(|wanted| operation.services.iter().any(|name| name.as_str() == wanted))
    });
    operations.truncate(limit);
    let operations: Vec<_> = operations.iter().map(|operation| json!(**operation)).collect();
    Ok(Readable(json!({ "count": operations.len(), "operations": operations })))
}

/// `GET /api/operations/{id}`
pub(super) async fn one(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Readable, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let id = id.ok().and_then(|Path(id)| OperationId::new(id).ok());
    if let Some(operation) = id.as_ref().and_then(|id| state.pipeline.journal().get(id)) {
        return Ok(Readable(json!(*operation)));
    }
    let hint = "each process knows its own newest moves since it started; GET /api/history has the commit of every move, by operation_id";
    let mut answer =
        Answer::problem(Code::OperationNotFound, "this process knows no operation of this id", hint);
    let view = state.pipeline.view().borrow().clone();
    if let Some((view, id)) = view.as_ref().zip(id.as_ref())
        && let Some(event) = history::find_operation(&view.events, id)
    {
        answer.add("commit", json!(event.commit));
    }
    Err(answer)
}
