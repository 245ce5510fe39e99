//! `failover-api serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::filter::LevelFilter;

use super::repository::RepositoryFlags;
use super::stop::stop_signal;
use crate::auth::{Admission, Authentication, Authenticator, Reads, TokenFile};
use crate::cluster::{self, Follower, Reviewer, SecretCopy, SecretName};
use crate::git::{self, RemoteError, RemoteUrl, Repository};
use crate::http::{self, AppState};
use crate::notify::Lists;
use crate::pipeline::{self, Observers, Pipeline};
use crate::source;
use crate::telemetry::{self, LogFormat};
use crate::web;

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: RepositoryFlags,
    /// The Git Secret itself, read through the Kubernetes API: in a pod as its ServiceAccount, elsewhere as KUBECONFIG says.
    /// Nothing else of the cluster is read. Asked for again every 15 seconds.
    #[arg(
        long,
        env = "FAILOVER_API_GIT_SECRET",
        value_name = "NAMESPACE/NAME",
        conflicts_with = "git_secret_dir"
    )]
    git_secret: Option<SecretName>,
    /// How often to look at the repository when nobody asks, 1s to 1h.
    #[arg(long, env = "FAILOVER_API_POLL", value_name = "DURATION", default_value = "30s", value_parser = parse_poll)]
    poll: Duration,
    /// Who is told at once that a commit landed: Flux's Receivers and other webhooks. Read again when it changes.
    #[arg(long, env = "FAILOVER_API_RECEIVERS", value_name = "FILE")]
    receivers: Option<PathBuf>,
    /// Who is sent messages of what happened: webhooks, ntfy, Discord, Slack, Gotify. Read again when it changes.
    #[arg(long, env = "FAILOVER_API_NOTIFICATIONS", value_name = "FILE")]
    notifications: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "FAILOVER_API_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How log lines look.
    #[arg(long, env = "FAILOVER_API_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// Who may move services: one NAME ROLE sha256:HASH a line, as the command token prints it. Read again when it
    /// changes. Callers on this machine need a token, too.
    #[arg(long, env = "FAILOVER_API_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Take tokens of the Kubernetes cluster as well: who may `post` the path /failover-api moves services, who may `get` it
    /// reads. Needs the right to ask that (the ClusterRole system:auth-delegator).
    #[arg(long, env = "FAILOVER_API_KUBERNETES_AUTH")]
    kubernetes_auth: bool,
    /// Answer reads only with a token, of either role. Probes are answered without.
    #[arg(long, env = "FAILOVER_API_REQUIRE_TOKEN_FOR_READS")]
    require_token_for_reads: bool,
    /// Answer moves from other machines although nobody is authenticated. Only behind something that checks callers.
    #[arg(long, env = "FAILOVER_API_ALLOW_UNAUTHENTICATED_MOVES")]
    allow_unauthenticated_moves: bool,
    /// Answer no moves at all, for nobody: to look and to try plans. Nothing is ever pushed.
    #[arg(long, env = "FAILOVER_API_READ_ONLY")]
    read_only: bool,
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
    let admission = admission(&flags)?;
    let repository = &flags.repository;
    let url = repository.url()?;
    let cluster = match &flags.git_secret {
        Some(name) => Some(read_secret(name, &url, repository).await?),
        None => None,
    };
    let git = repository.git(url, cluster.as_ref().map(Follower::folder))?;
    let listener = TcpListener::bind(flags.listen).await.map_err(|error| {
        format!("--listen {} cannot be used: {error}; give another address or port", flags.listen)
    })?;
    let credentials = cluster.as_ref().map(Follower::problem);
    let pipeline = pipeline::Settings { credentials, ..repository.pipeline(flags.poll) };
    if let Some(error) = pipeline.signer.as_ref().and_then(|signer| signer.check().err()) {
        tracing::warn!(%error, "nothing can be committed until this is repaired");
    }
    let lists = Lists { receivers: flags.receivers, notifications: flags.notifications };
    let server = Server { git, config: flags.repository.config, lists, pipeline, admission };
    let running = server.start()?;
    if let Some(secret) = cluster {
        tokio::spawn(renew_rejected(running.pipeline().failures(), secret));
    }
    running.answer(listener).await
}

/// How callers are told apart. Flags that contradict each other are refused here, and not by their mere presence,
/// since a twin in the environment may say `false`.
fn admission(flags: &Flags) -> Result<Admission, String> {
    let known = flags.token_file.is_some() || flags.kubernetes_auth;
    match (known, flags.require_token_for_reads, flags.allow_unauthenticated_moves, flags.read_only) {
        (true, _, true, _) => Err(
            "--token-file or --kubernetes-auth and --allow-unauthenticated-moves contradict each other; give one of them"
                .to_owned(),
        ),
        (false, true, ..) => Err("--require-token-for-reads needs --token-file or --kubernetes-auth".to_owned()),
        (_, _, true, true) => Err(
            "--read-only and --allow-unauthenticated-moves contradict each other; give one of them".to_owned(),
        ),
        (true, _, false, true) => Ok(Admission::ReadOnly(Some(authentication(flags)))),
        (true, _, false, false) => Ok(Admission::Tokens(authentication(flags))),
        (false, false, false, true) => Ok(Admission::ReadOnly(None)),
        (false, false, true, false) => Ok(Admission::anybody()),
        (false, false, false, false) => Ok(Admission::ThisMachine),
    }
}

fn authentication(flags: &Flags) -> Arc<Authentication> {
    let reads = if flags.require_token_for_reads { Reads::Closed } else { Reads::Open };
    let file = flags.token_file.clone().map(TokenFile::follow);
    let reviewer = flags.kubernetes_auth.then(|| Arc::new(Reviewer::new()) as Arc<dyn Authenticator>);
    Arc::new(Authentication::new(file, reviewer, reads))
}

/// Starts to read the Secret. Whether it can be read is a matter of health, and no reason not to start: reads are
/// answered, and what is wrong is told.
async fn read_secret(
    name: &SecretName,
    url: &RemoteUrl,
    flags: &RepositoryFlags,
) -> Result<Follower, String> {
    let mut needed = Vec::new();
    if matches!(url, RemoteUrl::Ssh { .. }) && flags.ssh_config.is_none() {
        needed.extend(flags.ssh_key.is_none().then_some("identity"));
        needed.extend(flags.known_hosts.is_none().then_some("known_hosts"));
    }
    let copy = SecretCopy::make(flags.cache_dir.clone())
        .map_err(|error| format!("the cache folder cannot be used: {error}; see --cache-dir"))?;
    let secret = cluster::follow(name.clone(), needed, copy);
    // An API server that is well answers at once, and then the first look at the repository is not in vain.
    secret.first_look(Duration::from_secs(2)).await;
    Ok(secret)
}

/// Has the Secret read anew where the remote turns its credentials away.
async fn renew_rejected(mut failures: watch::Receiver<Option<RemoteError>>, secret: Follower) {
    while failures.changed().await.is_ok() {
        let rejected =
            failures.borrow_and_update().as_ref().is_some_and(|error| cluster::may_be_outdated(error.code));
        if rejected {
            secret.look_soon();
        }
    }
}

/// Everything that a server is made of.
pub(super) struct Server {
    pub(super) git: git::Settings,
    pub(super) config: PathBuf,
    pub(super) lists: Lists,
    pub(super) pipeline: pipeline::Settings,
    pub(super) admission: Admission,
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
        let observers = Observers::start(self.lists);
        let pipeline = Pipeline::start(self.pipeline, repository, config, observers);
        Ok(Running { state: AppState::new(pipeline, self.admission) })
    }
}

impl Running {
    /// Answers on `listener` until asked to stop.
    pub(super) async fn answer(self, listener: TcpListener) -> Result<(), String> {
        let address = listener.local_addr().map_err(|error| format!("the address is unknown: {error}"))?;
        if !address.ip().is_loopback() && matches!(self.state.admission, Admission::ThisMachine) {
            tracing::warn!("moves are answered only for callers on this machine; see --token-file");
        }
        let stop = stop_signal()?;
        tracing::info!(%address, "listening");
        http::serve(listener, self.state, web::pages(), stop).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// The pipeline, to watch it.
    pub(super) fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.state.pipeline)
    }
}
