//! Every request has an id, taken from the caller or made here, in the answer's header and in every log line.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use failover_core::code::Code;
use serde_json::Value;
use tracing::Instrument;

use crate::clock;

const HEADER: &str = "x-request-id";

/// What an answer said no with, for the log and for the page that shows it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The code.
    pub(crate) code: Code,
    /// What happened.
    pub(crate) detail: String,
    /// The whole answer.
    pub(crate) document: Value,
}

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Does the work of a request that came by no network, under an id of its own.
pub(super) async fn with_new<T>(work: impl Future<Output = T>) -> T {
    CURRENT.scope(clock::new_id(), work).await
}

/// Gives the request its id and logs it with its answer's status.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_fit(id));
    let id = given.map_or_else(clock::new_id, str::to_owned);
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), path = request.uri().path(), caller = tracing::field::Empty);
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz" | "/metrics");
    let is_read = request.method().is_safe();
    let started = tokio::time::Instant::now();
    let answer = async {
        let response = next.run(request).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        match response.extensions().get::<Said>() {
            // Probes come every few seconds; what they see is logged where it happens.
            _ if is_probe => tracing::debug!(status, milliseconds, "answered"),
            // Reads come by the thousand and change nothing.
            None if is_read => tracing::debug!(status, milliseconds, "answered"),
            None => tracing::info!(status, milliseconds, "answered"),
            Some(Said { code, detail, .. }) => {
                tracing::info!(status, milliseconds, %code, detail, "answered no")
            }
        }
        response
    };
    let mut response = CURRENT.scope(id.clone(), answer.instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

fn is_fit(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}
