//! One request to one listener. Nothing that a listener says is repeated: it may be what it was sent.

use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::reach::Authorities;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest that one request may take. Flux answers when it has annotated its objects.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest that a listener is left alone because it asks for that.
const LONGEST_QUIET: Duration = Duration::from_secs(24 * 60 * 60);
/// The most of an answer that is read, and only one that says how long to wait.
const LONGEST_WORD: u64 = 4 * 1024;

/// A `POST`. It holds secrets, so it has no way to be shown.
pub(super) struct Request {
    /// The whole address.
    pub(super) url: String,
    /// Names and values.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) authorities: Authorities,
}

/// Why a listener took no note; the words hold nothing of the request or the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotTold {
    pub(super) detail: String,
    /// Whether the same request may do better later.
    pub(super) again: bool,
    /// How long the listener wants to be left alone.
    pub(super) after: Option<Duration>,
}

impl NotTold {
    /// Nothing will change that.
    pub(super) fn for_good(detail: String) -> Self {
        Self { detail, again: false, after: None }
    }

    /// The same request may do better later.
    pub(super) fn for_now(detail: String) -> Self {
        Self { detail, again: true, after: None }
    }
}

/// Posts it. Blocks. `meaning` follows the status in words.
///
/// # Errors
/// The listener did not take note.
pub(super) fn post(request: &Request, meaning: fn(u16) -> &'static str) -> Result<(), NotTold> {
    let agent: Agent = Agent::config_builder()
        .tls_config(request.authorities.tls().map_err(NotTold::for_good)?)
        .http_status_as_error(false)
        // A signature or a token must not follow a redirect.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_LIMIT))
        .timeout_global(Some(LIMIT))
        .user_agent(concat!("failover-api/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut asked = agent.post(&request.url);
    for (name, value) in &request.headers {
        asked = asked.header(name, value);
    }
    match asked.send(request.body.as_slice()) {
        Ok(mut response) => judge(&mut response, meaning, |body| {
            body.with_config().limit(LONGEST_WORD).read_to_string().unwrap_or_default()
        }),
        Err(error) => Err(no_answer(&error)),
    }
}

fn judge<B>(
    response: &mut Response<B>,
    meaning: fn(u16) -> &'static str,
    read: impl Fn(&mut B) -> String,
) -> Result<(), NotTold> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let limited = status == StatusCode::TOO_MANY_REQUESTS;
    let again = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT || limited;
    let meaning = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => "; give the address that it points to",
        other => meaning(other),
    };
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let mut after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    if limited && after.is_none() {
        after = in_words(&read(response.body_mut()));
    }
    let after = after.map(|after| after.min(LONGEST_QUIET));
    Err(NotTold { detail: format!("it answered {}{meaning}", status.as_u16()), again, after })
}

/// Discord also says in JSON, and there to the fraction of a second, how long it wants to be left alone.
fn in_words(text: &str) -> Option<Duration> {
    let answer: serde_json::Value = serde_json::from_str(text).ok()?;
    Duration::try_from_secs_f64(answer.get("retry_after")?.as_f64()?).ok()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most errors of TLS and HTTP mean the same here")]
fn no_answer(error: &ureq::Error) -> NotTold {
    let again = |detail: &str| NotTold::for_now(detail.to_owned());
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
            NotTold::for_good("its address or one of its headers cannot be used".to_owned())
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
    NotTold::for_now(detail.to_owned())
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
            let mut response =
                Response::builder().status(status).header("retry-after", "7").body(()).unwrap();
            match judge(&mut response, |_| "", |()| String::new()) {
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

    #[test]
    fn who_asks_to_be_left_alone_is_within_reason() {
        let after = |status, header: Option<&str>, body: &str| {
            let mut response = Response::builder().status(status);
            if let Some(header) = header {
                response = response.header("retry-after", header);
            }
            let mut response = response.body(body.to_owned()).unwrap();
            judge(&mut response, |_| "", |body| body.clone()).unwrap_err().after
        };
        let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
        assert_eq!(after(429, Some("3"), "{\"retry_after\": 9}"), seconds(3.));
        assert_eq!(
            after(429, None, "{\"message\": \"no\", \"retry_after\": 0.25, \"global\": false}"),
            seconds(0.25)
        );
        assert_eq!(after(429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), ""), None);
        assert_eq!(after(429, Some("18446744073709551615"), ""), Some(LONGEST_QUIET));
        for nonsense in
            ["", "[", "{}", "{\"retry_after\": \"1\"}", "{\"retry_after\": -1}", "{\"retry_after\": 1e300}"]
        {
            assert_eq!(after(429, None, nonsense), None, "{nonsense}");
        }
        assert_eq!(after(500, None, "{\"retry_after\": 9}"), None);
    }
}
