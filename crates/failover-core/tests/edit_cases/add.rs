//! A key that is missing is added, and nothing else moves.

use super::{Case, no, ok};
use failover_core::code::Code::FieldNotFound;
use failover_core::field::Insert;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = block();
    cases.extend(list_items());
    cases.extend(nested());
    cases.extend(null_parents());
    cases.extend(flow());
    cases.extend(keys());
    cases.extend(line_ends());
    cases.extend(limits());
    cases
}

fn block() -> Vec<Case> {
    vec![
        ok("s:\n  a: 1\n", "s.q", "v", "s:\n  q: v\n  a: 1\n"),
        ok("s:\n  a: 1\n  b: 2\n", "s.q", true, "s:\n  q: true\n  a: 1\n  b: 2\n"),
        ok("s:\n    a: 1\n", "s.q", 3, "s:\n    q: 3\n    a: 1\n"),
        ok("s:\n a: 1\n", "s.q", "v", "s:\n q: v\n a: 1\n"),
        ok("s: # why\n  a: 1\n", "s.q", "v", "s: # why\n  q: v\n  a: 1\n"),
        ok("s:\n  # about a\n  a: 1\n", "s.q", "v", "s:\n  q: v\n  # about a\n  a: 1\n"),
        ok("s:\n\n  # about a\n\n  a: 1\n", "s.q", "v", "s:\n  q: v\n\n  # about a\n\n  a: 1\n"),
        ok("s:\n# out\n  a: 1\n", "s.q", "v", "s:\n  q: v\n# out\n  a: 1\n"),
        ok("s: &x\n  a: 1\n", "s.q", "v", "s: &x\n  q: v\n  a: 1\n"),
        ok("s:\n  &x\n  a: 1\n", "s.q", "v", "s:\n  &x\n  q: v\n  a: 1\n"),
        ok("s:\n  a: 1 # beside\n", "s.q", "v", "s:\n  q: v\n  a: 1 # beside\n"),
        ok("s:\n  a: |\n    text\n\nt: 1\n", "s.q", "v", "s:\n  q: v\n  a: |\n    text\n\nt: 1\n"),
        ok("s:\n  \"a\": 1\n", "s.q", "v", "s:\n  q: v\n  \"a\": 1\n"),
        ok("s:\n  a:\n    b: 1\n", "s.q", "v", "s:\n  q: v\n  a:\n    b: 1\n"),
        ok("s:\n  <<: {x: 1}\n  a: 1\n", "s.q", "v", "s:\n  q: v\n  <<: {x: 1}\n  a: 1\n"),
        ok("s:\n  a: 1\n  ? b\n  : 2\n", "s.q", "v", "s:\n  q: v\n  a: 1\n  ? b\n  : 2\n"),
        ok("\"s\":\n  a: 1\n", "s.q", "v", "\"s\":\n  q: v\n  a: 1\n"),
        ok("s:\n  a: 1", "s.q", "v", "s:\n  q: v\n  a: 1"),
        ok("k: &k x\ns:\n  *k : 1\n", "s.q", "v", "k: &k x\ns:\n  q: v\n  *k : 1\n"),
        // At the top the comments belong to the file.
        ok("a: 1\n", "q", "v", "q: v\na: 1\n"),
        ok(
            "# yaml-language-server: x\n---\n# app\na: 1\n",
            "q",
            "v",
            "# yaml-language-server: x\n---\n# app\nq: v\na: 1\n",
        ),
        ok("  a: 1\n  b: 2\n", "q", "v", "  q: v\n  a: 1\n  b: 2\n"),
        ok("# c\n\n  a: 1\n", "q", "v", "# c\n\n  q: v\n  a: 1\n"),
        ok("x: 1\n---\ns:\n  a: 1\n---\ny: 1\n", "s.q", "v", "x: 1\n---\ns:\n  q: v\n  a: 1\n---\ny: 1\n")
            .doc(1),
        ok("x: 1\n---\n# c\na: 1\n", "q", "v", "x: 1\n---\n# c\nq: v\na: 1\n").doc(1),
        ok("s:\n  a: ${X}\n", "s.q", "v", "s:\n  q: v\n  a: ${X}\n"),
        ok("s:\n  a: &q 1\n  b: *q\n", "s.q", "v", "s:\n  q: v\n  a: &q 1\n  b: *q\n"),
    ]
}

fn list_items() -> Vec<Case> {
    vec![
        ok("l:\n- name: d\n  a: 1\n", "l.[name=d].q", "v", "l:\n- q: v\n  name: d\n  a: 1\n"),
        ok("l:\n  - name: d # c\n", "l.[name=d].q", "v", "l:\n  - q: v\n    name: d # c\n"),
        ok("l:\n  -   name: d\n", "l.[name=d].q", "v", "l:\n  -   q: v\n      name: d\n"),
        ok("l:\n-\n  name: d\n", "l.[name=d].q", "v", "l:\n-\n  q: v\n  name: d\n"),
        ok("l:\n- # c\n  # d\n  name: d\n", "l.[name=d].q", "v", "l:\n- # c\n  q: v\n  # d\n  name: d\n"),
        ok("l:\n- name: c\n- name: d\n", "l.[name=d].q", "v", "l:\n- name: c\n- q: v\n  name: d\n"),
        ok("- name: d\n", "[name=d].q", "v", "- q: v\n  name: d\n"),
        ok("- name: d", "[name=d].q", "v", "- q: v\n  name: d"),
        ok(
            "l:\n- m:\n    a: 1\n  name: d\n",
            "l.[name=d].m.q",
            "v",
            "l:\n- m:\n    q: v\n    a: 1\n  name: d\n",
        ),
        ok("l:\n- name: d\n", "l.[name=d].m.q", "v", "l:\n- m:\n    q: v\n  name: d\n"),
        ok("l:\n- name: d\r\n  a: 1\r\n", "l.[name=d].q", "v", "l:\n- q: v\r\n  name: d\r\n  a: 1\r\n"),
        ok("l: [{name: d}]\n", "l.[name=d].q", "v", "l: [{q: v, name: d}]\n"),
        ok("l:\n- {name: d}\n", "l.[name=d].q", "v", "l:\n- {q: v, name: d}\n"),
        ok("l:\n- m:\n  name: d\n", "l.[name=d].m.q", "v", "l:\n- m:\n    q: v\n  name: d\n"),
    ]
}

fn nested() -> Vec<Case> {
    vec![
        ok("s:\n  a: 1\n", "s.m.q", "v", "s:\n  m:\n    q: v\n  a: 1\n"),
        ok("s:\n    a: 1\n", "s.m.q", "v", "s:\n    m:\n        q: v\n    a: 1\n"),
        ok("s:\n   a: 1\n", "s.m.q", "v", "s:\n   m:\n      q: v\n   a: 1\n"),
        ok("a: 1\n", "m.q", "v", "m:\n  q: v\na: 1\n"),
        ok("a: 1\nx:\n    y: 1\n", "m.q", "v", "m:\n    q: v\na: 1\nx:\n    y: 1\n"),
        ok("s:\n  # about a\n  a: 1\n", "s.m.q", "v", "s:\n  m:\n    q: v\n  # about a\n  a: 1\n"),
        ok("s: {a: 1}\n", "s.m.q", "v", "s: {m: {q: v}, a: 1}\n"),
        ok("s: {}\n", "s.m.q", "v", "s: {m: {q: v}}\n"),
        ok("s:\n", "s.m.q", "v", "s:\n  m:\n    q: v\n"),
        ok("{\"s\": {\"a\": 1}}\n", "s.m.q", "v", "{\"s\": {\"m\": {\"q\": \"v\"}, \"a\": 1}}\n"),
        ok(
            "spec:\n  template:\n    spec:\n      containers: []\n",
            "spec.template.spec.nodeSelector.role",
            "backup",
            "spec:\n  template:\n    spec:\n      nodeSelector:\n        role: backup\n      containers: []\n",
        ),
        ok(
            "spec:\n  template:\n    spec:\n      containers: []\n",
            "spec.template.spec.nodeSelector.kubernetes\\.io/hostname",
            "w2",
            "spec:\n  template:\n    spec:\n      nodeSelector:\n        kubernetes.io/hostname: w2\n      containers: []\n",
        ),
    ]
}

fn null_parents() -> Vec<Case> {
    vec![
        ok("s:\n", "s.q", "v", "s:\n  q: v\n"),
        ok("s:", "s.q", "v", "s:\n  q: v"),
        ok("s: # why\n", "s.q", "v", "s: # why\n  q: v\n"),
        ok("s:   \nt: 1\n", "s.q", "v", "s:   \n  q: v\nt: 1\n"),
        ok("s:\n# about t\nt: 1\n", "s.q", "v", "s:\n  q: v\n# about t\nt: 1\n"),
        ok("a:\n  s:\n  t: 1\n", "a.s.q", "v", "a:\n  s:\n    q: v\n  t: 1\n"),
        ok("a:\n    s:\n    t: 1\n", "a.s.q", "v", "a:\n    s:\n        q: v\n    t: 1\n"),
        ok("s: &x\n", "s.q", "v", "s: &x\n  q: v\n"),
        ok("s: ~\n", "s.q", "v", "s: {q: v}\n"),
        ok("s: null # c\n", "s.q", "v", "s: {q: v} # c\n"),
        ok("s: {}\n", "s.q", "v", "s: {q: v}\n"),
        ok("s: {} # c\n", "s.q", "v", "s: {q: v} # c\n"),
        ok("s: { }\n", "s.q", "v", "s: { q: v }\n"),
        ok("s: {\n}\n", "s.q", "v", "s: {q: v\n}\n"),
        ok("s:\n  {}\n", "s.q", "v", "s:\n  {q: v}\n"),
        ok("a: {s: , t: 1}\n", "a.s.q", "v", "a: {s: {q: v} , t: 1}\n"),
        ok("a: {s, t: 1}\n", "a.s.q", "v", "a: {s: {q: v}, t: 1}\n"),
        ok("a: {s: ~}\n", "a.s.q", "v", "a: {s: {q: v}}\n"),
        ok("{\"s\": null}\n", "s.q", "v", "{\"s\": {\"q\": \"v\"}}\n"),
        ok("{\"s\": {}}\n", "s.q", 1, "{\"s\": {\"q\": 1}}\n"),
        ok("s:\r\nt: 1\r\n", "s.q", "v", "s:\r\n  q: v\r\nt: 1\r\n"),
        ok("---\ns:\n---\nt:\n", "s.q", "v", "---\ns:\n  q: v\n---\nt:\n"),
    ]
}

fn flow() -> Vec<Case> {
    vec![
        ok("s: {a: 1}\n", "s.q", "v", "s: {q: v, a: 1}\n"),
        ok("s: { a: 1 } # c\n", "s.q", "v", "s: { q: v, a: 1 } # c\n"),
        ok("s: {a}\n", "s.q", "v", "s: {q: v, a}\n"),
        ok("s: {a: 1,}\n", "s.q", "v", "s: {q: v, a: 1,}\n"),
        ok("s: {\n  a: 1\n}\n", "s.q", "v", "s: {\n  q: v,\n  a: 1\n}\n"),
        ok("s: { # c\n  a: 1 }\n", "s.q", "v", "s: { # c\n  q: v,\n  a: 1 }\n"),
        ok("s: {\n  # about a\n  a: 1\n}\n", "s.q", "v", "s: {\n  q: v,\n  # about a\n  a: 1\n}\n"),
        ok("s: {a: 1,\n    b: 2}\n", "s.q", "v", "s: {q: v, a: 1,\n    b: 2}\n"),
        ok("{a: 1}\n", "q", "v", "{q: v, a: 1}\n"),
        ok("s: {a: {b: 1}}\n", "s.a.q", "v", "s: {a: {q: v, b: 1}}\n"),
        ok("{\"a\": 1}", "q", "v", "{\"q\": \"v\", \"a\": 1}"),
        ok("{\"a\":1}", "q", true, "{\"q\": true, \"a\":1}"),
        ok("{\n  \"a\": 1\n}\n", "q", "v", "{\n  \"q\": \"v\",\n  \"a\": 1\n}\n"),
        ok("{\n\t\"a\": 1\n}\n", "q", "v", "{\n\t\"q\": \"v\",\n\t\"a\": 1\n}\n"),
        ok("{\r\n  \"a\": 1\r\n}\r\n", "q", "v", "{\r\n  \"q\": \"v\",\r\n  \"a\": 1\r\n}\r\n"),
    ]
}

fn keys() -> Vec<Case> {
    let key =
        |path: &str, written: &str| ok("s:\n  a: 1\n", path, "v", &format!("s:\n  {written}: v\n  a: 1\n"));
    vec![
        key("s.kubernetes\\.io/hostname", "kubernetes.io/hostname"),
        key("s.on", "\"on\""),
        key("s.y", "\"y\""),
        key("s.null", "\"null\""),
        key("s.1e3", "\"1e3\""),
        key("s.0x10", "\"0x10\""),
        key("s.a:b", "\"a:b\""),
        key("s.it's", "\"it's\""),
        key("s.q\"q", "\"q\\\"q\""),
        key("s.-x", "\"-x\""),
        key("s.#x", "\"#x\""),
        key("s.a b", "a b"),
        key("s.über", "über"),
        key("s.<<", "\"<<\""),
        key("s.~", "\"~\""),
        key("s.{a}", "\"{a}\""),
        key("s.v1\\.2", "v1.2"),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        ok("s:\r\n  a: 1\r\n", "s.q", "v", "s:\r\n  q: v\r\n  a: 1\r\n"),
        ok("s:\r\n  a: 1\r\n", "s.m.q", "v", "s:\r\n  m:\r\n    q: v\r\n  a: 1\r\n"),
        ok("s:\r\n  # c\r\n\r\n  a: 1", "s.q", "v", "s:\r\n  q: v\r\n  # c\r\n\r\n  a: 1"),
        ok("a: 1\r\n", "q", "v", "q: v\r\na: 1\r\n"),
        ok("a: 1\ns:\r\n  b: 1\r\n", "s.q", "v", "a: 1\ns:\r\n  q: v\r\n  b: 1\r\n"),
        ok("x: 1\r\ns:", "s.q", "v", "x: 1\r\ns:\r\n  q: v"),
        ok("\u{feff}a: 1\n", "q", "v", "\u{feff}q: v\na: 1\n"),
        ok("\u{feff}s:\n  a: 1\n", "s.q", "v", "\u{feff}s:\n  q: v\n  a: 1\n"),
        ok("\u{feff}{}", "q", "v", "\u{feff}{q: v}"),
        ok("\u{feff}s:", "s.q", "v", "\u{feff}s:\n  q: v"),
        ok("a: 1", "q", "v", "q: v\na: 1"),
    ]
}

fn limits() -> Vec<Case> {
    vec![
        no("s:\n  a: 1\n", "s.q", "v", FieldNotFound).insert(Insert::Never),
        no("s: {}\n", "s.q", "v", FieldNotFound).insert(Insert::Never),
        no("s:\n", "s.q", "v", FieldNotFound).insert(Insert::Never),
        no("s:\n  a: 1\n", "s.m.q", "v", FieldNotFound).insert(Insert::LastKey),
        no("s:\n  a: 1\n", "s.k.m.q", "v", FieldNotFound),
        no("a: 1\n", "s.m.q", "v", FieldNotFound),
        ok("s:\n  a: 1\n", "s.q", "v", "s:\n  q: v\n  a: 1\n").insert(Insert::LastKey),
        no("s:\n  a: 1\n", "s.l.[name=x].q", "v", FieldNotFound),
        no("s:\n  l:\n", "s.l.[name=x].q", "v", failover_core::code::Code::FieldUneditable),
        no("s:\n  l: []\n", "s.l.[name=x].q", "v", FieldNotFound),
        no("s:\n  l:\n  - name: y\n", "s.l.[name=x].q", "v", FieldNotFound),
        no("s:\n  l:\n  - nom: x\n", "s.l.[name=x].q", "v", FieldNotFound),
        no("s:\n  l:\n  - name: {x: 1}\n", "s.l.[name=x].q", "v", FieldNotFound),
    ]
}
