//! Every request has an id, taken from the caller or made here, in the answer's header and in every log line.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::clock;

const HEADER: &str = "x-request-id";

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Gives the request its id and logs it with its answer's status.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_fit(id));
    let id = given.map_or_else(clock::new_id, str::to_owned);
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), path = request.uri().path());
    let started = tokio::time::Instant::now();
    let answer = async {
        let response = next.run(request).await;
        let milliseconds = started.elapsed().as_millis();
        tracing::info!(status = response.status().as_u16(), milliseconds, "answered");
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
