//! Why the Secret could not be read.

use failover_core::code::{Code, Problem};

use super::name::SecretName;

/// Why the Secret with the credentials for Git could not be read or used. The copy of before stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nobody said where the API server is.
    #[error("it is not known how to reach the Kubernetes API: {reason}")]
    NoConfig {
        /// What is missing.
        reason: String,
    },
    /// The API server did not answer.
    #[error("the Kubernetes API server cannot be reached: {reason}")]
    Unreachable {
        /// What happened instead.
        reason: String,
    },
    /// The API server answered, but neither with the Secret nor with one of the refusals below.
    #[error("the Kubernetes API server failed: {reason}")]
    Failed {
        /// Its own words.
        reason: String,
    },
    /// The API server does not know who asks.
    #[error("the Kubernetes API server does not accept this server's token or certificate: {reason}")]
    Unauthenticated {
        /// Its own words.
        reason: String,
    },
    /// Whoever asks may not read this Secret.
    #[error("Secret {secret} may not be read: {reason}")]
    Forbidden {
        /// The Secret.
        secret: SecretName,
        /// The API server's own words.
        reason: String,
    },
    /// There is no such Secret.
    #[error("there is no Secret {secret}")]
    NotFound {
        /// The Secret.
        secret: SecretName,
    },
    /// The Secret does not hold what the repository's address needs.
    #[error("Secret {secret} cannot be used: {reason}")]
    Unusable {
        /// The Secret.
        secret: SecretName,
        /// What is wrong with it, without its values.
        reason: String,
    },
    /// The copy could not be written.
    #[error("the copy of the Secret could not be written: {reason}")]
    NotWritten {
        /// What the operating system said.
        reason: String,
    },
}

impl SecretError {
    /// The stable name of the reason.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NoConfig { .. } => Code::ClusterNotConfigured,
            Self::Unreachable { .. } | Self::Failed { .. } => Code::ClusterUnreachable,
            Self::Unauthenticated { .. } => Code::ClusterTokenRejected,
            Self::Forbidden { .. } => Code::SecretForbidden,
            Self::NotFound { .. } => Code::SecretNotFound,
            Self::Unusable { .. } => Code::SecretUnusable,
            Self::NotWritten { .. } => Code::CacheFailed,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::NoConfig { .. } => "run in a pod with its ServiceAccount's token mounted, or set KUBECONFIG; or mount the files and use --git-secret-dir".to_owned(),
            Self::Unreachable { .. } | Self::Failed { .. } => {
                "check the API server and the network policy of this pod; the last copy of the Secret stays in use, and it is asked again".to_owned()
            }
            Self::Unauthenticated { .. } => {
                "check that the pod's ServiceAccount exists and its token is mounted (automountServiceAccountToken)".to_owned()
            }
            Self::Forbidden { secret, .. } => format!(
                "add a Role in namespace {} with the verb get on secrets and resourceNames [{}], and a RoleBinding there to this server's ServiceAccount",
                secret.namespace, secret.name
            ),
            Self::NotFound { secret } => format!(
                "name the Secret of your GitRepository in --git-secret (kubectl get secrets -n {} lists them), or create it",
                secret.namespace
            ),
            Self::Unusable { .. } => {
                "a Secret for ssh:// has identity and known_hosts; for https:// username and password, bearerToken, or the fields of a GitHub App".to_owned()
            }
            Self::NotWritten { .. } => "check the space and permissions of --cache-dir".to_owned(),
        }
    }

    /// The same for answers.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem::new(self.code(), self.to_string(), self.hint())
    }
}
