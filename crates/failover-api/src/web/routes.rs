//! The pages: a table of contents.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{MethodRouter, get};
use failover_core::name::Role;

use super::assets::Asset;
use super::{health, history, plan, refusal, service, services};
use crate::http::{AppState, Pages};

/// The dashboard.
#[must_use]
pub fn pages() -> Pages {
    let asset = |asset: Asset| get(move |query: RawQuery| async move { asset.answer(query) });
    let routes = Router::new()
        .route("/", get(services::page))
        .route("/services/{service}", get(service::page))
        .route("/services/{service}/promote", planned(Role::Backup))
        .route("/services/{service}/demote", planned(Role::Primary))
        .route("/history", get(history::page))
        .route("/health", get(health::page))
        .route(Asset::Style.path(), asset(Asset::Style))
        .route(Asset::Script.path(), asset(Asset::Script))
        .route(Asset::Icon.path(), asset(Asset::Icon));
    Pages { routes, no: refusal::page }
}

fn planned(to: Role) -> MethodRouter<AppState> {
    get(move |state: State<AppState>, name: Path<String>, query: RawQuery| plan::page(to, state, name, query))
}
