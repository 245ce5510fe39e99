//! What must not be edited, with the code of the refusal.

use super::{Case, no};
use failover_core::code::Code;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = anchors();
    cases.extend(forms());
    cases.extend(templates());
    cases.extend(duplicates());
    cases.extend(unreadable());
    cases.extend(hostile());
    // For the API server the line separator ends a line here, and the value is a mapping.
    cases.push(no("a: \n  b:\u{2028} ", "a", "new", Code::EditUnverified));
    cases
}

fn anchors() -> Vec<Case> {
    let shared = |text: &str, path: &str| no(text, path, "new", Code::FieldAnchored);
    vec![
        shared("a: &x old\nb: *x\n", "a"),
        shared("a: &x {b: old}\nc: *x\n", "a.b"),
        shared("a: &x\n  b: old\nc: *x\n", "a.b"),
        shared("a: &x\n  b: old\nc: *x\n", "c.b"),
        shared("a: &x\n  b: old\nc:\n  <<: *x\n", "c.b"),
        shared("a: &x\n  b: old\nc:\n  <<: *x\n", "a.b"),
        shared("a: &x\n  b: old\nc:\n  <<: [*x]\n  d: 1\n", "c.b"),
        shared("a:\n  <<: {b: old}\n", "a.b"),
        shared("a: &x\n  b: {c: old}\nc:\n  <<: *x\n", "c.b.c"),
        shared("l: &x\n- name: d\n  v: old\nm: *x\n", "l.[name=d].v"),
        shared("l: &x\n- name: d\n  v: old\nm: *x\n", "m.[name=d].v"),
        shared("l:\n- &x\n  name: d\n  v: old\nm: [*x]\n", "l.[name=d].v"),
        shared("i: &x {name: d, v: old}\nl:\n- *x\n", "l.[name=d].v"),
        shared("a: &x\n  b: 1\nc: *x\n", "a.q"),
        shared("a: &x\n  b: 1\nc: *x\n", "c.q"),
        shared("a: &x {}\nc: *x\n", "a.q"),
        shared("a: &x\nc: *x\n", "a.q"),
        shared("a: &x\nc: *x\n", "a"),
        shared("a: &x\nc: *x\n", "c.q"),
        shared("b: &b {q: {}}\ns:\n  <<: *b\n", "s.q.v"),
    ]
}

fn forms() -> Vec<Case> {
    let form = |text: &str, path: &str| no(text, path, "new", Code::FieldUneditable);
    vec![
        form("a: |\n  old\n", "a"),
        form("a: |-\n  old\nb: 1\n", "a"),
        form("a: |+\n  old\n\n\nb: 1\n", "a"),
        form("a: >\n  old\n", "a"),
        form("a: >-\n  old\n  more\n", "a"),
        form("a: |2\n    old\n", "a"),
        form("a: !!str old\n", "a"),
        form("a: !!str\nb: 1\n", "a"),
        form("a: !vault old\n", "a"),
        form("a: !!map\n  b: old\n", "a.b"),
        form("a: !x {b: old}\n", "a.b"),
        form("a: !!map {}\n", "a.b"),
        form("l: !!seq\n- name: d\n  v: old\n", "l.[name=d].v"),
        form("--- !x\na: old\n", "a"),
        form("a:\n  b: 1\n", "a"),
        form("a: {}\n", "a"),
        form("a: []\n", "a"),
        form("a:\n- b\n", "a"),
        form("a: text\n", "a.b"),
        form("a: 1\n", "a.b.c"),
        form("a: ''\n", "a.b"),
        form("a:\n- b: 1\n", "a.b"),
        form("a: []\n", "a.b"),
        form("a:\n  b: 1\n", "a.[name=d].v"),
        form("a: text\n", "a.[name=d].v"),
        form("- a\n", "a"),
        form("text\n", "a"),
        form("--- |\n  text\n", "a"),
        form("", "a").with(Code::FieldNotFound),
        form("---\n", "a"),
        form("# nothing\n---\n# nothing\n", "a"),
        form("a: 1\n", "a").doc(1).with(Code::FieldNotFound),
        form("l:\n- name: d\n  v: 1\n- name: d\n  v: 2\n", "l.[name=d].v"),
        form("l:\n- name: d\n- name: 'd'\n", "l.[name=d].v"),
        form("l:\n- name: d\n", "l.[name=d].name"),
        form("l: [{name: d, v: 1}]\n", "l.[name=d].name"),
        form("!!str a: old\n", "a"),
        form("! a: old\n", "a"),
        // A line cannot be put next to these keys.
        form("s:\n  ? a\n  : 1\n", "s.q"),
        form("? a\n: b: 1\n", "a.q"),
        form("s:\n  ?\n    a\n  : 1\n", "s.q"),
        form("?\n  a\n: 1\n", "q"),
        form("? a\n", "a"),
        form("? a\n", "a.q"),
        form("? a\n:\n", "a"),
        form("s:\n  &k a: 1\n", "s.q"),
        form("s:\n  !!str a: 1\n", "s.q"),
        form("s: {? a : 1}\n", "s.q"),
        form("s: {&k a: 1}\n", "s.q"),
        form("s: [a: 1]\n", "s.q"),
        form("l: [name: d]\n", "l.[name=d].q"),
        form("- ? name\n  : d\n", "[name=d].q"),
        // Kubernetes reads these keys as something else.
        form("on: old\n", "on"),
        form("y: old\n", "y"),
        form("a:\n  yes: old\n", "a.yes"),
        form("true: old\n", "true"),
        form("null: old\n", "null"),
        form("0x10: old\n", "0x10"),
        form("<<: {a: 1}\n", "<<.a"),
    ]
}

fn templates() -> Vec<Case> {
    let template = |text: &str, path: &str| no(text, path, "new", Code::FieldTemplated);
    vec![
        template("a: ${VAR}\n", "a"),
        template("a: pvc-${VAR}-x\n", "a"),
        template("a: \"${VAR}\"\n", "a"),
        template("a: '${VAR:=x}'\n", "a"),
        template("a: \"{{ .Release.Name }}\"\n", "a"),
        template("a: '{{ x }}-data'\n", "a"),
        template("a: x{{ y }}\n", "a"),
        template("a: {{ y }}\n", "a"),
        template("a: {{ y }}\n", "a.b"),
        template("a: ${VAR}\n", "a.b"),
        template("x: &x ${VAR}\na: *x\n", "a"),
        template("{\"a\": \"${VAR}\"}", "a"),
        template("a: |\n  ${VAR}\n", "a"),
    ]
}

fn duplicates() -> Vec<Case> {
    let twice = |text: &str, path: &str| no(text, path, "new", Code::ManifestUnreadable);
    vec![
        twice("a: 1\na: 2\n", "a"),
        twice("s:\n  a: 1\n  b: 1\n  \"a\": 2\n", "s.a"),
        twice("a: {b: 1, b: 2}\n", "a.b"),
        twice("a: 1\nb: 1\nb: 2\n", "a"),
        twice("a: 1\n---\nb: 1\nb: 2\n", "a"),
        twice("s:\n  a: 1\ns:\n  b: 1\n", "s.a"),
        twice("l:\n- name: d\n  name: e\n  v: 1\n", "l.[name=d].v"),
    ]
}

fn unreadable() -> Vec<Case> {
    let broken = |text: &str| no(text, "a", "new", Code::ManifestUnreadable);
    vec![
        broken("a: [x\n"),
        broken("x: {b:}\na: 1\n"),
        broken("a: {x\n"),
        broken("a: \"x\n"),
        broken("a: 'x\n"),
        broken("a: x: y\n"),
        broken("a: 1\n b: 2\n"),
        broken("a:\n\t- x\n\tb\n"),
        broken("\ta: 1\n"),
        broken("a: *nowhere\n"),
        broken("a: @x\n"),
        broken("a: `x\n"),
        broken("a: %x\n"),
        broken("a: 1\n---\nb: [\n"),
        broken("- a\nb: c\n"),
        broken("a: \"x\" y\n"),
        broken("a: \"\\q\"\n"),
        broken("{{- if .Values.x }}\na: 1\n{{- end }}\n"),
        broken("a: 1\n...\nb: 2\n"),
        broken("a: &x &y 1\n"),
        broken("%YAML 1.1\na: 1\n"),
        broken("a: 1\rb: 2\r"),
        broken("a: 1\nb: \"x\ry\"\n"),
        broken("a: 1\r\r\n"),
        broken("a: }\n"),
        broken("a: ]\n"),
        broken("a: 1\n}\n"),
        broken("a: \u{1}\n"),
        broken("a: x # \0\nb: 1\n"),
        broken("a: x\n\0b: 1\n"),
        broken("a: \"\u{7f}\"\n"),
        broken("b: x # \u{9b}\na: 1\n"),
        broken("a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n"),
    ]
}

fn hostile() -> Vec<Case> {
    let hostile = |text: String| no(&text, "a", "new", Code::ManifestUnreadable);
    let mut bomb = String::from("a: 1\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let aliases = vec![format!("*l{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
    }
    let wide =
        format!("a: 1\nx: &x [{}]\ny: [{}]\n", vec!["1"; 3000].join(", "), vec!["*x"; 3000].join(", "));
    vec![
        hostile(bomb),
        hostile(wide),
        hostile("a: &a [*a]\n".to_owned()),
        hostile("--- &x\na: old\nb: [*x]\n".to_owned()),
        hostile("a: &a {b: 1, c: {d: *a}}\n".to_owned()),
        hostile(format!("a: {}\n", "[".repeat(100_000))),
        hostile(format!("a: {}x{}\n", "[".repeat(200), "]".repeat(200))),
        hostile(format!("a: {}\n", "- ".repeat(10_000))),
        hostile(format!("a: {}\n", "{a: ".repeat(10_000))),
        hostile((0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        hostile("a: b ".repeat(1_000_000)),
        hostile("a: 1\n".repeat(2)),
    ]
}
