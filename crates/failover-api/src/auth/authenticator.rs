//! The seam for those who can tell a caller by asking somebody else.

use std::fmt;
use std::pin::Pin;

use failover_core::code::Problem;

use super::access::{Access, Verdict};
use super::bearer::BearerToken;

/// A verdict on its way.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Result<Verdict, Unavailable>> + Send + 'a>>;

/// Tells callers by asking somebody else, such as the Kubernetes API. Asked only about tokens that the token file does
/// not know, and never for an address from which too many wrong ones came.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Whose token it is, and whether they may do what they want to. Fails when nobody can say; ends in bounded time.
    /// A name in the verdict must not be one that the token file could have given (see [`super::TokenName`]).
    fn verify<'a>(&'a self, token: &'a BearerToken, wanted: Access) -> Verifying<'a>;

    /// What it knows already and would say without asking anybody; a caller is then let in although somebody else at
    /// the same address sends wrong tokens.
    fn remembered(&self, token: &BearerToken, wanted: Access) -> Option<Verdict>;

    /// What keeps this authenticator from working, for the health.
    fn problem(&self) -> Option<Problem>;
}

/// Why nobody can say who a caller is. The answer has the problem's status, and lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub Problem);
