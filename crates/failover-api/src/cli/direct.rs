//! A repository, worked on by this process alone: the pipeline of a server without the server.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use failover_core::code::{Code, Exit};
use failover_core::config::{self, Config};
use failover_core::holding::{HoldIntent, Scopes};
use failover_core::intent::{Intent, Selection};
use failover_core::name::{RepoPath, Role, ServiceName};
use failover_core::plan::unknown_service;
use tokio::sync::watch;
use tokio::time::Instant;

use super::asked::{Asked, Selected};
use super::ending::Stop;
use super::hold_asked::HoldAsked;
use super::output::note;
use super::person;
use super::progress::waiting;
use super::repository::RepositoryFlags;
use crate::clock;
use crate::git::{Found, MirrorError, RemoteUrl, Repository};
use crate::http::{Local, Reply};
use crate::notify::Lists;
use crate::pipeline::{MoveError, Observers, Pipeline};
use crate::source::{self, ConfigState};

/// A first copy of a large repository takes as long as it takes; Ctrl-C ends it.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long the hooks behind a push are waited for: on many hosts they end with the connection.
const HOOKS: Duration = Duration::from_secs(60);

/// Where the config is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConfigPlace {
    /// A file on this machine.
    File(PathBuf),
    /// A file of the repository, as the branch has it.
    InRepository(RepoPath),
}

/// A repository that was looked at.
pub(super) struct Direct {
    pipeline: Arc<Pipeline>,
    local: Local,
    /// Its address, for people.
    pub(super) address: String,
    /// The clone's folder, where it is one with a work tree.
    pub(super) clone: Option<PathBuf>,
}

impl Direct {
    /// Reads the config and prepares everything; looks at nothing else yet, but for a config in the repository.
    pub(super) async fn open(flags: &RepositoryFlags, place: &ConfigPlace) -> Result<Self, Stop> {
        let url = flags.url().map_err(Stop::problem)?.or_clone();
        let clone = match &url {
            RemoteUrl::Clone(folder) => Some(folder.clone()),
            RemoteUrl::Local(_) | RemoteUrl::Ssh { .. } | RemoteUrl::Http { .. } => None,
        };
        let address = url.to_string();
        if address.starts_with("http://") {
            note(
                "warning: http:// sends credentials and commits in the clear; use https:// unless the network is trusted",
            );
        }
        let repository = Repository::new(flags.git(url, None).map_err(Stop::problem)?).map_err(|error| {
            Stop::failure(format!("the cache folder cannot be used: {error}"), "see --cache-dir")
        })?;
        let config = match place {
            ConfigPlace::File(path) => source::watch(path.clone()),
            ConfigPlace::InRepository(path) => read_inside(&repository, path, &address).await?,
        };
        if let Some(problem) = config.borrow().problem.as_ref() {
            return Err(Stop::Said {
                exit: Exit::Problem,
                message: in_lines(&problem.to_string(), place),
                hint: Some("--config names a services.yaml or the manifest of a ConfigMap that holds it, --config-in-repo such a file of the repository".to_owned()),
            });
        }
        let pipeline = Pipeline::idle(
            flags.pipeline(Duration::from_secs(30)),
            repository,
            config,
            Observers::start(Lists::default()),
        );
        let local = Local::new(Arc::clone(&pipeline));
        Ok(Self { pipeline, local, address, clone })
    }

    /// Looks at the branch.
    pub(super) async fn look(&self) -> Result<(), Stop> {
        match waiting(&format!("reading {}", self.address), self.pipeline.look(PATIENCE)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Stop::Answered(Reply::no(error).await)),
        }
    }

    /// The answer to a `GET`, on the branch as it was looked at last.
    pub(super) async fn get(&self, target: &str) -> Reply {
        self.local.get(target).await
    }

    /// The answer to a dry run.
    pub(super) async fn show(&self, asked: &Asked, accept: &'static str) -> Result<Reply, Stop> {
        // As on a server, a dry run is nobody's.
        let intent = Intent { requested_by: None, ..self.intent(asked).await? };
        Ok(self.local.show(&intent, accept).await)
    }

    /// The answer to a move.
    pub(super) async fn carry_out(&self, asked: &Asked) -> Result<Reply, Stop> {
        let intent = self.intent(asked).await?;
        Ok(waiting(&format!("moving in {}", self.address), self.local.carry_out(intent)).await)
    }

    /// The answer to a dry run of a hold or a release.
    pub(super) async fn show_hold(&self, asked: &HoldAsked, accept: &'static str) -> Result<Reply, Stop> {
        Ok(self.local.show_hold(&self.hold_intent(asked).await?, accept).await)
    }

    /// The answer to a hold or a release.
    pub(super) async fn hold(&self, asked: &HoldAsked) -> Result<Reply, Stop> {
        let intent = self.hold_intent(asked).await?;
        Ok(waiting(&format!("committing in {}", self.address), self.local.hold(intent)).await)
    }

    /// The branch, once it was looked at.
    pub(super) fn branch(&self) -> Option<failover_core::name::BranchName> {
        Some(self.pipeline.view().borrow().as_ref()?.tree.revision.branch.clone())
    }

    /// Lets the Git host end what it does behind a push.
    pub(super) async fn close(&self) {
        waiting("the Git host runs its hooks", self.pipeline.shut_down(HOOKS)).await;
    }

    async fn hold_intent(&self, asked: &HoldAsked) -> Result<HoldIntent, Stop> {
        let scopes = match &asked.services {
            None => Scopes::All,
            Some(names) => Scopes::Named(self.named(names).await?),
        };
        Ok(HoldIntent {
            scopes,
            wanted: asked.wanted(clock::now())?,
            requested_by: person::actor().ok_or_else(|| {
                Stop::problem("it is not known who you are, and a hold has an owner; set USER to your name")
            })?,
            operation: clock::new_operation()
                .ok_or_else(|| Stop::problem("no operation id could be made; report the defect"))?,
            idempotency_key: asked.idempotency_key.clone(),
        })
    }

    /// The services of these names.
    async fn named(&self, names: &[String]) -> Result<BTreeSet<ServiceName>, Stop> {
        let mut services = BTreeSet::new();
        for name in names {
            match ServiceName::new(name.as_str()) {
                Ok(name) => drop(services.insert(name)),
                Err(_) => {
                    let config = self.pipeline.current_config();
                    let problem = config.map(|config| unknown_service(&config, name));
                    let error =
                        problem.map_or_else(|| self.pipeline.no_view(), |one| MoveError::Problems(vec![one]));
                    return Err(Stop::Answered(Reply::no(error).await));
                }
            }
        }
        Ok(services)
    }

    async fn intent(&self, asked: &Asked) -> Result<Intent, Stop> {
        let services = match &asked.services {
            Selected::Named(names) => Selection::Named(self.named(names).await?),
            Selected::OnNode(label) => Selection::OnNode(label.clone()),
            Selected::All => Selection::All,
        };
        let operation = clock::new_operation()
            .ok_or_else(|| Stop::problem("no operation id could be made; report the defect"))?;
        Ok(Intent {
            services,
            to: asked.to,
            partial: asked.partial,
            reason: asked.reason.clone(),
            requested_by: person::actor(),
            expect: asked.expect.as_ref().map(|expect| expect.parsed.clone()),
            alarm_began: None,
            force: asked.force.iter().copied().collect(),
            operation,
            idempotency_key: asked.idempotency_key.clone(),
        })
    }
}

/// The config in a file of the repository.
async fn read_inside(
    repository: &Repository,
    path: &RepoPath,
    address: &str,
) -> Result<watch::Receiver<ConfigState>, Stop> {
    let found = waiting(&format!("reading {address}"), repository.fetch(Instant::now() + PATIENCE)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return Err(Stop::Answered(Reply::no(MoveError::Remote(error)).await)),
    };
    let config = config_inside(&found, path).map_err(|problems| Stop::Said {
        exit: Code::ConfigInvalid.exit(),
        message: in_lines(&problems, &ConfigPlace::InRepository(path.clone())),
        hint: Some(
            "--config-in-repo gives the path of a .yaml, .yml or .json file from the top of the repository"
                .to_owned(),
        ),
    })?;
    let state = ConfigState { config: Some(Arc::new(config)), generation: 1, ..ConfigState::default() };
    Ok(watch::channel(state).1)
}

/// The config in a file of what was fetched, or what is wrong with it, a mistake on a line.
pub(super) fn config_inside(found: &Found, path: &RepoPath) -> Result<Config, String> {
    let damaged = |error: MirrorError| error.to_string();
    let files = found.mirror.manifest_changes(None, &found.tip, None).map_err(damaged)?;
    let Some((_, Some(blob))) = files.into_iter().find(|(known, _)| known == path) else {
        return Err("the branch has no such file".to_owned());
    };
    let text = String::from_utf8(found.mirror.blob(&blob).map_err(damaged)?);
    let text = text.map_err(|_| "it is not UTF-8 text".to_owned())?;
    config::parse(&text).map_err(|errors| errors.to_string())
}

/// Each mistake on its line, with the file before its place.
fn in_lines(problems: &str, place: &ConfigPlace) -> String {
    let file = match place {
        ConfigPlace::File(path) => path.display().to_string(),
        ConfigPlace::InRepository(path) => path.to_string(),
    };
    let has_place = |line: &str| line.starts_with(|c: char| c.is_ascii_digit());
    let lines = problems.lines().map(|line| match (has_place(line), line.starts_with(&file)) {
        (true, _) => format!("{file}:{line}"),
        (false, true) => line.to_owned(),
        (false, false) => format!("{file}: {line}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The verb of a move to `role`.
pub(super) fn verb(role: Role) -> &'static str {
    match role {
        Role::Backup => "promote",
        Role::Primary => "demote",
    }
}
