//! `failover-api serve`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

use super::repository::RepositoryFlags;
use super::stop::stop_signal;
use crate::git::{self, Repository};
use crate::http::{self, AppState};
use crate::pipeline::{self, Pipeline};
use crate::source;
use crate::telemetry::{self, LogFormat};

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    repository: RepositoryFlags,
    /// How often to look at the repository when nobody asks, 1s to 1h.
    #[arg(long, env = "FAILOVER_API_POLL", value_name = "DURATION", default_value = "30s", value_parser = parse_poll)]
    poll: Duration,
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
    let repository = flags.repository;
    let git = repository.git(repository.url()?)?;
    let listener = TcpListener::bind(flags.listen).await.map_err(|error| {
        format!("--listen {} cannot be used: {error}; give another address or port", flags.listen)
    })?;
    let pipeline = repository.pipeline(flags.poll);
    if let Some(error) = pipeline.signer.as_ref().and_then(|signer| signer.check().err()) {
        tracing::warn!(%error, "nothing can be committed until this is repaired");
    }
    let server = Server {
        git,
        config: repository.config,
        pipeline,
        allow_unauthenticated: flags.allow_unauthenticated_moves,
    };
    let running = server.start()?;
    running.answer(listener).await
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
