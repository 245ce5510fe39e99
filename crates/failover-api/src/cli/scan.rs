//! `failover-api scan`: proposes config entries for the apps of a repository that can move.

use clap::Args;
use failover_core::code::Exit;
use failover_core::scan::scan;

use super::clone::CloneFlags;
use super::output::say;

/// Propose entries for every app with two claims, or with a twin that is scaled to zero.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    clone: CloneFlags,
}

/// Prints a services.yaml with the evidence as comments. That nothing can be proposed is a problem.
pub(super) fn propose(flags: &Flags) -> Result<Exit, String> {
    let clone = flags.clone.read()?;
    let proposal = scan(&clone.tree);
    say(format_args!("# Proposed by failover-api scan from {}.", clone.what));
    say(proposal.text.trim_end());
    if proposal.services.is_empty() {
        return Err(format!(
            "no app in {} can be proposed; see docs/check.md for what is looked for",
            clone.what
        ));
    }
    Ok(Exit::Done)
}
