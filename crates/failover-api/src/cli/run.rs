//! Which command was given.

use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;
use failover_core::code::Exit;
use failover_core::name::Role;
use tracing_subscriber::filter::LevelFilter;

use super::ending::Stop;
use super::interrupt::{Moving, unless_interrupted};
use super::output::{fail, print, refuse};
use super::{check, demo, doctor, documents, holds, moves, notify, program, reads, scan, serve, token};
use crate::telemetry::{self, LogFormat};

/// The stack of each thread, in bytes: YAML may nest 255 deep.
const STACK: usize = 8 * 1024 * 1024;

/// Moves stateful Kubernetes apps to their other node by committing to Git.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer HTTP requests to show and move services.
    #[command(mut_arg("repo", |repo| repo.required(true)))]
    Serve(Box<serve::Flags>),
    /// Try everything on a made-up repository in a temporary folder; Ctrl-C removes it.
    Demo(demo::Flags),
    /// Show every service and where it is.
    Services(Box<reads::ServicesFlags>),
    /// Show services in full, with what a move would find.
    Status(Box<reads::StatusFlags>),
    /// Move services to their backup node.
    Promote(Box<moves::MoveFlags>),
    /// Move services back to their primary node.
    Demote(Box<moves::MoveFlags>),
    /// Show what must not be moved.
    Holds(Box<holds::HoldsFlags>),
    /// Hold services where they are: nobody moves them until they are released, or without force.
    Hold(Box<holds::HoldFlags>),
    /// Release services that are held.
    Release(Box<holds::ReleaseFlags>),
    /// Show what was moved, newest first.
    History(Box<reads::HistoryFlags>),
    /// Find out what stands in the way of a move, without moving anything.
    Doctor(Box<doctor::DoctorFlags>),
    /// Hold the config against the manifests of a clone, for CI and pre-commit: exit code 1 when something is wrong.
    Check(check::Flags),
    /// Propose config entries for the apps of a clone, each with its evidence.
    Scan(scan::Flags),
    /// Make a token for a caller: the token on the first line, and the line for the file of --token-file on the second.
    Token(token::Flags),
    /// Try whether messages arrive: those of the file of --notifications.
    Notify(notify::Flags),
    /// Print the API's OpenAPI document, as /api/openapi.json serves it.
    Openapi,
    /// Print the JSON Schema of services.yaml, for editors.
    Schema,
    /// Print what a shell needs to complete commands.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let mut all = Arguments::command().name(program::file()).bin_name(program::name());
    let matches = match all.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error.format(&mut all)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the program could not start its threads: {error}")),
    };
    let mut scratch = demo::Scratch::default();
    let ended = runtime.block_on(start(arguments.command, &matches, &mut scratch));
    // A computation that does not end must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    let ended = ended.and_then(|exit| scratch.remove().map(|()| exit).map_err(Stop::problem));
    ExitCode::from(ended.unwrap_or_else(Stop::tell).number())
}

async fn start(command: Command, matches: &ArgMatches, scratch: &mut demo::Scratch) -> Result<Exit, Stop> {
    // Which flags were written down is known where the subcommand's are.
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let moving = Moving::default();
    let work: Pin<Box<dyn Future<Output = Result<Exit, Stop>> + '_>> = match command {
        Command::Serve(flags) => {
            return serve::serve(*flags).await.map(|()| Exit::Done).map_err(Stop::problem);
        }
        Command::Demo(flags) => {
            return demo::demo(flags, scratch).await.map(|()| Exit::Done).map_err(Stop::problem);
        }
        Command::Services(flags) => Box::pin(reads::services(*flags, matches)),
        Command::Status(flags) => Box::pin(reads::status(*flags, matches)),
        Command::Promote(flags) => Box::pin(moves::run(Role::Backup, *flags, matches, &moving)),
        Command::Demote(flags) => Box::pin(moves::run(Role::Primary, *flags, matches, &moving)),
        Command::Holds(flags) => Box::pin(holds::list(*flags, matches)),
        Command::Hold(flags) => Box::pin(holds::hold(*flags, matches, &moving)),
        Command::Release(flags) => Box::pin(holds::release(*flags, matches, &moving)),
        Command::History(flags) => Box::pin(reads::history(*flags, matches)),
        Command::Doctor(flags) => Box::pin(doctor::doctor(*flags, matches)),
        // On a thread that may block, and whose stack holds what YAML may nest.
        Command::Check(flags) => Box::pin(blocking(move || check::check(&flags))),
        Command::Scan(flags) => Box::pin(blocking(move || scan::propose(&flags))),
        Command::Notify(flags) => Box::pin(blocking(move || notify::notify(&flags))),
        Command::Token(flags) => return token::token(&flags).map(|()| Exit::Done).map_err(Stop::problem),
        Command::Openapi => {
            documents::openapi();
            return Ok(Exit::Done);
        }
        Command::Schema => {
            documents::schema();
            return Ok(Exit::Done);
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), program::file(), &mut script);
            print(String::from_utf8_lossy(&script));
            return Ok(Exit::Done);
        }
    };
    // What matters to the person is said by the command itself.
    telemetry::start(LogFormat::Text, LevelFilter::OFF);
    unless_interrupted(work, &moving).await
}

async fn blocking(work: impl FnOnce() -> Result<Exit, String> + Send + 'static) -> Result<Exit, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(ended) => ended.map_err(Stop::problem),
        Err(error) => {
            Err(Stop::failure(format!("the command ended abnormally: {error}"), "report the defect"))
        }
    }
}
