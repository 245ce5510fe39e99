//! Which command was given.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::output::{fail, refuse};
use super::{demo, documents, serve, token};

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
    /// Make a token for a caller: the token on the first line, and the line for the file of --token-file on the second.
    Token(token::Flags),
    /// Print the API's OpenAPI document, as /api/openapi.json serves it.
    Openapi,
    /// Print the JSON Schema of services.yaml, for editors.
    Schema,
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the program could not start its threads: {error}")),
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Serve(flags) => serve::serve(*flags).await,
            Command::Demo(flags) => demo::demo(flags).await,
            Command::Token(flags) => token::token(&flags),
            Command::Schema => {
                documents::schema();
                Ok(())
            }
            Command::Openapi => {
                documents::openapi();
                Ok(())
            }
        }
    });
    // A computation that does not end must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}
