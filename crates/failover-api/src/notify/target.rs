//! A receiver as it can be reached now: its address and keys, read from their files.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use failover_core::config::{Hook, Receiver};
use failover_core::name::{Namespace, ObjectName};
use ring::{digest, hmac};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::reload;

/// A key or certificate file with more bytes than this is not read.
const MAX_FILE: u64 = 256 * 1024;

/// A receiver as it can be reached now. It holds secrets, so it has no way to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: ObjectName,
    /// Where and how, or why that is not known; the reason holds no secret.
    pub(super) way: Result<Way, String>,
}

/// Where and how.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// The whole address.
    pub(super) url: String,
    /// Signs what is sent.
    key: Option<Vec<u8>>,
    /// The authorities to trust instead of the system's, as PEM.
    ca: Option<Vec<u8>>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.name)
    }
}

impl Target {
    /// Reads the receiver's files, which lie in `folder` unless they are given otherwise.
    pub(super) fn read(receiver: &Receiver, folder: &Path) -> Self {
        Self { name: receiver.name.clone(), way: Way::read(receiver, folder) }
    }

    /// Whether the token has a line's end, which is seldom meant.
    pub(super) fn token_ends_with_a_line(&self) -> bool {
        let key = self.way.as_ref().ok().and_then(|way| way.key.as_deref());
        key.is_some_and(|key| key.ends_with(b"\n"))
    }
}

impl Way {
    fn read(receiver: &Receiver, folder: &Path) -> Result<Self, String> {
        // A file's name may be a secret that was written into the wrong place, so it is not repeated.
        let token = |file: &str| match read_file(&folder.join(file)) {
            Ok(token) if token.is_empty() => Err("its token_file is empty".to_owned()),
            Ok(token) => Ok(token),
            Err(reason) => Err(format!("its token_file cannot be read: {reason}")),
        };
        let (url, key) = match &receiver.hook {
            Hook::Generic { url } => (url.secret().to_owned(), None),
            Hook::GenericHmac { url, token_file } => (url.secret().to_owned(), Some(token(token_file)?)),
            Hook::Flux { address, namespace, receiver, token_file } => {
                let token = token(token_file)?;
                (address.with_path(&flux_path(&token, receiver, namespace)), Some(token))
            }
        };
        let ca = match &receiver.ca_file {
            None => None,
            Some(file) => {
                let pem = read_file(&folder.join(file))
                    .map_err(|reason| format!("its ca_file cannot be read: {reason}"))?;
                certificates(&pem)?;
                Some(pem)
            }
        };
        Ok(Self { url, key, ca })
    }

    /// The value of `X-Signature` for this body, for a receiver that checks one.
    pub(super) fn signature(&self, body: &[u8]) -> Option<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.as_deref()?);
        Some(format!("sha256={}", hex(hmac::sign(&key, body).as_ref())))
    }

    /// Whom to trust.
    pub(super) fn tls(&self) -> Result<TlsConfig, String> {
        let tls = TlsConfig::builder();
        Ok(match &self.ca {
            Some(pem) => tls.root_certs(RootCerts::from(certificates(pem)?)).build(),
            None => tls.build(),
        })
    }
}

/// The path of a Flux `Receiver`: `Receiver.GetWebhookPath` in `fluxcd/notification-controller`, `api/v1`.
fn flux_path(token: &[u8], receiver: &ObjectName, namespace: &Namespace) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [token, receiver.as_str().as_bytes(), namespace.as_str().as_bytes()] {
        context.update(part);
    }
    format!("/hook/{}", hex(context.finish().as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let broken = || "its ca_file holds no certificate in PEM form".to_owned();
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| broken())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(broken()) } else { Ok(certificates) }
}

/// The file's bytes.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    reload::read_file(path, MAX_FILE).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_digest_of_token_name_and_namespace() {
        // printf 's3cr3tfailoverflux-system' | sha256sum
        let (name, namespace) =
            (ObjectName::new("failover").unwrap(), Namespace::new("flux-system").unwrap());
        assert_eq!(
            flux_path(b"s3cr3t", &name, &namespace),
            "/hook/0d3d3a1d461318c7b8f4d520d4a8f96e01c5d50c447dce948d40bbfaf38f44c8"
        );
    }

    #[test]
    fn a_body_is_signed_with_hmac_sha256() {
        // printf '{"a":1}' | openssl dgst -sha256 -hmac s3cr3t
        let way = Way { url: String::new(), key: Some(b"s3cr3t".to_vec()), ca: None };
        assert_eq!(
            way.signature(br#"{"a":1}"#).unwrap(),
            "sha256=d42927434049e0b8c73ce887062238cc1c6bb6644bfe66e66d8dd0f30b85679e"
        );
        let way = Way { key: None, ..way };
        assert_eq!(way.signature(b"x"), None);
    }
}
