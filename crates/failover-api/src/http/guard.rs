//! Who may move services. Until callers can prove who they are, only this machine may.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;

use super::problem::Answer;
use super::state::AppState;

/// Lets reads through, and moves that come from this machine and not from a page of another site.
pub(super) async fn moves_are_ours(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if !peer.ip().to_canonical().is_loopback() && !state.allow_unauthenticated {
        return Answer::problem(
            Code::AuthenticationNotConfigured,
            format!("a move asked for from {} cannot be told apart from anybody else's", peer.ip()),
            "call from this machine (kubectl port-forward does), or start the server with --allow-unauthenticated-moves behind something that checks callers",
        )
        .into_response();
    }
    if !state.allow_unauthenticated && !is_called_by_a_local_name(request.headers()) {
        return Answer::problem(
            Code::CrossOrigin,
            "the Host header names another machine, as when a web page was led to this one by its own name",
            "call 127.0.0.1, [::1] or localhost",
        )
        .into_response();
    }
    if is_foreign_page(request.headers()) {
        return Answer::problem(
            Code::CrossOrigin,
            "a page of another origin asked a browser to move a service",
            "call the API from a program, or from a page of its own origin",
        )
        .into_response();
    }
    next.run(request).await
}

/// Whether the caller addressed this machine as such. A page of a name that somebody made resolve to 127.0.0.1
/// (DNS rebinding) is of our own origin for the browser, but cannot hide that name.
fn is_called_by_a_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let host = host.to_str().unwrap_or_default();
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser sent this for a page that is not ours. Programs send neither header.
fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    origin_host.is_none() || origin_host != text(header::HOST.as_str())
}
