//! The way to a repository in steps: which one failed says what is well before it.

use failover_core::code::Code;

use crate::git::RemoteUrl;

/// A step on the way to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The programs that are needed are there.
    Programs,
    /// The host is reached.
    Reach,
    /// The host is the right one.
    HostKey,
    /// Its certificate is to be trusted.
    Certificate,
    /// It lets us in.
    Login,
    /// It has the repository.
    Repository,
    /// The branch is there.
    Branch,
    /// It is ready to take a push.
    Write,
}

/// The steps to this repository, in their order.
pub(super) fn stages(url: &RemoteUrl) -> Vec<Stage> {
    let own = match url {
        RemoteUrl::Ssh { .. } => vec![Stage::Programs, Stage::Reach, Stage::HostKey, Stage::Login],
        RemoteUrl::Http { text } if text.starts_with("https://") => {
            vec![Stage::Reach, Stage::Certificate, Stage::Login]
        }
        RemoteUrl::Http { .. } => vec![Stage::Reach, Stage::Login],
        RemoteUrl::Local(_) | RemoteUrl::Clone(_) => vec![Stage::Programs],
    };
    own.into_iter().chain([Stage::Repository, Stage::Branch, Stage::Write]).collect()
}

impl Stage {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Programs => "programs",
            Self::Reach => "reach",
            Self::HostKey => "host key",
            Self::Certificate => "certificate",
            Self::Login => "login",
            Self::Repository => "repository",
            Self::Branch => "branch",
            Self::Write => "write",
        }
    }

    /// What it means that it went well.
    pub(super) fn passed(self, address: &str, tip: &str) -> String {
        match self {
            Self::Programs => "git or ssh can be started".to_owned(),
            Self::Reach => format!("{address} answers"),
            Self::HostKey => "the host's key is in known_hosts".to_owned(),
            Self::Certificate => "the host's certificate is to be trusted".to_owned(),
            Self::Login => "the host lets us in".to_owned(),
            Self::Repository => format!("{address} can be read"),
            Self::Branch => format!("it is there, at {tip}"),
            Self::Write => {
                "the host waits for a push; what its hooks and rules say is seen only then".to_owned()
            }
        }
    }

    /// The step that an error stands for; `None` where it may be any.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most codes are not the remote's")]
    pub(super) fn of(code: Code) -> Option<Self> {
        Some(match code {
            Code::GitMissing | Code::SshUserUnknown => Self::Programs,
            Code::RemoteUnreachable | Code::RemoteTimeout => Self::Reach,
            Code::HostKeyUnknown | Code::HostKeyChanged => Self::HostKey,
            Code::CertificateUnknown => Self::Certificate,
            Code::SshKeyRejected | Code::SshKeyUnusable | Code::CredentialsRejected => Self::Login,
            // Who may not push is told so by the branch that was read; here reading was refused, too.
            Code::RepositoryNotFound | Code::RemoteRefused => Self::Repository,
            Code::BranchNotFound => Self::Branch,
            _ => return None,
        })
    }
}
