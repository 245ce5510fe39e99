//! Callers that the cluster knows: whose token it is, and what the cluster's own rights let them do.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::{Code, Problem};
use failover_core::name::Actor;
use kube::Client;
use kube::api::{PostParams, Request};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::{self, NoAnswer};
use super::client::connect;
use crate::auth::{Access, Authenticator, BearerToken, TokenName, Unavailable, Verdict, Verifying};
use crate::git::strike;

/// The path that roles name. It is none of the API server's own: `/api/*`, for example, may be read by every
/// ServiceAccount of a cluster (the ClusterRole `system:discovery`).
const PATH: &str = "/failover-api";
/// The longest that a caller waits for a verdict.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a verdict counts; a right that was taken away is not noticed before.
const COUNTS: Duration = Duration::from_secs(30);
/// No more callers than these are asked about at once.
const AT_ONCE: usize = 16;
/// No more verdicts than these are kept.
const MOST: usize = 1024;

/// A token and what its bearer wants, as they are remembered: nobody can make a token of it.
type Question = ([u8; 32], Access);

/// Asks the Kubernetes API: a TokenReview, and a SubjectAccessReview of `get` or `post` on `PATH`.
pub struct Reviewer {
    /// Whose turn it is to ask, so that the API server is not flooded by way of this one.
    turns: Semaphore,
    client: Mutex<Option<Client>>,
    known: Mutex<HashMap<Question, (Instant, Verdict)>>,
    problem: Mutex<Option<Problem>>,
}

impl Default for Reviewer {
    fn default() -> Self {
        let turns = Semaphore::new(AT_ONCE);
        Self { turns, client: Mutex::default(), known: Mutex::default(), problem: Mutex::default() }
    }
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reviewer")
    }
}

#[derive(Deserialize)]
struct Reviewed<T> {
    status: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenStatus {
    authenticated: bool,
    user: User,
}

/// Passed on as the API server said it.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessStatus {
    allowed: bool,
}

impl Reviewer {
    /// Touches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn review(&self, token: &BearerToken, wanted: Access) -> Result<Verdict, Unavailable> {
        let question = question(token, wanted);
        let late = || Err("no answer came in time".to_owned());
        let verdict =
            tokio::time::timeout(LIMIT, self.ask_in_turn(token, wanted)).await.unwrap_or_else(|_| late());
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match verdict {
            Ok(verdict) => {
                if problem.take().is_some() {
                    tracing::info!("the Kubernetes API says who callers are again");
                }
                self.remember(question, &verdict);
                Ok(verdict)
            }
            Err(reason) => {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let now = unavailable(&reason);
                if problem.as_ref() != Some(&now) {
                    tracing::warn!(code = %now.code, problem = %now, hint = now.hint, "callers cannot be told apart");
                }
                *problem = Some(now.clone());
                Err(Unavailable(now))
            }
        }
    }

    async fn ask_in_turn(&self, token: &BearerToken, wanted: Access) -> Result<Verdict, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        self.ask(token, wanted).await
    }

    async fn ask(&self, token: &BearerToken, wanted: Access) -> Result<Verdict, String> {
        let client = self.client().await?;
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token.secret() },
        });
        let TokenStatus { authenticated, user } =
            post(&client, "authentication.k8s.io/v1/tokenreviews", &review, token).await?;
        if !authenticated {
            return Ok(Verdict::Unknown);
        }
        let Some(name) = named(&user.username) else { return Ok(Verdict::Unknown) };
        let verb = match wanted {
            Access::Read => "get",
            Access::Operate => "post",
        };
        let User { username, uid, groups, extra } = user;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": username, "uid": uid, "groups": groups, "extra": extra,
                "nonResourceAttributes": { "path": PATH, "verb": verb },
            },
        });
        let AccessStatus { allowed } =
            post(&client, "authorization.k8s.io/v1/subjectaccessreviews", &review, token).await?;
        Ok(if allowed { Verdict::Granted(name) } else { Verdict::TooLittle(name) })
    }

    async fn client(&self) -> Result<Client, String> {
        let known = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let client = connect().await.map_err(|error| error.to_string())?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    fn kept(&self, question: &Question) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(question).filter(|(since, _)| since.elapsed() < COUNTS).map(|(_, verdict)| verdict.clone())
    }

    fn remember(&self, question: Question, verdict: &Verdict) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (since, _)| since.elapsed() < COUNTS);
        }
        if known.len() < MOST {
            known.insert(question, (Instant::now(), verdict.clone()));
        }
    }
}

impl Authenticator for Reviewer {
    fn verify<'a>(&'a self, token: &'a BearerToken, wanted: Access) -> Verifying<'a> {
        Box::pin(self.review(token, wanted))
    }

    fn remembered(&self, token: &BearerToken, wanted: Access) -> Option<Verdict> {
        self.kept(&question(token, wanted))
    }

    fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn question(token: &BearerToken, wanted: Access) -> Question {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.secret().as_bytes()).as_ref());
    (hash, wanted)
}

fn unavailable(reason: &str) -> Problem {
    let detail = format!("the Kubernetes API does not say who the caller is: {reason}");
    let hint = "check the API server, and that this server's ServiceAccount is bound to the ClusterRole system:auth-delegator; tokens of --token-file go on working";
    Problem::new(Code::AuthenticationUnavailable, detail, hint)
}

/// The name for the commit. One that the token file could give as well is marked, so that nobody is taken for another.
/// What cannot stand in a commit is shortened, and told from others alike by a part of its hash. `None` for nobody.
fn named(username: &str) -> Option<Actor> {
    if username.is_empty() {
        return None;
    }
    let text = match TokenName::new(username) {
        Ok(_) => format!("kubernetes:{username}"),
        Err(_) if username.to_lowercase().starts_with("unauthenticated") => format!("kubernetes:{username}"),
        Err(_) => username.to_owned(),
    };
    Actor::new(&*text).ok().or_else(|| {
        let hash = digest(&SHA256, text.as_bytes());
        let hash: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let fit = text.chars().filter(|c| !c.is_control()).take(80);
        Actor::new(format!("{}~{hash}", fit.collect::<String>())).ok()
    })
}

/// The status of a review. The question holds a token, so nothing of it is told.
async fn post<T: serde::de::DeserializeOwned>(
    client: &Client,
    resource: &str,
    review: &Value,
    token: &BearerToken,
) -> Result<T, String> {
    let request = Request::new(format!("/apis/{resource}"));
    let request = request.create(&PostParams::default(), review.to_string().into_bytes());
    let request = request.map_err(|error| error.to_string())?;
    let text = answer::ask(client, request).await.map_err(|error| {
        let mut words = match error {
            NoAnswer::Refused { status, words } => format!("{status} {words}"),
            NoAnswer::Unreachable(words) => words,
        };
        strike(&mut words, &format!("Bearer {}", token.secret()));
        words.trim_end().to_owned()
    })?;
    let reviewed: Reviewed<T> =
        serde_json::from_str(&text).map_err(|_| "its answer to a review is not one".to_owned())?;
    Ok(reviewed.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_of_the_cluster_is_taken_for_somebody_of_the_file() {
        for (username, name) in [
            ("system:serviceaccount:media:night", Some("system:serviceaccount:media:night")),
            ("alice", Some("kubernetes:alice")),
            ("alice@home.example", Some("kubernetes:alice@home.example")),
            ("unauthenticated (127.0.0.1)", Some("kubernetes:unauthenticated (127.0.0.1)")),
            ("oidc:alice", Some("oidc:alice")),
            ("", None),
            ("two\nlines", Some("twolines~edc8c1284585d703")),
        ] {
            assert_eq!(named(username).as_ref().map(Actor::as_str), name, "{username:?}");
        }
    }

    #[test]
    fn no_more_verdicts_are_kept_than_a_fixed_number() {
        let reviewer = Reviewer::new();
        for number in 0..2 * MOST {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            reviewer.remember((hash, Access::Read), &Verdict::Unknown);
        }
        assert_eq!(reviewer.known.lock().unwrap().len(), MOST);
        assert_eq!(reviewer.kept(&([0; 32], Access::Read)), Some(Verdict::Unknown));
        assert_eq!(reviewer.kept(&([0; 32], Access::Operate)), None);
    }
}
