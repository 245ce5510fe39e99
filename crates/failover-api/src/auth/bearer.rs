//! The token that a caller presents.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What a token of ours starts with, so that scanners for leaked secrets can tell it.
const PREFIX: &str = "fo_";

/// The random bytes of a token of ours.
const RANDOM_BYTES: usize = 32;

/// The longest token that is looked at, in bytes. Those of Kubernetes have one or two thousand.
const MAX_BYTES: usize = 8 * 1024;

/// The SHA-256 of a token.
pub(super) type Hash = [u8; SHA256_OUTPUT_LEN];

/// A token as its bearer sends it: a secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// The token in the value of an `Authorization` header, as RFC 6750 writes it; `None` if it has another form.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim_matches(' ');
        let bare = token.trim_end_matches('=');
        let is_fit = !bare.is_empty()
            && token.len() <= MAX_BYTES
            && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
        (scheme.eq_ignore_ascii_case("bearer") && is_fit).then(|| Self(token.to_owned()))
    }

    /// A new token of ours; `None` if the operating system has no random numbers.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The secret text, for the authenticator that must pass it on and for the person who makes it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> Hash {
        hash(self.0.as_bytes())
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

pub(super) fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken_from_the_header() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER a-._~+/9==", Some("a-._~+/9==")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer ==", None),
            ("Bearer a b", None),
            ("Bearer a,b", None),
            ("Bearer a=b", None),
            ("Bearer ä", None),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(BearerToken::from_header(value).as_ref().map(BearerToken::secret), token, "{value:?}");
        }
        assert_eq!(BearerToken::from_header(&format!("Bearer {}", "x".repeat(MAX_BYTES + 1))), None);
    }

    #[test]
    fn new_tokens_are_long_differ_and_do_not_show_themselves() {
        let (one, other) = (BearerToken::generate().unwrap(), BearerToken::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.secret().len(), PREFIX.len() + 43);
        assert_eq!(BearerToken::from_header(&format!("Bearer {}", one.secret())), Some(one.clone()));
        assert!(!format!("{one:?}").contains(one.secret()));
    }
}
