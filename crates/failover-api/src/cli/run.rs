//! Which command was given.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::output::fail;
use super::{check, demo, scan, serve};

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
    Serve(Box<serve::Flags>),
    /// Try everything on a made-up repository in a temporary folder; Ctrl-C removes it.
    Demo(demo::Flags),
    /// Hold the config against the manifests of a clone, for CI and pre-commit: exit code 1 when something is wrong.
    Check(check::Flags),
    /// Propose config entries for the apps of a clone, each with its evidence.
    Scan(scan::Flags),
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the program could not start its threads: {error}")),
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Serve(flags) => serve::serve(*flags).await.map(|()| ExitCode::SUCCESS),
            Command::Demo(flags) => demo::demo(flags).await.map(|()| ExitCode::SUCCESS),
            // On a thread that may block, and whose stack holds what YAML may nest.
            Command::Check(flags) => ended(tokio::task::spawn_blocking(move || check::check(&flags)).await),
            Command::Scan(flags) => ended(tokio::task::spawn_blocking(move || scan::propose(&flags)).await),
        }
    });
    // A computation that does not end must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(message) => fail(&message),
    }
}

fn ended(result: Result<Result<ExitCode, String>, tokio::task::JoinError>) -> Result<ExitCode, String> {
    result.unwrap_or_else(|error| Err(format!("the command ended abnormally: {error}; please report it")))
}
