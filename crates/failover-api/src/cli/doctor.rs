//! `doctor`: what stands in the way of a move, before anybody needs one. It changes nothing and pushes nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args};
use failover_core::check::Verdict;
use failover_core::code::{Code, Exit};
use failover_core::name::Role;
use failover_core::topology::{Active, ServiceState};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::answers::{Health, read};
use super::client::Client;
use super::direct::ConfigPlace;
use super::ending::Stop;
use super::form::{Form, show, unless_no};
use super::output::{Paint, Stream, Tone, plain, print};
use super::progress::waiting;
use super::stages::{Stage, stages};
use super::target::TargetFlags;
use crate::clock;
use crate::git::{Found, RemoteUrl, Repository};
use crate::source::{self, ConfigState};
use crate::view::{Reader, View};

/// How long the Git host is waited for.
const PATIENCE: Duration = Duration::from_secs(300);
/// A clock may differ by this much.
const SANE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct DoctorFlags {
    /// How the answer is shown.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    target: TargetFlags,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    Pass,
    Warn,
    Fail,
    /// It could not be looked at, since something before it failed.
    Skip,
}

/// One line of the examination.
#[derive(Debug, Serialize)]
struct Line {
    check: String,
    verdict: Mark,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The lines so far.
#[derive(Debug, Default)]
struct Examination(Vec<Line>);

impl Examination {
    fn add(&mut self, check: &str, verdict: Mark, detail: impl Into<String>) {
        self.0.push(Line { check: check.to_owned(), verdict, detail: detail.into(), hint: None });
    }

    fn hinted(&mut self, check: &str, verdict: Mark, detail: impl Into<String>, hint: impl Into<String>) {
        let (check, detail, hint) = (check.to_owned(), detail.into(), Some(hint.into()));
        self.0.push(Line { check, verdict, detail, hint });
    }

    fn is_well(&self) -> bool {
        self.0.iter().all(|line| line.verdict != Mark::Fail)
    }

    fn table(&self, paint: Paint) -> String {
        let width = self.0.iter().map(|line| line.check.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for line in &self.0 {
            let (tone, word) = match line.verdict {
                Mark::Pass => (Tone::Good, "pass"),
                Mark::Warn => (Tone::Unusual, "warn"),
                Mark::Fail => (Tone::Bad, "fail"),
                Mark::Skip => (Tone::Faint, "skip"),
            };
            text.push_str(&format!(
                "{}  {:<width$}  {}\n",
                paint.tone(tone, word),
                plain(&line.check),
                plain(&line.detail)
            ));
            if let Some(hint) = &line.hint {
                text.push_str(&format!(
                    "      {:<width$}  {} {}\n",
                    "",
                    paint.tone(Tone::Place, "hint:"),
                    plain(hint)
                ));
            }
        }
        text
    }
}

/// Examines everything that a move depends on.
pub(super) async fn doctor(flags: DoctorFlags, matches: &ArgMatches) -> Result<Exit, Stop> {
    let DoctorFlags { output, target } = flags;
    let examination = match target.client(matches)? {
        Some(client) => of_server(&client).await?,
        None => of_repository(target, matches).await?,
    };
    match output {
        Form::Table => print(examination.table(Stream::Output.paint())),
        form @ (Form::Json | Form::Yaml) => {
            let answer = json!({ "ok": examination.is_well(), "checks": examination.0 });
            show(&format!("{answer:#}\n"), form)?;
        }
    }
    Ok(if examination.is_well() { Exit::Done } else { Exit::No })
}

async fn of_server(client: &Client) -> Result<Examination, Stop> {
    let mut found = Examination::default();
    let asked = client.get("/api/health", "application/json");
    let (reply, date) = match waiting(&format!("asking {}", client.address()), asked).await {
        Ok(answered) => answered,
        Err(Stop::Said { message, hint, .. }) => {
            found.hinted("server", Mark::Fail, message, hint.unwrap_or_default());
            return Ok(found);
        }
        Err(stop) => return Err(stop),
    };
    let health: Health = read(&unless_no(Ok(reply), Form::Table)?)?;
    let version = format!("{} answers, version {}", client.address(), health.version);
    found.add("server", Mark::Pass, version);
    if let Some(seconds) = date.as_deref().and_then(seconds_of) {
        found.clock(clock::now().as_second() - seconds, "the server's");
    }
    match (&health.revision, health.view_age_seconds) {
        (Some(revision), Some(age)) => {
            found.add("repository", Mark::Pass, format!("{revision}, seen {age} s ago"));
        }
        _ => found.hinted("repository", Mark::Fail, "the server has not read it", "see the lines below"),
    }
    if health.problems.is_empty() {
        found.add("health", Mark::Pass, format!("{}, {} services", health.status, health.services));
    }
    for problem in &health.problems {
        let name = problem
            .service
            .as_ref()
            .map_or_else(|| "health".to_owned(), |service| format!("service {service}"));
        found.hinted(&name, Mark::Fail, format!("{} ({})", problem.detail, problem.code), &problem.hint);
    }
    Ok(found)
}

/// The seconds since 1970 of an HTTP date.
fn seconds_of(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp().as_second())
}

async fn of_repository(target: TargetFlags, matches: &ArgMatches) -> Result<Examination, Stop> {
    let mut found = Examination::default();
    let place = target.config_place(matches)?;
    let flags = target.repository();
    let url = flags.url().map_err(Stop::problem)?.or_clone();
    let clone = match &url {
        RemoteUrl::Clone(folder) => Some(folder.clone()),
        RemoteUrl::Local(_) | RemoteUrl::Ssh { .. } | RemoteUrl::Http { .. } => None,
    };
    if let Some(signer) = flags.signer() {
        match signer.check() {
            Ok(()) => found.add("signing key", Mark::Pass, "it signs"),
            Err(error) => found.hinted("signing key", Mark::Fail, error.to_string(), "see --signing-key"),
        }
    }
    let stages = stages(&url);
    let address = url.to_string();
    let repository = match Repository::new(flags.git(url, None).map_err(Stop::problem)?) {
        Ok(repository) => repository,
        Err(error) => {
            found.hinted("cache folder", Mark::Fail, error.to_string(), "see --cache-dir");
            return Ok(found);
        }
    };
    let fetched = waiting(&format!("reading {address}"), repository.fetch(Instant::now() + PATIENCE)).await;
    let at_hand = match fetched {
        Ok(at_hand) => {
            found.reached(&stages, &address, &at_hand);
            Some(at_hand)
        }
        Err(error) => {
            found.not_reached(&stages, &address, &error.code, &error.detail, error.hint());
            None
        }
    };
    if let Some(folder) = clone {
        found.clone_state(&folder);
    }
    let config = found.config(&place, at_hand.as_ref());
    match (at_hand, config, repository.branch()) {
        (Some(at_hand), Some(config), Some(branch)) => {
            let tip = at_hand.tip.clone();
            let view = Reader::default().read(
                config,
                &at_hand.mirror,
                branch,
                tip,
                flags.root.as_ref(),
                Instant::now(),
            );
            match view {
                Ok(view) => found.services(&view),
                Err(error) => found.hinted("services", Mark::Fail, error.to_string(), "try again"),
            }
        }
        _ => found.add("services", Mark::Skip, "needs the repository and the config"),
    }
    Ok(found)
}

impl Examination {
    fn reached(&mut self, stages: &[Stage], address: &str, found: &Found) {
        for stage in stages {
            match (stage, &found.push_refused) {
                (Stage::Write, Some(error)) => {
                    self.hinted(
                        stage.name(),
                        Mark::Fail,
                        format!("{} ({})", error.detail, error.code),
                        error.hint(),
                    );
                }
                (stage, _) => self.add(stage.name(), Mark::Pass, stage.passed(address, found.tip.as_str())),
            }
        }
    }

    fn not_reached(&mut self, stages: &[Stage], address: &str, code: &Code, detail: &str, hint: &str) {
        let failed = Stage::of(*code).filter(|stage| stages.contains(stage)).unwrap_or(Stage::Repository);
        let at = stages.iter().position(|stage| *stage == failed).unwrap_or(0);
        for (index, stage) in stages.iter().enumerate() {
            match index.cmp(&at) {
                std::cmp::Ordering::Less => self.add(stage.name(), Mark::Pass, stage.passed(address, "")),
                std::cmp::Ordering::Equal => {
                    self.hinted(stage.name(), Mark::Fail, format!("{detail} ({code})"), hint);
                }
                std::cmp::Ordering::Greater => {
                    self.add(
                        stage.name(),
                        Mark::Skip,
                        format!("not looked at, since \"{}\" failed", failed.name()),
                    );
                }
            }
        }
    }

    /// What of the clone's own files is not committed.
    fn clone_state(&mut self, folder: &PathBuf) {
        let mut git = std::process::Command::new("git");
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            git.env_remove(variable);
        }
        git.arg("-C").arg(folder).args(["status", "--porcelain", "--untracked-files=no"]);
        match git.output() {
            Ok(output) if output.status.success() => {
                let changed = String::from_utf8_lossy(&output.stdout).lines().count();
                match changed {
                    0 => self.add("work tree", Mark::Pass, "everything is committed"),
                    count => self.hinted(
                        "work tree",
                        Mark::Warn,
                        format!("{count} files have changes that are not committed"),
                        "a move that touches one of them is refused; it leaves the others as they are",
                    ),
                }
            }
            Ok(output) => {
                let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                self.hinted("work tree", Mark::Fail, words, "repair the clone");
            }
            Err(error) => self.hinted("work tree", Mark::Fail, format!("git: {error}"), "install git"),
        }
    }

    fn config(
        &mut self,
        place: &ConfigPlace,
        found: Option<&Found>,
    ) -> Option<std::sync::Arc<failover_core::config::Config>> {
        let (name, parsed) = match (place, found) {
            (ConfigPlace::File(path), _) => {
                let state: ConfigState = source::watch(path.clone()).borrow().clone();
                let parsed = state
                    .config
                    .ok_or_else(|| state.problem.map_or_else(String::new, |problem| problem.to_string()));
                (path.display().to_string(), parsed)
            }
            (ConfigPlace::InRepository(path), None) => {
                self.add(
                    "config",
                    Mark::Skip,
                    format!("{path} is in the repository, which could not be read"),
                );
                return None;
            }
            (ConfigPlace::InRepository(path), Some(found)) => {
                (path.to_string(), super::direct::config_inside(found, path).map(std::sync::Arc::new))
            }
        };
        match parsed {
            Ok(config) => {
                self.add("config", Mark::Pass, format!("{name}: {} services", config.services().len()));
                Some(config)
            }
            Err(problems) => {
                for problem in problems.lines() {
                    self.hinted(
                        "config",
                        Mark::Fail,
                        format!("{name}: {problem}"),
                        "see docs/config.md, or --config and --config-in-repo",
                    );
                }
                None
            }
        }
    }

    fn services(&mut self, view: &View) {
        let newest = view.events.first().map(|event| event.time.as_second());
        let now = clock::now().as_second();
        match newest.filter(|newest| *newest > now) {
            Some(newest) => self.clock(now - newest, "the newest move's"),
            None => self.add("clock", Mark::Pass, "no move on the branch is from the future"),
        }
        match view.tree.restraints.holds.known() {
            Ok(holds) => match holds.in_force(clock::exact_now()).count() {
                0 => self.add("holds", Mark::Pass, "nothing is held"),
                many => self.add("holds", Mark::Pass, format!("{many} in force; see `failover-api holds`")),
            },
            Err(problems) => {
                for problem in problems {
                    self.hinted("holds", Mark::Fail, format!("{problem} ({})", problem.code), &problem.hint);
                }
            }
        }
        for service in view.config.services() {
            let state = ServiceState::read(service, &view.tree);
            let name = format!("service {}", service.name);
            if state.problems.is_empty() {
                let to = if state.active() == Active::Backup { Role::Primary } else { Role::Backup };
                self.service(&name, &state, to, view);
            }
            for problem in &state.problems {
                self.hinted(&name, Mark::Fail, format!("{problem} ({})", problem.code), &problem.hint);
            }
        }
    }

    fn service(&mut self, name: &str, state: &ServiceState<'_>, to: Role, view: &View) {
        let found = view.findings(state, to, clock::now());
        let troubling =
            found.iter().filter(|finding| matches!(finding.verdict, Verdict::Block | Verdict::Warn));
        let troubling: Vec<String> =
            troubling.map(|finding| format!("{}: {}", finding.check, finding.detail)).collect();
        let where_it_is = format!("at {}, can move to {to}", state.active());
        match troubling.as_slice() {
            [] => self.add(name, Mark::Pass, where_it_is),
            many => {
                let hint = format!("look at the dry run of a move to {to}");
                self.hinted(
                    name,
                    Mark::Warn,
                    format!("at {}; a move to {to} finds {}", state.active(), many.join("; ")),
                    hint,
                );
            }
        }
    }

    /// How far this clock is ahead of another.
    fn clock(&mut self, ahead: i64, whose: &str) {
        let apart = Duration::from_secs(ahead.unsigned_abs());
        if apart <= SANE {
            self.add("clock", Mark::Pass, format!("within {} s of {whose}", apart.as_secs()));
            return;
        }
        let how = if ahead > 0 { "ahead of" } else { "behind" };
        let detail = format!("this clock is {} s {how} {whose}", apart.as_secs());
        self.hinted("clock", Mark::Warn, detail, "set the clock; commits and history carry its time");
    }
}
