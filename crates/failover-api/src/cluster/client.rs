//! One request: get this Secret.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, Request};
use kube::config::{Config, KubeConfigOptions, KubeconfigError};
use kube::{Client, Resource as _};

use super::answer::{self, NoAnswer, one_line, with_sources};
use super::error::SecretError;
use super::files::Values;
use super::name::SecretName;

/// The longest that one answer may take.
const LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// What every pod is told, and nothing else.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// What of the Secret is read. It must never be shown, so it has no way to be.
#[derive(serde::Deserialize)]
struct Body {
    data: Option<BTreeMap<String, ByteString>>,
}

/// Whom to ask for one Secret.
pub(super) struct SecretClient {
    secret: SecretName,
    client: Option<Client>,
}

impl SecretClient {
    /// Touches nothing yet.
    pub(super) fn new(secret: SecretName) -> Self {
        Self { secret, client: None }
    }

    /// The Secret as it is now.
    pub(super) async fn get(&mut self) -> Result<Values, SecretError> {
        let late = || SecretError::Unreachable { reason: "no answer came in time".to_owned() };
        let found = tokio::time::timeout(LIMIT, self.ask()).await.unwrap_or_else(|_| Err(late()));
        if found.is_err() {
            // What it was told about the API server may have been wrong, or be out of date.
            self.client = None;
        }
        found
    }

    async fn ask(&mut self) -> Result<Values, SecretError> {
        let client = match &self.client {
            Some(client) => client,
            None => self.client.insert(connect().await?),
        };
        let path = Secret::url_path(&(), Some(self.secret.namespace.as_str()));
        let request = Request::new(path).get(self.secret.name.as_str(), &GetParams::default());
        let request = request.map_err(|error| SecretError::Failed { reason: error.to_string() })?;
        let text = answer::ask(client, request).await.map_err(|error| self.refused(error))?;
        let body: Body = serde_json::from_str(&text).map_err(|_| SecretError::Failed {
            reason: "its answer to a request for a Secret is not one".to_owned(),
        })?;
        let data = body.data.unwrap_or_default();
        Ok(Values::of(data.into_iter().map(|(key, ByteString(value))| (key, value)).collect()))
    }

    fn refused(&self, error: NoAnswer) -> SecretError {
        let secret = || self.secret.clone();
        match error {
            NoAnswer::Refused { status: 401, words } => SecretError::Unauthenticated { reason: words },
            NoAnswer::Refused { status: 403, words } => {
                SecretError::Forbidden { secret: secret(), reason: words }
            }
            NoAnswer::Refused { status: 404, .. } => SecretError::NotFound { secret: secret() },
            NoAnswer::Refused { status, words } => {
                SecretError::Failed { reason: format!("{status} {words}").trim_end().to_owned() }
            }
            NoAnswer::Unreachable(reason) => SecretError::Unreachable { reason },
        }
    }
}

/// In a pod as its ServiceAccount, whose token and certificate authority kube reads again as they change; elsewhere as
/// the kubeconfig says.
pub(super) async fn connect() -> Result<Client, SecretError> {
    let no_config = |reason: String| SecretError::NoConfig { reason };
    let mut config = if std::env::var_os(IN_CLUSTER).is_some() {
        Config::incluster().map_err(|error| no_config(with_sources(&error)))?
    } else {
        Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|error| no_config(unusable_kubeconfig(&error)))?
    };
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(LIMIT);
    // Whoever asks again decides when.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| no_config(with_sources(&error)))
}

/// What is wrong with a kubeconfig; a parser's words may quote from it, and it holds credentials.
#[expect(clippy::wildcard_enum_match_arm, reason = "only one quotes")]
fn unusable_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "this is no pod, and the kubeconfig is not one".to_owned(),
        other => format!("this is no pod, and {}", one_line(&other.to_string())),
    }
}
