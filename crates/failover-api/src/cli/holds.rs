//! `holds`, `hold` and `release`.

use clap::{ArgMatches, Args};
use failover_core::code::Exit;
use failover_core::name::{IdempotencyKey, Reason};
use jiff::Timestamp;

use super::answers::{HeldAnswer, read};
use super::ending::Stop;
use super::form::{Form, MoveForm, show, told, unless_no};
use super::hold_asked::{End, HoldAsked, HoldVerb, parse_end};
use super::interrupt::Moving;
use super::moves::{Place, finish, place};
use super::output::{Stream, Tone, note, note_part, plain, print, say};
use super::prompt;
use super::table;
use super::target::{Target, TargetFlags};
use crate::http::Reply;

#[derive(Debug, Args)]
pub(super) struct HoldsFlags {
    /// How the answer is shown.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Form,
    #[command(flatten)]
    target: TargetFlags,
}

/// Everything that is held.
pub(super) async fn list(flags: HoldsFlags, matches: &ArgMatches) -> Result<Exit, Stop> {
    let target = told(flags.target.open(matches).await, flags.output)?;
    let reply = unless_no(target.get("/api/holds").await, flags.output)?;
    match flags.output {
        Form::Table => print(table::holds(&read(&reply)?, Stream::Output.paint())),
        form @ (Form::Json | Form::Yaml) => show(&reply.text, form)?,
    }
    Ok(Exit::Done)
}

/// One way to say which services are meant; without one of them, both are named.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SelectedFlags {
    /// The services, by their names in the config.
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// The one hold on every service, those included that are configured later.
    #[arg(long)]
    all: bool,
}

/// What `hold` and `release` have in common.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    selected: SelectedFlags,
    /// Makes a repeated call return the first one's commit.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<IdempotencyKey>,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask. Needed where there is no terminal.
    #[arg(long, short)]
    yes: bool,
    /// In a clone: also push its branch to where it goes with `git push`.
    #[arg(long)]
    push: bool,
    /// How the answer is shown; diff and patch with --dry-run.
    #[arg(long, short, value_enum, default_value = "table")]
    output: MoveForm,
    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Debug, Args)]
pub(super) struct HoldFlags {
    /// Why, in one line; stands in the file and in the commit.
    #[arg(long, short, value_name = "TEXT")]
    reason: Reason,
    /// For how long, such as 4h or 90m; without it, until it is released.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_end)]
    length: Option<End>,
    /// Until when, such as 2026-11-24T06:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    until: Option<Timestamp>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseFlags {
    /// Why, in one line; stands in the commit.
    #[arg(long, short, value_name = "TEXT")]
    reason: Option<Reason>,
    #[command(flatten)]
    common: Common,
}

/// Holds services where they are.
pub(super) async fn hold(flags: HoldFlags, matches: &ArgMatches, moving: &Moving) -> Result<Exit, Stop> {
    let HoldFlags { reason, length, until, common } = flags;
    let end = length.or_else(|| until.map(End::Until));
    run(HoldVerb::Hold { reason, end }, common, matches, moving).await
}

/// Releases services that are held.
pub(super) async fn release(
    flags: ReleaseFlags,
    matches: &ArgMatches,
    moving: &Moving,
) -> Result<Exit, Stop> {
    run(HoldVerb::Release { reason: flags.reason }, flags.common, matches, moving).await
}

async fn run(verb: HoldVerb, common: Common, matches: &ArgMatches, moving: &Moving) -> Result<Exit, Stop> {
    let Common { selected, idempotency_key, dry_run, yes, push, output, target } = common;
    let SelectedFlags { services: named, all } = selected;
    if !dry_run && matches!(output, MoveForm::Diff | MoveForm::Patch) {
        return Err(Stop::problem("-o diff and -o patch show what would change; add --dry-run"));
    }
    if dry_run && push {
        return Err(Stop::problem("--push and --dry-run do not go together"));
    }
    if !dry_run && !yes && !prompt::is_possible() {
        return Err(Stop::Said {
            exit: Exit::Problem,
            message: "there is no terminal to ask on, so nothing was committed".to_owned(),
            hint: Some(
                "give --yes to go on without being asked, or --dry-run to see what would change".to_owned(),
            ),
        });
    }
    let mut services: Vec<String> = Vec::new();
    // Who names one twice means it once.
    for name in named {
        if !services.contains(&name) {
            services.push(name);
        }
    }
    let asked = HoldAsked { services: (!all).then_some(services), verb, idempotency_key };
    let target = told(target.open(matches).await, output.plain())?;
    if dry_run {
        return dry_run_of(&target, &asked, output).await;
    }
    let place = told(place(&target, push).await, output.plain())?;
    if !yes && !is_confirmed(&target, &asked, &place).await? {
        note("nothing was committed");
        return Ok(Exit::No);
    }
    let reply = unless_no(moving.during(target.hold(&asked)).await, output.plain())?;
    let ended = moving.during(done(reply, &place, output.plain())).await;
    target.close().await;
    ended
}

async fn dry_run_of(target: &Target, asked: &HoldAsked, output: MoveForm) -> Result<Exit, Stop> {
    let accept = match output {
        MoveForm::Diff => "text/x-diff",
        MoveForm::Patch => "text/x-patch",
        MoveForm::Table | MoveForm::Json | MoveForm::Yaml => "application/json",
    };
    let reply = unless_no(target.show_hold(asked, accept).await, output.plain())?;
    match output {
        MoveForm::Diff | MoveForm::Patch | MoveForm::Json => print(&reply.text),
        MoveForm::Yaml => show(&reply.text, Form::Yaml)?,
        MoveForm::Table => {
            let answer: HeldAnswer = read(&reply)?;
            let paint = Stream::Output.paint();
            print(table::hold_plan(&answer, paint));
            let revision = answer.revision.as_deref().map(|revision| format!(" on {}", plain(revision)));
            let what = if answer.changed { "nothing was committed" } else { "there is nothing to do" };
            let verdict = format!("\na dry run{}: {what}", revision.unwrap_or_default());
            say(paint.tone(Tone::Faint, &verdict));
        }
    }
    Ok(Exit::Done)
}

/// Shows what would change, and asks. Where nothing would, there is nothing to ask.
async fn is_confirmed(target: &Target, asked: &HoldAsked, place: &Place) -> Result<bool, Stop> {
    let reply = unless_no(target.show_hold(asked, "application/json").await, Form::Table)?;
    let answer: HeldAnswer = read(&reply)?;
    if !answer.changed {
        return Ok(true);
    }
    note_part(table::hold_plan(&answer, Stream::Notes.paint()));
    note("");
    prompt::confirmed(&place.question("this")).await
}

/// Tells what was done, after the clone's branch was pushed where that was asked for.
async fn done(reply: Reply, place: &Place, form: Form) -> Result<Exit, Stop> {
    let answer: HeldAnswer = read(&reply)?;
    let unpushed =
        "the clone's branch is not pushed: others see this after `git push` (--push does that, too)";
    finish(&reply, place, form, unpushed, || tell(&answer, &place.branch)).await?;
    Ok(Exit::Done)
}

fn tell(answer: &HeldAnswer, branch: &str) {
    let paint = Stream::Output.paint();
    let commit = answer.commit.as_deref().map(plain).unwrap_or_default();
    print(table::hold_plan(answer, paint));
    if !answer.changed {
        let by = if commit.is_empty() { String::new() } else { format!(", since commit {commit}") };
        say(format_args!("\nthat is so already{by}; nothing was committed"));
    } else if answer.replayed {
        say(format_args!("\nan earlier call with this key did it, commit {commit}"));
    } else {
        say(format_args!("\n{} commit {commit} {branch}", paint.tone(Tone::Good, "done,")));
    }
}
