//! A plan as a unified diff and as a mail patch.

use std::fmt::Write as _;

use jiff::Timestamp;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::config::HOLDS_PATH;
use crate::holding::HoldPlan;
use crate::plan::{FileChange, Plan};

const CONTEXT_LINES: usize = 3;

/// The plan as `git diff` would show it; `git apply` takes it.
#[must_use]
pub fn unified_diff(plan: &Plan) -> String {
    plan.files.iter().map(file_diff).collect()
}

/// One file's part of [`unified_diff`].
#[must_use]
pub fn file_diff(file: &FileChange) -> String {
    text_diff(file.path.as_str(), Some(&file.before), Some(&file.after))
}

/// A change of the holds file as `git diff` would show it; `git apply` takes it.
#[must_use]
pub fn hold_diff(plan: &HoldPlan) -> String {
    if plan.is_empty() {
        return String::new();
    }
    text_diff(HOLDS_PATH, plan.before.as_deref(), plan.after.as_deref())
}

/// The plan as a mail that `git am` turns into the very commit, for the night the Git host is down.
///
/// `author` is `Name <email>`. Empty when nothing changes.
#[must_use]
pub fn mail_patch(plan: &Plan, author: &str, now: Timestamp) -> String {
    if plan.is_empty() {
        return String::new();
    }
    let files: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
    mail(&plan.message, &files, &unified_diff(plan), author, now)
}

/// The same of a change of the holds file.
#[must_use]
pub fn hold_patch(plan: &HoldPlan, author: &str, now: Timestamp) -> String {
    if plan.is_empty() {
        return String::new();
    }
    mail(&plan.message, &[HOLDS_PATH], &hold_diff(plan), author, now)
}

fn mail(message: &str, files: &[&str], diff: &str, author: &str, now: Timestamp) -> String {
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    let mut text = String::new();
    // Writing to a String cannot fail. Git knows its mails by this date; the commit's id is not known yet.
    let _ = writeln!(text, "From {:0<40} Mon Sep 17 00:00:00 2001", "");
    let _ = writeln!(text, "From: {}", mail_address(author));
    let _ = writeln!(text, "Date: {}", now.strftime("%a, %d %b %Y %H:%M:%S +0000"));
    let _ = writeln!(text, "Subject: [PATCH] {subject}");
    let _ = writeln!(
        text,
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit"
    );
    let _ = writeln!(text, "{}\n---", body.trim_end());
    for file in files {
        let _ = writeln!(text, " {file}");
    }
    let _ = writeln!(text, "\n{diff}--");
    let _ = writeln!(text, "failover-api {}", env!("CARGO_PKG_VERSION"));
    text
}

/// `Name <email>` as a mail header has it: a name with special characters is quoted.
fn mail_address(author: &str) -> String {
    let Some((name, email)) = author.rsplit_once(" <") else { return author.to_owned() };
    if name.contains(|c: char| "()<>[]:;@\\,.\"".contains(c)) {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("\"{name}\" <{email}");
    }
    author.to_owned()
}

/// One file before and after; `None` where it does not exist.
fn text_diff(path: &str, old_text: Option<&str>, new_text: Option<&str>) -> String {
    let before: Vec<&str> = old_text.unwrap_or_default().split_inclusive('\n').collect();
    let after: Vec<&str> = new_text.unwrap_or_default().split_inclusive('\n').collect();
    let (old, new) = (quote("a/", path), quote("b/", path));
    // Git ends a name that holds a space with a tab.
    let end = if path.contains(' ') { "\t" } else { "" };
    let mode = match (old_text, new_text) {
        (None, Some(_)) => "new file mode 100644\n",
        (Some(_), None) => "deleted file mode 100644\n",
        (_, _) => "",
    };
    let mut text = format!("diff --git {old} {new}\n{mode}");
    let none = || "/dev/null".to_owned();
    let (old, new) = (old_text.map_or_else(none, |_| old), new_text.map_or_else(none, |_| new));
    let _ = write!(text, "--- {old}{end}\n+++ {new}{end}\n");
    for hunk in group_diff_ops(capture_diff_slices(Algorithm::Myers, &before, &after), CONTEXT_LINES) {
        write_hunk(&mut text, &hunk, &before, &after);
    }
    text
}

fn write_hunk(text: &mut String, hunk: &[DiffOp], before: &[&str], after: &[&str]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let old = first.old_range().start..last.old_range().end;
    let new = first.new_range().start..last.new_range().end;
    let _ = writeln!(text, "@@ -{} +{} @@", extent(&old), extent(&new));
    for op in hunk {
        if op.tag() != DiffTag::Insert {
            let sign = if op.tag() == DiffTag::Equal { ' ' } else { '-' };
            before[op.old_range()].iter().for_each(|line| write_line(text, sign, line));
        }
        if matches!(op.tag(), DiffTag::Insert | DiffTag::Replace) {
            after[op.new_range()].iter().for_each(|line| write_line(text, '+', line));
        }
    }
}

fn extent(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        len => format!("{},{len}", range.start + 1),
    }
}

fn write_line(text: &mut String, sign: char, line: &str) {
    text.push(sign);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}

/// A name as Git writes it in a diff: quoted as in C when it holds a quote or a control character.
fn quote(prefix: &str, path: &str) -> String {
    if !path.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        return format!("{prefix}{path}");
    }
    let mut quoted = format!("\"{prefix}");
    for c in path.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(quoted, "\\{byte:03o}");
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
