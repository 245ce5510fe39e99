//! Who is let in, and to what.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use failover_core::code::Problem;
use failover_core::name::Actor;
use tokio::time::Instant;

use super::access::{Access, Verdict};
use super::authenticator::{Authenticator, Unavailable};
use super::bearer::BearerToken;
use super::limit::{Limit, Rate};
use super::token_file::TokenFile;

/// An operator who moves fifty services there and back as fast as the network allows stays below it; a script that
/// runs in a circle does not fill the history, which is 250 commits.
const MOVES: Rate = Rate { burst: 120.0, per_second: 5.0 };

/// Wrong tokens from one address. Nobody can guess one; this keeps the log and the authenticators free.
const WRONG_TOKENS: Rate = Rate { burst: 20.0, per_second: 1.0 };

/// How callers are told apart.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Not at all: moves are answered only for callers on this machine.
    ThisMachine,
    /// Not at all, and moves are answered for everybody. Something in front checks callers.
    Anybody(Arc<Limit<IpAddr>>),
    /// By their tokens.
    Tokens(Arc<Authentication>),
    /// Moves are answered for nobody; reads as the tokens say, where there are any.
    ReadOnly(Option<Arc<Authentication>>),
}

/// Whether reads need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// They are answered for everybody.
    Open,
    /// They need a token of any role.
    Closed,
}

/// Those who know tokens, and how often they are asked. With neither a file nor a reviewer nobody is let in.
#[derive(Debug)]
pub struct Authentication {
    file: Option<TokenFile>,
    reviewer: Option<Arc<dyn Authenticator>>,
    reads: Reads,
    moves: Limit<Actor>,
    wrong_tokens: Limit<IpAddr>,
}

/// A caller who was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is.
    pub caller: Actor,
    /// How long that counts.
    pub standing: Standing,
}

/// How long a caller who was let in may go on with what takes long.
#[derive(Debug, Clone)]
pub enum Standing {
    /// As long as it takes: no token was needed, or somebody else's word was asked for, and is with the next request.
    Lasting,
    /// As long as the file has this token.
    Token(TokenFile, BearerToken),
}

impl Standing {
    /// Comes back when the caller may not go on.
    pub async fn lost(&self) {
        match self {
            Self::Lasting => std::future::pending().await,
            Self::Token(file, token) => file.lost(token).await,
        }
    }
}

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no token that one could look at.
    TokenMissing,
    /// Nobody knows the token.
    TokenUnknown,
    /// The caller may do less than this.
    TooLittle {
        /// Who it is.
        caller: Actor,
        /// The role that it takes.
        wanted: Access,
    },
    /// Too much of it: how long to wait.
    TooOften(Duration),
    /// Nobody can say who it is.
    Unavailable(Box<Problem>),
}

impl Admission {
    /// Everybody may move services.
    #[must_use]
    pub fn anybody() -> Self {
        Self::Anybody(Arc::new(Limit::new(MOVES)))
    }

    /// Those who know tokens, where there are any.
    #[must_use]
    pub fn tokens(&self) -> Option<&Authentication> {
        match self {
            Self::Tokens(known) | Self::ReadOnly(Some(known)) => Some(known),
            Self::ThisMachine | Self::Anybody(_) | Self::ReadOnly(None) => None,
        }
    }
}

impl Authentication {
    /// Asks the file first and the reviewer about what it does not know.
    #[must_use]
    pub fn new(file: Option<TokenFile>, reviewer: Option<Arc<dyn Authenticator>>, reads: Reads) -> Self {
        let (moves, wrong_tokens) = (Limit::new(MOVES), Limit::new(WRONG_TOKENS));
        Self { file, reviewer, reads, moves, wrong_tokens }
    }

    /// Whether reads need a token.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// What keeps tokens from being known, for the health.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let file = self.file.as_ref().and_then(TokenFile::problem);
        let reviewer = self.reviewer.as_ref().and_then(|reviewer| reviewer.problem());
        file.into_iter().chain(reviewer).collect()
    }

    /// Lets the bearer of `token` do what needs the role `wanted`, from `address`.
    ///
    /// # Errors
    /// Why not.
    pub async fn admit(
        &self,
        token: Option<&BearerToken>,
        wanted: Access,
        address: IpAddr,
    ) -> Result<Admitted, Refusal> {
        let token = token.ok_or(Refusal::TokenMissing)?;
        let address = network(address);
        let (verdict, standing) = self.verdict(token, wanted, address).await?;
        match verdict {
            Verdict::Granted(caller) => {
                match wanted {
                    Access::Read => {}
                    Access::Operate => {
                        self.moves.take(&caller, Instant::now()).map_err(Refusal::TooOften)?;
                    }
                }
                Ok(Admitted { caller, standing })
            }
            Verdict::TooLittle(caller) => Err(Refusal::TooLittle { caller, wanted }),
            Verdict::Unknown => Err(Refusal::TokenUnknown),
        }
    }

    /// Whoever knows the token decides. A good token of the file is good also while somebody at the same address,
    /// which may be that of a proxy, sends wrong ones.
    async fn verdict(
        &self,
        token: &BearerToken,
        wanted: Access,
        address: IpAddr,
    ) -> Result<(Verdict, Standing), Refusal> {
        let in_file = match self.file.as_ref().map(|file| (file, file.verify(token, wanted))) {
            Some((file, Ok(verdict @ (Verdict::Granted(_) | Verdict::TooLittle(_))))) => {
                return Ok((verdict, Standing::Token(file.clone(), token.clone())));
            }
            Some((_, Ok(Verdict::Unknown))) | None => Ok((Verdict::Unknown, Standing::Lasting)),
            Some((_, Err(Unavailable(problem)))) => Err(Refusal::Unavailable(Box::new(problem))),
        };
        let known = self.reviewer.as_ref().and_then(|reviewer| reviewer.remembered(token, wanted));
        if let Some(verdict @ (Verdict::Granted(_) | Verdict::TooLittle(_))) = known {
            return Ok((verdict, Standing::Lasting));
        }
        // Counted before anybody is asked, so that many at once are not more than the limit.
        self.wrong_tokens.take(&address, Instant::now()).map_err(Refusal::TooOften)?;
        let asked = match (&self.reviewer, known) {
            (None, _) | (_, Some(Verdict::Unknown)) => return in_file,
            (Some(reviewer), _) => reviewer.verify(token, wanted).await,
        };
        let verdict = match asked {
            Ok(Verdict::Unknown) => return in_file,
            Ok(verdict @ (Verdict::Granted(_) | Verdict::TooLittle(_))) => Ok((verdict, Standing::Lasting)),
            Err(Unavailable(problem)) => Err(Refusal::Unavailable(Box::new(problem))),
        };
        self.wrong_tokens.give_back(&address, Instant::now());
        verdict
    }
}

/// What of an address tells one caller from another: an IPv6 network of 64 bits is one household's or one machine's.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use failover_core::code::Code;

    use super::super::authenticator::Verifying;
    use super::*;

    /// Knows the token `known`, remembers `seen`, cannot say anything of `silence`, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Reviewer(std::sync::atomic::AtomicUsize);

    impl Authenticator for Reviewer {
        fn verify<'a>(&'a self, token: &'a BearerToken, wanted: Access) -> Verifying<'a> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move {
                tokio::task::yield_now().await;
                let name = Actor::new("system:serviceaccount:media:night").unwrap();
                match (token.secret(), wanted) {
                    ("known", Access::Read) => Ok(Verdict::Granted(name)),
                    ("known", Access::Operate) => Ok(Verdict::TooLittle(name)),
                    ("silence", _) => {
                        let code = Code::AuthenticationUnavailable;
                        Err(Unavailable(Problem::new(code, "no answer", "ask again")))
                    }
                    _ => Ok(Verdict::Unknown),
                }
            })
        }

        fn remembered(&self, token: &BearerToken, _wanted: Access) -> Option<Verdict> {
            (token.secret() == "seen").then(|| Verdict::Granted(Actor::new("night").unwrap()))
        }

        fn problem(&self) -> Option<Problem> {
            None
        }
    }

    #[tokio::test]
    async fn whoever_knows_the_token_decides_and_silence_lets_nobody_in() {
        let reviewer = Arc::new(Reviewer::default());
        let known = Arc::new(Authentication::new(None, Some(Arc::clone(&reviewer) as _), Reads::Closed));
        let address = IpAddr::from([192, 0, 2, 1]);
        let ask = async |token: &str, wanted| {
            let token = BearerToken::from_header(&format!("Bearer {token}"));
            known.admit(token.as_ref(), wanted, address).await.map(|admitted| admitted.caller)
        };
        assert_eq!(ask("known", Access::Read).await.unwrap().as_str(), "system:serviceaccount:media:night");
        assert!(matches!(ask("known", Access::Operate).await, Err(Refusal::TooLittle { .. })));
        assert!(matches!(ask("silence", Access::Read).await, Err(Refusal::Unavailable(_))));
        assert_eq!(ask("", Access::Read).await, Err(Refusal::TokenMissing));
        let asked = || reviewer.0.load(std::sync::atomic::Ordering::Relaxed);
        let before = asked();
        let mut guesses = tokio::task::JoinSet::new();
        for _ in 0..60 {
            let known = Arc::clone(&known);
            let token = BearerToken::from_header("Bearer other");
            guesses.spawn(async move { known.admit(token.as_ref(), Access::Read, address).await });
        }
        let answers = guesses.join_all().await;
        let is_unknown = |answer: &&Result<Admitted, Refusal>| matches!(answer, Err(Refusal::TokenUnknown));
        assert_eq!(answers.iter().filter(is_unknown).count(), 20);
        assert_eq!(asked() - before, 20, "guessers at once do not all reach the reviewer");
        assert!(matches!(ask("another", Access::Read).await, Err(Refusal::TooOften(_))));
        assert_eq!(asked() - before, 20);
        assert_eq!(ask("seen", Access::Read).await.unwrap().as_str(), "night");
    }

    #[tokio::test]
    async fn nobody_is_let_in_where_nobody_knows_tokens() {
        let nobody = Authentication::new(None, None, Reads::Open);
        let token = BearerToken::generate().unwrap();
        let admitted = nobody.admit(Some(&token), Access::Read, IpAddr::from([127, 0, 0, 1])).await;
        assert_eq!(admitted.err(), Some(Refusal::TokenUnknown));
    }

    #[test]
    fn one_household_is_one_caller() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
