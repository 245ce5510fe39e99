//! How answers are shown: tables for people, the answers themselves for scripts.

use clap::ValueEnum;
use failover_core::code::Exit;

use super::ending::Stop;
use super::output::print;
use crate::http::Reply;

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Table,
    /// What the HTTP interface answers.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How a move is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MoveForm {
    /// For people.
    Table,
    /// What the HTTP interface answers.
    Json,
    /// The same as YAML.
    Yaml,
    /// A dry run's change as a unified diff.
    Diff,
    /// A dry run's change as a mail for `git am`.
    Patch,
}

impl MoveForm {
    /// The form of what is not a diff.
    pub(super) fn plain(self) -> Form {
        match self {
            Self::Json => Form::Json,
            Self::Yaml => Form::Yaml,
            Self::Table | Self::Diff | Self::Patch => Form::Table,
        }
    }
}

/// Whether an answer says no.
fn is_no(reply: &Reply) -> bool {
    !(200..300).contains(&reply.status)
}

/// An answer that says no ends the command; scripts get it whole.
pub(super) fn unless_no(answer: Result<Reply, Stop>, form: Form) -> Result<Reply, Stop> {
    told(answer.and_then(|reply| if is_no(&reply) { Err(Stop::Answered(reply)) } else { Ok(reply) }), form)
}

/// Shows scripts the answer for which a command ends.
pub(super) fn told<T>(ended: Result<T, Stop>, form: Form) -> Result<T, Stop> {
    if let Err(Stop::Answered(reply)) = &ended
        && form != Form::Table
    {
        show(&reply.text, form)?;
    }
    ended
}

/// Prints an answer for a script.
pub(super) fn show(text: &str, form: Form) -> Result<(), Stop> {
    match form {
        Form::Json | Form::Table => print(text),
        Form::Yaml => print(yaml(text)?),
    }
    Ok(())
}

/// JSON as YAML.
pub(super) fn yaml(json: &str) -> Result<String, Stop> {
    let unreadable = |error: &dyn std::fmt::Display| Stop::Said {
        exit: Exit::Failure,
        message: format!("the answer cannot be shown as YAML: {error}"),
        hint: Some("use -o json".to_owned()),
    };
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
    yaml_serde::to_string(&value).map_err(|error| unreadable(&error))
}
