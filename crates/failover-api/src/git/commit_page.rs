//! Where a Git host shows a commit to people.

use failover_core::name::CommitId;

use super::url::RemoteUrl;

/// The page of a commit but for its id. Only made for hosts whose name says which software they run: a wrong link
/// would be worse than none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPages(String);

impl CommitPages {
    /// The pages of the repository at `url`, if their addresses are known.
    #[must_use]
    pub fn of(url: &RemoteUrl) -> Option<Self> {
        let (host, path) = match url {
            RemoteUrl::Http { text } => text.strip_prefix("https://")?.split_once('/')?,
            // The web server's port is not told by that of the SSH server, so it is taken to be the usual one.
            RemoteUrl::Ssh { destination, path, .. } => {
                let host = destination.rsplit_once('@').map_or(destination.as_str(), |(_, host)| host);
                (if host.contains(':') { return None } else { host }, path.trim_start_matches('/'))
            }
            RemoteUrl::Local(_) | RemoteUrl::Clone(_) => return None,
        };
        let host = host.to_ascii_lowercase();
        // Both hosts also answer SSH on port 443 under a name of its own.
        let host = match host.as_str() {
            "ssh.github.com" => "github.com",
            "altssh.gitlab.com" => "gitlab.com",
            other => other,
        };
        let path = path.strip_suffix(".git").unwrap_or(path);
        let is_plain = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
            !matches!(part, "" | "." | "..") && part.bytes().all(plain)
        };
        let depth = path.split('/').count();
        if !path.split('/').all(is_plain) || host.contains(['[', '%']) {
            return None;
        }
        let name = host.split([':', '.']).next()?;
        match name {
            "gitlab" if depth >= 2 => Some(Self(format!("https://{host}/{path}/-/commit/"))),
            "github" | "gitea" | "forgejo" | "codeberg" if depth == 2 => {
                Some(Self(format!("https://{host}/{path}/commit/")))
            }
            _ => None,
        }
    }

    /// The page of this commit.
    #[must_use]
    pub fn page(&self, commit: &CommitId) -> String {
        format!("{}{commit}", self.0)
    }

    /// What the address of every commit's page begins with; its id follows.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_only_where_the_hosts_name_says_what_it_runs() {
        let commit = CommitId::new("5b75f80181c5f33fea8362e2f49f66d852d62707").unwrap();
        for (remote, prefix) in [
            ("https://github.com/me/home.git", "https://github.com/me/home/commit/"),
            ("git@github.com:me/home.git", "https://github.com/me/home/commit/"),
            ("ssh://git@ssh.github.com:443/me/home.git", "https://github.com/me/home/commit/"),
            ("ssh://git@gitlab.example.org/a/b/home.git", "https://gitlab.example.org/a/b/home/-/commit/"),
            ("https://gitlab.com/me/home", "https://gitlab.com/me/home/-/commit/"),
            ("ssh://git@altssh.gitlab.com:443/me/home", "https://gitlab.com/me/home/-/commit/"),
            ("https://gitea.lan:3000/me/home.git", "https://gitea.lan:3000/me/home/commit/"),
            ("forgejo@forgejo.lan:me/home.git", "https://forgejo.lan/me/home/commit/"),
            ("https://Codeberg.org/me/home", "https://codeberg.org/me/home/commit/"),
        ] {
            let pages = CommitPages::of(&RemoteUrl::parse(remote).unwrap());
            assert_eq!(pages.map(|pages| pages.page(&commit)), Some(format!("{prefix}{commit}")), "{remote}");
        }
        for remote in [
            "/",
            "https://git.example.org/me/home.git",
            "http://github.com/me/home.git",
            "https://github.com/home.git",
            "https://github.com/me/more/home.git",
            "https://github.com/me/..",
            "https://github.com/me/home'onclick",
            "ssh://git@[::1]/me/home",
            "git@notgithub.com:me/home.git",
            "ssh://git@github.com/~me/ho%20me",
        ] {
            assert_eq!(CommitPages::of(&RemoteUrl::parse(remote).unwrap()), None, "{remote}");
        }
    }
}
