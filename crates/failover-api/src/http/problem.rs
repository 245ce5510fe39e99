//! Answers that say no, as RFC 9457 problem details.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use failover_core::check::Finding;
use failover_core::code::{Code, Problem};
use serde_json::{Map, Value, json};

use super::request_id::{self, Said};
use crate::pipeline::MoveError;

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Answer {
    code: Code,
    detail: String,
    hint: String,
    more: Box<Map<String, Value>>,
    allow: Option<&'static str>,
    /// How the caller can say who it is, as RFC 9110 writes it.
    challenge: Option<&'static str>,
    /// How long the caller should wait before it asks again, in seconds.
    retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn problem(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let retry_after = code.is_transient().then_some(5);
        Self {
            code,
            detail: detail.into(),
            hint: hint.into(),
            more: Box::default(),
            allow: None,
            challenge: None,
            retry_after,
        }
    }

    /// Names the methods that the route takes.
    pub(super) fn allowing(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Says how the caller can tell who it is.
    pub(super) fn challenging(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Says how long to wait, in seconds.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Several problems of one request; the first decides the status.
    pub(crate) fn problems(problems: &[Problem]) -> Self {
        let Some(first) = problems.first() else {
            return Self::problem(Code::Internal, "no reason was given", "report the defect");
        };
        let detail = match problems.len() {
            1 => first.named(),
            many => format!("{} (and {} more)", first.named(), many - 1),
        };
        let mut answer = Self::problem(first.code, detail, first.hint.clone());
        answer.add("problems", json!(problems));
        answer
    }

    pub(super) fn with_findings(mut self, findings: &[Finding]) -> Self {
        self.add("findings", json!(findings));
        self
    }

    pub(super) fn add(&mut self, key: &str, value: Value) {
        self.more.insert(key.to_owned(), value);
    }
}

/// The service's name in the path, as the caller wrote it; looked up later.
pub(super) struct ServiceParameter(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for ServiceParameter {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Answer> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| {
            let hint = "GET /api/services lists the configured services";
            Answer::problem(Code::ServiceNotFound, "the service's name in the path is not UTF-8 text", hint)
        })
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::problems(&[problem])
    }
}

impl From<MoveError> for Answer {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Problems(problems) => Self::problems(&problems),
            MoveError::Refused { problem, findings } => Self::problems(&[*problem]).with_findings(&findings),
            MoveError::Remote(error) => {
                let mut answer = Self::problem(error.code, error.detail.clone(), error.hint());
                // What the Git host asked of us holds for our callers, too.
                answer.retry_after = error.retry_after.map(|pause| pause.as_secs()).or(answer.retry_after);
                answer
            }
            MoveError::OutcomeUnknown { ref operation, ref commit, .. } => {
                let hint = "ask again with the same Idempotency-Key, or look for the operation id in GET /api/history; do not assume that nothing happened";
                let mut answer = Self::problem(Code::OutcomeUnknown, error.to_string(), hint);
                answer.add("operation_id", json!(operation));
                answer.add("commit", json!(commit));
                answer
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = Map::new();
        // No pages exist for the codes yet, and RFC 9457 then asks for "about:blank".
        body.insert("type".into(), json!("about:blank"));
        body.insert("title".into(), json!(self.code.title()));
        body.insert("status".into(), json!(status.as_u16()));
        body.insert("code".into(), json!(self.code));
        body.insert("detail".into(), json!(&self.detail));
        body.insert("hint".into(), json!(self.hint));
        body.insert("class".into(), json!(self.code.class()));
        body.extend(*self.more);
        if let Some(id) = request_id::current() {
            body.insert("request_id".into(), json!(id));
        }
        let document = json!(body);
        let mut response = (status, format!("{document:#}\n")).into_response();
        response.extensions_mut().insert(Said { code: self.code, detail: self.detail, document });
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
