//! What the web server in front of a repository wants to see: the files of a Git Secret as Flux knows it.

use std::path::{Path, PathBuf};

use failover_core::code::Code;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::error::RemoteError;
use super::github_app::{AppKey, basic};
use crate::reload;

/// A file of a Secret with more bytes than this is not read.
const MAX_FILE: u64 = 1024 * 1024;

/// A mounted Secret; nothing is asked for where it is `None`.
#[derive(Debug, Clone, Default)]
pub struct SecretFolder(pub Option<PathBuf>);

/// What stands in the files. It must never be shown, so it has no way to be.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SecretFiles {
    username: Option<String>,
    password: Option<String>,
    bearer_token: Option<String>,
    ca: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    app_id: Option<String>,
    app_installation_id: Option<String>,
    app_installation_owner: Option<String>,
    app_key: Option<String>,
    app_base_url: Option<String>,
}

/// How a caller proves who it is.
pub(super) enum Identity {
    /// Everybody may.
    Nobody,
    /// This header.
    Authorization(String),
    /// A token that is asked for first.
    App(Box<AppKey>),
}

impl SecretFolder {
    /// Reads the files as they are now.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read(&self) -> Result<SecretFiles, RemoteError> {
        let Some(folder) = &self.0 else { return Ok(SecretFiles::default()) };
        // Values end with a newline as often as not; none of these means one.
        let read = |names: &[&str]| -> Result<Option<String>, RemoteError> {
            for name in names {
                if let Some(text) = read_file(&folder.join(name))? {
                    return Ok(
                        Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty())
                    );
                }
            }
            Ok(None)
        };
        Ok(SecretFiles {
            username: read(&["username"])?,
            password: read(&["password"])?,
            bearer_token: read(&["bearerToken"])?,
            ca: read(&["ca.crt", "caFile"])?,
            certificate: read(&["tls.crt", "certFile"])?,
            key: read(&["tls.key", "keyFile"])?,
            app_id: read(&["githubAppID"])?,
            app_installation_id: read(&["githubAppInstallationID"])?,
            app_installation_owner: read(&["githubAppInstallationOwner"])?,
            app_key: read(&["githubAppPrivateKey"])?,
            app_base_url: read(&["githubAppBaseURL"])?,
        })
    }
}

fn read_file(path: &Path) -> Result<Option<String>, RemoteError> {
    let unusable = |why: String| unusable(format!("{} cannot be read: {why}", path.display()));
    let bytes = match reload::read_file(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    String::from_utf8(bytes).map(Some).map_err(|_| unusable("it is not UTF-8 text".to_owned()))
}

fn unusable(detail: impl Into<String>) -> RemoteError {
    RemoteError::new(Code::CredentialsRejected, detail)
}

impl SecretFiles {
    /// Who the caller is. A token outweighs a name and password, and an app outweighs both, as in Flux.
    ///
    /// # Errors
    /// The files contradict each other or hold something else than they should.
    pub(super) fn identity(&self) -> Result<Identity, RemoteError> {
        if let Some(id) = &self.app_id {
            let key = self
                .app_key
                .as_deref()
                .ok_or_else(|| unusable("githubAppPrivateKey is missing beside githubAppID"))?;
            let app = AppKey::new(
                id,
                self.app_installation_id.as_deref(),
                self.app_installation_owner.as_deref(),
                key,
                self.app_base_url.as_deref(),
            );
            return app.map(|app| Identity::App(Box::new(app)));
        }
        let header = match (&self.bearer_token, &self.username, &self.password) {
            (Some(token), _, _) => format!("Bearer {token}"),
            (None, None, None) => return Ok(Identity::Nobody),
            (None, username, password) => {
                basic(username.as_deref().unwrap_or("git"), password.as_deref().unwrap_or_default())
            }
        };
        if header.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            Ok(Identity::Authorization(header))
        } else {
            Err(unusable("bearerToken holds characters that no token has"))
        }
    }

    /// Whom the caller trusts, and the certificate that it shows.
    ///
    /// # Errors
    /// The files hold something else than certificates and a key.
    pub(super) fn tls(&self) -> Result<TlsConfig, RemoteError> {
        let mut tls = TlsConfig::builder();
        if let Some(ca) = &self.ca {
            tls = tls.root_certs(RootCerts::from(certificates(ca, "ca.crt")?));
        }
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate, "tls.crt")?;
                let key = PrivateKey::from_pem(key.as_bytes())
                    .map_err(|_| unusable("tls.key holds no private key in PEM form"))?;
                tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
            }
            (None, None) => {}
            _ => return Err(unusable("tls.crt and tls.key belong together, and one is missing")),
        }
        Ok(tls.build())
    }
}

fn certificates(pem: &str, file: &str) -> Result<Vec<Certificate<'static>>, RemoteError> {
    let broken = || unusable(format!("{file} holds no certificate in PEM form"));
    let mut certificates = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| broken())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(broken()) } else { Ok(certificates) }
}
