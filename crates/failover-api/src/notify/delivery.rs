//! One request to one receiver. Nothing that a receiver says is repeated: it may be what it was sent.

use std::time::Duration;

use failover_core::name::{OperationId, Role, ServiceName};
use serde_json::json;
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::target::Way;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest that one request may take. Flux answers when it has annotated its objects.
const LIMIT: Duration = Duration::from_secs(10);

/// What receivers are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct News<'a> {
    pub(super) revision: &'a str,
    pub(super) commit: &'a str,
    pub(super) services: &'a [ServiceName],
    pub(super) to: Role,
    pub(super) operation: &'a OperationId,
}

/// Why a receiver took no note; the words hold nothing of the request or the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotTold {
    pub(super) detail: String,
    /// Whether the same request may do better later.
    pub(super) again: bool,
    /// How long the receiver wants to be left alone.
    pub(super) after: Option<Duration>,
}

impl News<'_> {
    pub(super) fn body(&self) -> Vec<u8> {
        let body = json!({
            "source": "failover-api",
            "revision": self.revision,
            "commit": self.commit,
            "services": self.services,
            "to": self.to,
            "operation_id": self.operation,
        });
        body.to_string().into_bytes()
    }
}

/// Posts the body. Blocks.
///
/// # Errors
/// The receiver did not take note.
pub(super) fn post(way: &Way, body: &[u8]) -> Result<(), NotTold> {
    let never = |detail: String| NotTold { detail, again: false, after: None };
    let agent: Agent = Agent::config_builder()
        .tls_config(way.tls().map_err(never)?)
        .http_status_as_error(false)
        // A signature must not follow a redirect.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_global(Some(LIMIT))
        .user_agent(concat!("failover-api/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = agent.post(&way.url).header("content-type", "application/json");
    if let Some(signature) = way.signature(body) {
        request = request.header("x-signature", signature);
    }
    match request.send(body) {
        Ok(response) => judge(&response),
        Err(error) => Err(no_answer(&error)),
    }
}

fn judge<B>(response: &Response<B>) -> Result<(), NotTold> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let again = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let meaning = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => "; give the address that it points to",
        400 | 401 | 403 => "; check its token",
        404 => {
            "; check its address, and for a Flux Receiver its name, namespace and token, and that it is ready"
        }
        _ => "",
    };
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Err(NotTold { detail: format!("it answered {}{meaning}", status.as_u16()), again, after })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most errors of TLS and HTTP mean the same here")]
fn no_answer(error: &ureq::Error) -> NotTold {
    let again = |detail: &str| NotTold { detail: detail.to_owned(), again: true, after: None };
    match error {
        ureq::Error::HostNotFound => again("its host's name cannot be resolved"),
        ureq::Error::ConnectionFailed => again("it cannot be reached"),
        ureq::Error::Timeout(_) => again("it did not answer in time"),
        ureq::Error::Io(error) => match tls_error(error) {
            Some(error) => tls_failed(error),
            None => again(&format!("the connection failed: {}", error.kind())),
        },
        ureq::Error::Rustls(error) => tls_failed(error),
        ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => {
            again("the proxy that the environment names did not lead there")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            NotTold { detail: "its address cannot be used".to_owned(), again: false, after: None }
        }
        _ => again("the request failed"),
    }
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn tls_failed(error: &rustls::Error) -> NotTold {
    let detail = if matches!(error, rustls::Error::InvalidCertificate(_)) {
        "its certificate is not to be trusted; see ca_file"
    } else {
        "TLS failed"
    };
    // A certificate can be renewed within the time.
    NotTold { detail: detail.to_owned(), again: true, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, told, again) in [
            (200, true, false),
            (204, true, false),
            (301, false, false),
            (400, false, false),
            (404, false, false),
            (408, false, true),
            (429, false, true),
            (500, false, true),
            (503, false, true),
        ] {
            let response = Response::builder().status(status).header("retry-after", "7").body(()).unwrap();
            match judge(&response) {
                Ok(()) => assert!(told, "{status}"),
                Err(error) => {
                    assert_eq!(
                        (told, error.again, error.after),
                        (false, again, Some(Duration::from_secs(7))),
                        "{status}"
                    );
                }
            }
        }
    }
}
