//! Which Secret is read.

use std::fmt;
use std::str::FromStr;

use failover_core::name::{NameError, Namespace, ObjectName};

/// A Secret as `--git-secret` names it: `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    /// Where it is.
    pub namespace: Namespace,
    /// How it is called.
    pub name: ObjectName,
}

/// Why a text names no Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretNameError {
    /// There is no slash, or more than one.
    #[error("must be NAMESPACE/NAME, for example flux-system/flux-system")]
    Form,
    /// The part before the slash.
    #[error("the namespace must {0}")]
    Namespace(&'static str),
    /// The part after the slash.
    #[error("the name must {0}")]
    Name(&'static str),
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let (namespace, name) = text.split_once('/').ok_or(SecretNameError::Form)?;
        if name.contains('/') {
            return Err(SecretNameError::Form);
        }
        Ok(Self {
            namespace: namespace
                .parse()
                .map_err(|NameError(rule): NameError| SecretNameError::Namespace(rule))?,
            name: name.parse().map_err(|NameError(rule): NameError| SecretNameError::Name(rule))?,
        })
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_namespace_and_a_name_are_a_secret() {
        let parsed: SecretName = "flux-system/git.credentials".parse().unwrap();
        assert_eq!(parsed.to_string(), "flux-system/git.credentials");
        for wrong in ["", "flux-system", "/", "a/", "/b", "a/b/c", "A/b", "a/../b", "a.b/c", "a/b?x=y"] {
            assert!(wrong.parse::<SecretName>().is_err(), "{wrong}");
        }
    }
}
