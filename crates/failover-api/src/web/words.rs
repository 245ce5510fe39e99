//! States, verdicts and times in words, with a shape beside the colour.

use std::collections::BTreeSet;

use failover_core::check::{Finding, Verdict};
use failover_core::code::Problem;
use failover_core::config::SettingKind;
use failover_core::name::{CommitId, Role};
use failover_core::topology::Active;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::pipeline::CommitPages;

/// Where a service is.
pub(super) fn state(active: Active) -> Markup {
    html! { span class={ "badge state-" (active) } { (capital(active.as_str())) } }
}

/// A word with a capital letter.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What moves a service to a role.
pub(super) fn verb(to: Role) -> &'static str {
    match to {
        Role::Backup => "promote",
        Role::Primary => "demote",
    }
}

/// What a setting is for.
pub(super) fn setting(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Node => "Node label",
        SettingKind::Claim => "Volume claim",
        SettingKind::Field => "Field",
    }
}

/// What a check decided.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "Passed",
        Verdict::Warn => "Warning",
        Verdict::Block => "Blocks",
        Verdict::Unknown => "Not known",
    }
}

/// The class of what a check decided.
pub(super) fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Block => "block",
        Verdict::Unknown => "not-known",
    }
}

/// The gravest kind of what checks found, in short; nothing when all of them passed.
pub(super) fn gravest(findings: &[Finding]) -> Option<(&'static str, String)> {
    let kinds =
        [(Verdict::Block, "Blocked by "), (Verdict::Warn, "Warning: "), (Verdict::Unknown, "Not known: ")];
    kinds.into_iter().find_map(|(verdict, word)| {
        let of_kind = findings.iter().filter(|finding| finding.verdict == verdict);
        let checks: BTreeSet<&str> = of_kind.map(|finding| finding.check.as_str()).collect();
        let names: Vec<&str> = checks.into_iter().collect();
        (!names.is_empty()).then(|| (verdict_class(verdict), format!("{word}{}", names.join(", "))))
    })
}

/// A number of things.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A moment. The script shows how long ago it was.
pub(super) fn time(time: Timestamp) -> Markup {
    html! { time datetime=(time) { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// A moment that may be still to come, of which the script has no shorter words.
pub(super) fn moment(time: Timestamp) -> Markup {
    html! { span class="moment" { (time.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// A commit's short id, with a link where the Git host shows it.
pub(super) fn commit(commit: &CommitId, pages: Option<&CommitPages>) -> Markup {
    let short = commit.as_str().get(..10).unwrap_or(commit.as_str());
    html! {
        @match pages {
            Some(pages) => a class="commit" href=(pages.page(commit)) rel="noreferrer" { code { (short) } },
            None => code class="commit" title=(commit) { (short) },
        }
    }
}

/// What the checks found, in full.
pub(super) fn findings(findings: &[Finding]) -> Markup {
    html! {
        ul class="findings" role="list" {
            @for finding in findings {
                li class=(verdict_class(finding.verdict)) {
                    strong { (verdict(finding.verdict)) } " " code { (finding.check) }
                    p { (finding.detail) }
                }
            }
        }
    }
}

/// Why something cannot be, and what to do.
pub(super) fn problems(problems: &[Problem]) -> Markup {
    html! {
        ul class="findings" role="list" {
            @for problem in problems {
                li class="block" {
                    strong { (problem.code.title()) } " " code { (problem.code) }
                    p { (problem) }
                    p class="hint" { (problem.hint) }
                }
            }
        }
    }
}
