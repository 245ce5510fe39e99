//! What the remote, or the way to it, said no with.

use std::time::Duration;

use failover_core::code::Code;

/// The longest that a host's wish to be left alone is heeded: a gateway may name a day and be back within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The remote could not be read or written, and nothing of ours reached its branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct RemoteError {
    /// The stable name of the reason.
    pub code: Code,
    /// The reason with the remote's own words.
    pub detail: String,
    /// How long the remote is left alone, since it asked for that.
    pub retry_after: Option<Duration>,
}

impl RemoteError {
    /// A reason with the remote's own words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None }
    }

    /// The same, from a remote that asked to be left alone for a while.
    pub(super) fn after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause.map(|pause| pause.min(LONGEST_PAUSE));
        self
    }

    /// Whether a host that was reached said no, in whatever words.
    pub(super) fn is_answer(&self) -> bool {
        self.retry_after.is_none()
            && matches!(
                self.code,
                Code::RemoteRefused
                    | Code::CredentialsRejected
                    | Code::RepositoryNotFound
                    | Code::RemoteFailed
            )
    }

    /// What to do about it.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "most codes are not the remote's")]
    pub fn hint(&self) -> &'static str {
        match self.code {
            Code::HostKeyUnknown => {
                "compare the server's key with what its owner publishes (ssh-keyscan shows it, with -p PORT for another port than 22), then add it to known_hosts"
            }
            Code::HostKeyChanged => {
                "somebody may be in between: find out why the key changed before you replace it in known_hosts"
            }
            Code::SshKeyRejected => "add the public key to the Git host as a deploy key with write access",
            Code::SshKeyUnusable => {
                "check that --ssh-key names a private key without passphrase that this user can read (mode 0400, or 0440 owned by root)"
            }
            Code::RepositoryNotFound => "check the address and that the key may read the repository",
            Code::BranchNotFound => {
                "name a branch that is there with --branch, or in a clone check one out with `git switch`; an empty repository needs a first commit"
            }
            Code::SshUserUnknown => {
                "install the library libnss-wrapper, or give the uid an entry in /etc/passwd (mount one, or run as a uid that has one), or use https://"
            }
            Code::CredentialsRejected => {
                "check the Secret of --git-secret, or the files in --git-secret-dir: username and password, or bearerToken; they are read again when they change"
            }
            Code::CertificateUnknown => {
                "put the certificate of the authority that signed the host's one into ca.crt of the Secret of --git-secret, or of --git-secret-dir"
            }
            Code::WorkTreeChanged => {
                "commit or stash those changes, move away what Git does not track, or end what is under way, then ask again; nothing was committed"
            }
            Code::RemoteRefused => {
                "read what the Git host says; a key or token that may only read cannot change anything"
            }
            Code::GitMissing => {
                "install the program where the server finds it (PATH): ssh for SSH, git for a repository on this machine"
            }
            Code::CacheFailed => "check the space and permissions of --cache-dir",
            _ => {
                "check the Git host and the network; GET …?dry-run=true with Accept: text/x-patch gives the change for git am"
            }
        }
    }
}

/// Nothing came before the deadline.
pub(super) fn too_late() -> RemoteError {
    RemoteError::new(Code::RemoteTimeout, "the Git remote did not answer in time")
}

/// Reads from ssh's and the remote programs' own words why a conversation did not begin.
pub(super) fn classify(stderr: &str) -> RemoteError {
    let has = |words: &str| stderr.contains(words);
    let code = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        Code::HostKeyChanged
    } else if has("Host key verification failed") || has("key is known for") && has("strict checking") {
        Code::HostKeyUnknown
    } else if has("Load key")
        || has("no such identity")
        || has("not accessible")
        || has("UNPROTECTED PRIVATE KEY")
    {
        Code::SshKeyUnusable
    } else if has("Permission denied (") || has("Too many authentication failures") {
        Code::SshKeyRejected
    } else if has("No user exists for uid") {
        Code::SshUserUnknown
    } else if is_refusal(stderr) {
        Code::RemoteRefused
    } else if has("does not appear to be a git repository")
        || has("not a git repository")
        || has("epository not found")
        || has("not found.")
        || has("dubious ownership")
        || has("does not exist")
    {
        Code::RepositoryNotFound
    } else if has("Connection refused")
        || has("Could not resolve hostname")
        || has("timed out")
        || has("No route to host")
        || has("Network is unreachable")
        || has("Connection reset")
        || has("Connection closed")
        || has("kex_exchange_identification")
    {
        Code::RemoteUnreachable
    } else {
        Code::RemoteFailed
    };
    // ssh adds a command that removes the old key, which is the last thing to do here.
    let telling =
        |line: &&str| code != Code::HostKeyChanged || line.contains("SHA256:") || line.contains("Offending");
    let words = stderr.lines().filter(telling).collect::<Vec<_>>().join("\n");
    RemoteError::new(code, format!("{} Its words: {}", code.title(), quote(&words)))
}

/// What hosts say to a key or token that may only read.
fn is_refusal(words: &str) -> bool {
    const READ_ONLY: [&str; 8] = [
        "marked as read only",
        "write access",
        "write permission",
        "not allowed to push",
        "not allowed to upload",
        "denied to ",
        "service not enabled",
        "not permitted",
    ];
    words.lines().any(|line| READ_ONLY.iter().any(|said| line.contains(said)))
}

/// What git adds to every failed connection.
const BOILERPLATE: [&str; 3] = [
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
];

/// A remote program's words, shortened to one line without control characters.
pub(super) fn quote(words: &str) -> String {
    const MAX_CHARS: usize = 600;
    let lines = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.chars().all(|c| matches!(c, '@' | ' ')))
        .filter(|line| !BOILERPLATE.contains(line));
    let joined = lines.collect::<Vec<_>>().join("; ");
    let clean: String =
        joined.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect();
    if clean.is_empty() { "(none)".to_owned() } else { clean }
}
