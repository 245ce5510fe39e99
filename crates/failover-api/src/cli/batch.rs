//! A batch as people see it: the order, what becomes of each service, and how many there are.

use std::collections::BTreeMap;

use super::answers::{Counts, MoveAnswer, OneMove, Outcome};
use super::asked::Selected;
use super::ending::Finding;
use super::output::{Paint, Tone, plain};
use super::table;

/// Of more services than this a person is shown a line for each, and no fields and no diff.
const IN_FULL: usize = 20;
/// So many names stand for a longer list.
const NAMED: usize = 3;

/// What a move of one service or of many changes.
pub(super) fn plan(answer: &MoveAnswer, paint: Paint) -> String {
    match &answer.counts {
        None => table::plan(answer, paint),
        Some(counts) => many(answer, counts, paint),
    }
}

fn many(answer: &MoveAnswer, counts: &Counts, paint: Paint) -> String {
    let mut text = String::new();
    let to = plain(answer.to.as_deref().unwrap_or("-"));
    let in_full = counts.moved <= IN_FULL;
    if counts.moved > 1 {
        text.push_str(&format!(
            "{} to {to}, in this order:\n",
            table::count(counts.moved, "service", "services")
        ));
    }
    for (index, one) in with(answer, Outcome::Moved).enumerate() {
        let number = if counts.moved > 1 { format!("{}. ", index + 1) } else { String::new() };
        let from = plain(one.from.as_deref().unwrap_or("-"));
        let name = paint.tone(Tone::Strong, &plain(&one.service));
        text.push_str(&format!("{number}{name}: {from} -> {to}\n"));
        if in_full {
            one.changes.iter().for_each(|change| text.push_str(&table::change(change)));
        }
    }
    let there: Vec<&str> = with(answer, Outcome::AlreadyThere).map(|one| one.service.as_str()).collect();
    if !there.is_empty() {
        let named = if there.len() <= IN_FULL { there.join(", ") } else { some(&there) };
        text.push_str(&format!("at {to} already: {}\n", plain(&named)));
    }
    if counts.refused > 0 {
        text.push_str(&format!("{}\n", paint.tone(Tone::Bad, "refused, and left where they are:")));
        with(answer, Outcome::Refused).for_each(|one| text.push_str(&refused(one)));
    }
    text.push_str(&not_chosen(answer, paint));
    if !answer.findings.is_empty() {
        text.push_str("findings:\n");
        text.push_str(&if answer.services.len() <= IN_FULL {
            table::findings(&answer.findings, paint)
        } else {
            in_short(&answer.findings, paint)
        });
    }
    if !answer.diff.is_empty() {
        text.push('\n');
        if in_full {
            text.push_str(&table::diff(&answer.diff, paint));
        } else {
            let left_out = "the diff is left out because of its length; --dry-run -o diff shows it\n";
            text.push_str(&paint.tone(Tone::Faint, left_out));
        }
    }
    text + &table::warning(answer.config_problem.as_deref(), paint)
}

/// The services that may be on the node, too; each is named, however many there are.
pub(super) fn not_chosen(answer: &MoveAnswer, paint: Paint) -> String {
    if answer.not_chosen.is_empty() {
        return String::new();
    }
    let said = "not chosen, since where they run cannot be told:";
    let names = plain(&answer.not_chosen.join(", "));
    format!("{} {names}; name them to move them, too\n", paint.tone(Tone::Bad, said))
}

fn with(answer: &MoveAnswer, outcome: Outcome) -> impl Iterator<Item = &OneMove> {
    answer.services.iter().filter(move |one| one.outcome == outcome)
}

/// Everything that is against a service's move.
fn refused(one: &OneMove) -> String {
    if one.problems.is_empty() {
        return format!("  {}\n", plain(&one.service));
    }
    let lines = one.problems.iter().map(|problem| {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = problem.file.as_ref().map(|file| format!("{file}{line}: ")).unwrap_or_default();
        let said = format!("  {}: {place}{} ({})", one.service, problem.detail, problem.code);
        format!("{}\n    {}\n", plain(&said), plain(&problem.hint))
    });
    lines.collect()
}

/// What the checks found of many services: how many of them each finding is about.
fn in_short(findings: &[Finding], paint: Paint) -> String {
    let mut kinds: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for finding in findings {
        kinds.entry((&finding.verdict, &finding.check)).or_default().push(&finding.service);
    }
    let summed = kinds.into_iter().map(|((verdict, check), mut services)| {
        services.dedup();
        let number = table::count(services.len(), "service", "services");
        let detail = format!("{number}: {}", some(&services));
        Finding { check: check.to_owned(), verdict: verdict.to_owned(), service: "many".to_owned(), detail }
    });
    table::findings(&summed.collect::<Vec<_>>(), paint)
}

/// The first few names, and how many more there are.
fn some(names: &[&str]) -> String {
    match names.get(NAMED..) {
        Some(rest @ [_, ..]) => format!("{} and {} more", names[..NAMED].join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// The names of the services that moved or would, or of those that were asked for when none does.
pub(super) fn names(answer: &MoveAnswer) -> String {
    let moved: Vec<&str> = with(answer, Outcome::Moved).map(|one| one.service.as_str()).collect();
    let all = answer.service.iter().chain(answer.services.iter().map(|one| &one.service));
    let named = if moved.is_empty() { all.map(String::as_str).collect() } else { moved };
    plain(&some(&named))
}

/// What a question before a move calls it.
pub(super) fn title(answer: &MoveAnswer, selected: &Selected) -> String {
    let Some(Counts { moved, already_there, refused }) = &answer.counts else { return "this".to_owned() };
    let all = moved + already_there + refused;
    let services = match selected {
        Selected::All if all == *moved => {
            format!("all {} of the config", table::count(all, "service", "services"))
        }
        Selected::All => format!("{moved} of all {} of the config", table::count(all, "service", "services")),
        Selected::OnNode(label) if all == *moved && answer.not_chosen.is_empty() => {
            format!("all {} on {label}", table::count(all, "service", "services"))
        }
        Selected::OnNode(label) if all == *moved => {
            format!("{} on {label}", table::count(all, "service", "services"))
        }
        Selected::OnNode(label) => {
            format!("{moved} of {} on {label}", table::count(all, "service", "services"))
        }
        Selected::Named(_) if all == *moved => table::count(all, "service", "services"),
        Selected::Named(_) => format!("{moved} of {}", table::count(all, "service", "services")),
    };
    format!("this move of {services}{}", rest(*already_there, *refused, answer.not_chosen.len()))
}

/// How many services do not move, in brackets.
fn rest(already_there: usize, refused: usize, not_chosen: usize) -> String {
    let there = (already_there > 0).then(|| format!("{already_there} there already"));
    let refused = (refused > 0).then(|| format!("{refused} refused"));
    let not_chosen = (not_chosen > 0).then(|| format!("{not_chosen} not chosen"));
    let parts: Vec<String> = there.into_iter().chain(refused).chain(not_chosen).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// How many services have which outcome; nothing of a move of one service.
pub(super) fn tally(answer: &MoveAnswer, moved: &str) -> Option<String> {
    let counts = answer.counts.as_ref()?;
    Some(format!(
        "{} {moved}, {} there already, {} refused",
        counts.moved, counts.already_there, counts.refused
    ))
}

/// Whether a batch left services where they are.
pub(super) fn left_some(answer: &MoveAnswer) -> bool {
    answer.counts.as_ref().is_some_and(|counts| counts.refused > 0)
}

/// The refused lines as a reason to end: what is against each service.
pub(super) fn against(answer: &MoveAnswer) -> String {
    let lines = with(answer, Outcome::Refused).flat_map(|one| {
        one.problems
            .iter()
            .map(move |problem| format!("{}: {} ({})", one.service, problem.detail, problem.code))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The code of the first refused line, which decides how a batch ends that moves nothing.
pub(super) fn first_code(answer: &MoveAnswer) -> Option<&str> {
    with(answer, Outcome::Refused).find_map(|one| one.code.as_deref())
}
