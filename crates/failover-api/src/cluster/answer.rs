//! One request to the API server and its answer, of bounded size, with little of what it says when it says no: an answer
//! can repeat what was asked, which holds a token, or a part of a Secret.

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;

/// The most that is read of an answer, in bytes. etcd takes no object above 1.5 MiB.
const MOST: usize = 4 * 1024 * 1024;

/// Why there is no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The API server said no.
    Refused {
        /// The status of HTTP.
        status: u16,
        /// Its own words: the whole message where it is about rights, else one word or none.
        words: String,
    },
    /// There was no answer.
    Unreachable(String),
}

/// What of a Kubernetes `Status` is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
}

/// Sends the request. As text: kube's own reading of a type logs the whole answer when it does not fit.
pub(super) async fn ask(client: &Client, request: Request<Vec<u8>>) -> Result<String, NoAnswer> {
    let unreachable = |error: &kube::Error| NoAnswer::Unreachable(with_sources(error));
    let answer = client.send(request.map(Body::from)).await.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| {
        NoAnswer::Unreachable(one_line(&format!("the answer could not be read: {error}")))
    })?;
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    let Status { message, reason } = serde_json::from_str(&text).unwrap_or_default();
    let is_word = |reason: &str| reason.len() <= 40 && reason.bytes().all(|b| b.is_ascii_alphabetic());
    let words = match status.as_u16() {
        401 | 403 => one_line(&message),
        _ if is_word(&reason) => reason,
        _ => String::new(),
    };
    Err(NoAnswer::Refused { status: status.as_u16(), words })
}

/// The message with those of its causes, as far as each says more.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    one_line(&text)
}

/// Somebody else's words, shortened to one line without control characters.
pub(super) fn one_line(words: &str) -> String {
    const MAX_CHARS: usize = 600;
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect()
}
