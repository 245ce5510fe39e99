//! A unified diff with what changes in each line marked.

use maud::{Markup, html};

/// The diff as marked text. Signs stay, so that it says the same without colours.
pub(super) fn marked(diff: &str) -> Markup {
    // The names follow on lines of their own.
    let lines: Vec<&str> = diff.lines().filter(|line| !line.starts_with("diff --git ")).collect();
    html! {
        @for (index, line) in lines.iter().enumerate() {
            @let (before, after) = (index.checked_sub(1).and_then(|i| lines.get(i)), lines.get(index + 1));
            @match line.as_bytes().first() {
                Some(b'+') if !line.starts_with("+++ ") => ins { (changed(line, before, '-')) "\n" },
                Some(b'-') if !line.starts_with("--- ") => del { (changed(line, after, '+')) "\n" },
                Some(b'@') => span class="hunk" { (line) "\n" },
                Some(b' ') => { (line) "\n" },
                _ => span class="meta" { (line) "\n" },
            }
        }
    }
}

/// The line with the part in bold that differs from the one that takes its place, if `other` is that one.
fn changed(line: &str, other: Option<&&str>, sign: char) -> Markup {
    let other = other.and_then(|other| other.strip_prefix(sign));
    let (Some(other), Some(text)) = (other, line.get(1..)) else { return html! { (line) } };
    let same = |(a, b): &(char, char)| a == b;
    let start: usize = text.chars().zip(other.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let (text_end, other_end) = (&text[start..], &other[start..]);
    let end: usize = (text_end.chars().rev().zip(other_end.chars().rev()))
        .take_while(same)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let (middle, end) = text_end.split_at(text_end.len() - end);
    html! { (&line[..1]) (&text[..start]) @if !middle.is_empty() { b { (middle) } } (end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_in_a_line_is_marked_and_nothing_is_lost() {
        let diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n name: <b>\n-  claim: 'ä'\n+  claim: 'ä-backup'\n";
        let marked = marked(diff).into_string();
        assert_eq!(
            marked,
            "<span class=\"meta\">--- a/x\n</span><span class=\"meta\">+++ b/x\n</span><span class=\"hunk\">@@ -1 +1 @@\n</span> \
             name: &lt;b&gt;\n<del>-  claim: 'ä'\n</del><ins>+  claim: 'ä<b>-backup</b>'\n</ins>"
        );
    }
}
