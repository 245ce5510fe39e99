//! `failover-api serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use failover_core::name::{BranchName, RepoPath};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

use super::stop::stop_signal;
use crate::git::{self, Author, RemoteUrl, Repository, SecretFolder, Signer, SshSettings};
use crate::http::{self, AppState};
use crate::pipeline::{self, Pipeline};
use crate::source;
use crate::telemetry::{self, LogFormat};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The services that can move: services.yaml.
    #[arg(long, env = "FAILOVER_API_CONFIG", value_name = "FILE", default_value = "services.yaml")]
    config: PathBuf,
    /// The repository that Flux reads: https://host/path, ssh://user@host/path, user@host:path or a local path.
    #[arg(long, env = "FAILOVER_API_REPO", hide_env_values = true, value_name = "URL|PATH")]
    repo: String,
    /// The branch that Flux reads [default: the repository's HEAD].
    #[arg(long, env = "FAILOVER_API_BRANCH")]
    branch: Option<BranchName>,
    /// The folder to search for manifests [default: the whole repository].
    #[arg(long, env = "FAILOVER_API_ROOT", value_name = "FOLDER", value_parser = parse_root)]
    root: Option<RepoPath>,
    /// The private key for SSH, without passphrase.
    #[arg(long, env = "FAILOVER_API_SSH_KEY", value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    /// The SSH host keys to trust; no other is.
    #[arg(long, env = "FAILOVER_API_KNOWN_HOSTS", value_name = "FILE")]
    known_hosts: Option<PathBuf>,
    /// A folder with the files of a Git Secret as Flux knows it: identity and known_hosts, or username and password,
    /// bearerToken, ca.crt, tls.crt and tls.key, githubAppID and its companions. Read again when they change.
    #[arg(long, env = "FAILOVER_API_GIT_SECRET_DIR", value_name = "FOLDER")]
    git_secret_dir: Option<PathBuf>,
    /// Your own OpenSSH configuration, for jump hosts and keys in hardware. It cannot loosen the checks made here.
    #[arg(long, env = "FAILOVER_API_SSH_CONFIG", value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// An OpenSSH private key that signs each commit, for Flux's spec.verify. Ed25519 or ECDSA, without passphrase.
    #[arg(long, env = "FAILOVER_API_SIGNING_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Where to keep the local copy of the repository, preferably in memory [default: the temporary folder].
    #[arg(long, env = "FAILOVER_API_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// How often to look at the repository when nobody asks, 1s to 1h.
    #[arg(long, env = "FAILOVER_API_POLL", value_name = "DURATION", default_value = "30s", value_parser = parse_poll)]
    poll: Duration,
    /// Who commits are made by.
    #[arg(
        long,
        env = "FAILOVER_API_AUTHOR",
        value_name = "NAME <EMAIL>",
        default_value = "failover-api <failover-api@cluster.local>"
    )]
    author: Author,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "FAILOVER_API_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How log lines look.
    #[arg(long, env = "FAILOVER_API_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Answer moves from other machines although nobody is authenticated. Only behind something that checks callers.
    #[arg(long, env = "FAILOVER_API_ALLOW_UNAUTHENTICATED_MOVES")]
    allow_unauthenticated_moves: bool,
}

pub(super) fn parse_root(text: &str) -> Result<RepoPath, String> {
    let text = text.trim_start_matches("./").trim_end_matches('/');
    RepoPath::new(text).map_err(|error| error.to_string())
}

fn parse_poll(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration =
        text.parse().map_err(|_| "must be a duration such as 30s or 5m".to_owned())?;
    match Duration::try_from(duration) {
        Ok(duration) if (1..=3600).contains(&duration.as_secs()) => Ok(duration),
        _ => Err("must be between 1s and 1h".to_owned()),
    }
}

/// Serves until asked to stop.
pub(super) async fn serve(flags: Flags) -> Result<(), String> {
    telemetry::start(flags.log_format, LevelFilter::INFO);
    let url = RemoteUrl::parse(&flags.repo).map_err(|error| format!("--repo: {error}"))?;
    let ssh = ssh_settings(&url, &flags)?;
    if let RemoteUrl::Http { text } = &url
        && text.starts_with("http://")
    {
        tracing::warn!(
            "http:// sends credentials and commits in the clear; use https:// unless the network is trusted"
        );
    }
    if let Some(folder) = flags.git_secret_dir.as_ref().filter(|folder| !folder.is_dir()) {
        tracing::warn!(folder = %folder.display(), "--git-secret-dir is not there yet");
    }
    let secret = SecretFolder(flags.git_secret_dir);
    let settings = git::Settings { url, branch: flags.branch, ssh, secret, cache: flags.cache_dir };
    let listener = TcpListener::bind(flags.listen).await.map_err(|error| {
        format!("--listen {} cannot be used: {error}; give another address or port", flags.listen)
    })?;
    let signer = flags.signing_key.as_deref().map(Signer::new);
    if let Some(error) = signer.as_ref().and_then(|signer| signer.check().err()) {
        tracing::warn!(%error, "nothing can be committed until this is repaired");
    }
    let server = Server {
        git: settings,
        config: flags.config,
        pipeline: pipeline::Settings { author: flags.author, root: flags.root, poll: flags.poll, signer },
        allow_unauthenticated: flags.allow_unauthenticated_moves,
    };
    let running = server.start()?;
    running.answer(listener).await
}

/// The SSH files: those that are named, or those of the Secret.
fn ssh_settings(url: &RemoteUrl, flags: &Flags) -> Result<Option<SshSettings>, String> {
    if !matches!(url, RemoteUrl::Ssh { .. }) {
        return Ok(None);
    }
    let of_secret = |name: &str| flags.git_secret_dir.as_ref().map(|folder| folder.join(name));
    let key = flags.ssh_key.clone().or_else(|| of_secret("identity"));
    let known_hosts = flags.known_hosts.clone().or_else(|| of_secret("known_hosts"));
    if flags.ssh_config.is_none() && (key.is_none() || known_hosts.is_none()) {
        return Err(
            "a repository behind SSH needs --ssh-key and --known-hosts, or --git-secret-dir with the files identity and known_hosts; ssh-keyscan shows a server's host keys"
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
    let shim =
        std::env::current_exe().map_err(|error| format!("this program's own file is unknown: {error}"))?;
    let config = flags.ssh_config.clone();
    Ok(Some(SshSettings {
        key: absolute(key)?,
        known_hosts: absolute(known_hosts)?,
        config: absolute(config)?,
        shim,
    }))
}

/// Everything that a server is made of.
pub(super) struct Server {
    pub(super) git: git::Settings,
    pub(super) config: PathBuf,
    pub(super) pipeline: pipeline::Settings,
    pub(super) allow_unauthenticated: bool,
}

/// A server that reads its repository and is ready to answer.
pub(super) struct Running {
    pub(super) state: AppState,
}

impl Server {
    pub(super) fn start(self) -> Result<Running, String> {
        let repository = Repository::new(self.git)
            .map_err(|error| format!("the cache folder cannot be used: {error}; see --cache-dir"))?;
        let config = source::watch(self.config);
        let pipeline = Pipeline::start(self.pipeline, repository, config);
        Ok(Running { state: AppState::new(pipeline, self.allow_unauthenticated) })
    }
}

impl Running {
    /// Answers on `listener` until asked to stop.
    pub(super) async fn answer(self, listener: TcpListener) -> Result<(), String> {
        let address = listener.local_addr().map_err(|error| format!("the address is unknown: {error}"))?;
        if !address.ip().is_loopback() && !self.state.allow_unauthenticated {
            tracing::warn!(
                "moves are answered only for callers on this machine; see --allow-unauthenticated-moves"
            );
        }
        let stop = stop_signal()?;
        tracing::info!(%address, "listening");
        http::serve(listener, self.state, stop).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// The pipeline, to watch it.
    pub(super) fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.state.pipeline)
    }
}
