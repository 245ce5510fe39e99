//! What is needed to reach a listener, read from files. It may all be secret.

use std::fmt::Write as _;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::reload::Files;

/// The authorities to trust instead of the system's, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authorities(Option<Vec<u8>>);

impl Authorities {
    /// Reads and checks the file; the system's authorities without one.
    ///
    /// # Errors
    /// What is wrong. A file's name may be a secret that was written into the wrong place, so it is not repeated.
    pub(super) fn read(file: Option<&str>, folder: &Path, files: &mut Files) -> Result<Self, String> {
        let Some(file) = file else { return Ok(Self(None)) };
        let pem = files
            .read(&folder.join(file))
            .map_err(|reason| format!("its ca_file cannot be read: {reason}"))?;
        certificates(pem)?;
        Ok(Self(Some(pem.to_owned())))
    }

    /// Whom to trust.
    pub(super) fn tls(&self) -> Result<TlsConfig, String> {
        let tls = TlsConfig::builder();
        Ok(match &self.0 {
            Some(pem) => tls.root_certs(RootCerts::from(certificates(pem)?)).build(),
            None => tls.build(),
        })
    }
}

/// The bytes of the file with the token, whole.
///
/// # Errors
/// Why there is none; see [`Authorities::read`].
pub(super) fn token(file: &str, folder: &Path, files: &mut Files) -> Result<Vec<u8>, String> {
    match files.read(&folder.join(file)) {
        Ok([]) => Err("its token_file is empty".to_owned()),
        Ok(token) => Ok(token.to_owned()),
        Err(reason) => Err(format!("its token_file cannot be read: {reason}")),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
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
