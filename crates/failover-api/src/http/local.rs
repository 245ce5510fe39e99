//! The interface without a network, for commands that work on a repository by themselves: the same answers, byte for
//! byte, because the same handlers make them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use failover_core::holding::HoldIntent;
use failover_core::intent::{Intent, Selection};
use tower_service::Service as _;

use super::problem::Answer;
use super::router::router;
use super::state::AppState;
use super::{answer, holds, moves, request_id};
use crate::auth::Admission;
use crate::pipeline::{MoveError, Pipeline};

/// The interface of one pipeline, for its own process.
#[derive(Debug, Clone)]
pub struct Local {
    router: Router,
    state: AppState,
}

/// An answer as a client over the network would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Local {
    /// Answers for `pipeline`.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        let state = AppState::new(pipeline, Admission::ThisMachine);
        Self { router: router(state.clone(), None), state }
    }

    /// The answer to a `GET` of this path and query.
    pub async fn get(&self, target: &str) -> Reply {
        let mut request = Request::new(Body::empty());
        match target.parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(_) => return Reply { status: 400, text: String::new() },
        }
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        request.extensions_mut().insert(ConnectInfo(peer));
        match self.router.clone().call(request).await {
            Ok(response) => Reply::of(response).await,
            Err(never) => match never {},
        }
    }

    /// The answer to a move. It goes on when nobody waits any more.
    pub async fn carry_out(&self, intent: Intent) -> Reply {
        let answer = async {
            let json = if is_batch(&intent) { answer::batch_moved } else { answer::moved };
            let moved = moves::moved(&self.state, intent, json).await;
            moved.unwrap_or_else(IntoResponse::into_response)
        };
        Reply::of(request_id::with_new(answer).await).await
    }

    /// The answer to a hold or a release.
    pub async fn hold(&self, intent: HoldIntent) -> Reply {
        let answer = async {
            let done = holds::carry_out(&self.state, intent).await;
            done.unwrap_or_else(IntoResponse::into_response)
        };
        Reply::of(request_id::with_new(answer).await).await
    }

    /// The answer to a dry run of a hold or a release, in the form of this media type.
    pub async fn show_hold(&self, intent: &HoldIntent, accept: &'static str) -> Reply {
        let headers = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
        let answer = async {
            let shown = holds::show(&self.state, intent, &headers).await;
            shown.unwrap_or_else(IntoResponse::into_response)
        };
        Reply::of(request_id::with_new(answer).await).await
    }

    /// The answer to a dry run, in the form of this media type.
    pub async fn show(&self, intent: &Intent, accept: &'static str) -> Reply {
        let headers = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
        let answer = async {
            let json = if is_batch(intent) { answer::batch_dry_run } else { answer::dry_run };
            let shown = moves::show_plan(&self.state, intent, &headers, json).await;
            shown.unwrap_or_else(IntoResponse::into_response)
        };
        Reply::of(request_id::with_new(answer).await).await
    }
}

/// Whether a server is asked for the move by `POST /api/failover`.
fn is_batch(intent: &Intent) -> bool {
    intent.partial || !matches!(&intent.services, Selection::Named(names) if names.len() == 1)
}

impl Reply {
    async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
        Self { status, text: String::from_utf8_lossy(&body).into_owned() }
    }

    /// The answer that says why a move, or a look, ended without success.
    pub async fn no(error: MoveError) -> Self {
        let answer = async { Answer::from(error).into_response() };
        Self::of(request_id::with_new(answer).await).await
    }
}
