//! The list of tokens: who has one, with which role, and the hash that tells it.

use std::fmt;

use failover_core::name::Actor;
use subtle::ConstantTimeEq as _;

use super::access::{Access, Verdict};
use super::bearer::{BearerToken, Hash, hash};

/// How many tokens a list may have; each is compared with each that is presented.
const MAX_TOKENS: usize = 1000;

/// What a line of the list looks like.
const FORM: &str = "NAME ROLE sha256:HASH, as `failover-api token` prints it";

/// The tokens that are known, by their hashes. The tokens themselves are nowhere but with their bearers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tokens(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: TokenName,
    access: Access,
    hash: Hash,
    line: usize,
}

/// Whom a token was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(Actor);

impl TokenName {
    /// Checks `text` and keeps it. A name must not look like what other callers are called by: those without a token
    /// (`unauthenticated (127.0.0.1)`), and those that Kubernetes knows (`system:serviceaccount:…`).
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let is_fit = text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
            && !text.eq_ignore_ascii_case("unauthenticated");
        match Actor::new(text) {
            Ok(name) if is_fit => Ok(Self(name)),
            Ok(_) | Err(_) => Err(TokenError::Name),
        }
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is wrong with a line of the list. What stands there is never quoted, since it may be a token by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three words.
    #[error("must be {FORM}")]
    Form,
    /// The name is none.
    #[error(
        "the name must be 1 to 63 characters of A-Z, a-z, 0-9, '-', '_', '.' and '@', start with a letter or a digit, and not be \
         \"unauthenticated\""
    )]
    Name,
    /// The role is none.
    #[error("the role must be read or operate")]
    Role,
    /// The hash is none.
    #[error("the hash must be sha256: and 64 hexadecimal digits, as `failover-api token` prints it")]
    Hash,
    /// The hash of nothing, which a script makes of a variable that is not set.
    #[error("the hash is that of an empty token; make one with `failover-api token`")]
    EmptyToken,
    /// The hash of an earlier line.
    #[error("the same token stands on line {0}; give each caller its own")]
    Repeated(usize),
    /// Too many lines.
    #[error("there are more than {MAX_TOKENS} tokens; remove those that nobody uses")]
    TooMany,
}

impl Tokens {
    /// Reads a list: one `NAME ROLE sha256:HASH` a line; `#` begins a comment. A name may have several tokens, so
    /// that one can be replaced while both work.
    ///
    /// # Errors
    /// Everything that is wrong, each with the number of its line.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<(usize, TokenError)>> {
        let (mut entries, mut errors): (Vec<Entry>, Vec<_>) = (Vec::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> =
                text.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
            if words.is_empty() {
                continue;
            }
            match Entry::read(&words, line) {
                Ok(entry) => match entries.iter().find(|known| known.hash == entry.hash) {
                    Some(known) => errors.push((line, TokenError::Repeated(known.line))),
                    None if entries.len() == MAX_TOKENS => {
                        errors.push((line, TokenError::TooMany));
                        break;
                    }
                    None => entries.push(entry),
                },
                Err(error) => errors.push((line, error)),
            }
        }
        if errors.is_empty() { Ok(Self(entries)) } else { Err(errors) }
    }

    /// How many tokens there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token it is, and whether they may do what they want to. Takes as long whichever token it is.
    #[must_use]
    pub(super) fn verify(&self, token: &BearerToken, wanted: Access) -> Verdict {
        let hash = token.hash();
        let mut found = None;
        for entry in &self.0 {
            if bool::from(entry.hash.ct_eq(&hash)) {
                found = Some(entry);
            }
        }
        match found {
            None => Verdict::Unknown,
            Some(entry) if entry.access >= wanted => Verdict::Granted(entry.name.0.clone()),
            Some(entry) => Verdict::TooLittle(entry.name.0.clone()),
        }
    }
}

impl Entry {
    fn read(words: &[&str], line: usize) -> Result<Self, TokenError> {
        let [name, access, hash] = words else { return Err(TokenError::Form) };
        let name = TokenName::new(name)?;
        let access = Access::from_name(access).ok_or(TokenError::Role)?;
        let hash = hash.strip_prefix("sha256:").and_then(from_hex).ok_or(TokenError::Hash)?;
        if hash == self::hash(b"") {
            return Err(TokenError::EmptyToken);
        }
        Ok(Self { name, access, hash, line })
    }
}

/// The line of the list for a token.
#[must_use]
pub fn line(name: &TokenName, access: Access, token: &BearerToken) -> String {
    let hash: String = token.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {access} sha256:{hash}")
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Actor {
        Actor::new(name).unwrap()
    }

    #[test]
    fn a_list_tells_its_callers_and_what_they_may_do() {
        let [alice, next, grafana, nobody] = [(); 4].map(|()| BearerToken::generate().unwrap());
        let line = |name, access, token: &BearerToken| line(&TokenName::new(name).unwrap(), access, token);
        let list = format!(
            "# who may move\r\n\n  {}\r\n{}   # from May\n{}",
            line("alice", Access::Operate, &alice),
            line("alice", Access::Operate, &next),
            line("grafana@home", Access::Read, &grafana),
        );
        let tokens = Tokens::parse(&list).unwrap();
        assert_eq!(tokens.len(), 3);
        for access in Access::ALL {
            assert_eq!(tokens.verify(&alice, access), Verdict::Granted(named("alice")));
            assert_eq!(tokens.verify(&next, access), Verdict::Granted(named("alice")));
            assert_eq!(tokens.verify(&nobody, access), Verdict::Unknown);
        }
        assert_eq!(tokens.verify(&grafana, Access::Read), Verdict::Granted(named("grafana@home")));
        assert_eq!(tokens.verify(&grafana, Access::Operate), Verdict::TooLittle(named("grafana@home")));
        let upper = Tokens::parse(
            &list
                .to_uppercase()
                .replace("SHA256", "sha256")
                .replace("OPERATE", "operate")
                .replace("READ", "read"),
        );
        assert_eq!(upper.unwrap().verify(&alice, Access::Operate), Verdict::Granted(named("ALICE")));
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_without_what_stands_there() {
        let token = BearerToken::generate().unwrap();
        let good = line(&TokenName::new("alice").unwrap(), Access::Operate, &token);
        let hash = good.split(' ').nth(2).unwrap();
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let list = format!(
            "{good}\nbob operate\nbob admin {hash}\nbob Operate {hash}\nbob read {}\nbob read sha256:{}\n-x read {hash}\n\
             system:x read {hash}\nUnauthenticated read {hash}\nbob read {empty}\nbob read {hash}\nbob read {hash} more\n",
            token.secret(),
            &hash["sha256:x".len()..],
        );
        let errors = Tokens::parse(&list).unwrap_err();
        assert_eq!(
            errors,
            [
                (2, TokenError::Form),
                (3, TokenError::Role),
                (4, TokenError::Role),
                (5, TokenError::Hash),
                (6, TokenError::Hash),
                (7, TokenError::Name),
                (8, TokenError::Name),
                (9, TokenError::Name),
                (10, TokenError::EmptyToken),
                (11, TokenError::Repeated(1)),
                (12, TokenError::Form),
            ]
        );
        assert!(!format!("{errors:?}").contains(token.secret()));
    }

    #[test]
    fn an_endless_list_is_refused() {
        let many = (0..=MAX_TOKENS).map(|n| format!("a read sha256:{n:064x}\n")).collect::<String>();
        assert_eq!(Tokens::parse(&many).unwrap_err(), [(MAX_TOKENS + 1, TokenError::TooMany)]);
    }
}
