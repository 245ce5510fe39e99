//! The file with the tokens: read again when it changes. The last good list stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use failover_core::code::{Code, Problem};
use tokio::sync::watch;

use super::access::{Access, Verdict};
use super::authenticator::Unavailable;
use super::bearer::BearerToken;
use super::tokens::{TokenError, Tokens};
use crate::reload::{self, Files, Followed};

/// The tokens of a file, kept up to date with it.
#[derive(Debug, Clone)]
pub struct TokenFile(watch::Receiver<State>);

/// What is known of the file.
#[derive(Debug, Default)]
struct State {
    /// The last good list.
    tokens: Option<Arc<Tokens>>,
    problem: Option<TokenProblem>,
}

/// What is wrong with a file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenProblem {
    /// The file cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file says something that cannot be.
    #[error("{path} is wrong in {}", lines(errors))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, each with its line.
        errors: Vec<(usize, TokenError)>,
    },
    /// The file has no token: whoever removes the last one wants nobody to get in.
    #[error("{path} has no token, so nobody is let in")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

fn lines(errors: &[(usize, TokenError)]) -> String {
    const MOST: usize = 5;
    let mut said: Vec<_> =
        errors.iter().take(MOST).map(|(line, error)| format!("line {line}: {error}")).collect();
    if errors.len() > MOST {
        said.push(format!("and {} more", errors.len() - MOST));
    }
    said.join("; ")
}

impl TokenFile {
    /// Reads `path` now and keeps looking at it in the background.
    #[must_use]
    pub fn follow(path: PathBuf) -> Self {
        Self(reload::follow(path, State::default()))
    }

    /// Whose token it is, and whether they may do what they want to.
    ///
    /// # Errors
    /// No token is in force, so that nobody's can be told.
    pub fn verify(&self, token: &BearerToken, wanted: Access) -> Result<Verdict, Unavailable> {
        let state = self.0.borrow();
        match (&state.tokens, &state.problem) {
            (Some(tokens), _) if !tokens.is_empty() => Ok(tokens.verify(token, wanted)),
            (_, problem) => Err(Unavailable(tokens_invalid(match problem {
                Some(problem) => problem.to_string(),
                None => "no token is in force".to_owned(),
            }))),
        }
    }

    /// Comes back as soon as no version in force knows the token, which may be at once.
    pub async fn lost(&self, token: &BearerToken) {
        let is_unknown = |state: &State| {
            let tokens = state.tokens.as_ref();
            tokens.is_none_or(|tokens| tokens.verify(token, Access::Read) == Verdict::Unknown)
        };
        // Where nobody reads the file any more, nobody can say that the token still counts.
        let _ = self.0.clone().wait_for(is_unknown).await;
    }

    /// What is wrong with the file as it is now, for the health.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        let state = self.0.borrow();
        let problem = state.problem.as_ref()?;
        Some(tokens_invalid(match (&state.tokens, problem) {
            (Some(_), TokenProblem::Unreadable { .. } | TokenProblem::Invalid { .. }) => {
                format!("{problem}; the tokens of its last good version are in force")
            }
            (Some(_), TokenProblem::Empty { .. }) => problem.to_string(),
            (None, _) => format!("{problem}; nobody is let in until it is repaired"),
        }))
    }
}

fn tokens_invalid(detail: String) -> Problem {
    let hint =
        "repair the file of --token-file; it is read again by itself, and `failover-api token` makes tokens";
    Problem::new(Code::TokensInvalid, detail, hint)
}

impl Followed for State {
    type Found = Result<Tokens, TokenProblem>;

    fn judge(path: &Path, text: Result<&str, &str>, _others: &mut Files) -> Self::Found {
        let path = path.to_owned();
        match text.map(Tokens::parse) {
            Ok(Ok(tokens)) => Ok(tokens),
            Ok(Err(errors)) => Err(TokenProblem::Invalid { path, errors }),
            Err(reason) => Err(TokenProblem::Unreadable { path, reason: reason.to_owned() }),
        }
    }

    /// Puts a good list into force, also one without a token: who takes the last one out of the file must not find
    /// that it still works. A bad one is only told of.
    fn take(&mut self, found: Self::Found, path: &Path) {
        match found {
            Ok(tokens) => {
                self.problem = tokens.is_empty().then(|| TokenProblem::Empty { path: path.to_owned() });
                match &self.problem {
                    None => tracing::info!(tokens = tokens.len(), "tokens loaded"),
                    Some(problem) => tracing::error!(%problem, "NOBODY CAN MOVE SERVICES: there is no token"),
                }
                self.tokens = Some(Arc::new(tokens));
            }
            Err(problem) => {
                match &self.tokens {
                    Some(_) => {
                        tracing::error!(%problem, last_good_tokens_kept = true, "tokens refused");
                    }
                    None => tracing::error!(%problem, "NOBODY CAN MOVE SERVICES: there are no tokens"),
                }
                self.problem = Some(problem);
            }
        }
    }
}
