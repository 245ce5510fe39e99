//! The pages: a table of contents.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{MethodRouter, get};
use failover_core::name::Role;

use super::{assets, health, history, holding, many, plan, refusal, service, services};
use crate::http::{AppState, Pages};

/// The dashboard.
#[must_use]
pub fn pages() -> Pages {
    let routes = Router::new()
        .route("/", get(services::page))
        .route("/services/{service}", get(service::page))
        .route("/services/{service}/promote", planned(Role::Backup))
        .route("/services/{service}/demote", planned(Role::Primary))
        .route("/plan", get(many::page))
        .route("/holds", get(holding::list))
        .route("/hold", get(holding::hold))
        .route("/release", get(holding::release))
        .route("/history", get(history::page))
        .route("/health", get(health::page))
        .route("/assets/{file}", get(assets::file));
    Pages { routes, no: refusal::page }
}

fn planned(to: Role) -> MethodRouter<AppState> {
    get(move |state: State<AppState>, name: Path<String>, query: RawQuery| plan::page(to, state, name, query))
}
