//! Every code that an answer can carry, with its HTTP status and CLI exit code: one table.

use std::fmt;

use crate::name::{RepoPath, ServiceName};
use crate::yaml::Place;

/// What kind of "no" a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The request or a file is wrong; repeating it unchanged will not help.
    Problem,
    /// A check decided against the move; the evidence is in the findings.
    Refusal,
    /// The world said no; the request was right.
    Failure,
}

impl Class {
    /// The exit code of a command that ends with this class.
    #[must_use]
    pub fn exit_code(self) -> Exit {
        match self {
            Self::Problem => Exit::Problem,
            Self::Refusal => Exit::Refusal,
            Self::Failure => Exit::Failure,
        }
    }
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to, or nothing was to be done.
    Done,
    /// It was asked a question, and the answer is no.
    No,
    /// The command line, the config or a file is wrong. Nothing was committed.
    Problem,
    /// A check decided against it. Nothing was committed.
    Refusal,
    /// The world said no. Nothing was committed.
    Failure,
    /// Whether something was committed is not known.
    Unknown,
    /// It did a part of what it was asked to, as it was allowed to.
    Partly,
    /// It was interrupted.
    Interrupted,
}

impl Exit {
    /// Every way to end, with what it means: one table, which the documents repeat.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Done, "done, or there was nothing to do"),
        (Self::No, "the answer is no: not where `--expect` says, a check of `doctor` failed, not confirmed"),
        (Self::Problem, "a problem: the command line, the config or a file is wrong; nothing was committed"),
        (Self::Refusal, "a refusal: a check decided against it; nothing was committed"),
        (
            Self::Failure,
            "a failure: the world said no; nothing was committed, or with `--push` it is in the clone alone",
        ),
        (Self::Unknown, "it is not known whether something was committed: `outcome-unknown` or `internal`"),
        (
            Self::Partly,
            "a part of it: `--partial` left services where they are, and the rest is committed or was there already",
        ),
        (Self::Interrupted, "interrupted by Ctrl-C"),
    ];

    /// The number that a shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Problem => 2,
            Self::Refusal => 3,
            Self::Failure => 4,
            Self::Unknown => 5,
            Self::Partly => 6,
            Self::Interrupted => 130,
        }
    }
}

macro_rules! codes {
    ($($variant:ident $text:literal $class:ident $status:literal $title:literal;)*) => {
        /// A stable name for a reason to answer "no".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {$(
            #[doc = $title]
            $variant,
        )*}

        impl Code {
            /// All codes in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as answers show it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Problem, refusal or failure.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class),* }
            }

            /// The HTTP status of an answer with this code.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// What the code means, for people; the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

codes! {
    // The request.
    InvalidRequest "invalid-request" Problem 400 "The request is malformed.";
    InvalidBody "invalid-body" Problem 400 "The request's body is not the JSON that this route takes.";
    UnsupportedMediaType "unsupported-media-type" Problem 415 "The body must be application/json.";
    BodyTooLarge "body-too-large" Problem 413 "The request's body is too large.";
    RouteNotFound "route-not-found" Problem 404 "There is no such route.";
    MethodNotAllowed "method-not-allowed" Problem 405 "The route does not take this method.";
    NotAcceptable "not-acceptable" Problem 406 "The answer has none of the accepted forms.";
    ServiceNotFound "service-not-found" Problem 404 "No service of this name is configured.";
    OperationNotFound "operation-not-found" Problem 404 "This process knows no operation of this id.";
    NothingSelected "nothing-selected" Problem 422 "No service is selected.";
    IdempotencyKeyReused "idempotency-key-reused" Problem 422 "The idempotency key belongs to another request.";
    CrossOrigin "cross-origin" Problem 403 "A page of another origin may not change anything.";
    AuthenticationNotConfigured "authentication-not-configured" Problem 403
        "Changes are made only for a loopback address unless told otherwise.";
    ReadOnly "read-only" Problem 403 "The server only shows, and changes nothing.";
    TokenMissing "token-missing" Problem 401 "The call needs a token.";
    TokenUnknown "token-unknown" Problem 401 "The token is not known.";
    RoleTooSmall "role-too-small" Problem 403 "The caller's role does not allow this.";
    RateLimited "rate-limited" Failure 429 "The caller asks too often.";

    // The config.
    ConfigInvalid "config-invalid" Problem 503 "No valid config has been loaded yet.";
    TokensInvalid "tokens-invalid" Problem 503 "No token that could be told has been loaded.";

    // The repository's files.
    ManifestNotFound "manifest-not-found" Problem 422 "No file of the repository holds the manifest.";
    ManifestAmbiguous "manifest-ambiguous" Problem 422 "More than one manifest fits.";
    ManifestShared "manifest-shared" Problem 422 "The manifest is built into more than one app.";
    ManifestUnreadable "manifest-unreadable" Problem 422 "The file is not YAML that can be read.";
    FieldNotFound "field-not-found" Problem 422 "The manifest does not have the field.";
    FieldTemplated "field-templated" Problem 422 "The field is filled in by a template.";
    FieldAnchored "field-anchored" Problem 422 "The field's value is shared through a YAML anchor.";
    FieldUneditable "field-uneditable" Problem 422 "The field is written in a form that is not edited.";
    EditUnverified "edit-unverified" Problem 422 "The edit could not be proven to change only the field.";
    HoldsUnreadable "holds-unreadable" Problem 422 "The holds file cannot be read, so nothing is moved.";

    // Checks.
    ExpectationFailed "expectation-failed" Refusal 412 "The service is not where the caller believed it to be.";
    CheckBlocked "check-blocked" Refusal 409 "A check blocks the move.";
    Held "held" Refusal 423 "A hold or a cooldown stands against it.";
    WorkTreeChanged "work-tree-changed" Refusal 409
        "The clone has changes that are not committed, or something is under way in it.";

    // The server itself.
    Busy "busy" Failure 503 "Earlier operations, or plans, are still under way.";
    AuthenticationUnavailable "authentication-unavailable" Failure 503 "Nobody can say who the caller is.";

    // The Kubernetes API.
    ClusterNotConfigured "cluster-not-configured" Failure 503 "It is not known how to reach the Kubernetes API.";
    ClusterUnreachable "cluster-unreachable" Failure 502 "The Kubernetes API server cannot be reached.";
    ClusterTokenRejected "cluster-token-rejected" Failure 502 "The Kubernetes API server does not know this server.";
    SecretForbidden "secret-forbidden" Failure 502 "The Secret with the credentials may not be read.";
    SecretNotFound "secret-not-found" Failure 502 "The Secret with the credentials does not exist.";
    SecretUnusable "secret-unusable" Failure 502 "The Secret does not hold credentials for this repository.";

    TooManyStreams "too-many-streams" Failure 503 "Too many connections follow the events.";
    ReceiversInvalid "receivers-invalid" Failure 503 "The newest version of the receivers file was refused.";
    ReceiverFailed "receiver-failed" Failure 502 "A receiver was not told of a commit.";
    NotificationsInvalid "notifications-invalid" Failure 503
        "The newest version of the notifications file was refused.";
    NotificationFailed "notification-failed" Failure 502 "A message did not arrive.";

    // The Git remote.
    ViewMissing "view-missing" Failure 503 "The repository has not been read yet.";
    RemoteUnreachable "remote-unreachable" Failure 502 "The Git remote cannot be reached.";
    RemoteTimeout "remote-timeout" Failure 504 "The Git remote did not answer in time.";
    RemoteRefused "remote-refused" Failure 502 "The Git remote refused the push.";
    RemoteFailed "remote-failed" Failure 502 "The Git remote failed.";
    RemoteConflict "remote-conflict" Failure 503 "Other commits kept arriving first.";
    RepositoryNotFound "repository-not-found" Failure 502 "The Git remote has no such repository, or hides it.";
    BranchNotFound "branch-not-found" Failure 502 "The Git remote has no such branch.";
    SshKeyRejected "ssh-key-rejected" Failure 502 "The Git remote does not accept the SSH key.";
    SshKeyUnusable "ssh-key-unusable" Failure 502 "The SSH key cannot be used.";
    HostKeyUnknown "host-key-unknown" Failure 502 "The Git remote's host key is not in known_hosts.";
    HostKeyChanged "host-key-changed" Failure 502 "The Git remote's host key differs from known_hosts.";
    SshUserUnknown "ssh-user-unknown" Failure 502 "The server's user has no name, which SSH insists on.";
    CredentialsRejected "credentials-rejected" Failure 502 "The Git remote does not accept the credentials.";
    CertificateUnknown "certificate-unknown" Failure 502 "The Git remote's certificate is not to be trusted.";
    SigningFailed "signing-failed" Failure 503 "The commit cannot be signed.";
    OutcomeUnknown "outcome-unknown" Failure 504 "It is not known whether the push landed.";
    GitMissing "git-missing" Failure 503 "A program that is needed cannot be started.";
    ViewStale "view-stale" Failure 503 "The repository has not been read for a long time.";
    CacheFailed "cache-failed" Failure 503 "The local copy of the repository failed.";
    ShuttingDown "shutting-down" Failure 503 "The server is stopping.";
    Internal "internal" Failure 500 "The server has a defect.";
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// The exit code of a command that ends with this code.
    #[must_use]
    pub fn exit(self) -> Exit {
        if matches!(self, Self::OutcomeUnknown | Self::Internal) {
            return Exit::Unknown;
        }
        self.class().exit_code()
    }

    /// Whether the same request may succeed a little later without anybody repairing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::RateLimited
                | Self::AuthenticationUnavailable
                | Self::ClusterUnreachable
                | Self::TooManyStreams
                | Self::ViewMissing
                | Self::RemoteUnreachable
                | Self::RemoteTimeout
                | Self::RemoteFailed
                | Self::RemoteConflict
                | Self::OutcomeUnknown
                | Self::CacheFailed
                | Self::ShuttingDown
        )
    }

    /// Whether services are moved all the same: only somebody is not told of it.
    #[must_use]
    pub fn leaves_moves_alone(self) -> bool {
        matches!(
            self,
            Self::ReceiversInvalid
                | Self::ReceiverFailed
                | Self::NotificationsInvalid
                | Self::NotificationFailed
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A stable name for a reason to answer \"no\".",
            "type": "string",
            "enum": Self::ALL,
        })
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// One thing that is wrong in a request, the config or a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// The stable name of the reason.
    pub code: Code,
    /// What is wrong, in one sentence with the names involved.
    pub detail: String,
    /// What to do next.
    pub hint: String,
    /// The service that it is about, where several are moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Box<ServiceName>>,
    /// The file, when the problem is in one of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<RepoPath>,
    /// Where in the file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Problem {
    /// A problem that is in no file.
    pub fn new(code: Code, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hint: hint.into(), service: None, file: None, place: None }
    }

    /// The same problem, of one of several services.
    #[must_use]
    pub fn of(mut self, service: &ServiceName) -> Self {
        self.service = Some(Box::new(service.clone()));
        self
    }

    /// What is wrong, with the service that it is about.
    #[must_use]
    pub fn named(&self) -> String {
        let text = self.to_string();
        self.service.as_deref().map_or_else(|| text.clone(), |service| named(service.as_str(), &text))
    }

    /// The same problem, placed in `file`.
    #[must_use]
    pub fn in_file(mut self, file: &RepoPath, place: Option<Place>) -> Self {
        self.file = Some(file.clone());
        self.place = place;
        self
    }
}

/// A text about a service, with the service's name before it unless the text begins with that or quotes it.
#[must_use]
pub fn named(service: &str, text: &str) -> String {
    let begins = text.strip_prefix(service).is_some_and(|rest| rest.starts_with(' '));
    if begins || text.contains(&format!("{service:?}")) {
        text.to_owned()
    } else {
        format!("{service}: {text}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some(place) = self.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_once() {
        let problem =
            |detail: &str| Problem::new(Code::Held, detail, "").of(&ServiceName::new("sonarr").unwrap());
        assert_eq!(problem("sonarr is held").named(), "sonarr is held");
        assert_eq!(problem("every service is held").named(), "sonarr: every service is held");
        assert_eq!(
            problem("no service \"sonarr\" is configured").named(),
            "no service \"sonarr\" is configured"
        );
        assert_eq!(problem("sonarr-two is held").named(), "sonarr: sonarr-two is held");
        assert_eq!(Problem::new(Code::Held, "every service is held", "").named(), "every service is held");
    }

    #[test]
    fn only_what_is_known_ends_as_if_nothing_was_committed() {
        let unknown: Vec<Code> =
            Code::ALL.iter().copied().filter(|code| code.exit() == Exit::Unknown).collect();
        assert_eq!(unknown, [Code::OutcomeUnknown, Code::Internal]);
        for code in Code::ALL.iter().filter(|code| !unknown.contains(code)) {
            assert_eq!(code.exit(), code.class().exit_code(), "{code}");
            assert_eq!(Code::from_name(code.as_str()), Some(*code));
        }
        assert_eq!(Code::from_name("nothing"), None);
    }

    #[test]
    fn codes_are_distinct_and_their_status_fits_their_class() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            let status = code.http_status();
            match code.class() {
                Class::Problem => {
                    let repaired_in_a_file = matches!(code, Code::ConfigInvalid | Code::TokensInvalid);
                    assert!((400..500).contains(&status) || repaired_in_a_file, "{code}")
                }
                Class::Refusal => assert!(matches!(status, 409 | 412 | 423), "{code}"),
                Class::Failure => assert!(status == 429 || (500..505).contains(&status), "{code}"),
            }
        }
    }
}
