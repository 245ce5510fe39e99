//! The one remote branch: looked at, fetched and pushed.
//!
//! A look is the beginning of a push that does not go on: the server says where the branch is and waits for a request.
//! That conversation is kept, and the next push goes out in it at once, without a round trip before it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{BranchName, CommitId};
use send_pack::advertisement::Advertisement;
use send_pack::request::{Update, request};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::commit::NewCommit;
use super::error::RemoteError;
use super::fetch;
use super::http_client::AGENT;
use super::https::Https;
use super::mirror::Mirror;
use super::outcome::PushOutcome;
use super::process::Launcher;
use super::secret::SecretFolder;
use super::service::Service;
use super::session::{Sent, Session, reference};
use super::ssh::{SshCommand, SshSettings};
use super::url::RemoteUrl;
use super::work_tree::{Branchless, WorkTree};

/// The longest that one look at the remote may take, with what is new on the branch.
pub const FETCH_LIMIT: Duration = Duration::from_secs(15);

/// A remote repository and how to reach it.
#[derive(Debug)]
pub(super) struct Remote {
    transport: Transport,
    armed: Mutex<Armed>,
    /// Told when a conversation that was kept has ended by itself.
    disarmed: Arc<Notify>,
    /// Conversations that are on their way to their end.
    ending: TaskTracker,
}

#[derive(Debug)]
enum Transport {
    Command(Arc<Launcher>),
    Https(Https),
}

/// What is ready for the next push.
#[derive(Debug, Default)]
enum Armed {
    #[default]
    Nothing,
    /// A conversation, or one that is being opened.
    Conversation(Keeper),
    /// What the web server can do; each request there is a conversation of its own.
    Known(Advertisement),
}

/// A task that opens a conversation and holds it until it is taken.
#[derive(Debug)]
struct Keeper {
    take: oneshot::Sender<()>,
    task: JoinHandle<Result<Session, RemoteError>>,
}

/// A conversation in which a push can be asked for.
enum Begun<'a> {
    Session(Box<Session>),
    Request(&'a Https, Advertisement),
}

impl Begun<'_> {
    fn advertisement(&self) -> &Advertisement {
        match self {
            Self::Session(session) => session.advertisement(),
            Self::Request(_, advertisement) => advertisement,
        }
    }
}

/// What became of a push that was tried.
struct Attempted {
    sent: Sent,
    /// The host's word is not enough.
    must_be_seen: bool,
}

impl Attempted {
    fn nothing(error: RemoteError) -> Self {
        Self { sent: Sent::NotWhole(error), must_be_seen: false }
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// Where the branch is; `None` when it is not there.
    pub(super) tip: Option<CommitId>,
    pub(super) format: gix::hash::Kind,
    /// Why nothing can be pushed, where that is known.
    pub(super) push_refused: Option<RemoteError>,
}

impl Remote {
    /// Takes the credentials in use out of a host's words, and names of our own that mean nothing to others.
    pub(super) fn veil(&self, words: &mut String) {
        match &self.transport {
            Transport::Command(launcher) => {
                // What goes through ssh are no credentials of ours.
                if let Launcher::Ssh(ssh) = &**launcher {
                    ssh.name_key(words);
                }
            }
            Transport::Https(https) => https.veil(words),
        }
    }

    /// Connects in the background; returns at once. `folder` is for the connection's own files.
    pub(super) fn new(
        url: &RemoteUrl,
        ssh: Option<&SshSettings>,
        secret: SecretFolder,
        folder: &Path,
    ) -> std::io::Result<Self> {
        let transport = match (url, ssh) {
            (RemoteUrl::Local(path), _) => Transport::Command(Arc::new(Launcher::Local(path.clone()))),
            (RemoteUrl::Clone(path), _) => {
                Transport::Command(Arc::new(Launcher::Clone(WorkTree::new(path, folder)?)))
            }
            (RemoteUrl::Ssh { destination, port, path, .. }, Some(settings)) => {
                let ssh = SshCommand::new(settings, destination, *port, path, folder)?;
                Transport::Command(Arc::new(Launcher::Ssh(Box::new(ssh))))
            }
            (RemoteUrl::Ssh { .. }, None) => return Err(std::io::Error::other("SSH has no settings")),
            (RemoteUrl::Http { text }, _) => Transport::Https(Https::new(text, secret)),
        };
        let ending = TaskTracker::new();
        ending.close();
        Ok(Self { transport, armed: Mutex::default(), disarmed: Arc::default(), ending })
    }

    /// Where the branch is now. What told it is kept for the next push.
    pub(super) async fn look(&self, branch: &BranchName, deadline: Instant) -> Result<Sight, RemoteError> {
        let writable = match &self.transport {
            Transport::Command(launcher) => {
                match Session::open(launcher, Service::ReceivePack, Some(branch), deadline).await {
                    Ok(session) => {
                        let advertisement = session.advertisement().clone();
                        self.arm(Armed::Conversation(self.keep(async { Ok(session) })));
                        Ok(advertisement)
                    }
                    Err(error) => Err(error),
                }
            }
            Transport::Https(https) => {
                let looked = https.advertisement(Service::ReceivePack, Some(branch), deadline).await;
                looked.inspect(|advertisement| self.arm(Armed::Known(advertisement.clone())))
            }
        };
        match writable {
            // A branch can be hidden from those who push.
            Ok(advertisement) if advertisement.tip.is_some() => sight(&advertisement, None),
            Ok(_) => sight(&self.read_only_look(branch, deadline).await?, None),
            // Who may not push may still read, whatever words the host has for that.
            Err(error) if error.is_answer() => {
                self.arm(Armed::Nothing);
                let advertisement = self.read_only_look(branch, deadline).await?;
                sight(&advertisement, Some(error))
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// Where the branch is, as those see it who may only read.
    async fn read_only_look(
        &self,
        branch: &BranchName,
        deadline: Instant,
    ) -> Result<Advertisement, RemoteError> {
        self.ask_reader(Some(branch), deadline).await.inspect_err(|error| self.failed(error))
    }

    async fn ask_reader(
        &self,
        branch: Option<&BranchName>,
        deadline: Instant,
    ) -> Result<Advertisement, RemoteError> {
        match &self.transport {
            Transport::Command(launcher) => {
                let session = Session::open(launcher, Service::UploadPack, branch, deadline).await?;
                let advertisement = session.advertisement().clone();
                session.close(&self.ending);
                Ok(advertisement)
            }
            Transport::Https(https) => https.advertisement(Service::UploadPack, branch, deadline).await,
        }
    }

    /// The branch that the remote's HEAD names.
    pub(super) async fn default_branch(&self, deadline: Instant) -> Result<BranchName, RemoteError> {
        let advertisement = self.ask_reader(None, deadline).await.inspect_err(|error| self.failed(error))?;
        let name = advertisement.head_branch().and_then(|name| BranchName::new(name).ok());
        name.ok_or_else(|| self.no_default_branch(advertisement.has_refs))
    }

    /// Why HEAD names no branch.
    fn no_default_branch(&self, has_refs: bool) -> RemoteError {
        let missing = |detail: String| RemoteError::new(Code::BranchNotFound, detail);
        if let Transport::Command(launcher) = &self.transport
            && let Launcher::Clone(clone) = &**launcher
        {
            let folder = clone.folder().display();
            let detail = format!("no branch is checked out in the clone {folder}");
            match clone.branchless() {
                Branchless::Underway(what) => {
                    let detail = format!("{detail}: {what} is under way there");
                    return RemoteError::new(Code::WorkTreeChanged, detail);
                }
                Branchless::Detached(commit) => {
                    return missing(format!("{detail}: its HEAD is at commit {commit}"));
                }
                Branchless::Unborn(branch) => {
                    return missing(format!("{detail} that has a commit: {branch} has none yet"));
                }
                Branchless::Unknown => {}
            }
        }
        let why = if has_refs { "name it with --branch" } else { "the repository is empty" };
        missing(format!("the remote's HEAD names no branch that is there: {why}"))
    }

    /// Brings the branch into the mirror.
    pub(super) async fn fetch(
        &self,
        mirror: &Mirror,
        branch: &BranchName,
        deadline: Instant,
    ) -> Result<(), RemoteError> {
        let fetched = match &self.transport {
            Transport::Command(launcher) => fetch::over_command(launcher, mirror, branch, deadline).await,
            Transport::Https(https) => fetch::over_https(https, mirror, branch, deadline).await,
        };
        fetched.inspect_err(|error| self.failed(error))
    }

    /// Moves the branch to `commit` if it is at the commit's parent, or not at all.
    pub(super) async fn push(
        &self,
        branch: &BranchName,
        commit: &NewCommit,
        deadline: Instant,
    ) -> PushOutcome {
        let update = Update {
            reference: reference(branch),
            old: commit.parent().to_string(),
            new: commit.id().to_string(),
        };
        let mut sent = self.send(branch, &update, commit, deadline).await;
        if let Sent::NotWhole(error) = &sent.sent
            && matches!(error.code, Code::RemoteUnreachable | Code::RemoteFailed)
            && error.retry_after.is_none()
        {
            // A conversation that was kept may have died unseen; a new one says more.
            sent = self.send(branch, &update, commit, deadline).await;
        }
        match &sent.sent {
            Sent::Silence(_) => self.reconnect(),
            Sent::NotWhole(error) => self.failed(error),
            Sent::Reported(..) => {}
        }
        let reported = matches!(sent.sent, Sent::Reported(..));
        let outcome = PushOutcome::from(sent.sent);
        if outcome == PushOutcome::Accepted && sent.must_be_seen {
            return self.seen(branch, commit, deadline).await;
        }
        if reported {
            self.rearm(branch);
        }
        outcome
    }

    /// Looks whether the branch really is at `commit`, as its host says.
    async fn seen(&self, branch: &BranchName, commit: &NewCommit, deadline: Instant) -> PushOutcome {
        match self.look(branch, deadline).await {
            Ok(sight) if sight.tip.as_ref() == Some(commit.id()) => PushOutcome::Accepted,
            Ok(_) => PushOutcome::Unknown(
                "the host says that it took the commit, and the branch is elsewhere".to_owned(),
            ),
            Err(error) => PushOutcome::Unknown(format!(
                "the host says that it took the commit, and cannot be asked: {error}"
            )),
        }
    }

    async fn send(
        &self,
        branch: &BranchName,
        update: &Update,
        commit: &NewCommit,
        deadline: Instant,
    ) -> Attempted {
        let armed = std::mem::take(&mut *self.armed.lock().unwrap_or_else(PoisonError::into_inner));
        let begun = match &self.transport {
            Transport::Command(launcher) => match self.taken(armed, launcher, deadline).await {
                Some(session) => Ok(Begun::Session(Box::new(session))),
                None => Session::open(launcher, Service::ReceivePack, Some(branch), deadline)
                    .await
                    .map(|session| Begun::Session(Box::new(session))),
            },
            Transport::Https(https) => match armed {
                Armed::Known(advertisement) => Ok(Begun::Request(https, advertisement)),
                Armed::Nothing | Armed::Conversation(_) => {
                    let asked = https.advertisement(Service::ReceivePack, Some(branch), deadline).await;
                    asked.map(|advertisement| Begun::Request(https, advertisement))
                }
            },
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(error) => return Attempted::nothing(error),
        };
        let advertisement = begun.advertisement();
        let must_be_seen = !is_reliable(advertisement);
        let mut bytes = match request(advertisement, update, AGENT) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Attempted::nothing(RemoteError::new(Code::RemoteRefused, error.to_string()));
            }
        };
        bytes.extend_from_slice(commit.pack());
        let sent = match begun {
            Begun::Session(session) => session.push(&bytes, update, deadline, &self.ending).await,
            Begun::Request(https, known) => {
                let side_band = known.offers("side-band-64k");
                let sent = https.push(bytes, update.clone(), side_band, deadline).await;
                if matches!(sent, Sent::Reported(..)) {
                    self.arm(Armed::Known(known));
                }
                sent
            }
        };
        Attempted { sent, must_be_seen }
    }

    /// The conversation that was kept, if it is alive and could be begun like this now; one that is being opened is
    /// waited for.
    async fn taken(&self, armed: Armed, launcher: &Launcher, deadline: Instant) -> Option<Session> {
        let Armed::Conversation(Keeper { take, task }) = armed else { return None };
        take.send(()).ok()?;
        let session = tokio::time::timeout_at(deadline, task).await.ok()?.ok()?.ok()?;
        if session.is_current(launcher) {
            return Some(session);
        }
        session.close(&self.ending);
        None
    }

    /// Opens the next conversation while nobody waits for it.
    fn rearm(&self, branch: &BranchName) {
        if let Transport::Command(launcher) = &self.transport {
            let (launcher, branch) = (Arc::clone(launcher), branch.clone());
            let open = async move {
                let deadline = Instant::now() + FETCH_LIMIT;
                Session::open(&launcher, Service::ReceivePack, Some(&branch), deadline).await
            };
            self.arm(Armed::Conversation(self.keep(open)));
        }
    }

    fn arm(&self, new: Armed) {
        // One that was not taken ends by itself when its keeper's end of the channel is gone.
        drop(std::mem::replace(&mut *self.armed.lock().unwrap_or_else(PoisonError::into_inner), new));
    }

    /// Holds a conversation until it is taken, no longer wanted, or ended by the server.
    fn keep(&self, open: impl Future<Output = Result<Session, RemoteError>> + Send + 'static) -> Keeper {
        let (take, taken) = oneshot::channel();
        let (disarmed, ending) = (Arc::clone(&self.disarmed), self.ending.clone());
        let task = tokio::spawn(async move {
            let mut session = open.await?;
            tracing::debug!("the next push can go out at once");
            tokio::select! {
                biased;
                () = session.ended() => {
                    tracing::debug!("the server ended the conversation that was kept for the next push");
                    disarmed.notify_one();
                    Err(RemoteError::new(Code::RemoteUnreachable, "the conversation ended"))
                }
                taken = taken => match taken {
                    Ok(()) => Ok(session),
                    Err(_) => {
                        session.close(&ending);
                        Err(RemoteError::new(Code::RemoteUnreachable, "the conversation is not wanted"))
                    }
                },
            }
        });
        Keeper { take, task }
    }

    /// Returns when a conversation that was kept has ended by itself, and should be opened again.
    pub(super) async fn disarmed(&self) {
        self.disarmed.notified().await;
    }

    /// Waits until hooks that run behind pushes are done.
    pub(super) async fn quiet(&self) {
        self.arm(Armed::Nothing);
        self.ending.wait().await;
    }

    fn failed(&self, error: &RemoteError) {
        if error.code == Code::RemoteTimeout {
            self.reconnect();
        }
    }

    /// Drops what may be dead.
    fn reconnect(&self) {
        self.arm(Armed::Nothing);
        if let Transport::Command(launcher) = &self.transport
            && let Launcher::Ssh(ssh) = &**launcher
        {
            ssh.reconnect();
        }
    }
}

/// Whether the host's word that a branch moved can be relied on. There are hosts that compare the branch with our
/// request and then report success without having moved it (dulwich 0.21 does); those that carry out several moves
/// together or not at all, or report on them in detail, decide before they speak.
fn is_reliable(advertisement: &Advertisement) -> bool {
    advertisement.offers("atomic") || advertisement.offers("report-status-v2")
}

fn sight(advertisement: &Advertisement, push_refused: Option<RemoteError>) -> Result<Sight, RemoteError> {
    let tip = advertisement.tip.as_deref().map(CommitId::new).transpose();
    let tip =
        tip.map_err(|error| RemoteError::new(Code::RemoteFailed, format!("the branch's commit: {error}")))?;
    Ok(Sight { tip, format: advertisement.format, push_refused })
}
