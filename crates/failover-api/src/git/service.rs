//! Git's server programs, and what programs on this machine are told.

use std::ffi::OsString;

/// The server program that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Takes pushes.
    ReceivePack,
    /// Gives objects.
    UploadPack,
}

impl Service {
    /// The program's name, which is also the service's name over HTTP.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::ReceivePack => "git-receive-pack",
            Self::UploadPack => "git-upload-pack",
        }
    }
}

/// The version of the protocol to ask for. A push knows only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtocolVersion {
    First,
    Second,
}

/// Over which SSH connection to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// The one that is kept, when it is there.
    Shared,
    /// A new one, which is let in with the rights of now.
    New,
}

/// What programs on this machine see of our environment.
pub(super) fn environment() -> [(&'static str, OsString); 5] {
    [
        ("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())),
        ("HOME", "/nonexistent".into()),
        ("LC_ALL", "C".into()),
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
    ]
}
