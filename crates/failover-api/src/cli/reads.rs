//! `services`, `status` and `history`.

use clap::{ArgMatches, Args};
use failover_core::code::Exit;
use failover_core::topology::Active;

use super::answers::{History, Status, read};
use super::ending::Stop;
use super::form::{Form, show, told, unless_no, yaml};
use super::output::{Stream, note, plain, print};
use super::table;
use super::target::{Target, TargetFlags, segment};
use super::watch::{Watched, watch};
use crate::http::Reply;

#[derive(Debug, Args)]
pub(super) struct ServicesFlags {
    /// How the answer is shown.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    /// Go on, and show it again when something changed.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    target: TargetFlags,
}

/// Every service and where it is.
pub(super) async fn services(flags: ServicesFlags, matches: &ArgMatches) -> Result<Exit, Stop> {
    const PATH: &str = "/api/services";
    let target = told(flags.target.open(matches).await, flags.output)?;
    if flags.watch {
        return watch(&target, PATH, Watched::Services, flags.output).await;
    }
    let reply = unless_no(target.get(PATH).await, flags.output)?;
    match flags.output {
        Form::Table => print(table::services(&read(&reply)?, Stream::Output.paint())),
        form @ (Form::Json | Form::Yaml) => show(&reply.text, form)?,
    }
    Ok(Exit::Done)
}

#[derive(Debug, Args)]
pub(super) struct StatusFlags {
    /// The services, by their names in the config.
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
    /// Ends with 1 unless every service is there: primary, backup, mixed or unknown.
    #[arg(long, value_name = "STATE", value_parser = parse_active)]
    expect: Option<Active>,
    /// How the answer is shown; of several services as a list.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    /// Go on, and show it again when something changed; for one service.
    #[arg(long, short, conflicts_with = "expect")]
    watch: bool,
    #[command(flatten)]
    target: TargetFlags,
}

fn parse_active(text: &str) -> Result<Active, String> {
    let all = [Active::Primary, Active::Backup, Active::Mixed, Active::Unknown];
    all.into_iter()
        .find(|active| active.as_str() == text)
        .ok_or_else(|| "give primary, backup, mixed or unknown".to_owned())
}

/// Services in full.
pub(super) async fn status(flags: StatusFlags, matches: &ArgMatches) -> Result<Exit, Stop> {
    let StatusFlags { services, expect, output, watch: watches, target } = flags;
    let path = |service: &str| {
        let expect = expect.map(|expect| format!("?expect={expect}")).unwrap_or_default();
        format!("/api/failover/{}/status{expect}", segment(service))
    };
    if watches {
        let [service] = services.as_slice() else {
            return Err(Stop::problem("--watch shows one service; `services --watch` shows all"));
        };
        return watch(&target.open(matches).await?, &path(service), Watched::Status, output).await;
    }
    let target = told(target.open(matches).await, output)?;
    let mut replies = Vec::new();
    let mut unmet = false;
    for service in &services {
        let reply = told(target.get(&path(service)).await, output)?;
        // What was expected is not so: the answer is the same, and its status says so.
        let not_there = expect.is_some() && reply.status == 409 && read::<Status>(&reply).is_ok();
        unmet |= not_there;
        replies.push(if not_there { reply } else { unless_no(Ok(reply), output)? });
    }
    show_statuses(&replies, output)?;
    if let (true, Some(expect)) = (unmet, expect) {
        note(format_args!("not every service is {expect}"));
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

fn show_statuses(replies: &[Reply], output: Form) -> Result<(), Stop> {
    match (output, replies) {
        (Form::Table, replies) => {
            let paint = Stream::Output.paint();
            let texts: Result<Vec<String>, Stop> =
                replies.iter().map(|reply| Ok(table::status(&read(reply)?, paint))).collect();
            print(texts?.join("\n"));
        }
        (form @ (Form::Json | Form::Yaml), [one]) => show(&one.text, form)?,
        (form @ (Form::Json | Form::Yaml), many) => {
            let list: Result<Vec<serde_json::Value>, Stop> = many.iter().map(read).collect();
            let text = format!("{:#}\n", serde_json::Value::Array(list?));
            if form == Form::Yaml { print(yaml(&text)?) } else { print(text) }
        }
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct HistoryFlags {
    /// Of this service alone.
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// How the answer is shown.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    target: TargetFlags,
}

/// The moves, newest first.
pub(super) async fn history(flags: HistoryFlags, matches: &ArgMatches) -> Result<Exit, Stop> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &flags.limit.to_string());
    if let Some(service) = &flags.service {
        query.append_pair("service", service);
    }
    let target: Target = told(flags.target.open(matches).await, flags.output)?;
    let reply = unless_no(target.get(&format!("/api/history?{}", query.finish())).await, flags.output)?;
    match flags.output {
        Form::Table => {
            let History { history, revision, view_age_seconds } = read(&reply)?;
            if history.is_empty() {
                print(plain("no service was moved in the newest 250 commits"));
                print("\n");
            } else {
                print(table::history(&history, &revision, view_age_seconds, Stream::Output.paint()));
            }
        }
        form @ (Form::Json | Form::Yaml) => show(&reply.text, form)?,
    }
    Ok(Exit::Done)
}
