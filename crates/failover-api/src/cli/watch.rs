//! `--watch`: shown again when something changed.

use std::collections::BTreeMap;
use std::time::Duration;

use failover_core::code::Exit;
use serde_json::Value;

use super::answers::{ServiceAnswer, Services, Status, read};
use super::ending::Stop;
use super::form::{Form, unless_no, yaml};
use super::output::{Stream, plain, print, say};
use super::table;
use super::target::Target;
use crate::clock;
use crate::http::Reply;

/// How often a server is asked.
const ASK: Duration = Duration::from_secs(2);
/// How often a Git host is.
const LOOK: Duration = Duration::from_secs(5);

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    /// Every service.
    Services,
    /// One service.
    Status,
}

/// Where each service was seen, with what brought it there.
type Seen = BTreeMap<String, (String, Option<String>)>;

impl Watched {
    fn table(self, reply: &Reply) -> Result<String, Stop> {
        let paint = Stream::Output.paint();
        Ok(match self {
            Self::Services => table::services(&read(reply)?, paint),
            Self::Status => table::status(&read(reply)?, paint),
        })
    }

    fn seen(self, reply: &Reply) -> Result<Seen, Stop> {
        let services = match self {
            Self::Services => read::<Services>(reply)?.services,
            Self::Status => vec![read::<Status>(reply)?.service],
        };
        let state = |service: ServiceAnswer| {
            (service.name, (service.active, service.last_operation.map(|last| last.commit)))
        };
        Ok(services.into_iter().map(state).collect())
    }
}

/// Shows the answer to `path` whenever it changes, until Ctrl-C. A first answer that says no ends it; a later one does
/// not, since a host that is down comes back.
pub(super) async fn watch(target: &Target, path: &str, what: Watched, form: Form) -> Result<Exit, Stop> {
    let pause = match target {
        Target::Server(_) => ASK,
        Target::Direct(_) => LOOK,
    };
    let mut last: Option<Value> = None;
    let mut seen = Seen::new();
    let mut failing = false;
    loop {
        match unless_no(target.get(path).await, Form::Table) {
            Ok(reply) => {
                failing = false;
                let mut answer: Value = read(&reply)?;
                // The age of what is known changes always.
                answer.as_object_mut().map(|answer| answer.remove("view_age_seconds"));
                if last.as_ref() != Some(&answer) {
                    match form {
                        Form::Table if Stream::Output.is_terminal() => {
                            print(format_args!("\x1b[H\x1b[2J{}\nCtrl-C ends this\n", what.table(&reply)?));
                        }
                        Form::Table => say_changes(&mut seen, what.seen(&reply)?),
                        Form::Json => say(&answer),
                        Form::Yaml => print(format_args!("---\n{}", yaml(&answer.to_string())?)),
                    }
                    last = Some(answer);
                }
            }
            Err(stop) if last.is_none() => return Err(stop),
            Err(stop) => {
                if !failing {
                    let _ = stop.tell();
                }
                failing = true;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// One line for each service that is not where it was.
fn say_changes(seen: &mut Seen, now: Seen) {
    let time = clock::now();
    for (name, state) in &now {
        let (active, commit) = state;
        let commit = commit.as_ref().map(|commit| format!(" {commit}")).unwrap_or_default();
        match seen.get(name) {
            Some(known) if known == state => {}
            Some((before, _)) => say(plain(&format!("{time} {name} {before} -> {active}{commit}"))),
            None => say(plain(&format!("{time} {name} {active}{commit}"))),
        }
    }
    for name in seen.keys().filter(|name| !now.contains_key(*name)) {
        say(plain(&format!("{time} {name} is not configured any more")));
    }
    *seen = now;
}
