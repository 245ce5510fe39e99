//! What a caller may do.

use std::fmt;

use failover_core::name::Actor;

/// What a caller may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Access {
    /// See where services are, what happened, and what a move would do.
    Read,
    /// Move services.
    Operate,
}

impl Access {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Read, Self::Operate];

    /// The role's name, as the token file and answers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == name)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an authenticator says of a token and of what its bearer wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody that this authenticator knows.
    Unknown,
    /// This caller, who may not do it.
    TooLittle(Actor),
    /// This caller, who may do it. The name stands in the commit as `Requested-By`.
    Granted(Actor),
}
