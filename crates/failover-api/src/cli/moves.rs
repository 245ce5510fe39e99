//! `promote` and `demote`.

use clap::{ArgMatches, Args};
use failover_core::code::{Code, Exit, named};
use failover_core::intent::Expectation;
use failover_core::name::{CommitId, Role};
use failover_core::topology::Active;
use serde_json::{Value, json};

use super::answers::{MoveAnswer, proven, read};
use super::asked::{Asked, AskedFlags, Expected};
use super::batch;
use super::ending::{Finding, Stop};
use super::form::{Form, MoveForm, show, told, unless_no};
use super::interrupt::Moving;
use super::output::{Stream, Tone, note, note_part, plain, print, say};
use super::progress::waiting;
use super::prompt;
use super::target::{Target, TargetFlags};
use crate::git::{Upstream, UpstreamError};
use crate::http::Reply;

#[derive(Debug, Args)]
pub(super) struct MoveFlags {
    #[command(flatten)]
    asked: AskedFlags,
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

/// Moves services, or shows what that would change.
pub(super) async fn run(
    to: Role,
    flags: MoveFlags,
    matches: &ArgMatches,
    moving: &Moving,
) -> Result<Exit, Stop> {
    let MoveFlags { asked, dry_run, yes, push, output, target } = flags;
    if !dry_run && matches!(output, MoveForm::Diff | MoveForm::Patch) {
        return Err(Stop::problem("-o diff and -o patch show what would change; add --dry-run"));
    }
    if dry_run && push {
        return Err(Stop::problem("--push and --dry-run do not go together"));
    }
    if !dry_run && !yes && !prompt::is_possible() {
        return Err(Stop::Said {
            exit: Exit::Problem,
            message: "there is no terminal to ask on, so nothing was moved".to_owned(),
            hint: Some(
                "give --yes to move without being asked, or --dry-run to see what would change".to_owned(),
            ),
        });
    }
    let asked = asked.to(to);
    let target = told(target.open(matches).await, output.plain())?;
    if dry_run {
        return dry_run_of(&target, &asked, output).await;
    }
    let place = told(place(&target, push).await, output.plain())?;
    let reply = match if yes { Asking::Go } else { ask(&target, &asked, &place).await? } {
        Asking::Go => moving.during(target.carry_out(&asked)).await,
        Asking::Answered(reply) => Ok(reply),
        Asking::Declined => {
            note("nothing was committed");
            return Ok(Exit::No);
        }
    };
    let reply = unless_no(reply, output.plain()).map_err(|stop| with_way_out(stop, &asked))?;
    let ended = moving.during(done(reply, &place, output.plain())).await;
    target.close().await;
    ended
}

async fn dry_run_of(target: &Target, asked: &Asked, output: MoveForm) -> Result<Exit, Stop> {
    let accept = match output {
        MoveForm::Diff => "text/x-diff",
        MoveForm::Patch => "text/x-patch",
        MoveForm::Table | MoveForm::Json | MoveForm::Yaml => "application/json",
    };
    let reply = target.show(asked, accept).await;
    let reply = unless_no(reply, output.plain()).map_err(|stop| with_way_out(stop, asked))?;
    match output {
        MoveForm::Diff | MoveForm::Patch | MoveForm::Json => print(&reply.text),
        MoveForm::Yaml => show(&reply.text, Form::Yaml)?,
        MoveForm::Table => {
            let answer: MoveAnswer = read(&reply)?;
            let paint = Stream::Output.paint();
            print(batch::plan(&answer, paint));
            say(paint.tone(Tone::Faint, &format!("\n{}", verdict(&answer))));
        }
    }
    Ok(Exit::Done)
}

/// What a dry run comes to, in a line.
fn verdict(answer: &MoveAnswer) -> String {
    let revision = answer.revision.as_deref().map(|revision| format!(" on {}", plain(revision)));
    let revision = revision.unwrap_or_default();
    let tally = batch::tally(answer, "to move").map(|tally| format!("; {tally}")).unwrap_or_default();
    match (answer.changed, answer.blocked_by.as_slice()) {
        (_, [_, ..]) => {
            format!(
                "a dry run{revision}: the move would be refused{tally}; --force {} overrides",
                blocking(answer)
            )
        }
        (true, []) => format!("a dry run{revision}: nothing was committed{tally}"),
        (false, []) if batch::left_some(answer) => {
            format!("a dry run{revision}: nothing can be moved{tally}")
        }
        (false, []) => format!("a dry run{revision}: there is nothing to do{tally}"),
    }
}

/// The names of the checks that stop a move.
fn blocking(answer: &MoveAnswer) -> String {
    let mut names: Vec<&str> = answer.blocked_by.iter().map(|finding| finding.check.as_str()).collect();
    names.dedup();
    plain(&names.join(","))
}

/// Where a move goes.
pub(super) struct Place {
    /// The branch, for people.
    pub(super) branch: String,
    /// What becomes of the branch afterwards.
    then: Then,
}

/// What becomes of a branch that has a new commit.
enum Then {
    /// It is where it should be: the commit was pushed to it.
    Nothing,
    /// The clone's branch stays as it is, apart from what it follows if it follows anything.
    Stays(Option<Upstream>),
    /// It is pushed there.
    Pushed(Upstream),
}

impl Place {
    /// What is asked before a change; `what` is the change.
    pub(super) fn question(&self, what: &str) -> String {
        let Then::Pushed(upstream) = &self.then else { return format!("commit {what} {}?", self.branch) };
        let earlier = match upstream.ahead() {
            Some(ahead @ 1..) => format!(" with {ahead} earlier commits of the branch that are not there"),
            Some(0) | None => String::new(),
        };
        format!("commit {what} {}, and push it to {upstream}{earlier}?", self.branch)
    }
}

/// Finds out where a move goes before anything is asked, so that nothing is committed that cannot be pushed.
pub(super) async fn place(target: &Target, push: bool) -> Result<Place, Stop> {
    let direct = match target {
        Target::Server(client) if !push => {
            return Ok(Place { then: Then::Nothing, branch: format!("through {}", client.address()) });
        }
        Target::Direct(direct) => direct,
        Target::Server(_) => return Err(push_is_for_clones()),
    };
    direct.look().await?;
    let branch = direct.branch();
    let name = branch.as_ref().map(ToString::to_string).unwrap_or_default();
    let Some(folder) = &direct.clone else {
        if push {
            return Err(push_is_for_clones());
        }
        return Ok(Place { then: Then::Nothing, branch: format!("on {name} of {}", plain(&direct.address)) });
    };
    let words = format!("on the branch {name} of the clone {}", plain(&folder.display().to_string()));
    let upstream = branch.map(|branch| Upstream::of(folder, &branch));
    let then = match upstream {
        Some(upstream) if push => Then::Pushed(upstream.map_err(not_pushed)?),
        // Where it goes matters only for what is said of it.
        Some(upstream) => Then::Stays(upstream.ok()),
        None => Then::Stays(None),
    };
    Ok(Place { then, branch: words })
}

fn push_is_for_clones() -> Stop {
    Stop::problem("--push is for a clone with a work tree; elsewhere every commit is pushed in any case")
}

/// What becomes of a move that somebody is asked about.
enum Asking {
    /// It is confirmed.
    Go,
    /// It is not.
    Declined,
    /// There was nothing to ask: everything is there already.
    Answered(Reply),
}

/// How often a view that turns out to be old is looked at again before somebody is asked.
const LOOKS: usize = 3;

/// Shows what would change, and asks.
async fn ask(target: &Target, asked: &Asked, place: &Place) -> Result<Asking, Stop> {
    for _ in 0..LOOKS {
        let reply = target.show(asked, "application/json").await;
        let reply = unless_no(reply, Form::Table).map_err(|stop| with_way_out(stop, asked))?;
        let answer: MoveAnswer = read(&reply)?;
        let paint = Stream::Notes.paint();
        if !answer.blocked_by.is_empty() {
            note_part(batch::plan(&answer, paint));
            let evidence = |finding: &Finding| match &answer.service {
                Some(_) => finding.detail.clone(),
                None => named(&finding.service, &finding.detail),
            };
            let details: Vec<String> = answer.blocked_by.iter().map(evidence).collect();
            return Err(Stop::Said {
                exit: Exit::Refusal,
                message: details.join("\n"),
                hint: Some(format!(
                    "look at the evidence; to go on regardless add --force {}{}",
                    blocking(&answer),
                    if takes_partial(asked) { ", or --partial to move the others" } else { "" }
                )),
            });
        }
        if answer.changed {
            note_part(batch::plan(&answer, paint));
            note("");
            let what = batch::title(&answer, &asked.services);
            return Ok(if prompt::confirmed(&place.question(&what)).await? {
                Asking::Go
            } else {
                Asking::Declined
            });
        }
        if batch::left_some(&answer) {
            note_part(batch::plan(&answer, paint));
            let code = batch::first_code(&answer).and_then(Code::from_name);
            return Err(Stop::Said {
                exit: code.map_or(Exit::Problem, Code::exit),
                message: batch::against(&answer),
                hint: Some("nothing is left that can be moved; see what is against each".to_owned()),
            });
        }
        // Nothing to do, as far as is known. Only a fresh look may say so, and it must not move what nobody saw.
        let role = Active::from(asked.to);
        let there = Expected { text: role.to_string(), parsed: Expectation::Active(role) };
        let sure = Asked { expect: asked.expect.clone().or(Some(there)), ..asked.clone() };
        let reply = target.carry_out(&sure).await?;
        if reply.status != 412 || asked.expect.is_some() {
            return Ok(Asking::Answered(reply));
        }
    }
    Err(Stop::failure(
        "the services are moved by somebody else at this moment",
        "look at the history, then ask again",
    ))
}

/// Tells what a move did, after the clone's branch was pushed where that was asked for.
async fn done(reply: Reply, place: &Place, form: Form) -> Result<Exit, Stop> {
    let answer: MoveAnswer = read(&reply)?;
    let unpushed =
        "the clone's branch is not pushed: Flux sees the move after `git push` (--push does that, too)";
    finish(&reply, place, form, unpushed, || tell(&answer, &place.branch)).await?;
    Ok(if batch::left_some(&answer) { Exit::Partly } else { Exit::Done })
}

/// Pushes the clone's branch where that was asked for, and shows the answer: people what `tell` says, scripts the answer.
/// `unpushed` is what people are told of a clone whose branch was not pushed.
pub(super) async fn finish(
    reply: &Reply,
    place: &Place,
    form: Form,
    unpushed: &str,
    tell: impl FnOnce(),
) -> Result<(), Stop> {
    let answer: MoveAnswer = read(reply)?;
    proven(answer.changed, answer.commit.as_deref())?;
    let pushed = match &place.then {
        Then::Nothing | Then::Stays(_) => Ok(()),
        Then::Pushed(upstream) => push(upstream, &answer).await,
    };
    let ahead = match &place.then {
        Then::Nothing => None,
        Then::Stays(upstream) => upstream.as_ref().and_then(Upstream::ahead),
        Then::Pushed(upstream) => upstream.ahead(),
    };
    if form == Form::Table {
        tell();
        match &place.then {
            Then::Pushed(upstream) if pushed.is_ok() => say(format_args!("pushed to {upstream}")),
            // An earlier move is as little where Flux looks as this one.
            Then::Stays(_) if answer.changed || ahead.is_some_and(|ahead| ahead > 0) => note(unpushed),
            // Why it was not pushed is said at the end.
            Then::Pushed(_) | Then::Stays(_) | Then::Nothing => {}
        }
    } else if let Then::Stays(_) | Then::Pushed(_) = &place.then {
        // The branch of a clone is not yet the one that Flux reads.
        let mut whole: Value = read(reply)?;
        whole["pushed"] = json!(matches!(place.then, Then::Pushed(_)) && pushed.is_ok());
        whole["ahead"] = json!(ahead);
        show(&format!("{whole:#}\n"), form)?;
    } else {
        show(&reply.text, form)?;
    }
    pushed.map_err(not_pushed)
}

/// Whether `--partial` would make a difference.
fn takes_partial(asked: &Asked) -> bool {
    asked.only().is_none() && !asked.partial
}

/// One service among many is no reason to give up on the rest: says so after what is wrong.
fn with_way_out(stop: Stop, asked: &Asked) -> Stop {
    let Stop::Answered(reply) = &stop else { return stop };
    let document: Value = serde_json::from_str(&reply.text).unwrap_or_default();
    let problems = document["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !takes_partial(asked) || !problems.iter().any(|problem| problem["service"].is_string()) {
        return stop;
    }
    let exit = stop.tell();
    let hint = Stream::Notes.paint().tone(Tone::Place, "hint:");
    note(format_args!("{hint} no service was moved; --partial moves those that can be moved"));
    Stop::Quiet(exit)
}

async fn push(upstream: &Upstream, answer: &MoveAnswer) -> Result<(), UpstreamError> {
    let of_revision = answer.revision.as_deref().and_then(|revision| revision.rsplit(':').next());
    let commit = answer.commit.as_deref().filter(|_| answer.changed).or(of_revision).unwrap_or_default();
    let commit = CommitId::new(commit).map_err(|error| UpstreamError::Git(format!("the commit: {error}")))?;
    let (upstream, words) = (upstream.clone(), format!("pushing to {upstream}"));
    let pushed = tokio::task::spawn_blocking(move || upstream.push(&commit));
    waiting(&words, pushed).await.unwrap_or_else(|error| Err(UpstreamError::Failed(error.to_string())))
}

fn not_pushed(error: UpstreamError) -> Stop {
    let (exit, hint) = match &error {
        UpstreamError::None(branch) => {
            (Exit::Problem, format!("set one with `git push -u origin {branch}`, or leave out --push"))
        }
        UpstreamError::Rejected(_) => {
            (Exit::Failure, "the branch has other commits, which may be about this one: undo the commit (`git reset --keep HEAD~1` while it is the newest), bring the clone up to date with `git pull --rebase`, and ask again".to_owned())
        }
        UpstreamError::Failed(_) | UpstreamError::Git(_) => {
            (Exit::Unknown, "the commit is in the clone; `git push` again does no harm".to_owned())
        }
    };
    Stop::Said { exit, message: error.to_string(), hint: Some(hint) }
}

/// What a move did, for people.
fn tell(answer: &MoveAnswer, branch: &str) {
    let paint = Stream::Output.paint();
    let (names, to) = (batch::names(answer), plain(answer.to.as_deref().unwrap_or("its other node")));
    let commit = answer.commit.as_deref().map(plain).unwrap_or_default();
    if !answer.changed {
        let by = if commit.is_empty() { String::new() } else { format!(", since commit {commit}") };
        say(format_args!("{names}: at {to} already{by}; nothing was committed"));
        return;
    }
    if answer.replayed {
        say(format_args!("{names}: moved to {to} by an earlier call with this key, commit {commit}"));
        tally(answer);
        return;
    }
    print(batch::plan(answer, paint));
    say(format_args!(
        "\n{} commit {commit} {branch}",
        paint.tone(Tone::Good, &format!("{names}: moved to {to},"))
    ));
    tally(answer);
    if let Some(operation) = &answer.operation_id {
        say(paint.tone(Tone::Faint, &format!("operation {}", plain(operation))));
    }
}

/// How many services of a batch have which outcome.
fn tally(answer: &MoveAnswer) {
    if let Some(tally) = batch::tally(answer, "moved") {
        say(tally);
    }
}
