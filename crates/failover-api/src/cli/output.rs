//! The only place that prints.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use failover_core::code::Exit;

/// Prints a line for the person at the terminal. A closed pipe is no reason to stop.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints why the command cannot go on.
pub fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::from(Exit::Problem.number())
}
