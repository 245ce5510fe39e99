//! Answers as tables.

use serde_json::Value;

use super::answers::{
    ChangeAnswer, EventAnswer, HeldAnswer, HoldAnswer, HoldsAnswer, MoveAnswer, ProblemAnswer, ServiceAnswer,
    Services, Status,
};
use super::ending::Finding;
use super::output::{Paint, Tone, plain};

/// Columns that line up, with a line above them that names them.
struct Table {
    rows: Vec<Vec<(String, Option<Tone>)>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|name| ((*name).to_owned(), Some(Tone::Faint))).collect()] }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = (String, Option<Tone>)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (plain(&text), tone)).collect());
    }

    fn text(&self, paint: Paint) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, tone), width) in row.iter().zip(&widths) {
                let room = " ".repeat(width - cell.chars().count() + 2);
                line.push_str(&tone.map_or_else(|| cell.clone(), |tone| paint.tone(tone, cell)));
                line.push_str(&room);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn cell(text: impl Into<String>) -> (String, Option<Tone>) {
    (text.into(), None)
}

/// Where a service is.
fn active(active: &str) -> (String, Option<Tone>) {
    let tone = match active {
        "primary" => Tone::Good,
        "backup" => Tone::Unusual,
        _ => Tone::Bad,
    };
    (active.to_owned(), Some(tone))
}

fn workload(service: &ServiceAnswer) -> String {
    service
        .workload
        .as_ref()
        .map_or_else(|| "-".to_owned(), |object| format!("{}/{}", object.kind, object.name))
}

/// What an event did and who wanted it.
fn event(event: &EventAnswer) -> String {
    let who = event.requested_by.as_deref().unwrap_or(&event.author);
    let reason = event.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match event.kind.as_str() {
        "hold" => {
            let until = event.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
            return format!("held{until} by {who}{reason}");
        }
        "release" => return format!("released by {who}{reason}"),
        _ => {}
    }
    let to = event.to.as_deref().unwrap_or("another node");
    let kind = if event.kind == "move" { String::new() } else { format!("{} ", event.kind) };
    format!("{kind}to {to} by {who}{reason}")
}

fn seen(revision: &str, age: u64) -> String {
    let when = if age == 0 { "now".to_owned() } else { format!("{age} s ago") };
    format!("{}, seen {when}", short(revision))
}

/// A revision with a commit that people can read out.
fn short(revision: &str) -> String {
    match revision.rsplit_once(':') {
        Some((name, commit)) => format!("{name}:{}", commit.get(..12).unwrap_or(commit)),
        None => revision.get(..12).unwrap_or(revision).to_owned(),
    }
}

/// Every service.
pub(super) fn services(answer: &Services, paint: Paint) -> String {
    // A column that is mostly empty would cost every other its room.
    let any_held = answer.services.iter().any(|service| !stops(service).is_empty());
    let head: Vec<&str> = ["NAME", "NAMESPACE", "WORKLOAD", "ACTIVE"]
        .into_iter()
        .chain(any_held.then_some("HELD"))
        .chain(["LAST MOVE"])
        .collect();
    let mut table = Table::new(&head);
    for service in &answer.services {
        let last = service.last_operation.as_ref();
        let last = last.map_or_else(|| "-".to_owned(), |last| format!("{} {}", last.time, event(last)));
        let mut row = vec![
            cell(&service.name),
            cell(&service.namespace),
            cell(workload(service)),
            active(&service.active),
        ];
        if any_held {
            row.push((stops(service), Some(Tone::Unusual)));
        }
        row.push(cell(last));
        table.row(row);
    }
    let mut text = table.text(paint);
    for (service, problem) in
        answer.services.iter().flat_map(|one| one.problems.iter().map(move |p| (one, p)))
    {
        text.push_str(&format!("{}: {} ({})\n", service.name, plain(&problem.detail), plain(&problem.code)));
    }
    text.push_str(&holds_problems(&answer.holds_problems, paint));
    let count = answer.services.len();
    let services = if count == 1 { "service" } else { "services" };
    let foot = format!("{count} {services} on {}", seen(&answer.revision, answer.view_age_seconds));
    text.push_str(&format!("\n{}\n", paint.tone(Tone::Faint, &plain(&foot))));
    text + &warning(answer.config_problem.as_deref(), paint)
}

const EVERY: &str = "(every service)";

/// What stops the service's next move, in a word or two.
fn stops(service: &ServiceAnswer) -> String {
    let holds = service.holds.iter().filter(|hold| hold.in_force);
    let holds: Vec<&HoldAnswer> = holds.collect();
    let held = if holds.iter().any(|hold| hold.until.is_none()) {
        Some("until released".to_owned())
    } else {
        let last = holds.iter().filter_map(|hold| hold.until.as_deref()).max();
        last.map(|until| format!("until {until}"))
    };
    let cooldown = service.cooldown.iter().map(|cooldown| format!("cooldown until {}", cooldown.until));
    held.into_iter().chain(cooldown).collect::<Vec<_>>().join("; ")
}

/// A hold in a sentence.
fn held(hold: &HoldAnswer) -> String {
    let what = hold.service.as_deref().unwrap_or(EVERY);
    let until = hold.until.as_deref().map_or_else(|| "it is released".to_owned(), str::to_owned);
    let (was, note) = (if hold.in_force { "is" } else { "was" }, hold.note.as_deref());
    let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
    format!("{what} {was} held by {} until {until}: {}{note}", hold.owner, hold.reason)
}

fn holds_problems(problems: &[ProblemAnswer], paint: Paint) -> String {
    let line = |problem: &ProblemAnswer| {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = problem.file.as_ref().map(|file| format!("{file}{line}: ")).unwrap_or_default();
        let said = plain(&format!("{place}{} ({})", problem.detail, problem.code));
        format!("\n{} {said}\n  {}\n", paint.tone(Tone::Bad, "nothing can be moved:"), plain(&problem.hint))
    };
    problems.iter().map(line).collect()
}

/// Everything that is held.
pub(super) fn holds(answer: &HoldsAnswer, paint: Paint) -> String {
    let foot = seen(&answer.revision, answer.view_age_seconds);
    let mut text = match answer.holds.as_slice() {
        [] => "nothing is held\n".to_owned(),
        some => held_table(some, paint),
    };
    let count = count(answer.holds.len(), "hold", "holds");
    text.push_str(&format!("\n{}\n", paint.tone(Tone::Faint, &plain(&format!("{count} on {foot}")))));
    text + &warning(answer.config_problem.as_deref(), paint)
}

fn held_table(holds: &[HoldAnswer], paint: Paint) -> String {
    let mut table = Table::new(&["SERVICE", "SINCE", "UNTIL", "STATE", "WHY"]);
    for hold in holds {
        let state = if hold.in_force { ("in force", Tone::Unusual) } else { ("expired", Tone::Faint) };
        let note = hold.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        table.row([
            cell(hold.service.as_deref().unwrap_or(EVERY)),
            cell(hold.since.as_deref().unwrap_or("-")),
            cell(hold.until.as_deref().unwrap_or("-")),
            (state.0.to_owned(), Some(state.1)),
            cell(format!("{} by {}{note}", hold.reason, hold.owner)),
        ]);
    }
    table.text(paint)
}

/// What holding or releasing does, and what is held then.
pub(super) fn hold_plan(answer: &HeldAnswer, paint: Paint) -> String {
    let mut text = String::new();
    for line in &answer.lines {
        let what = line.service.as_deref().unwrap_or(EVERY);
        text.push_str(&format!("{}: {}\n", paint.tone(Tone::Strong, &plain(what)), plain(&line.outcome)));
    }
    if !answer.holds.is_empty() {
        text.push_str(&format!("\n{}", held_table(&answer.holds, paint)));
    }
    if !answer.diff.is_empty() {
        text.push_str(&format!("\n{}", diff(&answer.diff, paint)));
    }
    text + &warning(answer.config_problem.as_deref(), paint)
}

/// That the config in force is not the file as it is.
pub(super) fn warning(config_problem: Option<&str>, paint: Paint) -> String {
    config_problem
        .map(|problem| format!("{} {}\n", paint.tone(Tone::Bad, "warning:"), plain(problem)))
        .unwrap_or_default()
}

/// One service in full.
pub(super) fn status(answer: &Status, paint: Paint) -> String {
    let service = &answer.service;
    let (where_it_is, tone) = active(&service.active);
    let tone = tone.unwrap_or(Tone::Strong);
    let mut text = format!(
        "{} is {}\n\n{} in namespace {}\n",
        paint.tone(Tone::Strong, &plain(&service.name)),
        paint.tone(tone, &plain(&where_it_is)),
        plain(&workload(service)),
        plain(&service.namespace)
    );
    let mut table = Table::new(&["FIELD", "VALUE", "SIDE", "PLACE"]);
    for setting in &service.settings {
        let field = format!("{}/{} {}", setting.target.kind, setting.target.name, setting.field);
        let place = format!("{}:{}", setting.file, setting.line);
        table.row([cell(field), cell(value(&setting.current)), active(&setting.side), cell(place)]);
    }
    if !service.settings.is_empty() {
        text.push_str(&format!("\n{}", table.text(paint)));
    }
    for problem in &service.problems {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = problem.file.as_ref().map(|file| format!("{file}{line}: ")).unwrap_or_default();
        let said = format!("{place}{} ({})\n  {}", problem.detail, problem.code, problem.hint);
        text.push_str(&format!(
            "\n{} {}\n",
            paint.tone(Tone::Bad, "problem:"),
            said.split('\n').map(plain).collect::<Vec<_>>().join("\n")
        ));
    }
    for hold in &service.holds {
        text.push_str(&format!("\n{}\n", paint.tone(Tone::Unusual, &plain(&held(hold)))));
    }
    if let Some(cooldown) = &service.cooldown {
        let commit = cooldown.commit.get(..12).unwrap_or(&cooldown.commit);
        let said = format!("cooldown after commit {commit} until {}", cooldown.until);
        text.push_str(&format!("\n{}\n", paint.tone(Tone::Unusual, &plain(&said))));
    }
    text.push_str(&holds_problems(&answer.holds_problems, paint));
    if let Some(last) = &service.last_operation {
        let commit = last.commit.get(..12).unwrap_or(&last.commit);
        text.push_str(&format!(
            "\nlast move: {} {} ({})\n",
            plain(&last.time),
            plain(&event(last)),
            plain(commit)
        ));
    }
    if let (Some(to), false) = (&answer.findings_for, answer.findings.is_empty()) {
        text.push_str(&format!(
            "\na move to {} would find:\n{}",
            plain(to),
            findings(&answer.findings, paint)
        ));
    }
    let foot = format!("on {}", seen(&answer.revision, answer.view_age_seconds));
    text.push_str(&format!("\n{}\n", paint.tone(Tone::Faint, &plain(&foot))));
    text + &warning(answer.config_problem.as_deref(), paint)
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// What checks found, one on a line.
pub(super) fn findings(findings: &[Finding], paint: Paint) -> String {
    let line = |finding: &Finding| {
        let tone = match finding.verdict.as_str() {
            "pass" => Tone::Good,
            "block" => Tone::Bad,
            _ => Tone::Unusual,
        };
        let verdict = paint.tone(tone, &format!("{:<7}", plain(&finding.verdict)));
        format!(
            "  {verdict} {} ({}): {}\n",
            plain(&finding.check),
            plain(&finding.service),
            plain(&finding.detail)
        )
    };
    findings.iter().map(line).collect()
}

/// The moves, newest first.
pub(super) fn history(events: &[EventAnswer], revision: &str, age: u64, paint: Paint) -> String {
    let mut table = Table::new(&["TIME", "COMMIT", "SERVICES", "WHAT"]);
    for one in events {
        let services = match one.services.as_slice() {
            [first, second, third, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            few => few.join(", "),
        };
        let services = if services.is_empty() { EVERY.to_owned() } else { services };
        let commit = one.commit.get(..12).unwrap_or(&one.commit);
        let refused = match one.refused.len() {
            0 => String::new(),
            left => format!(" ({left} refused)"),
        };
        table.row([cell(&one.time), cell(commit), cell(services + &refused), cell(event(one))]);
    }
    let foot = format!("{} on {}", count(events.len(), "entry", "entries"), seen(revision, age));
    format!("{}\n{}\n", table.text(paint), paint.tone(Tone::Faint, &plain(&foot)))
}

/// A number of things.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What a move of one service changes: fields, findings, and the diff where there is one.
pub(super) fn plan(answer: &MoveAnswer, paint: Paint) -> String {
    let mut text = String::new();
    if let Some(service) = &answer.service {
        text.push_str(&format!(
            "{}: {} -> {}\n",
            paint.tone(Tone::Strong, &plain(service)),
            plain(answer.from.as_deref().unwrap_or("-")),
            plain(answer.to.as_deref().unwrap_or("-"))
        ));
        answer.changes.iter().for_each(|one| text.push_str(&change(one)));
        if answer.changes.is_empty() {
            text.push_str("  is there already\n");
        }
    }
    if !answer.findings.is_empty() {
        text.push_str(&format!("findings:\n{}", findings(&answer.findings, paint)));
    }
    if !answer.diff.is_empty() {
        text.push_str(&format!("\n{}", diff(&answer.diff, paint)));
    }
    text + &warning(answer.config_problem.as_deref(), paint)
}

/// A field that changes, on a line.
pub(super) fn change(change: &ChangeAnswer) -> String {
    let line = format!(
        "  {}/{} {}: {} -> {}  ({}:{})",
        change.target.kind,
        change.target.name,
        change.field,
        value(&change.from),
        value(&change.to),
        change.file,
        change.line
    );
    plain(&line) + "\n"
}

/// A unified diff for people.
pub(super) fn diff(text: &str, paint: Paint) -> String {
    let line = |line: &str| {
        let line = plain(line.trim_end_matches('\r'));
        let tone = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'd', b'i', b'f', b'f', ..] => Tone::Strong,
            [b'+', ..] => Tone::Good,
            [b'-', ..] => Tone::Bad,
            [b'@', ..] => Tone::Place,
            _ => return format!("{line}\n"),
        };
        format!("{}\n", paint.tone(tone, &line))
    };
    text.lines().map(line).collect()
}
