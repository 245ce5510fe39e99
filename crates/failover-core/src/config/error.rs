//! What is wrong in a config, all of it at once.

use std::fmt;

use crate::yaml::Place;

/// One thing that is wrong in the config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub struct ConfigError {
    /// Where in the text.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Everything that is wrong in a config, in the order of the text; never empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts the problems by place and keeps one of those that a YAML alias repeats.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort();
        errors.dedup();
        Self(errors)
    }

    /// The problems in the order of the text.
    #[must_use]
    pub fn as_slice(&self) -> &[ConfigError] {
        &self.0
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, message, hint } = self;
        write!(f, "{}:{}: {message} ({hint})", place.line, place.column)
    }
}
