//! A server, asked over HTTP.

use std::path::Path;
use std::time::Duration;

use failover_core::code::Exit;
use ureq::Agent;
use ureq::http::{self, header};

use super::answers::MoveAnswer;
use super::ending::{Stop, is_problem};
use super::output::note;
use crate::http::Reply;
use crate::reload;

/// Longer than a server lets a caller wait for a move.
const LIMIT: Duration = Duration::from_secs(90);
/// The variable with the token itself; it must not be in the arguments, which everybody on the machine can see.
const TOKEN_VARIABLE: &str = "FAILOVER_API_TOKEN";
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// A way to one server.
pub(super) struct Client {
    agent: Agent,
    base: String,
    token: Option<Token>,
}

/// What a request holds.
enum Request {
    /// A look.
    Look,
    /// What a dry run is about.
    DryRun(String),
    /// A move. Without an answer nobody knows what became of it.
    Move(String),
    /// Something is taken away, as with a move.
    Removal,
    /// What that would change.
    RemovalDryRun,
}

/// What proves who calls. It has no way to be shown.
#[derive(Clone)]
struct Token(String);

impl Token {
    /// From a file, or else from the environment.
    fn find(file: Option<&Path>) -> Result<Option<Self>, Stop> {
        let (text, place) = match file {
            Some(file) => {
                let text = reload::read_text(file)
                    .map_err(|error| Stop::problem(format!("the file of --token cannot be read: {error}")))?;
                (text, "the file of --token".to_owned())
            }
            None => match std::env::var(TOKEN_VARIABLE) {
                Ok(text) if text.is_empty() => return Ok(None),
                Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => (String::new(), TOKEN_VARIABLE.to_owned()),
            },
        };
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Stop::problem(format!(
                "{place} holds no token: one word of visible ASCII characters is needed"
            )));
        }
        Ok(Some(Self(token.to_owned())))
    }
}

impl Client {
    /// Checks the address and finds the token; connects to nothing.
    pub(super) fn new(url: &str, token: Option<&Path>) -> Result<Self, Stop> {
        let base = url.trim_end_matches('/');
        let rest = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        let authority = rest.map(|rest| rest.split('/').next().unwrap_or_default()).unwrap_or_default();
        if authority.contains('@') {
            return Err(Stop::problem(format!(
                "--server: the address must not hold a user or password; use --token FILE or {TOKEN_VARIABLE}"
            )));
        }
        let usable =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
        if authority.is_empty() || !usable(base) {
            return Err(Stop::problem(
                "--server: this is no address of a server; use http://host:port or https://host",
            ));
        }
        let local = is_this_machine(authority);
        let token = Token::find(token)?;
        if token.is_some() && base.starts_with("http://") && !local {
            note("warning: the token is sent in the clear; use https:// unless the network is trusted");
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("failover-api/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(LIMIT));
        if local {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().into(), base: base.to_owned(), token })
    }

    /// The server's address.
    pub(super) fn address(&self) -> &str {
        &self.base
    }

    /// The answer to a `GET`, and the server's clock if it says it.
    pub(super) async fn get(&self, target: &str, accept: &str) -> Result<(Reply, Option<String>), Stop> {
        self.ask(target, &[("accept", accept)], Request::Look).await
    }

    /// The answer to a move that is posted.
    pub(super) async fn post(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Reply, Stop> {
        let (reply, _) = self.ask(target, headers, Request::Move(body)).await?;
        if is_an_answer(&reply) {
            return Ok(reply);
        }
        // Something between here and there spoke, or something else lives there.
        Err(unknown(&format!("{} did not answer but with status {}", self.base, reply.status)))
    }

    /// The answer to a `DELETE`.
    pub(super) async fn delete(&self, target: &str, headers: &[(&str, &str)]) -> Result<Reply, Stop> {
        let (reply, _) = self.ask(target, headers, Request::Removal).await?;
        if is_an_answer(&reply) {
            return Ok(reply);
        }
        Err(unknown(&format!("{} did not answer but with status {}", self.base, reply.status)))
    }

    /// The answer to the dry run of a `DELETE`.
    pub(super) async fn delete_dry_run(&self, target: &str, headers: &[(&str, &str)]) -> Result<Reply, Stop> {
        Ok(self.ask(target, headers, Request::RemovalDryRun).await?.0)
    }

    /// The answer to a dry run that is posted, since it has a body.
    pub(super) async fn post_dry_run(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Reply, Stop> {
        Ok(self.ask(target, headers, Request::DryRun(body)).await?.0)
    }

    async fn ask(
        &self,
        target: &str,
        headers: &[(&str, &str)],
        asked: Request,
    ) -> Result<(Reply, Option<String>), Stop> {
        let (method, body, moves) = match asked {
            Request::Look => ("GET", None, false),
            Request::DryRun(body) => ("POST", Some(body), false),
            Request::Move(body) => ("POST", Some(body), true),
            Request::Removal => ("DELETE", None, true),
            Request::RemovalDryRun => ("DELETE", None, false),
        };
        let mut request = http::Request::builder().method(method).uri(format!("{}{target}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(Token(token)) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let posts = body.is_some();
        if posts {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request =
            request.body(body.unwrap_or_default()).map_err(|error| Stop::problem(error.to_string()))?;
        let (agent, base) = (self.agent.clone(), self.base.clone());
        let asked = tokio::task::spawn_blocking(move || {
            let mut response = if posts { agent.run(request)? } else { agent.run(request.map(drop))? };
            let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
            let date = date.map(str::to_owned);
            let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string()?;
            Ok::<_, ureq::Error>((Reply { status: response.status().as_u16(), text }, date))
        });
        match asked.await {
            Ok(Ok((reply, _))) if (300..400).contains(&reply.status) => Err(Stop::failure(
                format!("the server {base} sends callers elsewhere (status {})", reply.status),
                "give the address that it sends them to as --server; redirects are not followed",
            )),
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) => Err(unanswered(&base, &error, moves && !was_never_sent(&error))),
            Err(error) => Err(unanswered(&base, &error, moves)),
        }
    }
}

/// Whether a server of ours says what became of a move. Below 500 nobody who refuses has passed the request on.
fn is_an_answer(reply: &Reply) -> bool {
    match reply.status {
        200..300 => serde_json::from_str::<MoveAnswer>(&reply.text).is_ok(),
        300..500 => true,
        _ => is_problem(reply),
    }
}

/// Whether a request that failed like this cannot have reached the server.
#[expect(clippy::wildcard_enum_match_arm, reason = "anything else may have happened after it was sent")]
fn was_never_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::ConnectionFailed
        | ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

fn unanswered(base: &str, why: &dyn std::fmt::Display, moves: bool) -> Stop {
    if moves {
        return unknown(&format!("the server {base} did not answer: {why}"));
    }
    Stop::failure(
        format!("the server {base} does not answer: {why}"),
        "check the address, or work on the repository itself with --repo",
    )
}

/// A move that was sent may have been carried out, whatever came back that is no answer to it.
fn unknown(what: &str) -> Stop {
    Stop::Said {
        exit: Exit::Unknown,
        message: format!("{what}; it may have been carried out"),
        hint: Some(
            "look at the history before you ask again, or ask again with the same --idempotency-key"
                .to_owned(),
        ),
    }
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
