//! Where the remote is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::work_tree::clone_at;

/// The address of a Git remote. It never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteUrl {
    /// A repository on this machine.
    Local(PathBuf),
    /// A clone on this machine, in which the branch that is checked out moves together with its files.
    Clone(PathBuf),
    /// A repository behind an SSH server.
    Ssh {
        /// `user@host`, or `host` alone for the user `git`.
        destination: String,
        /// The server's port; the default is 22.
        port: Option<u16>,
        /// The repository on the server, as its shell is given it.
        path: String,
        /// The address as it was given.
        text: String,
    },
    /// A repository behind a web server.
    Http {
        /// The address, without user and password, and without a slash at its end.
        text: String,
    },
}

/// Why a text is not the address of a remote that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A scheme that is not spoken.
    #[error(
        "{0}:// remotes are not supported; use https://host/path, ssh://user@host/path, user@host:path or a local path"
    )]
    Scheme(String),
    /// A password in the address would end up in logs and process lists.
    #[error(
        "the repository address holds a password; remove it, and use an SSH key (--ssh-key) or the files of --git-secret-dir"
    )]
    Password,
    /// A user in a web address is a credential, too.
    #[error("the repository address holds a user name; put it into the file username of --git-secret-dir")]
    HttpUser,
    /// Host or path is missing, or has characters that no host or path has.
    #[error(
        "the repository address has no usable host and path; use https://host/path, ssh://user@host/path, user@host:path or a local path"
    )]
    Malformed,
    /// The local path cannot be resolved.
    #[error("the repository {path} cannot be opened: {reason}")]
    Local {
        /// The path as given.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// Neither a path that can be resolved nor an address; it may be one that was mistyped and holds a token.
    #[error(
        "the repository is no address that can be used, and no local path that can be opened ({0}); use https://host/path, ssh://user@host/path, user@host:path or a local path"
    )]
    Neither(String),
}

/// What Git speaks, or once did, and this program does not.
const SCHEMES: [&str; 4] = ["git", "ftp", "ftps", "rsync"];

impl RemoteUrl {
    /// Reads `ssh://[user@]host[:port]/path`, `[user@]host:path`, `http[s]://host[:port]/path`, `file:///path` or a path.
    ///
    /// # Errors
    /// What is wrong with the address; the message never repeats a password.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(UrlError::Malformed);
        }
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let before_host = bare.rsplit_once('@').map_or("", |(before, _)| before);
        if before_host.contains(':') && !bare.starts_with(['/', '.']) {
            return Err(UrlError::Password);
        }
        match text.split_once("://") {
            Some(("ssh" | "git+ssh" | "ssh+git", rest)) => {
                let (authority, path) = rest.split_once('/').ok_or(UrlError::Malformed)?;
                let (user, host_port) = user_and_host(authority)?;
                let (host, port) = host_and_port(host_port)?;
                // As git does it: the path is absolute, unless it begins at a home.
                let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
                Self::ssh(user, host, port, &decoded(&path)?, text)
            }
            Some((scheme @ ("https" | "http"), rest)) => Self::http(scheme, rest),
            Some(("file", path)) => Self::local(path),
            Some((scheme, _)) if SCHEMES.contains(&scheme) => Err(UrlError::Scheme(scheme.to_owned())),
            // What stands before it may be anything.
            Some(_) => Err(UrlError::Malformed),
            None => match split_scp(text) {
                Some((authority, path)) if !authority.contains('/') => {
                    let (user, host) = user_and_host(authority)?;
                    Self::ssh(user, host, None, path, text)
                }
                _ => Self::local(text),
            },
        }
    }

    /// The same, and a local path is that of the clone which it is or lies in, for a person who works there.
    #[must_use]
    pub fn or_clone(self) -> Self {
        match self {
            Self::Local(path) => match clone_at(&path) {
                Some(folder) => Self::Clone(folder),
                None => Self::Local(path),
            },
            Self::Clone(_) | Self::Ssh { .. } | Self::Http { .. } => self,
        }
    }

    fn local(text: &str) -> Result<Self, UrlError> {
        Path::new(text).canonicalize().map(Self::Local).map_err(|error| {
            let reason = error.to_string();
            let is_path = text.starts_with(['/', '.']) && !text.contains(['@', ':', '?']);
            if is_path {
                UrlError::Local { path: text.to_owned(), reason }
            } else {
                UrlError::Neither(reason)
            }
        })
    }

    fn ssh(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        path: &str,
        text: &str,
    ) -> Result<Self, UrlError> {
        if !is_name(host) || !user.is_none_or(is_name) || matches!(path, "" | "/") || path.starts_with('-') {
            return Err(UrlError::Malformed);
        }
        let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
        Ok(Self::Ssh { destination, port, path: path.to_owned(), text: text.to_owned() })
    }

    fn http(scheme: &str, rest: &str) -> Result<Self, UrlError> {
        let rest = rest.trim_end_matches('/');
        let (authority, path) = rest.split_once('/').ok_or(UrlError::Malformed)?;
        let (user, host_port) = user_and_host(authority)?;
        if user.is_some() {
            return Err(UrlError::HttpUser);
        }
        let (host, _) = host_and_port(host_port)?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '<' | '>' | '\\');
        if !is_name(host) || path.is_empty() || !path.chars().all(plain) {
            return Err(UrlError::Malformed);
        }
        Ok(Self::Http { text: format!("{scheme}://{rest}") })
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) | Self::Clone(path) => path.display().fmt(f),
            Self::Ssh { text, .. } | Self::Http { text } => f.write_str(text),
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '%');
    !name.is_empty() && !name.starts_with('-') && name.chars().all(plain)
}

/// The text with `%20` and the like as what they stand for.
fn decoded(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high).unwrap_or_default() << 4 | digit(low).unwrap_or_default());
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError::Malformed)?;
    if text.chars().any(char::is_control) { Err(UrlError::Malformed) } else { Ok(text) }
}

/// `[user@]host` and path of an scp-style address, split at the first colon behind the user.
fn split_scp(text: &str) -> Option<(&str, &str)> {
    let host = text.find('@').map_or(0, |at| at + 1);
    let colon = host + text[host..].find(':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

fn user_and_host(authority: &str) -> Result<(Option<&str>, &str), UrlError> {
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => Err(UrlError::Password),
        Some((user, host)) => Ok((Some(user), host)),
        None => Ok((None, authority)),
    }
}

fn host_and_port(text: &str) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| UrlError::Malformed)).transpose()?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        for (text, destination, port, path) in [
            ("ssh://git@host/owner/repo.git", "git@host", None, "/owner/repo.git"),
            ("ssh://host:2222/my%20repo", "host", Some(2222), "/my repo"),
            ("ssh://host/~me/repo", "host", None, "~me/repo"),
            ("ssh://git@[::1]:22/repo", "git@::1", Some(22), "/repo"),
            ("git@host:owner/repo.git", "git@host", None, "owner/repo.git"),
            ("host:repo", "host", None, "repo"),
        ] {
            let [destination, path, own] = [destination, path, text].map(str::to_owned);
            let ssh = RemoteUrl::Ssh { destination, port, path, text: own };
            assert_eq!(RemoteUrl::parse(text), Ok(ssh), "{text}");
        }
        for text in ["https://host/me/repo.git", "https://host:8443/repo", "http://[::1]:3000/me/repo"] {
            assert_eq!(RemoteUrl::parse(text), Ok(RemoteUrl::Http { text: text.to_owned() }), "{text}");
        }
        assert_eq!(RemoteUrl::parse("https://host/x/"), RemoteUrl::parse("https://host/x"));
        assert!(matches!(RemoteUrl::parse("/"), Ok(RemoteUrl::Local(_))));
        assert!(matches!(RemoteUrl::parse("file:///"), Ok(RemoteUrl::Local(_))));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_a_password() {
        let error = RemoteUrl::parse("ssh://git:hunter2@host/x").unwrap_err();
        assert_eq!(error, UrlError::Password);
        assert!(!error.to_string().contains("hunter2"));
        for text in [
            "git:hunter2@host:x",
            "user:hunter2@host/me/x.git",
            "https:/u:hunter2@h/x",
            "https://u:hunter2@h/x",
        ] {
            assert_eq!(RemoteUrl::parse(text), Err(UrlError::Password), "{text}");
        }
        assert_eq!(RemoteUrl::parse("https://token@host/x"), Err(UrlError::HttpUser));
        for text in [
            "https//hunter2@host/x",
            "htps//hunter2",
            "hunter2://host/x",
            "hunter2",
            "./hunter2@host/x",
            "/https://hunter2@host",
        ] {
            let error = RemoteUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
        assert_eq!(RemoteUrl::parse("git://host/x"), Err(UrlError::Scheme("git".into())));
        for text in [
            "",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/y",
            "ssh://host",
            "ssh://host:99999/x",
            "ssh://h st/x",
            "host:-x",
            "https://host",
            "https://host/",
            "https:///x",
            "https://host/x?y",
            "https://host/a b",
            "ssh://host/x%0ay",
        ] {
            assert_eq!(RemoteUrl::parse(text), Err(UrlError::Malformed), "{text}");
        }
        assert!(matches!(RemoteUrl::parse("/nowhere/at/all"), Err(UrlError::Local { .. })));
    }
}
