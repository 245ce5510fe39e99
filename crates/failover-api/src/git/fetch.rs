//! Brings a branch into the mirror, through gix over a stream that we own, so that a deadline can end it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use failover_core::code::Code;
use failover_core::name::BranchName;
use gix::progress::Discard;
use gix::remote::fetch::Shallow;
use gix::remote::ref_map;
use gix_transport::Protocol;
use gix_transport::client::blocking_io::Transport;
use gix_transport::client::git::ConnectMode;
use gix_transport::client::git::blocking_io::Connection;
use tokio::time::Instant;

use super::error::{RemoteError, classify, quote, too_late};
use super::https::Https;
use super::mirror::{DEPTH, Mirror};
use super::process::{Launcher, RemoteCommand};
use super::progress::{Counted, Progress};
use super::service::{ProtocolVersion, Service, Via};
use super::session::reference;

/// Fetches through a server program's pipes.
pub(super) async fn over_command(
    launcher: &Launcher,
    mirror: &Mirror,
    branch: &BranchName,
    deadline: Instant,
) -> Result<(), RemoteError> {
    let RemoteCommand { stdin, stdout, mut rest } =
        launcher.start(Service::UploadPack, ProtocolVersion::Second, Via::Shared)?;
    let pipes = stdin.into_owned_fd().and_then(|stdin| Ok((stdin, stdout.into_owned_fd()?)));
    let (stdin, stdout) = pipes.map_err(|error| {
        RemoteError::new(Code::RemoteFailed, format!("a program's pipes cannot be used: {error}"))
    })?;
    let (repository, branch) = (mirror.repository(), branch.clone());
    let progress = Arc::new(Progress::default());
    let counted = Arc::clone(&progress);
    let work = tokio::task::spawn_blocking(move || {
        let reader = Counted { inner: std::fs::File::from(stdout), progress: Arc::clone(&counted) };
        let writer = std::fs::File::from(stdin);
        let connection = Connection::new(
            reader,
            writer,
            Protocol::V2,
            "/repository",
            None::<(String, Option<u16>)>,
            ConnectMode::Process,
            false,
        );
        receive(&repository, connection, &branch, &counted.over)
    });
    match progress.wait(work, deadline).await {
        Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(failure))) => Err(failure.with_words(&rest.last_words().await)),
        Some(Err(_)) => Err(abnormal()),
        None => {
            // The reader sees the end of its pipe, and its thread ends; nobody waits for that.
            rest.kill();
            Err(too_late())
        }
    }
}

/// Fetches from a web server.
pub(super) async fn over_https(
    https: &Https,
    mirror: &Mirror,
    branch: &BranchName,
    deadline: Instant,
) -> Result<(), RemoteError> {
    let (https, repository, branch) = (https.clone(), mirror.repository(), branch.clone());
    let progress = Arc::new(Progress::default());
    let counted = Arc::clone(&progress);
    let work = tokio::task::spawn_blocking(move || {
        let failure = Arc::new(Mutex::new(None));
        let transport = https.transport(deadline, Arc::clone(&failure), Arc::clone(&counted))?;
        receive(&repository, transport, &branch, &counted.over).map_err(|other| {
            let own = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            own.unwrap_or_else(|| other.with_words(""))
        })
    });
    // Each request ends at the deadline by itself.
    match progress.wait(work, deadline).await {
        Some(Ok(fetched)) => fetched,
        Some(Err(_)) => Err(abnormal()),
        None => Err(too_late()),
    }
}

fn abnormal() -> RemoteError {
    RemoteError::new(Code::RemoteFailed, "the fetch ended abnormally; report the defect")
}

/// Why a fetch failed, before the words of the program at the other end are known.
struct FetchFailure {
    /// The local copy cannot be written.
    local: bool,
    detail: String,
}

impl FetchFailure {
    fn with_words(self, words: &str) -> RemoteError {
        if self.local {
            return RemoteError::new(Code::CacheFailed, self.detail);
        }
        let mut error = classify(&format!("{words}\n{}", self.detail));
        if error.code == Code::RemoteFailed {
            error.detail = format!("the fetch failed: {}", quote(&format!("{}\n{words}", self.detail)));
        }
        error
    }
}

fn receive(
    repository: &gix::ThreadSafeRepository,
    transport: impl Transport,
    branch: &BranchName,
    over: &AtomicBool,
) -> Result<(), FetchFailure> {
    let repository = repository.to_thread_local();
    let remote = |error: gix::Error| FetchFailure { local: is_local(&error), detail: chain(&error) };
    let name = reference(branch);
    // The address is for messages only; the transport has its own.
    let source = repository.remote_at("ssh://remote/repository").map_err(remote)?;
    let spec = format!("+{name}:{name}");
    let source = source
        .with_fetch_tags(gix::remote::fetch::Tags::None)
        .with_refspecs([spec.as_str()], gix::remote::Direction::Fetch)
        .map_err(remote)?;
    // No credential helper of this machine is ever asked.
    let connection = source.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
    let prepared = connection.prepare_fetch(Discard, ref_map::Options::default()).map_err(remote)?;
    // Always with a depth: after a forced push a plain fetch into a shallow repository loads all of history.
    let depth = u32::try_from(DEPTH).ok().and_then(std::num::NonZeroU32::new);
    let shallow = depth.map_or(Shallow::NoChange, Shallow::DepthAtRemote);
    prepared.with_shallow(shallow).receive(Discard, over).map_err(remote)?;
    Ok(())
}

/// The error with its causes, outermost first.
fn chain(error: &gix::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// Whether the local copy cannot be written.
fn is_local(error: &gix::Error) -> bool {
    let text = chain(error);
    let words = ["No space left", "Disk quota exceeded", "Permission denied (os", "Read-only file system"];
    words.iter().any(|words| text.contains(words))
}
