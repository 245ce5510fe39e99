//! One conversation with a server program: its advertisement, and perhaps one push.

use std::time::Duration;

use failover_core::name::BranchName;
use send_pack::advertisement::{Advertisement, AdvertisementError, AdvertisementReader};
use send_pack::packet::FLUSH;
use send_pack::report::{Report, ReportReader};
use send_pack::request::Update;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdout;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::error::{RemoteError, classify, quote, too_late};
use super::process::{Launcher, RemoteCommand, Rest};
use super::service::{ProtocolVersion, Service, Via};
use super::ssh::Version;

/// How long a server's program may go on after its report: hooks that run behind a push belong to it, and end with the
/// connection.
const HOOKS_LIMIT: Duration = Duration::from_secs(60);
/// How long a server's program may take to end when nothing was asked.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);
const BUFFER: usize = 16 * 1024;
/// How much is shown of what is not Git's protocol, in bytes.
const MAX_QUOTE: usize = 200;

/// A server program that has said where the branch is, and waits.
#[derive(Debug)]
pub(super) struct Session {
    command: RemoteCommand,
    advertisement: Advertisement,
    reached_with: Version,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// The server cannot have the whole request, so it did nothing.
    NotWhole(RemoteError),
    /// The server reported; the text is what it said to people.
    Reported(Report, String),
    /// The server has the whole request, or may have it, and did not report.
    Silence(String),
}

/// The full name of a branch.
pub(super) fn reference(branch: &BranchName) -> String {
    format!("refs/heads/{branch}")
}

impl Session {
    /// Starts the program and waits for its advertisement.
    pub(super) async fn open(
        launcher: &Launcher,
        service: Service,
        branch: Option<&BranchName>,
        deadline: Instant,
    ) -> Result<Self, RemoteError> {
        let opened = Self::open_via(launcher, service, branch, deadline, Via::Shared).await;
        let Launcher::Ssh(ssh) = launcher else { return opened };
        match opened {
            // A connection that is kept has the rights that the key had when it was made.
            Err(error) if error.is_answer() => {
                let opened = Self::open_via(launcher, service, branch, deadline, Via::New).await;
                if opened.is_ok() {
                    ssh.reconnect();
                }
                opened
            }
            opened => opened,
        }
    }

    async fn open_via(
        launcher: &Launcher,
        service: Service,
        branch: Option<&BranchName>,
        deadline: Instant,
        via: Via,
    ) -> Result<Self, RemoteError> {
        let reached_with = launcher.version();
        let mut command = launcher.start(service, ProtocolVersion::First, via)?;
        let wanted = branch.map(reference).unwrap_or_default();
        let mut reader = AdvertisementReader::new(&wanted, None);
        let mut buffer = [0; BUFFER];
        loop {
            let read = tokio::time::timeout_at(deadline, command.stdout.read(&mut buffer)).await;
            let read = read.map_err(|_| too_late())?;
            match read {
                Ok(count @ 1..) => match reader.feed(&buffer[..count]) {
                    Ok(None) => {}
                    Ok(Some(advertisement)) => return Ok(Self { command, advertisement, reached_with }),
                    Err(error) => {
                        let mut refused = not_advertised(&error, &command.rest.last_words().await);
                        if let AdvertisementError::Packet(_) = error {
                            // Most often what a shell says to people, though nobody is there.
                            let said = String::from_utf8_lossy(&buffer[..count.min(MAX_QUOTE)]);
                            refused.detail = format!("{} It was: {}", refused.detail, quote(&said));
                        }
                        return Err(refused);
                    }
                },
                Ok(0) | Err(_) => return Err(classify(&command.rest.last_words().await)),
            }
        }
    }

    pub(super) fn advertisement(&self) -> &Advertisement {
        &self.advertisement
    }

    /// Whether the key and the known hosts are still those that it was begun with.
    pub(super) fn is_current(&self, launcher: &Launcher) -> bool {
        self.reached_with == launcher.version()
    }

    /// Returns when the server ended the conversation, or says something although nothing was asked.
    pub(super) async fn ended(&mut self) {
        let mut byte = [0];
        let _ = self.command.stdout.read(&mut byte).await;
    }

    /// Ends the conversation as Git does when there is nothing to push.
    pub(super) fn close(mut self, tracker: &TaskTracker) {
        tracker.spawn(async move {
            if self.command.stdin.write_all(FLUSH).await.is_ok() {
                drop(self.command.stdin);
                finish(self.command.stdout, self.command.rest, GOODBYE_LIMIT).await;
            }
        });
    }

    /// Sends `request` and waits for the report on `update`. Hooks that run behind it are given time by `tracker`.
    pub(super) async fn push(
        self,
        request: &[u8],
        update: &Update,
        deadline: Instant,
        tracker: &TaskTracker,
    ) -> Sent {
        let Self { command: RemoteCommand { mut stdin, mut stdout, rest }, advertisement, .. } = self;
        let mut reader = ReportReader::new(update, advertisement.offers("side-band-64k"));
        let mut buffer = vec![0; BUFFER];
        let mut whole = false;
        let conversation = async {
            // The end of the input follows the pack, as with git: there are servers that wait for it.
            let write = async move {
                stdin.write_all(request).await?;
                stdin.flush().await
            };
            tokio::pin!(write);
            loop {
                tokio::select! {
                    // A request that could not be handed over is known for that before the end of the output is seen.
                    biased;
                    written = &mut write, if !whole => match written {
                        Ok(()) => whole = true,
                        Err(error) => return Err(error.to_string()),
                    },
                    read = stdout.read(&mut buffer) => match read {
                        Ok(count @ 1..) => match reader.feed(&buffer[..count]) {
                            Ok(None) => {}
                            Ok(Some(report)) => return Ok(report),
                            Err(error) => return Err(error.to_string()),
                        },
                        Ok(0) => return Err("the connection ended before the report".to_owned()),
                        Err(error) => return Err(error.to_string()),
                    },
                }
            }
        };
        let ended = tokio::time::timeout_at(deadline, conversation).await;
        let why = match ended {
            // This hook's words do not come as those of other hooks.
            Ok(Ok(report)) if report.branch.is_rejected_with("push-to-checkout") => {
                let words = format!("{}\n{}", reader.words(), rest.last_words().await);
                return Sent::Reported(report, words);
            }
            Ok(Ok(report)) => {
                tracker.spawn(finish(stdout, rest, HOOKS_LIMIT));
                return Sent::Reported(report, reader.words());
            }
            Ok(Err(why)) => {
                let words = rest.last_words().await;
                if whole {
                    let words = format!("{}\n{words}", reader.words());
                    return Sent::Silence(format!("{why}; {}", quote(&words)));
                }
                return Sent::NotWhole(classify(&format!("{words}\n{why}")));
            }
            Err(_) => "the deadline passed before the report",
        };
        if whole { Sent::Silence(why.to_owned()) } else { Sent::NotWhole(too_late()) }
    }
}

/// Lets the program run to its end, within the limit.
async fn finish(mut stdout: ChildStdout, rest: Rest, limit: Duration) {
    let mut sink = tokio::io::sink();
    let _ = tokio::time::timeout(limit, tokio::io::copy(&mut stdout, &mut sink)).await;
    drop(rest);
}

/// The error for a server that did not say where its branches are. `words` is what came beside it.
pub(super) fn not_advertised(error: &AdvertisementError, words: &str) -> RemoteError {
    let said = match error {
        // Before protocols had errors, hosts said such things to people; the words are the same.
        AdvertisementError::Server(said) => format!("ERROR: {said}\n{words}"),
        AdvertisementError::Packet(_)
        | AdvertisementError::Malformed(_)
        | AdvertisementError::Format(_)
        | AdvertisementError::TooLong => format!("{words}\n{error}"),
    };
    classify(&said)
}
