//! `failover-api scan`: proposes config entries for the apps of a repository that can move.

use clap::{Args, ValueEnum};
use failover_core::code::Exit;
use failover_core::scan::{Proposal, scan};
use serde_json::{Value, json};

use super::clone::CloneFlags;
use super::output::say;

/// Propose entries for every app with two claims, or with a twin that is scaled to zero.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    clone: CloneFlags,
    /// How the proposal is shown.
    #[arg(long, short, value_enum, default_value = "yaml")]
    output: Output,
}

/// How the proposal is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Services with their evidence, for people.
    Table,
    /// One object with entries, evidence and what is left out.
    Json,
    /// A services.yaml with the evidence as comments.
    Yaml,
}

/// Prints what is proposed. That nothing can be is a problem.
pub(super) fn propose(flags: &Flags) -> Result<Exit, String> {
    let clone = flags.clone.read()?;
    let proposal = scan(&clone.tree);
    match flags.output {
        Output::Yaml => {
            say(format_args!("# Proposed by failover-api scan from {}.", clone.what));
            say(proposal.text.trim_end());
        }
        Output::Json => say(format_args!("{:#}", document(&proposal, &clone.what)?)),
        Output::Table => table(&proposal, &clone.what),
    }
    if proposal.services.is_empty() {
        return Err(format!(
            "no app in {} can be proposed; see docs/check.md for what is looked for",
            clone.what
        ));
    }
    Ok(Exit::Done)
}

/// The entries as `services.yaml` would hold them, each with what speaks for it.
fn document(proposal: &Proposal, read: &str) -> Result<Value, String> {
    let config: Value = yaml_serde::from_str(&proposal.text)
        .map_err(|error| format!("the proposal cannot be shown as JSON: {error}; report the defect"))?;
    let services = proposal.services.iter().map(|one| {
        json!({
            "name": one.name,
            "app": one.app,
            "evidence": one.evidence,
            "entry": config["services"][one.name.as_str()],
        })
    });
    let left_out = proposal.left_out.iter().map(|(app, reason)| json!({ "app": app, "reason": reason }));
    Ok(json!({
        "read": read,
        "count": proposal.services.len(),
        "services": services.collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
    }))
}

fn table(proposal: &Proposal, read: &str) {
    for one in &proposal.services {
        say(format_args!("{}: {}", one.name, one.app));
        one.evidence.iter().for_each(|line| say(format_args!("  {line}")));
    }
    for (app, reason) in &proposal.left_out {
        say(format_args!("left out: {app}: {}", reason.replace('\n', " ")));
    }
    let (services, left) = (proposal.services.len(), proposal.left_out.len());
    say(format_args!("\n{services} proposed from {read}, {left} left out"));
}
