//! `failover-api notify test`: whether messages arrive.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use failover_core::code::Exit;
use failover_core::name::ObjectName;

use super::output::say;
use crate::notify::{self, Tried};

#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send a test message to every notification of the file, or to those of these names; needs no server and moves nothing.
    Test(TestFlags),
}

#[derive(Debug, Args)]
struct TestFlags {
    /// The file that serve has as --notifications.
    #[arg(long, env = "FAILOVER_API_NOTIFICATIONS", value_name = "FILE")]
    notifications: PathBuf,
    /// Only these.
    #[arg(value_name = "NAME")]
    names: Vec<ObjectName>,
}

/// Tries each once and says what became of it.
pub(super) fn notify(flags: &Flags) -> Result<Exit, String> {
    let What::Test(TestFlags { notifications, names }) = &flags.what;
    let tried = notify::try_out(notifications, names)
        .map_err(|problem| format!("{}: {problem}", notifications.display()))?;
    if let Some(unknown) = names.iter().find(|name| tried.iter().all(|one| one.name != **name)) {
        return Err(format!("{} has no notification {unknown}", notifications.display()));
    }
    for Tried { name, failed } in &tried {
        match failed {
            None => say(format!("{name}: sent")),
            Some(detail) => say(format!("{name}: not sent: {detail}")),
        }
    }
    Ok(if tried.iter().all(|one| one.failed.is_none()) { Exit::Done } else { Exit::Failure })
}
