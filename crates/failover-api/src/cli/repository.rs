//! Which repository, and how to reach it: the flags that `serve` and the direct commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use failover_core::name::{BranchName, RepoPath};

use crate::git::{self, Author, RemoteUrl, SecretFolder, Signer, SshSettings};
use crate::pipeline;

#[derive(Debug, Clone, Args)]
pub(super) struct RepositoryFlags {
    /// The services that can move: services.yaml, or the manifest of a ConfigMap that holds it.
    #[arg(long, env = "FAILOVER_API_CONFIG", value_name = "FILE", default_value = "services.yaml")]
    pub(super) config: PathBuf,
    /// The repository that Flux reads: https://host/path, ssh://user@host/path, user@host:path or a local path.
    #[arg(long, env = "FAILOVER_API_REPO", hide_env_values = true, value_name = "URL|PATH")]
    pub(super) repo: Option<String>,
    /// The branch that Flux reads [default: the repository's HEAD].
    #[arg(long, env = "FAILOVER_API_BRANCH")]
    pub(super) branch: Option<BranchName>,
    /// The folder to search for manifests [default: the whole repository].
    #[arg(long, env = "FAILOVER_API_ROOT", value_name = "FOLDER", value_parser = parse_root)]
    pub(super) root: Option<RepoPath>,
    /// The private key for SSH, without passphrase.
    #[arg(long, env = "FAILOVER_API_SSH_KEY", value_name = "FILE")]
    pub(super) ssh_key: Option<PathBuf>,
    /// The SSH host keys to trust; no other is.
    #[arg(long, env = "FAILOVER_API_KNOWN_HOSTS", value_name = "FILE")]
    pub(super) known_hosts: Option<PathBuf>,
    /// A folder with the files of a Git Secret as Flux knows it: identity and known_hosts, or username and password,
    /// bearerToken, ca.crt, tls.crt and tls.key, githubAppID and its companions. Read again when they change.
    #[arg(long, env = "FAILOVER_API_GIT_SECRET_DIR", value_name = "FOLDER")]
    pub(super) git_secret_dir: Option<PathBuf>,
    /// Your own OpenSSH configuration, for jump hosts and keys in hardware. It cannot loosen the checks made here.
    #[arg(long, env = "FAILOVER_API_SSH_CONFIG", value_name = "FILE")]
    pub(super) ssh_config: Option<PathBuf>,
    /// An OpenSSH private key that signs each commit, for Flux's spec.verify. Ed25519 or ECDSA, without passphrase.
    #[arg(long, env = "FAILOVER_API_SIGNING_KEY", value_name = "FILE")]
    pub(super) signing_key: Option<PathBuf>,
    /// Where to keep the local copy of the repository, preferably in memory [default: the temporary folder].
    #[arg(long, env = "FAILOVER_API_CACHE_DIR", value_name = "FOLDER")]
    pub(super) cache_dir: Option<PathBuf>,
    /// Who commits are made by.
    #[arg(
        long,
        env = "FAILOVER_API_AUTHOR",
        value_name = "NAME <EMAIL>",
        default_value = "failover-api <failover-api@cluster.local>"
    )]
    pub(super) author: Author,
}

pub(super) fn parse_root(text: &str) -> Result<RepoPath, String> {
    let text = text.trim_start_matches("./").trim_end_matches('/');
    RepoPath::new(text).map_err(|error| error.to_string())
}

impl RepositoryFlags {
    /// The address of the repository.
    pub(super) fn url(&self) -> Result<RemoteUrl, String> {
        let repo = self.repo.as_deref().ok_or("--repo is needed: the repository that Flux reads")?;
        RemoteUrl::parse(repo).map_err(|error| format!("--repo: {error}"))
    }

    /// How the repository at `url` is reached: with the Secret in the folder `copied` where that is given, or else with
    /// that of --git-secret-dir.
    pub(super) fn git(&self, url: RemoteUrl, copied: Option<&Path>) -> Result<git::Settings, String> {
        let secret = copied.or(self.git_secret_dir.as_deref());
        if let RemoteUrl::Http { text } = &url
            && text.starts_with("http://")
        {
            tracing::warn!(
                "http:// sends credentials and commits in the clear; use https:// unless the network is trusted"
            );
        }
        if let Some(folder) = self.git_secret_dir.as_ref().filter(|folder| !folder.is_dir()) {
            tracing::warn!(folder = %folder.display(), "--git-secret-dir is not there yet");
        }
        Ok(git::Settings {
            branch: self.branch.clone(),
            ssh: self.ssh(&url, secret)?,
            secret: SecretFolder(secret.map(Path::to_owned)),
            cache: self.cache_dir.clone(),
            url,
        })
    }

    /// Who signs commits.
    pub(super) fn signer(&self) -> Option<Signer> {
        self.signing_key.as_deref().map(Signer::new)
    }

    /// What the pipeline needs to be told.
    pub(super) fn pipeline(&self, poll: Duration) -> pipeline::Settings {
        let (author, root, signer) = (self.author.clone(), self.root.clone(), self.signer());
        pipeline::Settings { author, root, poll, signer, credentials: None }
    }

    /// Falls back on the SSH set-up of the person who runs this: their configuration, keys, agent and known hosts. What
    /// must hold stands before it, so that no host key is ever taken unseen.
    pub(super) fn with_own_ssh(mut self) -> Self {
        let named = self.git_secret_dir.is_some() || self.ssh_key.is_some() && self.known_hosts.is_some();
        if self.ssh_config.is_none() && !named {
            self.ssh_config = std::env::home_dir().map(|home| home.join(".ssh/config"));
        }
        self
    }

    /// The SSH files: those that are named, or those of the Secret.
    fn ssh(&self, url: &RemoteUrl, secret: Option<&Path>) -> Result<Option<SshSettings>, String> {
        if !matches!(url, RemoteUrl::Ssh { .. }) {
            return Ok(None);
        }
        let of_secret = |name: &str| secret.map(|folder| folder.join(name));
        let key = self.ssh_key.clone().or_else(|| of_secret("identity"));
        let known_hosts = self.known_hosts.clone().or_else(|| of_secret("known_hosts"));
        if self.ssh_config.is_none() && (key.is_none() || known_hosts.is_none()) {
            return Err(
                "a repository behind SSH needs --ssh-key and --known-hosts, or --git-secret or --git-secret-dir with identity and known_hosts; ssh-keyscan shows a server's host keys"
                    .to_owned(),
            );
        }
        let absolute = |path: Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            if !path.exists() {
                tracing::warn!(file = %path.display(), "the file is not there yet");
            }
            std::path::absolute(&path).map(Some).map_err(|error| format!("{}: {error}", path.display()))
        };
        let shim = std::env::current_exe()
            .map_err(|error| format!("this program's own file is unknown: {error}"))?;
        Ok(Some(SshSettings {
            key: absolute(key)?,
            known_hosts: absolute(known_hosts)?,
            config: absolute(self.ssh_config.clone())?,
            shim,
        }))
    }
}
