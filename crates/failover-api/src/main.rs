//! The `failover-api` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = failover_api::git::run_as_ssh_if_asked() {
        return failover_api::cli::fail(&format!("ssh could not be started: {error}"));
    }
    failover_api::cli::run()
}
