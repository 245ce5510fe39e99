//! HTTP requests to a Git host: with the Secret's credentials, one pool of connections, and what the answers mean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::Instant;
use ureq::http::{self, HeaderMap, Method, Response, StatusCode, header};
use ureq::{Agent, AsSendBody, Body, Timeout};

use super::error::{RemoteError, quote, too_late};
use super::secret::{Identity, SecretFiles, SecretFolder};
use super::veil::strike;
use crate::clock;

/// How long an unused connection is kept: longer than the pause between two looks, so that a push finds it open.
const IDLE: Duration = Duration::from_secs(90);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// More of an answer that is none of Git's, in bytes, is not quoted.
const MAX_QUOTE: u64 = 2000;

/// Makes requests; reads the Secret again when it changes.
#[derive(Debug)]
pub(super) struct HttpClient {
    secret: SecretFolder,
    current: Mutex<Option<Arc<Current>>>,
}

/// Connections and identity that belong to one version of the Secret.
struct Current {
    files: SecretFiles,
    agent: Agent,
    identity: Identity,
}

impl Current {
    /// The header that proves who asks. Blocks where it must be asked for first.
    fn authorization(&self, request: &Request<'_>) -> Result<Option<String>, RemoteError> {
        match &self.identity {
            Identity::Nobody => Ok(None),
            Identity::Authorization(header) => Ok(Some(header.clone())),
            Identity::App(app) => {
                let left = request.deadline.saturating_duration_since(Instant::now());
                app.authorization(&self.agent, left).map(Some)
            }
        }
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

/// A request that brought no answer of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    pub(super) error: RemoteError,
    /// Whether the server certainly did nothing.
    pub(super) nothing_done: bool,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, String)],
    /// The body of a POST; a GET without one.
    pub(super) body: Option<&'a [u8]>,
    /// The answer must begin before this; its body may take longer.
    pub(super) deadline: Instant,
    /// How long its body may take.
    pub(super) body_limit: Duration,
}

impl HttpClient {
    pub(super) fn new(secret: SecretFolder) -> Self {
        Self { secret, current: Mutex::default() }
    }

    /// Takes the credentials in use out of a host's words, in case it repeats them.
    pub(super) fn veil(&self, words: &mut String) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let authorization = match current.as_ref().map(|current| &current.identity) {
            None | Some(Identity::Nobody) => None,
            Some(Identity::Authorization(header)) => Some(header.clone()),
            Some(Identity::App(app)) => app.known_authorization(),
        };
        if let Some(authorization) = authorization {
            strike(words, &authorization);
        }
    }

    /// Asks, and gives the answer if it has status 200. Blocks.
    ///
    /// # Errors
    /// Why there is no answer of use.
    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Response<Body>, NoAnswer> {
        let nothing_done = |error| NoAnswer { error, nothing_done: true };
        let current = self.current().map_err(nothing_done)?;
        loop {
            let authorization = current.authorization(request).map_err(nothing_done)?;
            let shown = authorization.clone().unwrap_or_default();
            let response = Self::ask_as(&current, authorization.as_deref(), request)?;
            match (response.status(), &current.identity, authorization) {
                (StatusCode::OK, ..) => return Ok(response),
                (StatusCode::UNAUTHORIZED, Identity::App(app), Some(refused)) if app.forget(&refused) => {}
                _ => {
                    let mut refused = refused(response);
                    strike(&mut refused.error.detail, &shown);
                    return Err(refused);
                }
            }
        }
    }

    /// Asks once, and gives the answer whatever its status.
    fn ask_as(
        current: &Current,
        authorization: Option<&str>,
        request: &Request<'_>,
    ) -> Result<Response<Body>, NoAnswer> {
        let nothing_done = |error| NoAnswer { error, nothing_done: true };
        let left = request.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(nothing_done(too_late()));
        }
        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend(authorization.map(|value| ("authorization", value)));
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let asked = headers
            .iter()
            .fold(http::Request::builder().method(method).uri(request.url), |asked, (name, value)| {
                asked.header(*name, *value)
            });
        let malformed = |error: http::Error| {
            nothing_done(RemoteError::new(
                Code::CredentialsRejected,
                format!("a request cannot be made: {error}"),
            ))
        };
        let answered = match request.body {
            Some(body) => run(&current.agent, asked.body(body).map_err(malformed)?, left, request.body_limit),
            None => run(&current.agent, asked.body(()).map_err(malformed)?, left, request.body_limit),
        };
        answered.map_err(|error| no_answer(&error))
    }

    /// The connections and identity of the Secret as it is now.
    fn current(&self) -> Result<Arc<Current>, RemoteError> {
        let files = self.secret.read()?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = current.as_ref().filter(|known| known.files == files) {
            return Ok(Arc::clone(known));
        }
        let agent: Agent = Agent::config_builder()
            .tls_config(files.tls()?)
            .http_status_as_error(false)
            // Credentials must not follow a redirect, and a moved repository should be told.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .max_idle_age(IDLE)
            .user_agent(AGENT)
            .build()
            .into();
        let identity = files.identity()?;
        if current.is_some() {
            tracing::info!("the Git credentials changed; connecting anew");
        }
        let new = Arc::new(Current { files, agent, identity });
        *current = Some(Arc::clone(&new));
        Ok(new)
    }
}

/// How this program calls itself. Hosts speak Git only to clients whose name begins like this.
pub(super) const AGENT: &str = concat!("git/failover-api-", env!("CARGO_PKG_VERSION"));

fn run<B: AsSendBody>(
    agent: &Agent,
    request: http::Request<B>,
    answer: Duration,
    body: Duration,
) -> Result<Response<Body>, ureq::Error> {
    let limited = agent
        .configure_request(request)
        .timeout_connect(Some(answer.min(CONNECT_LIMIT)))
        .timeout_send_request(Some(answer))
        .timeout_send_body(Some(answer))
        .timeout_recv_response(Some(answer))
        .timeout_recv_body(Some(body))
        .build();
    agent.run(limited)
}

/// Whether a server that answers with this status has not carried out the request. Anything else may be said by
/// something in between, which does not know.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403..=407 | 410 | 411 | 413..=415 | 417 | 421 | 422 | 426 | 428 | 429 | 431 | 451)
}

/// What an answer means that is not a success.
fn refused(mut response: Response<Body>) -> NoAnswer {
    let status = response.status();
    let pause = retry_after(response.headers(), clock::now());
    let says_when = response.headers().contains_key(header::RETRY_AFTER);
    let location =
        response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let words = response.body_mut().with_config().limit(MAX_QUOTE).read_to_string().unwrap_or_default();
    let words = if words.trim_start().starts_with('<') {
        String::new()
    } else {
        format!(" Its words: {}", quote(&words))
    };
    let code = match status.as_u16() {
        401 | 403 | 407 => Code::CredentialsRejected,
        404 | 410 => Code::RepositoryNotFound,
        408 | 504 => Code::RemoteTimeout,
        429 | 503 => Code::RemoteUnreachable,
        _ => Code::RemoteFailed,
    };
    let moved =
        location.filter(|_| status.is_redirection()).map(|to| format!(" It points to {}.", quote(&to)));
    let detail = format!("the Git host answered {status}.{}{words}", moved.unwrap_or_default());
    // A gateway can fail to hear of what the server behind it has done. One that says when to come back has not asked it.
    let nothing_done = is_refusal(status) || status == StatusCode::SERVICE_UNAVAILABLE && says_when;
    NoAnswer { error: RemoteError::new(code, detail).after(pause), nothing_done }
}

/// How long the host asks to be left alone: a number of seconds or a date. More than a clock can count is no wish.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match value.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => rfc2822::parse(value).ok()?.timestamp().as_second().saturating_sub(now.as_second()),
    };
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Why there was no answer, and whether the request can have been carried out.
#[expect(clippy::wildcard_enum_match_arm, reason = "most errors of TLS and HTTP mean the same here")]
fn no_answer(error: &ureq::Error) -> NoAnswer {
    let certain =
        |code, detail: String| NoAnswer { error: RemoteError::new(code, detail), nothing_done: true };
    let doubtful =
        |code, detail: String| NoAnswer { error: RemoteError::new(code, detail), nothing_done: false };
    let text = quote(&error.to_string());
    if let Some(tls) = tls_error(error) {
        return match tls {
            rustls::Error::InvalidCertificate(why) => certain(
                Code::CertificateUnknown,
                format!("the Git host's certificate is not to be trusted: {why}"),
            ),
            // The server did not like ours; it says so before it reads a request, but we may hear it after sending one.
            rustls::Error::AlertReceived(alert) => doubtful(
                Code::CredentialsRejected,
                format!("the Git host ended the TLS handshake: {alert:?}"),
            ),
            other => doubtful(Code::RemoteFailed, format!("TLS failed: {other}")),
        };
    }
    match error {
        ureq::Error::HostNotFound => {
            certain(Code::RemoteUnreachable, format!("the Git host's name cannot be resolved: {text}"))
        }
        ureq::Error::ConnectionFailed | ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            certain(Code::RemoteUnreachable, format!("the Git host cannot be reached: {text}"))
        }
        ureq::Error::Timeout(_) => doubtful(Code::RemoteTimeout, too_late().detail),
        ureq::Error::Io(io) => {
            let detail = format!("the connection to the Git host failed: {text}");
            if io.kind() == std::io::ErrorKind::ConnectionRefused {
                certain(Code::RemoteUnreachable, detail)
            } else {
                doubtful(Code::RemoteUnreachable, detail)
            }
        }
        _ => doubtful(Code::RemoteFailed, format!("the request to the Git host failed: {text}")),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "no other error is one of TLS")]
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_says_that_nothing_was_done() {
        for (status, certain) in [
            (401, true),
            (413, true),
            (429, true),
            (202, false),
            (302, false),
            (408, false),
            (499, false),
            (502, false),
        ] {
            assert_eq!(is_refusal(StatusCode::from_u16(status).unwrap()), certain, "{status}");
        }
    }

    #[test]
    fn a_pause_is_a_number_or_a_date() {
        let now: Timestamp = "2026-01-15T14:32:15Z".parse().unwrap();
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("30"), Some(Duration::from_secs(30)));
        assert_eq!(read("Thu, 15 Jan 2026 14:33:15 GMT"), Some(Duration::from_secs(60)));
        for nothing in ["0", "-5", "soon", "Thu, 15 Jan 2026 14:00:00 GMT", "99999999999999999999"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
