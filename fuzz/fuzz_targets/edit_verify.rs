//! Edits arbitrary texts at a field of their own.

#![no_main]

use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, Field, Scalar, edit, read};
use failover_core::yaml::{self, Node};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/failover-core/tests/oracle/mod.rs"]
mod oracle;

const TEXTS: [&str; 12] = [
    "pvc-b",
    "yes",
    "",
    "1:30",
    "a: b",
    "it's",
    "two\nlines",
    "\u{2028}ü",
    "${X}",
    "0x1",
    "a,b}",
    "10.0.0.5",
];

fuzz_target!(|input: (u8, u8, u8, u8, &str)| {
    let (which, value, added, document, text) = input;
    let Some(document_node) = documents(text).and_then(|all| all.into_iter().nth(document.into())) else {
        // An unreadable text still has to be refused without a panic.
        let path = FieldPath::of_keys(["a"]);
        let change = Change { document: 0, path, value: Value::Bool(true), insert: Insert::LastTwoKeys };
        let _ = edit(text, &[change]);
        return;
    };
    let mut paths = Vec::new();
    collect(&document_node, "", &mut paths);
    let mut path = paths.get(usize::from(which) % paths.len().max(1)).cloned().unwrap_or_default();
    for key in ["added", "on"].into_iter().take((added % 3).into()) {
        path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
    }
    let Ok(path) = FieldPath::parse(&path) else { return };
    let value = match value {
        0..=1 => Value::Bool(value == 0),
        2..=3 => Value::Int(i64::from(value) - 3),
        text => Value::String(TEXTS[usize::from(text) % TEXTS.len()].to_owned()),
    };
    let change = Change { document: document.into(), path, value, insert: Insert::LastTwoKeys };
    let Ok(edited) = edit(text, std::slice::from_ref(&change)) else { return };
    oracle::judge(text, &edited, &change);

    let again = edit(edited.text(), std::slice::from_ref(&change)).expect("a second edit");
    assert!(again.splices().is_empty(), "a second edit changes something");

    // What looks like a template is written on request and then not touched again.
    if change.value.to_string().contains("${") {
        return;
    }
    let before = documents(text).map(|all| read(&all, change.document, &change.path));
    if let Some(Ok(Field::Present { value: Scalar::Value(old), .. })) = before {
        // The first way back writes the old value as we write it; from then on every round is identity.
        let back = Change { value: old, ..change.clone() };
        let home = edit(edited.text(), std::slice::from_ref(&back)).expect("the way back");
        let away = edit(home.text(), &[change]).expect("the way there again");
        let again = edit(away.text(), &[back]).expect("the second way back");
        assert_eq!(again.text(), home.text(), "there and back");
    }
});

fn documents(text: &str) -> Option<Vec<Node>> {
    yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()
}

/// Paths to the scalars and mappings below `node`, in the syntax of the config.
fn collect(node: &Node, path: &str, paths: &mut Vec<String>) {
    if paths.len() > 255 {
        return;
    }
    paths.push(path.to_owned());
    let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    for (key, value) in node.entries() {
        if let Some(key) = key.as_text() {
            collect(value, &below(&key.replace('.', "\\.")), paths);
        }
    }
    for item in node.items() {
        let selector = item.entries().first().and_then(|(key, value)| key.as_text().zip(value.as_text()));
        if let Some((key, value)) = selector {
            collect(item, &below(&format!("[{key}={value}]")), paths);
        }
    }
}
