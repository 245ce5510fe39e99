//! `failover-api demo`: a GitOps repository in a temporary folder, and a server that moves its services.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use include_dir::{Dir, include_dir};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;

use super::output::say;
use super::serve::Server;
use crate::auth::Admission;
use crate::git::{self, Author, RemoteUrl};
use crate::notify::Lists;
use crate::pipeline::{self, Pipeline};
use crate::telemetry::{self, LogFormat};

const DEFAULT_PORT: u16 = 8080;
const BRANCH: &str = "main";

static REPOSITORY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/demo/repo");
static SERVICES: &str = include_str!("../../demo/services.yaml");

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The port on 127.0.0.1 [default: 8080, or a free one when it is taken].
    #[arg(long, value_name = "N")]
    port: Option<u16>,
}

/// The folder that a demo leaves behind. It goes once nothing runs any more that would miss it.
#[derive(Debug, Default)]
pub(super) struct Scratch(Option<TempDir>);

impl Scratch {
    pub(super) fn remove(self) -> Result<(), String> {
        let Some(folder) = self.0 else { return Ok(()) };
        folder.close().map_err(|error| format!("the temporary folder could not be removed: {error}"))?;
        say("\nStopped; everything is removed.");
        Ok(())
    }
}

/// Serves the made-up repository until Ctrl-C.
pub(super) async fn demo(flags: Flags, scratch: &mut Scratch) -> Result<(), String> {
    telemetry::start(LogFormat::Text, LevelFilter::WARN);
    let (listener, taken) = listen(flags.port).await?;
    let folder = tempfile::Builder::new().prefix("failover-demo-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder can be made: {error}"))?;
    let folder = scratch.0.insert(folder);
    let origin = folder.path().join("origin.git");
    fill(&origin, &folder.path().join("seed"))
        .map_err(|error| format!("the repository cannot be made: {error}"))?;
    let config = folder.path().join("services.yaml");
    std::fs::write(&config, SERVICES).map_err(|error| format!("the config cannot be written: {error}"))?;

    let url = RemoteUrl::parse(&origin.to_string_lossy()).map_err(|error| error.to_string())?;
    let author: Author = "failover-api <failover-api@cluster.local>".parse()?;
    let server = Server {
        git: git::Settings {
            url,
            branch: None,
            ssh: None,
            secret: git::SecretFolder::default(),
            cache: Some(folder.path().join("cache")),
        },
        config: config.clone(),
        lists: Lists::default(),
        pipeline: pipeline::Settings {
            author,
            root: None,
            poll: Duration::from_secs(1),
            signer: None,
            credentials: None,
        },
        admission: Admission::ThisMachine,
    };
    let running = server.start()?;
    let address = listener.local_addr().map_err(|error| format!("the address is unknown: {error}"))?;
    let pipeline = running.pipeline();
    let mut view = pipeline.view();
    view.wait_for(Option::is_some).await.map_err(|_| "the repository could not be read".to_owned())?;
    introduce(address, taken, &origin, &config);
    let watcher = tokio::spawn(show_commits(pipeline, origin));
    let result = running.answer(listener).await;
    watcher.abort();
    result
}

/// The listener, and whether the usual port was taken.
async fn listen(port: Option<u16>) -> Result<(TcpListener, bool), String> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match (bind(port.unwrap_or(DEFAULT_PORT)).await, port) {
        (Ok(listener), _) => Ok((listener, false)),
        (Err(error), None) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let listener = bind(0).await.map_err(|error| format!("no port is free: {error}"))?;
            Ok((listener, true))
        }
        (Err(error), port) => Err(format!(
            "port {} cannot be used: {error}; give another with --port",
            port.unwrap_or(DEFAULT_PORT)
        )),
    }
}

fn introduce(address: SocketAddr, taken: bool, origin: &Path, config: &Path) {
    if taken {
        say(format_args!("Port {DEFAULT_PORT} is taken, so this demo uses port {}.\n", address.port()));
    }
    say(format_args!(
        "A home cluster's GitOps repository with four services: sonarr, radarr, jellyfin and postgres.\n\
         \n\
         \x20 repository  {}\n\
         \x20 config      {}\n\
         \x20 server      http://{address}\n\
         \n\
         Open http://{address}/ in a browser, or try, in another terminal:\n\
         \n\
         \x20 curl -s http://{address}/api/services\n\
         \x20 curl -s http://{address}/api/failover/sonarr/status\n\
         \x20 curl -s -H 'Accept: text/x-diff' 'http://{address}/api/failover/sonarr/promote?dry-run=true'\n\
         \x20 curl -s -X POST 'http://{address}/api/failover/sonarr/promote?reason=k3s-w1+is+down'\n\
         \x20 curl -s -X POST http://{address}/api/failover/sonarr/demote\n\
         \x20 curl -s http://{address}/api/history\n\
         \x20 git clone {0} my-cluster    # be the other committer\n\
         \n\
         Each commit is shown here as it lands. Ctrl-C stops and removes everything.",
        origin.display(),
        config.display(),
    ));
}

/// Shows every commit that is new on the branch, whoever made it.
async fn show_commits(pipeline: Arc<Pipeline>, origin: std::path::PathBuf) {
    let mut views = pipeline.view();
    let tip = |views: &tokio::sync::watch::Receiver<Option<Arc<crate::view::View>>>| {
        views.borrow().as_ref().map(|view| view.tree.revision.commit.clone())
    };
    let mut shown = tip(&views);
    while views.changed().await.is_ok() {
        let newest = tip(&views);
        if newest == shown {
            continue;
        }
        if let (Some(old), Some(new)) = (&shown, &newest) {
            let range = format!("{old}..{new}");
            let format = "--format=%n%C(auto)%h %an: %s%n%n%w(0,4,4)%b%w(0,0,0)";
            let arguments = ["log", "--reverse", "--patch", "--unified=1", "--no-color", format, &range];
            match hermetic_git(&origin).args(arguments).output() {
                Ok(output) => say(String::from_utf8_lossy(&output.stdout).trim_end()),
                Err(error) => tracing::warn!(%error, "the commit cannot be shown"),
            }
        }
        shown = newest;
    }
}

/// Makes the bare repository `origin` with one commit of the demo's files, by way of the folder `seed`.
fn fill(origin: &Path, seed: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(seed)?;
    REPOSITORY.extract(seed)?;
    git(hermetic_git(origin).args(["init", "--quiet", "--bare", "--template=", "--initial-branch", BRANCH]))?;
    git(hermetic_git(origin).env("GIT_WORK_TREE", seed).args(["add", "--all"]))?;
    git(hermetic_git(origin).env("GIT_WORK_TREE", seed).args([
        "commit",
        "--quiet",
        "--message",
        "Set up the home cluster",
    ]))?;
    std::fs::remove_dir_all(seed)
}

fn hermetic_git(origin: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_DIR", origin)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Demo Operator")
        .env("GIT_AUTHOR_EMAIL", "operator@example.org")
        .env("GIT_COMMITTER_NAME", "Demo Operator")
        .env("GIT_COMMITTER_EMAIL", "operator@example.org")
        .stdin(Stdio::null());
    command
}

fn git(command: &mut Command) -> std::io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
