//! `failover-api check`: the config held against the repository, for CI and pre-commit hooks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use failover_core::audit::{At, Level, Notice, Rule, audit};
use failover_core::code::{Code, Exit};
use failover_core::config;
use serde_json::{Value, json};

use super::clone::{Clone, CloneFlags, seen_from};
use super::output::{print, say};
use crate::reload;

/// Hold the config against the repository's manifests.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The services that can move: services.yaml.
    #[arg(long, env = "FAILOVER_API_CONFIG", value_name = "FILE", default_value = "services.yaml")]
    config: PathBuf,
    #[command(flatten)]
    clone: CloneFlags,
    /// How the result is shown.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,
    /// Fail also when there are only warnings.
    #[arg(long)]
    strict: bool,
}

/// How the result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines for people.
    #[value(alias = "text")]
    Table,
    /// One object.
    Json,
    /// The same as YAML.
    Yaml,
    /// Workflow commands that GitHub shows at the lines in question.
    Github,
}

/// Shows what is wrong. The exit code is 0 when nothing is, 1 when something is.
pub(super) fn check(flags: &Flags) -> Result<Exit, String> {
    let clone = flags.clone.read()?;
    let text = reload::read_text(&flags.config)
        .map_err(|error| format!("--config: {} cannot be read: {error}", flags.config.display()))?;
    let (services, notices) = match config::parse(&text) {
        Ok(config) => (config.services().len(), audit(&config, &clone.tree)),
        Err(errors) => {
            let notices = errors.as_slice().iter().map(|error| Notice {
                rule: Rule::Code(Code::ConfigInvalid),
                level: Level::Error,
                service: None,
                detail: error.message.clone(),
                hint: error.hint.clone(),
                at: At::Config(error.place),
            });
            (0, notices.collect())
        }
    };
    let report = Report { clone: &clone, config: seen_from(&clone.top, &flags.config), services, notices };
    match flags.output {
        Output::Table => report.text(),
        Output::Json => say(format_args!("{:#}", report.json())),
        Output::Yaml => print(yaml_serde::to_string(&report.json()).map_err(|error| error.to_string())?),
        Output::Github => report.github(),
    }
    let fails = |notice: &Notice| notice.level == Level::Error || flags.strict;
    Ok(match report.notices.iter().any(fails) {
        true => Exit::No,
        false => Exit::Done,
    })
}

struct Report<'r> {
    clone: &'r Clone,
    /// The config's file as seen from the repository's top.
    config: String,
    services: usize,
    notices: Vec<Notice>,
}

impl Report<'_> {
    fn place(&self, notice: &Notice) -> (String, usize, usize) {
        match &notice.at {
            At::Config(place) => (self.config.clone(), place.line, place.column),
            At::File(path, place) => (path.to_string(), place.line, place.column),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.notices.iter().filter(|notice| notice.level == level).count()
    }

    fn text(&self) {
        for notice in &self.notices {
            let (file, line, column) = self.place(notice);
            let service = notice.service.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let (level, rule, detail) = (name(notice.level), notice.rule, &notice.detail);
            say(format_args!(
                "{file}:{line}:{column}: {level}: {service}{detail} [{rule}]\n    {}",
                notice.hint
            ));
        }
        self.summary();
    }

    fn summary(&self) {
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        say(format_args!(
            "{} services held against {}: {errors} errors, {warnings} warnings",
            self.services, self.clone.what
        ));
    }

    fn json(&self) -> Value {
        let notices = self.notices.iter().map(|notice| {
            let (file, line, column) = self.place(notice);
            json!({
                "rule": notice.rule.as_str(),
                "level": notice.level,
                "service": notice.service,
                "detail": notice.detail,
                "hint": notice.hint,
                "file": file,
                "line": line,
                "column": column,
            })
        });
        json!({
            "read": self.clone.what,
            "services": self.services,
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "notices": notices.collect::<Vec<_>>(),
        })
    }

    fn github(&self) {
        for notice in &self.notices {
            let (file, line, column) = self.place(notice);
            let service = notice.service.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            say(format_args!(
                "::{} file={},line={line},col={column},title={}::{}",
                name(notice.level),
                property(&file),
                property(&format!("failover-api {}", notice.rule)),
                message(&format!("{service}{} ({})", notice.detail, notice.hint)),
            ));
        }
        self.summary();
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

/// A workflow command's message: GitHub's runner reads these escapes.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a workflow command's property.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_stays_on_its_line() {
        assert_eq!(message("50%\nof, it: ::error::"), "50%25%0Aof, it: ::error::");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
    }
}
