//! Checked names: a value of these types is valid by construction.
//!
//! The Kubernetes rules are those of the API server (RFC 1123 labels and subdomains, label keys and values).

use std::fmt;

/// Why a text is not a valid name; worded to follow "must ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must {0}")]
pub struct NameError(pub &'static str);

const LABEL: NameError = NameError(
    "be at most 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit (RFC 1123 label)",
);
const SUBDOMAIN: NameError = NameError(
    "be at most 253 characters of a-z, 0-9, '-' and '.', each part starting and ending with a letter or digit (RFC 1123 subdomain)",
);
const LABEL_VALUE: NameError = NameError(
    "be 1 to 63 characters of A-Z, a-z, 0-9, '-', '_' and '.', starting and ending with a letter or digit (label value)",
);
const LABEL_KEY: NameError = NameError(
    "be a label key: an optional DNS prefix and '/', then at most 63 characters of A-Z, a-z, 0-9, '-', '_', '.'",
);
const REPO_PATH: NameError = NameError(
    "be a relative path inside the repository, with '/' between its parts and none of them empty, '.', '..' or '.git'",
);
const BRANCH: NameError = NameError("be a branch name that git accepts, without refs/heads/");
const OBJECT_ID: NameError = NameError("be a full Git object id: 40 or 64 lowercase hexadecimal digits");
const OPERATION: NameError = NameError("be an operation id: 1 to 64 characters of a-z, 0-9 and '-'");
const KEY: NameError = NameError("be 1 to 200 visible ASCII characters");
const ACTOR: NameError = NameError("be 1 to 100 printable characters on one line");
const REASON: NameError = NameError("be 1 to 500 printable characters on one line");
const KIND: NameError = NameError("be a Kubernetes kind such as Deployment");

fn is_label(s: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    s.len() <= 63
        && edge(s.as_bytes().first())
        && edge(s.as_bytes().last())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_subdomain(s: &str) -> bool {
    s.len() <= 253 && s.split('.').all(is_label)
}

fn is_label_value(s: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    s.len() <= 63
        && edge(s.as_bytes().first())
        && edge(s.as_bytes().last())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_label_key(s: &str) -> bool {
    match s.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_label_value(name),
        None => is_label_value(s),
    }
}

fn is_repo_path(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 4096
        && !s.contains(['\0', '\n', '\r', '\\'])
        && s.split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git"))
}

/// The rules of `git check-ref-format --branch`, as its manual states them.
fn is_branch(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 255
        && s != "@"
        && !s.starts_with('-')
        && !s.ends_with('.')
        && !s.contains("..")
        && !s.contains("@{")
        && !s.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c))
        && s.split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none())
}

fn is_object_id(s: &str) -> bool {
    matches!(s.len(), 40 | 64) && s.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

macro_rules! checked_name {
    ($($(#[$doc:meta])* $name:ident: $check:expr, $error:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// The rule that `text` breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err($error) }
            }

            /// The checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    )*};
}

checked_name! {
    /// The name of a service in the config: one app that can move.
    ServiceName: is_subdomain, SUBDOMAIN;
    /// A Kubernetes namespace.
    Namespace: is_label, LABEL;
    /// The name of a Kubernetes object (a workload, a claim …).
    ObjectName: is_subdomain, SUBDOMAIN;
    /// The kind of a Kubernetes object.
    Kind: |s| s.len() <= 63 && s.starts_with(|c: char| c.is_ascii_uppercase())
        && s.bytes().all(|b| b.is_ascii_alphanumeric()), KIND;
    /// The name of a volume in a pod template.
    VolumeName: is_label, LABEL;
    /// The key of a node label.
    LabelKey: is_label_key, LABEL_KEY;
    /// The value of a node label.
    LabelValue: is_label_value, LABEL_VALUE;
    /// A file or folder in the repository.
    RepoPath: is_repo_path, REPO_PATH;
    /// A Git branch, without `refs/heads/`.
    BranchName: is_branch, BRANCH;
    /// The id of a Git commit (SHA-1 or SHA-256).
    CommitId: is_object_id, OBJECT_ID;
    /// The id of a Git blob; equal ids mean equal content.
    BlobId: is_object_id, OBJECT_ID;
    /// Names one move, in the commit's trailer and in every answer about it.
    OperationId: |s| (1..=64).contains(&s.len())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), OPERATION;
    /// What a caller sends so that a repeated request is recognised.
    IdempotencyKey: |s| (1..=200).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic()), KEY;
    /// Who asked for a move.
    Actor: |s| (1..=100).contains(&s.chars().count()) && !s.trim().is_empty()
        && !s.chars().any(char::is_control), ACTOR;
    /// Why somebody asked for a move; one line, so that it cannot be taken for a trailer.
    Reason: |s| (1..=500).contains(&s.chars().count()) && !s.trim().is_empty()
        && !s.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), REASON;
}

impl RepoPath {
    /// The folder that holds this path; `None` at the top of the repository.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

/// Where a service can run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The node and claim where the service belongs.
    Primary,
    /// The node and claim that take over.
    Backup,
}

impl Role {
    /// `primary` or `backup`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        }
    }
}

impl Role {
    /// The other role.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Backup,
            Self::Backup => Self::Primary,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "primary" => Ok(Self::Primary),
            "backup" => Ok(Self::Backup),
            _ => Err(NameError("be primary or backup")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A branch at a commit, written as Flux does: `main@sha1:<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The branch.
    pub branch: BranchName,
    /// Its commit.
    pub commit: CommitId,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = if self.commit.as_str().len() == 40 { "sha1" } else { "sha256" };
        write!(f, "{}@{algorithm}:{}", self.branch, self.commit)
    }
}

impl schemars::JsonSchema for Revision {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Revision".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^.+@sha(1|256):[0-9a-f]{40,64}$" })
    }
}

impl serde::Serialize for Revision {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// The known names nearest to `wanted`, best first, at most three; empty when none is near.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let limit = Limit::of(&wanted);
    let mut best: Vec<(f64, &str)> = Vec::new();
    for name in known {
        // Only the three best count, and most names cannot be among them: a look at their letters tells.
        let least = best.get(2).map_or(0.8, |(score, _)| *score);
        if limit.score(name) < least {
            continue;
        }
        let score = strsim::jaro_winkler(&wanted, &name.to_lowercase());
        if score >= 0.8 {
            let at = best.partition_point(|(other, before)| {
                other.total_cmp(&score).reverse().then(before.cmp(&name)).is_le()
            });
            best.insert(at, (score, name));
            best.truncate(3);
        }
    }
    best.into_iter().map(|(_, name)| name).collect()
}

/// What the likeness of a name to the wanted one can be at most, whatever the order of its letters.
struct Limit<'w> {
    wanted: &'w [u8],
    /// How often each ASCII character is in the wanted name; `None` if it has others.
    letters: Option<[u32; 128]>,
}

impl<'w> Limit<'w> {
    fn of(wanted: &'w str) -> Self {
        let mut letters = [0; 128];
        let ascii = wanted.is_ascii();
        for byte in wanted.bytes().filter(|_| ascii) {
            letters[usize::from(byte)] += 1;
        }
        Self { wanted: wanted.as_bytes(), letters: ascii.then_some(letters) }
    }

    fn score(&self, name: &str) -> f64 {
        let Some(mut left) = self.letters.filter(|_| name.is_ascii()) else { return 1.0 };
        let lower = || name.bytes().map(|byte| byte.to_ascii_lowercase());
        let mut common = 0_u32;
        for byte in lower() {
            let left = &mut left[usize::from(byte)];
            common += u32::from(*left > 0);
            *left = left.saturating_sub(1);
        }
        if common == 0 {
            // Two empty names are equal.
            return if self.wanted.is_empty() && name.is_empty() { 1.0 } else { 0.0 };
        }
        let part = |length: usize| f64::from(common) / length as f64;
        let jaro = (part(self.wanted.len()) + part(name.len()) + 1.0) / 3.0;
        let prefix = self.wanted.iter().take(4).zip(lower()).take_while(|(a, b)| **a == *b).count();
        // A little more, so that rounding cannot exclude what is equal.
        jaro + 0.1 * prefix as f64 * (1.0 - jaro) + 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_names_follow_the_api_server() {
        for good in ["sonarr", "a", "a-1", &"x".repeat(63)] {
            assert!(Namespace::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Sonarr", "-a", "a-", "a_b", "a.b", "ä", "a b", &"x".repeat(64)] {
            assert!(Namespace::new(bad).is_err(), "{bad}");
        }
        assert!(ObjectName::new("data-pvc.sonarr-0").is_ok());
        assert!(ObjectName::new("a..b").is_err());
        assert!(LabelKey::new("kubernetes.io/hostname").is_ok());
        assert!(LabelKey::new("/hostname").is_err());
        assert!(LabelKey::new("a/b/c").is_err());
        assert!(LabelValue::new("K3s_w1.local").is_ok());
        assert!(LabelValue::new("").is_err());
    }

    #[test]
    fn a_repository_path_cannot_leave_the_repository() {
        assert!(RepoPath::new("apps/media/sonarr.yaml").is_ok());
        for bad in
            ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".git/config", "a/.GIT/x", "a\\b", "a\nb"]
        {
            assert!(RepoPath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn branches_that_git_refuses_are_refused() {
        for good in ["main", "env/prod", "v1.2"] {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-x", "a..b", "a b", "a:b", "a~1", "a.lock", "x/.y", "a/", "@", "a@{1}", "refs\\x", "+main",
            "a\n",
        ] {
            assert_eq!(BranchName::new(bad).is_err(), bad != "+main", "{bad}");
        }
    }

    #[test]
    fn the_nearest_names_come_first() {
        assert_eq!(nearest("sonar", ["radarr", "sonarr", "jellyfin"]).first(), Some(&"sonarr"));
        assert!(nearest("postgres", ["sonarr"]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_near_name_is_passed_over(
            wanted in "[abA1/-]{0,9}|[aäb-]{0,5}",
            known in proptest::collection::vec("[abA1/-]{0,9}|[aäb-]{0,5}", 0..30),
        ) {
            let lower = wanted.to_lowercase();
            let mut all: Vec<(f64, &str)> = known
                .iter()
                .map(|name| (strsim::jaro_winkler(&lower, &name.to_lowercase()), name.as_str()))
                .filter(|(score, _)| *score >= 0.8)
                .collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            let best: Vec<&str> = all.into_iter().take(3).map(|(_, name)| name).collect();
            proptest::prop_assert_eq!(nearest(&wanted, known.iter().map(String::as_str)), best);
        }
    }
}
