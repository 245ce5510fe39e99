//! Texts that YAML takes for something else must stay texts, wherever they are written.

use super::{Case, ok, swap};

/// Texts that some YAML reader takes for something else, or that break the syntax when written bare.
const SPECIAL: &[&str] = &[
    "",
    " ",
    "yes",
    "Yes",
    "YES",
    "no",
    "No",
    "on",
    "On",
    "off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "true",
    "True",
    "TRUE",
    "tRuE",
    "false",
    "null",
    "Null",
    "~",
    "0",
    "1",
    "-1",
    "+1",
    "0123",
    "089",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1.5",
    "1.",
    ".5",
    "1e3",
    "1E+3",
    "-1.5e-3",
    "1:30",
    "190:20:30",
    "12:30:45",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "2001-01-01 00:00:00",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    ".NaN",
    "<<",
    "=",
    "-",
    "- a",
    "?",
    "? a",
    ":",
    "a:",
    "a: b",
    "#",
    "#a",
    "a #b",
    "!x",
    "&x",
    "*x",
    "%x",
    "@x",
    "`x",
    "|",
    ">",
    "\"",
    "'",
    "'a'",
    "\"a\"",
    "[",
    "]",
    "{",
    "}",
    "[a]",
    "{a: b}",
    ",",
    "a,b",
    "---",
    "...",
    " a",
    "a ",
    "a\nb",
    "a\n",
    "\ta",
    "a\tb",
    "\\",
    "99999999999999999999",
    "nan",
    "Infinity",
    "1e",
    "123abc",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in SPECIAL {
        // Written out, as JSON writes it.
        let quoted = serde_json::Value::from(*text).to_string();
        cases.push(swap("a: @ # c\nb: 1\n", "a", "old", *text, &quoted));
        cases.push(swap("a: {b: @, c: 1}\n", "a.b", "old", *text, &quoted));
        if !text.contains(['\n', '\t']) {
            let single = format!("'{}'", text.replace('\'', "''"));
            cases.push(swap("- name: d\n  a: @\n", "[name=d].a", "'old'", *text, &single));
        }
        cases.push(swap("{\"a\":@}", "a", "\"old\"", *text, &quoted));
        cases.push(ok("s:\n  a: 1\n", "s.q", *text, &format!("s:\n  q: {quoted}\n  a: 1\n")));
    }
    // Bare, because no reader can mistake them.
    for text in [
        "pvc-a",
        "a",
        "a1",
        "v1.2.3",
        "1.2.3",
        "10.0.0.5",
        "10Gi",
        "500m",
        "5m30s",
        "k3s-w1.local",
        "a/b",
        "a_b",
        "/var/lib",
        "yesterday",
        "nope",
        "nully",
        "truth",
        "onwards",
        "a.b.c",
        "A B C",
        "data+1",
        "über",
        "x@y",
        "1password",
        "2fa-pvc",
        "_x",
        "Node1",
    ] {
        cases.push(swap("a: @ # c\n", "a", "old", text, text));
        cases.push(swap("a: {b: @}\n", "a.b", "old", text, text));
        cases.push(swap("a: @\n", "a", "'old'", text, &format!("'{text}'")));
    }
    cases
}
