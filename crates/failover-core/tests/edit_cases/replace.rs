//! A value that is there gets another one.

use super::{Case, ok, swap};
use failover_core::field::Insert;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = block();
    cases.extend(lists());
    cases.extend(flow());
    cases.extend(keys());
    cases.extend(documents());
    cases.extend(line_ends());
    cases.extend(anchors());
    cases.extend(odd_text());
    cases.extend(unchanged());
    cases
}

fn block() -> Vec<Case> {
    vec![
        swap("a: @\n", "a", "old", "new", "new"),
        swap("a: @\n", "a", "'old'", "new", "'new'"),
        swap("a: @\n", "a", "\"old\"", "new", "\"new\""),
        swap("a: @ # why\n", "a", "old", "new", "new"),
        swap("a: @ # why\n", "a", "'old'", "new", "'new'"),
        swap("a: @# no comment\n", "a", "\"old\" ", "new", "\"new\" "),
        swap("a:    @   \nb: 1\n", "a", "old", "new", "new"),
        swap("a:\t@\t# tab\n", "a", "old", "new", "new"),
        swap("a:\n    @\nb: 1\n", "a", "old", "new", "new"),
        swap("a:\n    # above\n    @ # beside\nb: 1\n", "a", "old", "new", "new"),
        swap("a: @\nb: 1\n", "a", "two\n  lines", "new", "new"),
        swap("a: @ # c\nb: 1\n", "a", "\"two\n  lines\"", "new", "\"new\""),
        swap("a: @\nb: 1\n", "a", "'two\n\n  lines'", "new", "'new'"),
        swap("a: @\n", "a", "'it''s'", "that's", "'that''s'"),
        swap("a: @\n", "a", "'x'", "two\nlines", "\"two\\nlines\""),
        swap("a: @\n", "a", "\"a\\\"b\"", "c\"d\\", "\"c\\\"d\\\\\""),
        swap("a: @\n", "a", "old", "", "\"\""),
        swap("a: @\n", "a", "'old'", "", "''"),
        swap("a: @\n", "a", "''", "new", "'new'"),
        swap("a: @\n", "a", "true", false, "false"),
        swap("a: @\n", "a", "yes", false, "false"),
        swap("a: @ # c\n", "a", "on", false, "false"),
        swap("a: @\n", "a", "\"true\"", true, "true"),
        swap("a: @\n", "a", "'1'", 2, "2"),
        swap("a: @\n", "a", "1", 0, "0"),
        swap("a: @\n", "a", "0x10", -5, "-5"),
        swap("a: @\n", "a", "1.5", 2, "2"),
        swap("a: @\n", "a", "1", "1", "\"1\""),
        swap("a: @\n", "a", "true", "true", "\"true\""),
        swap("a: @\n", "a", "1", "one", "one"),
        swap("a: @\n", "a", "~", "new", "new"),
        swap("a: @ # c\n", "a", "null", true, "true"),
        swap("a:@\n", "a", "", "new", " new"),
        swap("a:@ # c\n", "a", "", "new", " new"),
        swap("a:@", "a", "", "new", " new"),
        swap("a:@   \nb: 1\n", "a", "", 7, " 7"),
        swap("a : @\n", "a", "old", "new", "new"),
        swap("a :@\n", "a", "", "new", " new"),
        swap("\"a\":@\n", "a", "", "new", " new"),
        swap("a: &x@\n", "a", "", "new", " new"),
        swap("a: &x @\n", "a", "old", "new", "new"),
        swap("x: {}\na: @\nb: []\n", "a", "old", "new", "new"),
        swap("? a\n: @\n", "a", "old", "new", "new"),
        swap("? a\n: b: @\n", "a.b", "old", "new", "new"),
        swap("a: @\n", "a", "old", "with space", "with space"),
        swap("a: @\n", "a", "old", "10.0.0.2", "10.0.0.2"),
        swap("a: @\n", "a", "10Gi", "20Gi", "20Gi"),
        swap("a: @\n", "a", "old", "image:v1", "image:v1"),
        swap("a: @\n", "a", "old", "registry.example.org/a/b@sha256", "registry.example.org/a/b@sha256"),
        swap("a: @\nb: |\n  a: old\nc: >-\n  a: old\n", "a", "old", "new", "new"),
        swap("b: |+\n  a: old\n\n\na: @\n", "a", "old", "new", "new"),
        swap("x:\n  a: old\na: @\ny:\n  a: old\n", "a", "old", "new", "new"),
        swap("# a: old\na: @\n# a: old\n", "a", "old", "new", "new"),
        swap("b: 'a: old'\na: @\n", "a", "old", "new", "new"),
        swap("a: @\n", "a", "old", "new", "new").insert(Insert::Never),
        swap("a: @\n", "a", "-1", "x", "x"),
        swap("a: @", "a", "-l %;", "10.0.0.5", "10.0.0.5"),
        swap("a: @", "a", "10.0.0.5", "-l %;", "\"-l %;\""),
        swap("a: @\n", "a", "a#b", "a#c", "\"a#c\""),
        swap("spec:\n  a:\n    b:\n      c: @\n", "spec.a.b.c", "old", "new", "new"),
        swap("spec:\n   a:\n         b: @\n", "spec.a.b", "old", "new", "new"),
    ]
}

fn lists() -> Vec<Case> {
    let claim = "spec.volumes.[name=data].persistentVolumeClaim.claimName";
    vec![
        swap(
            "spec:\n  volumes:\n    - name: config\n      persistentVolumeClaim:\n        claimName: pvc-a\n    - name: data\n      persistentVolumeClaim:\n        claimName: @ # here\n",
            claim,
            "pvc-a",
            "pvc-b",
            "pvc-b",
        ),
        swap(
            "spec:\n  volumes:\n  - persistentVolumeClaim: {claimName: @}\n    name: data\n  - name: other\n",
            claim,
            "pvc-a",
            "pvc-b",
            "pvc-b",
        ),
        swap(
            "spec:\n  volumes: [{name: data, persistentVolumeClaim: {claimName: @}}]\n",
            claim,
            "a",
            "b",
            "b",
        ),
        swap(
            "spec:\n  volumes:\n  -   name: 'data'\n      persistentVolumeClaim:\n          claimName: @\n",
            claim,
            "a",
            "b",
            "b",
        ),
        swap(
            "spec:\n  volumes:\n  -\n    name: \"data\"\n    persistentVolumeClaim:\n      claimName: @\n",
            claim,
            "a",
            "b",
            "b",
        ),
        swap("l:\n- - x\n- name: 5\n  v: @\n", "l.[name=5].v", "a", "b", "b"),
        swap("l:\n- name: true\n  v: @\n", "l.[name=true].v", "a", "b", "b"),
        swap("l:\n- text\n- {}\n- name: d\n  v: @\n", "l.[name=d].v", "a", "b", "b"),
        swap(
            "l:\n- name: d\n  m:\n  - k: x\n    v: @\n  - k: y\n    v: old\n",
            "l.[name=d].m.[k=x].v",
            "old",
            "new",
            "new",
        ),
        swap("l:\n- name: &n d\n  v: @\n- x: *n\n", "l.[name=d].v", "old", "new", "new"),
        swap("n: &n d\nl:\n- name: *n\n  v: @\n- name: e\n  v: old\n", "l.[name=d].v", "old", "new", "new"),
        swap("b: &b {name: d}\nl:\n- <<: *b\n  v: @\n", "l.[name=d].v", "old", "new", "new"),
        swap("l:\n- name: a=b\n  v: @\n", "l.[name=a=b].v", "old", "new", "new"),
        swap("- name: d\n  v: @\n", "[name=d].v", "old", "new", "new"),
    ]
}

fn flow() -> Vec<Case> {
    vec![
        swap("a: {b: @}\n", "a.b", "old", "new", "new"),
        swap("a: {b: @, c: 1}\n", "a.b", "old", "new", "new"),
        swap("a: { c: 1, b: @ } # c\n", "a.b", "old", "new", "new"),
        swap("a: {b: @}\n", "a.b", "'old'", "x,y", "'x,y'"),
        swap("a: {b: @}\n", "a.b", "old", "x,y", "\"x,y\""),
        swap("a: {b: @}\n", "a.b", "old", "x:y", "\"x:y\""),
        swap("a: {b:@ }\n", "a.b", "", "new", " new"),
        swap("a: {b:@ , c: 1}\n", "a.b", "", "new", " new"),
        swap("a: {b@, c: 1}\n", "a.b", "", "new", ": new"),
        swap("a: {c: 1, b@ }\n", "a.b", "", "new", ": new"),
        swap("a: {\n  b: @, # c\n  c: 1\n}\n", "a.b", "old", "new", "new"),
        swap("a: {\n  b:\n    @,\n  c: 1}\n", "a.b", "old", "new", "new"),
        swap("a: [{b: x}, [c: d]]\nz: @\n", "z", "1", 2, "2"),
        swap("a: {'b':@}\n", "a.b", "'x'", true, "true"),
        swap("a: {\"b\":@}\n", "a.b", "\"x\"", 5, "5"),
        swap("{a: @}\n", "a", "old", "new", "new"),
        swap("--- {a: @}\n", "a", "old", "new", "new"),
        // JSON is YAML.
        swap("{\"a\": @}\n", "a", "\"old\"", "new", "\"new\""),
        swap("{\"a\":@,\"b\":1}", "a", "\"old\"", "new", "\"new\""),
        swap("{\"a\": @}", "a", "1", "new", "\"new\""),
        swap("{\"a\": @}", "a", "null", "new", "\"new\""),
        swap("{\"a\": @}", "a", "true", false, "false"),
        swap("{\n\t\"a\": {\n\t\t\"b\": @\n\t}\n}\n", "a.b", "\"old\"", "new", "\"new\""),
        swap(
            "{\"l\": [{\"name\": \"d\", \"v\": @}]}\n",
            "l.[name=d].v",
            "\"old\"",
            "a\"b\\c",
            "\"a\\\"b\\\\c\"",
        ),
        swap("{\"a\": @}", "a", "\"old\"", "tab\there\u{1}", "\"tab\\there\\u0001\""),
        swap("{\"a\": @}", "a", "\"\\u00fcber\"", "ünder", "\"ünder\""),
    ]
}

fn keys() -> Vec<Case> {
    vec![
        swap("sel:\n  kubernetes.io/hostname: @\n", "sel.kubernetes\\.io/hostname", "w1", "w2", "w2"),
        swap("sel:\n  \"kubernetes.io/hostname\": @\n", "sel.kubernetes\\.io/hostname", "w1", "w2", "w2"),
        swap("sel:\n  k8s:io.pod: @\n", "sel.k8s:io\\.pod", "w1", "w2", "w2"),
        swap("'it''s': @\n", "it's", "a", "b", "b"),
        swap("\"a\\\"b\": @\n", "a\"b", "a", "b", "b"),
        swap("a b: @\n", "a b", "x", "z", "z"),
        swap("\"on\": @\n", "on", "x", "z", "z"),
        swap("'true': @\n", "true", "x", "z", "z"),
        swap("ünï: @\n", "ünï", "x", "z", "z"),
        swap("m:\n  8080a: @\n", "m.8080a", "x", "z", "z"),
        swap("b:: @\n", "b:", "x", "z", "z"),
        swap("a,b: @\n", "a,b", "x", "z", "z"),
        swap("-a: @\n", "-a", "x", "z", "z"),
        swap("a-b_c/d: @\n", "a-b_c/d", "x", "z", "z"),
        swap("&k key: @\nother: *k\n", "key", "x", "z", "z"),
        swap("k: &k name\n*k : @\n", "name", "x", "z", "z"),
        swap("? \"key\"\n: @\n", "key", "x", "z", "z"),
        swap("\"a.b\": 1\na:\n  b: @\n", "a.b", "x", "z", "z"),
    ]
}

fn documents() -> Vec<Case> {
    vec![
        swap("a: old\n---\na: @\n---\na: old\n", "a", "old", "new", "new").doc(1),
        swap("---\na: @\n", "a", "old", "new", "new"),
        swap("--- # first\na: @\n...\n", "a", "old", "new", "new"),
        swap("---\n---\na: @\n", "a", "old", "new", "new").doc(1),
        swap("---\n# nothing\n---\na: @\n---\n", "a", "old", "new", "new").doc(1),
        swap("%YAML 1.1\n---\na: @\n", "a", "old", "new", "new"),
        swap("a: 1\n...\n---\na: @\n", "a", "old", "new", "new").doc(1),
        swap("# head\n\n---\na: @\n", "a", "old", "new", "new"),
        swap("a: |\n  ---\n  a: old\n---\na: @\n", "a", "old", "new", "new").doc(1),
        swap("a: 'x ---'\n---\na: @\n", "a", "old", "new", "new").doc(1),
        swap("---\na: 1\n---\n- x\n---\ntext\n---\na: @\n", "a", "old", "new", "new").doc(3),
        swap("x: &a 1\ny: *a\n---\nx: &a @\n", "x", "old", "new", "new").doc(1),
        swap("---\na: 1\n---   \na: @\n", "a", "old", "new", "new").doc(1),
        swap("a: 1\n--- \t# c\na: @\n---\n", "a", "old", "new", "new").doc(1),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        swap("a: @\r\nb: 1\r\n", "a", "old", "new", "new"),
        swap("a: @ # c\r\nb: 1\r\n", "a", "'old'", "new", "'new'"),
        swap("a:@\r\nb: 1\r\n", "a", "", "new", " new"),
        swap("a: @\r\nb: 1\r\n", "a", "two\r\n  lines", "new", "new"),
        swap("b: 1\r\na: @", "a", "old", "new", "new"),
        swap("b: 1\na: @", "a", "old", "new", "new"),
        swap("a: @\r\nb: 1\n", "a", "old", "new", "new"),
        swap("\u{feff}a: @\nb: 1\n", "a", "old", "new", "new"),
        swap("\u{feff}a: @\r\nb: 1", "a", "\"old\"", "new", "\"new\""),
        swap("\u{feff}---\na: 1\n---\na: @\n", "a", "old", "new", "new").doc(1),
        swap("\u{feff}{\"a\": @}", "a", "\"old\"", "new", "\"new\""),
        swap("\n\n\na: @\n\n\n", "a", "old", "new", "new"),
    ]
}

fn anchors() -> Vec<Case> {
    vec![
        swap("x: &x old\na: @\n", "a", "*x", "new", "new"),
        swap("x: &x old\na: @ # c\n", "a", "*x", "yes", "\"yes\""),
        swap("x: &x old\na: {b: @, c: 1}\n", "a.b", "*x", "new", "new"),
        swap("x: &x old\na: @\ny: *x\n", "a", "*x", 3, "3"),
        swap("x: &x old\na: @\n", "a", "z", "new", "new"),
        swap("x: &x {a: 1}\nc:\n  <<: *x\n  b: @\n", "c.b", "old", "new", "new"),
        swap("x: &x {b: 1}\nc:\n  <<: *x\n  b: @\n", "c.b", "old", "new", "new"),
        swap("x: &x\n  b: @\n", "x.b", "old", "new", "new"),
        swap("l: &l\n- &i\n  name: d\n  v: @\n", "l.[name=d].v", "old", "new", "new"),
        swap("x: &x {<<: {a: 1}, b: @}\n", "x.b", "old", "new", "new"),
    ]
}

fn odd_text() -> Vec<Case> {
    let long = "x".repeat(5000);
    vec![
        swap("a: @ # é\n", "a", "ü", "ö", "ö"),
        swap("ü: 😀\na: @\n", "a", "\"😀\"", "😎", "\"😎\""),
        swap("a: @\n", "a", "日本", "日", "日"),
        swap("a: @\n", "a", "old", "😎", "\"😎\""),
        swap("a: @\n", "a", "old", "\u{2028}", "\"\\u2028\""),
        swap("a: @\n", "a", "old", "\u{feff}x", "\"\\uFEFFx\""),
        swap("a: @\n", "a", "old", "\u{85}", "\"\\u0085\""),
        swap("a: @\n", "a", "'old'", "\u{7f}", "\"\\u007F\""),
        swap("a: @\n", "a", "old", "\0", "\"\\u0000\""),
        swap(&format!("b: {long}\na: @ # {long}\n"), "a", "old", "new", "new"),
        swap("a: @\n", "a", &long, "new", "new"),
        swap("a: @\n", "a", "old", long.as_str(), &long),
        swap("a: @\n", "a", "'old'", long.as_str(), &format!("'{long}'")),
        swap("a: @\nb: ${VAR}\n", "a", "old", "new", "new"),
        swap("a: @\nb: \"{{ .Values.x }}\"\n", "a", "old", "new", "new"),
        swap("a: @ # ${VAR} {{ x }}\n", "a", "old", "new", "new"),
        swap("a: @\n", "a", "old", "${VAR}", "\"${VAR}\""),
        swap("a: @\n", "a", "$old", "new", "new"),
        swap("a: @\nb:\t1\n", "a", "o\tld", "new", "new"),
        swap("a: @ # {\"$imagepolicy\": \"flux-system:app\"}\n", "a", "app:1", "app:2", "app:2"),
    ]
}

/// The value is there already, in whatever form: nothing changes, not even where an edit would be refused.
fn unchanged() -> Vec<Case> {
    let same = |text: &str, path: &str, value: &str| ok(text, path, value, text);
    vec![
        same("a: x\n", "a", "x"),
        same("a: 'x'\n", "a", "x"),
        same("a: \"\\x78\"\n", "a", "x"),
        same("a:\n  two\n  words\n", "a", "two words"),
        same("a: |-\n  x\n", "a", "x"),
        same("x: &x v\na: *x\n", "a", "v"),
        same("x: &x v\na: *x\n", "x", "v"),
        same("x: &x {b: v}\na: *x\n", "a.b", "v"),
        same("x: &x {b: v}\na:\n  <<: *x\n", "a.b", "v"),
        same("x: &x {b: v}\ny: &y {c: w}\na:\n  <<: [*y, *x]\n", "a.b", "v"),
        same("a: \"yes\"\n", "a", "yes"),
        ok("a: yes\n", "a", true, "a: yes\n"),
        ok("a: Off\n", "a", false, "a: Off\n"),
        ok("a: 0x10\n", "a", 16, "a: 0x10\n"),
        ok("a: 1_000\n", "a", 1000, "a: 1_000\n"),
        ok("a: 010\n", "a", 8, "a: 010\n"),
        ok("a: +1\n", "a", 1, "a: +1\n"),
    ]
}
