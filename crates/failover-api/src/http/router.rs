//! The routes: a table of contents.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, Uri};
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use failover_core::code::Code;
use failover_core::name::Role;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::moves::ServiceRequest;
use super::problem::Answer;
use super::state::{AppState, MAX_BODY};
use super::{batch, guard, health, moves, request_id, server, services};

/// Kubernetes kills a pod 30 seconds after it asked it to stop; a push may take 12 of them.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(25);

fn router(state: AppState) -> Router {
    Router::new()
        .route("/api/services", get(services::list))
        .route("/api/failover", post(batch::carry_out))
        .route("/api/failover/{service}/status", get(services::status))
        .route("/api/failover/{service}/promote", moving(Role::Backup))
        .route("/api/failover/{service}/demote", moving(Role::Primary))
        .route("/api/history", get(services::history))
        .route("/api/health", get(health::health))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::moves_are_ours))
        .layer(middleware::from_fn(request_id::identify))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

/// Shown by GET, carried out by POST.
fn moving(to: Role) -> MethodRouter<AppState> {
    get(move |State(state): State<AppState>, request: ServiceRequest| moves::show(to, state, request)).post(
        move |State(state): State<AppState>, request: ServiceRequest| moves::carry_out(to, state, request),
    )
}

/// Answers requests until `stop`, then lets those under way finish.
pub async fn serve(listener: TcpListener, state: AppState, stop: CancellationToken) {
    let pipeline = Arc::clone(&state.pipeline);
    let connections = server::accept(listener, router(state), stop).await;
    tracing::info!("asked to stop");
    let answered = tokio::time::timeout(SHUTDOWN_LIMIT, connections.shutdown());
    let (_, answered) = tokio::join!(pipeline.shut_down(SHUTDOWN_LIMIT), answered);
    if answered.is_err() {
        tracing::warn!("some connections were still open at the end of the shutdown's time");
    }
}

async fn no_route(uri: Uri) -> Answer {
    Answer::problem(
        Code::RouteNotFound,
        format!("there is no route {}", uri.path()),
        "the routes are /api/services, /api/failover, /api/failover/{service}/status|promote|demote, /api/history, /api/health, /livez and /readyz",
    )
}

async fn no_method(method: Method, request: Request) -> Answer {
    Answer::problem(
        Code::MethodNotAllowed,
        format!("{} does not take {method}", request.uri().path()),
        "see the Allow header",
    )
}
