//! Properties of the edit engine over generated manifests, and over damaged ones.

mod names;
mod oracle;

use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, Field, Scalar, edit, read};
use failover_core::yaml;
use names::name;
use proptest::prelude::*;

/// How a scalar is written.
#[derive(Debug, Clone, Copy)]
enum Quotes {
    None,
    Single,
    Double,
}

/// A generated manifest: its text, and the fields that it has at the places an edit may want.
#[derive(Debug, Clone)]
struct Manifest {
    text: String,
    claim: String,
}

const CLAIM: &str = "spec.template.spec.volumes.[name=data].persistentVolumeClaim.claimName";
const LABEL: &str = "spec.template.spec.nodeSelector.role";

fn quotes() -> impl Strategy<Value = Quotes> {
    prop_oneof![Just(Quotes::None), Just(Quotes::Single), Just(Quotes::Double)]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        name(),
        "[ -~]{0,12}",
        "\\PC{0,8}",
        any::<String>(),
        prop::sample::select(vec!["yes", "0x1", "1:30", "~", "", "<<", "2001-01-01", "a: b", "- a", "a #b"])
            .prop_map(str::to_owned),
    ]
    .prop_filter("a template is not edited again", |text| !text.contains("${") && !text.contains("{{"))
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_text().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::Int),
    ]
}

fn written(text: &str, quotes: Quotes) -> String {
    match quotes {
        Quotes::None => text.to_owned(),
        Quotes::Single => format!("'{text}'"),
        Quotes::Double => format!("\"{text}\""),
    }
}

prop_compose! {
    fn manifest()(
        claim in name(),
        other in name(),
        app in name(),
        label in prop::option::of(name()),
        style in quotes(),
        (step, dash, flow, comments, documents) in (1_usize..5, any::<bool>(), any::<bool>(), 0_usize..8, 0_usize..3),
        (crlf, bom, newline, selector) in (any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..4),
    ) -> Manifest {
        let pad = |depth: usize| " ".repeat(step * depth);
        let comment = |bit: usize, text: &str| if comments & bit != 0 { format!(" # {text}") } else { String::new() };
        let mut text = String::new();
        for document in 0..documents {
            text.push_str(&format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  n{document}: |\n    claimName: x\n\n---\n"));
        }
        text.push_str("apiVersion: apps/v1\nkind: Deployment\n");
        text.push_str(&format!("metadata: {{name: {app}}}{}\n", comment(1, "é")));
        text.push_str(&format!("spec:\n{}template:\n{}spec:\n", pad(1), pad(2)));
        if comments & 2 != 0 {
            text.push_str(&format!("{}# where it runs\n", pad(3)));
        }
        match (&label, selector) {
            (Some(label), 0) => text.push_str(&format!("{}nodeSelector: {{ role: {label} }}\n", pad(3))),
            (Some(label), _) => text.push_str(&format!(
                "{}nodeSelector:{}\n{}role: {}\n", pad(3), comment(4, "{{x}}"), pad(4), written(label, style)
            )),
            (None, 0) => text.push_str(&format!("{}nodeSelector: {{}}\n", pad(3))),
            (None, 1) => text.push_str(&format!("{}nodeSelector:{}\n", pad(3), comment(4, "none"))),
            (None, 2) => text.push_str(&format!("{}nodeSelector: {{disk: ssd}}\n", pad(3))),
            (None, _) => {}
        }
        text.push_str(&format!("{}volumes:\n", pad(3)));
        let items = if dash { pad(4) } else { pad(3) };
        let inner = format!("{items}  ");
        text.push_str(&format!("{items}- name: config\n{inner}configMap: {{name: '{other}'}}\n"));
        let claim_text = written(&claim, style);
        if flow {
            text.push_str(&format!(
                "{items}- {{name: data, persistentVolumeClaim: {{claimName: {claim_text}}}}}{}\n", comment(1, "pvc")
            ));
        } else {
            text.push_str(&format!(
                "{items}- name: data\n{inner}persistentVolumeClaim:\n{inner}  claimName: {claim_text}{}\n", comment(1, "pvc")
            ));
        }
        text.push_str("status: done");
        if newline {
            text.push('\n');
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        if bom {
            text.insert(0, '\u{feff}');
        }
        Manifest { text, claim }
    }
}

fn document(manifest: &Manifest) -> usize {
    manifest.text.matches("---").count()
}

#[expect(clippy::expect_used, reason = "the paths are constants of this file")]
fn change(manifest: &Manifest, path: &str, value: Value) -> Change {
    let path = FieldPath::parse(path).expect(path);
    Change { document: document(manifest), path, value, insert: Insert::LastTwoKeys }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_addressed_field_changes_and_only_once(
        manifest in manifest(), claim in any_value(), label in any_value(),
    ) {
        for (path, value) in [(CLAIM, claim.clone()), (LABEL, label.clone())] {
            let change = change(&manifest, path, value);
            let edited = edit(&manifest.text, std::slice::from_ref(&change)).unwrap();
            oracle::judge(&manifest.text, &edited, &change);
            prop_assert!(edit(edited.text(), &[change]).unwrap().splices().is_empty());
        }
        let both = [change(&manifest, CLAIM, claim), change(&manifest, LABEL, label)];
        let at_once = edit(&manifest.text, &both).unwrap();
        let first = edit(&manifest.text, &both[..1]).unwrap();
        let then = edit(first.text(), &both[1..]).unwrap();
        prop_assert_eq!(at_once.text(), then.text(), "all at once is the same as one by one");
    }

    #[test]
    fn there_and_back_restores_every_byte(manifest in manifest(), backup in name()) {
        let there = [change(&manifest, CLAIM, Value::String(backup))];
        let back = [change(&manifest, CLAIM, Value::String(manifest.claim.clone()))];
        let moved = edit(&manifest.text, &there).unwrap();
        let restored = edit(moved.text(), &back).unwrap();
        prop_assert_eq!(restored.text(), &manifest.text);
    }

    #[test]
    fn any_value_is_read_back_as_itself(manifest in manifest(), value in any_value()) {
        let change = change(&manifest, CLAIM, value.clone());
        let edited = edit(&manifest.text, std::slice::from_ref(&change)).unwrap();
        let documents = yaml::parse(edited.text()).unwrap();
        let field = read(&documents, change.document, &change.path).unwrap();
        match field {
            Field::Present { value: read, .. } => prop_assert_eq!(read, Scalar::Value(value)),
            Field::Absent { .. } => prop_assert!(false, "the field is gone"),
        }
    }

    #[test]
    fn a_damaged_text_is_refused_or_edited_right(
        manifest in manifest(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, damage()), 1..5),
        value in any_value(),
    ) {
        let mut chars: Vec<char> = manifest.text.chars().collect();
        for (at, removed, added) in damage {
            let at = at.index(chars.len() + 1);
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, added.chars());
        }
        let text: String = chars.into_iter().collect();
        for path in [CLAIM, LABEL] {
            let change = change(&manifest, path, value.clone());
            if let Ok(edited) = edit(&text, std::slice::from_ref(&change)) {
                oracle::judge(&text, &edited, &change);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a:{}\\[\\]&*!|>'\"%@`,?#\\- \n\r\t~<\u{feff}\u{2028}é]{0,60}", value in any_value()) {
        for path in ["a", "a.a", "[a=a].a"] {
            let path = FieldPath::parse(path).unwrap();
            let change = Change { document: 0, path, value: value.clone(), insert: Insert::LastTwoKeys };
            if let Ok(edited) = edit(&text, std::slice::from_ref(&change)) {
                oracle::judge(&text, &edited, &change);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "\n", "  ", "\t", ": ", "- ", "&a ", "*a", "!!str ", "{", "}", "[", "]", "'", "\"", "# ",
            "---\n", "...\n", "? ", "|\n", "<<: ", "\r", "${A}", "{{", "~", "",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ]
}
