//! The router, made from the table of routes, and what stands around every route.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, Uri};
use axum::middleware;
use failover_core::code::Code;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::pages::{self, Pages};
use super::problem::Answer;
use super::routes::routes;
use super::state::{AppState, MAX_BODY};
use super::{guard, metrics, request_id, server};

/// Kubernetes kills a pod 30 seconds after it asked it to stop; a push may take 12 of them.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(25);

/// The routes of the API, and of the pages where there are some.
pub(super) fn router(state: AppState, pages: Option<Pages>) -> Router {
    let api =
        routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    let (all, no) = match pages {
        Some(Pages { routes, no }) => (api.merge(routes), Some(no)),
        None => (api, None),
    };
    let guarded = all
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(state.clone(), guard::admit))
        .layer(middleware::from_fn_with_state(state.clone(), metrics::count));
    let shown = match no {
        Some(no) => guarded.layer(middleware::from_fn_with_state(no, pages::for_people)),
        None => guarded,
    };
    shown
        .layer(middleware::from_fn(request_id::identify))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
}

/// Answers requests until `stop`, then lets those under way finish.
pub async fn serve(listener: TcpListener, state: AppState, pages: Pages, stop: CancellationToken) {
    let pipeline = Arc::clone(&state.pipeline);
    let connections = server::accept(listener, router(state, Some(pages)), stop).await;
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
        "GET /api/openapi.json lists the routes",
    )
}

async fn no_method(method: Method, request: Request) -> Answer {
    Answer::problem(
        Code::MethodNotAllowed,
        format!("{} does not take {method}", request.uri().path()),
        "see the Allow header",
    )
}
