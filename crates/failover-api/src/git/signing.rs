//! Commit signatures with an SSH key, as `gpg.format=ssh` makes them: Flux's `spec.verify` takes no unsigned commit.

use std::path::{Path, PathBuf};

use ssh_key::{HashAlg, LineEnding, PrivateKey};

use crate::reload;

/// A file with more bytes than this is no key.
const MAX_KEY: u64 = 1024 * 1024;

/// Signs commits with the key in a file, which is read for each: a rotated key is the one that is used.
#[derive(Debug, Clone)]
pub struct Signer {
    key: PathBuf,
}

/// Why a commit was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The file cannot be read or is no key.
    #[error("the signing key {path} cannot be used: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is protected.
    #[error("the signing key {0} has a passphrase, which nobody can enter here")]
    Encrypted(PathBuf),
    /// The key does not sign.
    #[error("the signing key {path} does not sign ({reason}); use an Ed25519 or ECDSA key")]
    Sign {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Signer {
    /// Uses the OpenSSH private key in `key`.
    #[must_use]
    pub fn new(key: &Path) -> Self {
        Self { key: key.to_owned() }
    }

    /// Whether a commit could be signed now.
    ///
    /// # Errors
    /// Why it could not.
    pub fn check(&self) -> Result<(), SigningError> {
        self.sign(b"").map(drop)
    }

    /// The signature on `commit`, in the lines that a commit's header holds.
    pub(super) fn sign(&self, commit: &[u8]) -> Result<String, SigningError> {
        let path = || self.key.clone();
        let unusable = |reason: String| SigningError::Key { path: path(), reason };
        let text = reload::read_file(&self.key, MAX_KEY).map_err(|error| unusable(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|_| unusable("it is not UTF-8 text".to_owned()))?;
        // A Secret made from a text has lost its last newline, or gained another.
        let text = format!("{}\n", text.trim());
        let key = PrivateKey::from_openssh(&text).map_err(|error| unusable(error.to_string()))?;
        if key.is_encrypted() {
            return Err(SigningError::Encrypted(path()));
        }
        let failed = |error: ssh_key::Error| SigningError::Sign { path: path(), reason: error.to_string() };
        // The namespace and the hash that git itself uses and demands.
        let signature = key.sign("git", HashAlg::Sha512, commit).map_err(failed)?;
        signature.to_pem(LineEnding::LF).map_err(failed)
    }
}
