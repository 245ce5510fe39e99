//! GitHub Apps: a key proves the app, and the host gives a token that lasts an hour.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use failover_core::code::Code;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::PrivateKey;

use super::error::{RemoteError, quote};
use super::veil::strike;
use crate::clock;

const GITHUB: &str = "https://api.github.com";
/// A token that lasts less than this is not used any more.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// An app's key and installation, and the token that it was given last.
pub(super) struct AppKey {
    id: String,
    installation: Installation,
    key: RsaKeyPair,
    api: String,
    token: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    end: Timestamp,
    /// Not for the first time.
    used: bool,
}

enum Installation {
    Id(String),
    /// The user or organisation that installed the app.
    Owner(String),
}

fn unusable(detail: impl Into<String>) -> RemoteError {
    RemoteError::new(Code::CredentialsRejected, detail)
}

impl AppKey {
    pub(super) fn new(
        id: &str,
        installation_id: Option<&str>,
        owner: Option<&str>,
        key: &str,
        base_url: Option<&str>,
    ) -> Result<Self, RemoteError> {
        let installation = match (installation_id, owner) {
            (Some(id), None) => Installation::Id(plain(id, "githubAppInstallationID")?),
            (None, Some(owner)) => Installation::Owner(plain(owner, "githubAppInstallationOwner")?),
            _ => return Err(unusable("give one of githubAppInstallationID and githubAppInstallationOwner")),
        };
        let broken = || unusable("githubAppPrivateKey holds no RSA key in PEM form");
        let pem = PrivateKey::from_pem(key.as_bytes()).map_err(|_| broken())?;
        let key = RsaKeyPair::from_der(pem.der()).or_else(|_| RsaKeyPair::from_pkcs8(pem.der()));
        Ok(Self {
            id: plain(id, "githubAppID")?,
            installation,
            key: key.map_err(|_| broken())?,
            api: base_url.unwrap_or(GITHUB).trim_end_matches('/').to_owned(),
            token: Mutex::default(),
        })
    }

    /// The header that a Git request needs; asks for a new token when the last one is about to end. Blocks.
    pub(super) fn authorization(&self, agent: &Agent, limit: Duration) -> Result<String, RemoteError> {
        let now = clock::now();
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let token = match known.take().filter(|token| now + MARGIN < token.end) {
            Some(token) => known.insert(Token { used: true, ..token }),
            None => {
                let (text, end) = self.new_token(agent, now, limit)?;
                known.insert(Token { text, end, used: false })
            }
        };
        Ok(basic("x-access-token", &token.text))
    }

    /// The header that was given last, while it lasts.
    pub(super) fn known_authorization(&self) -> Option<String> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|token| basic("x-access-token", &token.text))
    }

    /// The host does not take what [`Self::authorization`] gave: a token can be revoked before its end. Answers whether
    /// there is hope that the next one is taken.
    pub(super) fn forget(&self, authorization: &str) -> bool {
        let mut known = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = known.take_if(|token| basic("x-access-token", &token.text) == authorization);
        refused.is_some_and(|token| token.used)
    }

    fn new_token(
        &self,
        agent: &Agent,
        now: Timestamp,
        limit: Duration,
    ) -> Result<(String, Timestamp), RemoteError> {
        let proof = self.proof(now)?;
        let installation = match &self.installation {
            Installation::Id(id) => id.clone(),
            Installation::Owner(owner) => {
                // An organisation's installation and a user's are at different places.
                let found = self.ask(agent, &proof, false, &format!("/orgs/{owner}/installation"), limit);
                let found = found.or_else(|_| {
                    self.ask(agent, &proof, false, &format!("/users/{owner}/installation"), limit)
                })?;
                let id = found["id"].as_u64();
                id.ok_or_else(|| unusable("the GitHub API names no installation of the app"))?.to_string()
            }
        };
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = self.ask(agent, &proof, true, &path, limit)?;
        let end = answer["expires_at"].as_str().and_then(|text| text.parse().ok());
        match (answer["token"].as_str(), end) {
            (Some(token), Some(end)) => Ok((token.to_owned(), end)),
            _ => Err(unusable("the GitHub API gave no token")),
        }
    }

    /// A JSON Web Token that proves the app for a few minutes (RFC 7519, RS256); clocks may differ by one.
    fn proof(&self, now: Timestamp) -> Result<String, RemoteError> {
        let now = now.as_second();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encode(json!({ "alg": "RS256", "typ": "JWT" }));
        let claims = encode(json!({ "iat": now - 60, "exp": now + 9 * 60, "iss": self.id }));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.map_err(|_| unusable("githubAppPrivateKey cannot sign"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn ask(
        &self,
        agent: &Agent,
        proof: &str,
        post: bool,
        path: &str,
        limit: Duration,
    ) -> Result<Value, RemoteError> {
        let url = format!("{}{path}", self.api);
        let headers = [
            ("authorization", format!("Bearer {proof}")),
            ("accept", "application/vnd.github+json".to_owned()),
        ];
        let answered = if post {
            let request = headers.iter().fold(agent.post(&url), |r, (n, v)| r.header(*n, v));
            request.config().timeout_global(Some(limit)).build().send_empty()
        } else {
            let request = headers.iter().fold(agent.get(&url), |r, (n, v)| r.header(*n, v));
            request.config().timeout_global(Some(limit)).build().call()
        };
        let mut answer = answered.map_err(|error| {
            RemoteError::new(
                Code::RemoteUnreachable,
                format!("the GitHub API cannot be reached: {}", quote(&error.to_string())),
            )
        })?;
        let text = answer.body_mut().with_config().limit(64 * 1024).read_to_string().unwrap_or_default();
        if answer.status().is_success() {
            serde_json::from_str(&text)
                .map_err(|_| unusable("the GitHub API answered something else than JSON"))
        } else {
            let message = serde_json::from_str::<Value>(&text).ok();
            let mut message =
                message.as_ref().and_then(|answer| answer["message"].as_str()).unwrap_or_default().to_owned();
            // The proof is a bearer token for some minutes.
            strike(&mut message, &format!("Bearer {proof}"));
            let status = answer.status();
            let code = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                Code::RemoteFailed
            } else {
                Code::CredentialsRejected
            };
            let detail = format!("the GitHub API answered {status} to the app: {}", quote(&message));
            Err(RemoteError::new(code, detail))
        }
    }
}

/// The header of a user and a password.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// The value, if it can stand in a URL's path.
fn plain(value: &str, file: &str) -> Result<String, RemoteError> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        Ok(value.to_owned())
    } else {
        Err(unusable(format!("{file} is not a name or number")))
    }
}
