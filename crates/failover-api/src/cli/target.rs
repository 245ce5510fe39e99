//! Where a command looks: through a server, straight at a repository, or in a clone.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use failover_core::name::RepoPath;
use serde_json::{Value, json};

use super::asked::{Asked, Selected};
use super::client::Client;
use super::direct::{ConfigPlace, Direct, verb};
use super::ending::Stop;
use super::hold_asked::{HoldAsked, HoldRequest};
use super::progress::waiting;
use super::repository::RepositoryFlags;
use crate::http::Reply;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where to look")]
pub(super) struct TargetFlags {
    /// Ask this server instead of working on the repository: http://host:port.
    #[arg(long, env = "FAILOVER_API_SERVER", value_name = "URL")]
    server: Option<String>,
    /// A file with the token for the server; without it, the token is in FAILOVER_API_TOKEN.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// The config is this file of the repository, as the branch has it.
    #[arg(long, env = "FAILOVER_API_CONFIG_IN_REPO", value_name = "PATH")]
    config_in_repo: Option<RepoPath>,
    #[command(flatten)]
    repository: RepositoryFlags,
}

/// Which of two flags counts.
enum Choice {
    First,
    Second,
    Neither,
    Both,
}

/// What the command line says outweighs the environment, and that outweighs what is usual.
fn choose(matches: &ArgMatches, first: &str, second: &str) -> Choice {
    let rank = |name: &str| match matches.value_source(name) {
        Some(ValueSource::CommandLine) => 3,
        Some(ValueSource::EnvVariable) => 2,
        Some(_) => 1,
        None => 0,
    };
    match (rank(first), rank(second)) {
        (0, 0) => Choice::Neither,
        (first, second) if first == second => Choice::Both,
        (first, second) if first > second => Choice::First,
        _ => Choice::Second,
    }
}

/// What a server has of its own, and would be passed over in silence.
fn refuse_for_servers(matches: &ArgMatches) -> Result<(), Stop> {
    const OF_REPOSITORIES: [&str; 11] = [
        "config",
        "config_in_repo",
        "branch",
        "root",
        "ssh_key",
        "known_hosts",
        "git_secret_dir",
        "ssh_config",
        "signing_key",
        "cache_dir",
        "author",
    ];
    let typed = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    match OF_REPOSITORIES.iter().find(typed) {
        None => Ok(()),
        Some(name) => {
            let flag = name.replace('_', "-");
            Err(Stop::problem(format!(
                "--{flag} is for --repo; a server has its own, so leave it out with --server"
            )))
        }
    }
}

/// Where a command looks.
pub(super) enum Target {
    /// A server.
    Server(Client),
    /// A repository, or a clone of one.
    Direct(Box<Direct>),
}

impl TargetFlags {
    /// Opens what the flags name. `matches` tells which of them were written down.
    pub(super) async fn open(self, matches: &ArgMatches) -> Result<Target, Stop> {
        match choose(matches, "server", "repo") {
            Choice::First => {
                refuse_for_servers(matches)?;
                let url = self.server.as_deref().unwrap_or_default();
                Ok(Target::Server(Client::new(url, self.token.as_deref())?))
            }
            Choice::Second => {
                if self.token.is_some() {
                    return Err(Stop::problem("--token is for a server, and --repo works without one; leave one of them out"));
                }
                let place = self.config_place(matches)?;
                let flags = self.repository.with_own_ssh();
                Ok(Target::Direct(Box::new(Direct::open(&flags, &place).await?)))
            }
            Choice::Neither => Err(Stop::Said {
                exit: failover_core::code::Exit::Problem,
                message: "neither --server nor --repo says where to look".to_owned(),
                hint: Some(
                    "give --server http://host:port, --repo URL of the repository, or --repo . inside a clone"
                        .to_owned(),
                ),
            }),
            Choice::Both => Err(Stop::problem("--server and --repo are both given; one of them is needed")),
        }
    }

    /// Where the config is.
    pub(super) fn config_place(&self, matches: &ArgMatches) -> Result<ConfigPlace, Stop> {
        match (&self.config_in_repo, choose(matches, "config_in_repo", "config")) {
            (Some(path), Choice::First) => Ok(ConfigPlace::InRepository(path.clone())),
            (Some(_), Choice::Both) => {
                Err(Stop::problem("--config and --config-in-repo are both given; one of them is needed"))
            }
            _ => Ok(ConfigPlace::File(self.repository.config.clone())),
        }
    }

    /// The flags of the repository.
    pub(super) fn repository(&self) -> RepositoryFlags {
        self.repository.clone().with_own_ssh()
    }

    /// The server, where one is asked.
    pub(super) fn client(&self, matches: &ArgMatches) -> Result<Option<Client>, Stop> {
        match (choose(matches, "server", "repo"), &self.server) {
            (Choice::First, Some(url)) => {
                refuse_for_servers(matches)?;
                Ok(Some(Client::new(url, self.token.as_deref())?))
            }
            _ => Ok(None),
        }
    }
}

impl Target {
    /// The answer to a `GET`, from a fresh look where this process looks itself.
    pub(super) async fn get(&self, target: &str) -> Result<Reply, Stop> {
        match self {
            Self::Server(client) => {
                let asked = client.get(target, "application/json");
                Ok(waiting(&format!("asking {}", client.address()), asked).await?.0)
            }
            Self::Direct(direct) => {
                direct.look().await?;
                Ok(direct.get(target).await)
            }
        }
    }

    /// The answer to a dry run.
    pub(super) async fn show(&self, asked: &Asked, accept: &'static str) -> Result<Reply, Stop> {
        match self {
            Self::Server(client) => {
                let asking = format!("asking {}", client.address());
                let Some(route) = route_of_one(asked) else {
                    let mut body = body(asked);
                    body["dry-run"] = json!(true);
                    let headers = [("accept", accept)];
                    return waiting(&asking, client.post_dry_run(BATCH, &headers, body.to_string())).await;
                };
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("dry-run", "true");
                query.extend_pairs(options(asked));
                let target = format!("{route}?{}", query.finish());
                Ok(waiting(&asking, client.get(&target, accept)).await?.0)
            }
            Self::Direct(direct) => {
                if direct.branch().is_none() {
                    direct.look().await?;
                }
                direct.show(asked, accept).await
            }
        }
    }

    /// The answer to a move.
    pub(super) async fn carry_out(&self, asked: &Asked) -> Result<Reply, Stop> {
        match self {
            Self::Server(client) => {
                let key = asked.idempotency_key.as_ref().map(|key| ("idempotency-key", key.as_str()));
                let headers: Vec<(&str, &str)> = key.into_iter().collect();
                let route = route_of_one(asked).unwrap_or_else(|| BATCH.to_owned());
                let posted = client.post(&route, &headers, body(asked).to_string());
                waiting(&format!("{} moves", client.address()), posted).await
            }
            Self::Direct(direct) => direct.carry_out(asked).await,
        }
    }

    /// The answer to a dry run of a hold or a release.
    pub(super) async fn show_hold(&self, asked: &HoldAsked, accept: &'static str) -> Result<Reply, Stop> {
        match self {
            Self::Server(client) => {
                let asking = format!("asking {}", client.address());
                let headers = [("accept", accept)];
                match asked.request(true) {
                    HoldRequest::Post(body) => {
                        waiting(&asking, client.post_dry_run(HOLDS, &headers, body)).await
                    }
                    HoldRequest::Delete(query) => {
                        let target = format!("{HOLDS}?{query}");
                        waiting(&asking, client.delete_dry_run(&target, &headers)).await
                    }
                }
            }
            Self::Direct(direct) => {
                if direct.branch().is_none() {
                    direct.look().await?;
                }
                direct.show_hold(asked, accept).await
            }
        }
    }

    /// The answer to a hold or a release.
    pub(super) async fn hold(&self, asked: &HoldAsked) -> Result<Reply, Stop> {
        match self {
            Self::Server(client) => {
                let key = asked.idempotency_key.as_ref().map(|key| ("idempotency-key", key.as_str()));
                let headers: Vec<(&str, &str)> = key.into_iter().collect();
                let words = format!("{} commits", client.address());
                match asked.request(false) {
                    HoldRequest::Post(body) => waiting(&words, client.post(HOLDS, &headers, body)).await,
                    HoldRequest::Delete(query) => {
                        waiting(&words, client.delete(&format!("{HOLDS}?{query}"), &headers)).await
                    }
                }
            }
            Self::Direct(direct) => direct.hold(asked).await,
        }
    }

    /// Lets what is under way behind the answers end.
    pub(super) async fn close(&self) {
        if let Self::Direct(direct) = self {
            direct.close().await;
        }
    }
}

/// The route of holds.
const HOLDS: &str = "/api/holds";
/// The route of a move of many services.
const BATCH: &str = "/api/failover";

/// The route of a move of one service; `None` for a batch.
fn route_of_one(asked: &Asked) -> Option<String> {
    asked.only().map(|service| format!("{BATCH}/{}/{}", segment(service), verb(asked.to)))
}

/// The body of a move.
fn body(asked: &Asked) -> Value {
    let members = options(asked).into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    let mut body = Value::Object(members.collect());
    if route_of_one(asked).is_none() {
        match &asked.services {
            Selected::Named(names) => body["services"] = json!(names),
            Selected::OnNode(label) => body["from_node_label"] = json!(label),
            Selected::All => body["all"] = json!(true),
        }
        body["to"] = json!(asked.to);
        if asked.partial {
            body["partial"] = json!(true);
        }
    }
    body
}

/// The options of a move as the HTTP interface names them.
fn options(asked: &Asked) -> Vec<(&'static str, String)> {
    let force: Vec<&str> = asked.force.iter().map(|check| check.as_str()).collect();
    let options = [
        ("reason", asked.reason.as_ref().map(ToString::to_string)),
        ("expect", asked.expect.as_ref().map(|expect| expect.text.clone())),
        ("force", (!force.is_empty()).then(|| force.join(","))),
    ];
    options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A text as one part of a path.
pub(super) fn segment(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => path.push(char::from(byte)),
            // A part that is only dots would lead elsewhere.
            b'.' if !matches!(text, "." | "..") => path.push('.'),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}
