//! Every code that an answer can carry, with its HTTP status and CLI exit code: one table.

use std::fmt;

use crate::name::{RepoPath, ServiceName};
use crate::yaml::Place;

/// What kind of "no" a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
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
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Problem => 2,
            Self::Refusal => 3,
            Self::Failure => 4,
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
    NothingSelected "nothing-selected" Problem 422 "No service is selected.";
    IdempotencyKeyReused "idempotency-key-reused" Problem 422 "The idempotency key belongs to another move.";
    CrossOrigin "cross-origin" Problem 403 "A page of another origin may not move services.";
    AuthenticationNotConfigured "authentication-not-configured" Problem 403
        "Moves are answered only on a loopback address unless told otherwise.";

    // The config.
    ConfigInvalid "config-invalid" Problem 503 "No valid config has been loaded yet.";

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

    // Checks.
    ExpectationFailed "expectation-failed" Refusal 412 "The service is not where the caller believed it to be.";
    CheckBlocked "check-blocked" Refusal 409 "A check blocks the move.";

    // The server itself.
    Busy "busy" Failure 503 "Earlier moves are still under way.";

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
    /// Whether the same request may succeed a little later without anybody repairing anything.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Busy
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
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// One thing that is wrong in a request, the config or a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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

    /// The same problem, placed in `file`.
    #[must_use]
    pub fn in_file(mut self, file: &RepoPath, place: Option<Place>) -> Self {
        self.file = Some(file.clone());
        self.place = place;
        self
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
    fn codes_are_distinct_and_their_status_fits_their_class() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            let status = code.http_status();
            match code.class() {
                Class::Problem => {
                    assert!((400..500).contains(&status) || *code == Code::ConfigInvalid, "{code}")
                }
                Class::Refusal => assert!(matches!(status, 409 | 412 | 423), "{code}"),
                Class::Failure => assert!((500..505).contains(&status), "{code}"),
            }
        }
    }
}
