//! Pages for people, which another module makes: the API's routes, guards and answers hold for them, too.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::request_id::Said;
use super::state::AppState;

/// The pages that are served beside the API.
#[derive(Debug, Clone)]
pub struct Pages {
    /// Their routes.
    pub routes: Router<AppState>,
    /// How an answer that says no looks to a person: its body and the headers that go with it.
    pub(crate) no: fn(&Said) -> Response,
}

/// Whether a browser asks for something to show. What programs ask for stays as they know it.
fn is_for_a_person(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let for_programs = path.starts_with("/api/") || matches!(path, "/livez" | "/readyz" | "/metrics");
    let mut accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    method.is_safe() && !for_programs && accept.any(|value| value.contains("text/html"))
}

/// Makes a page of an answer that says no, where a person sees it. Status and headers stay.
pub(super) async fn for_people(
    State(no): State<fn(&Said) -> Response>,
    request: Request,
    next: Next,
) -> Response {
    let for_a_person = is_for_a_person(request.method(), request.uri().path(), request.headers());
    let response = next.run(request).await;
    let Some(page) = response.extensions().get::<Said>().filter(|_| for_a_person).map(no) else {
        return response;
    };
    let (mut parts, _) = response.into_parts();
    let (page, body) = page.into_parts();
    for (name, value) in &page.headers {
        parts.headers.insert(name.clone(), value.clone());
    }
    Response::from_parts(parts, body)
}
