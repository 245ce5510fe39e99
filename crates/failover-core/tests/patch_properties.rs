//! What holds for every patch that stands as text in a kustomization.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod names;

use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, Embedded, edit, edit_patch};
use failover_core::yaml;
use names::name;
use proptest::prelude::*;

fn change(path: &str, value: &str) -> Change {
    let path = FieldPath::parse(path).unwrap();
    Change { document: 0, path, value: Value::String(value.to_owned()), insert: Insert::LastTwoKeys }
}

/// The patch in lines of its own, as people write it.
fn file(patch: &str, indent: usize, block: &str, crlf: bool, after: &str) -> String {
    let indent = " ".repeat(indent);
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") };
    let lines: String = patch.lines().map(line).collect();
    let file = format!("# ü\npatches:\n- patch: {block} # text\n{lines}{after}");
    if crlf { file.replace('\n', "\r\n") } else { file }
}

proptest! {
    #[test]
    fn the_file_changes_as_the_patch_alone_does_and_back(
        fill in proptest::collection::vec("(# ü|x[a-d]: 'y' *|)", 0..5),
        quote in "(|'|\")",
        value in name(),
        indent in 3_usize..10,
        block in "[|][-+]?",
        crlf: bool,
        after in "(|  target: \\{kind: A\\}\n|resources: \\[a\\]\n)",
        added: bool,
    ) {
        let mut lines = vec!["kind: Deployment".to_owned()];
        // A key twice would be refused; each filler key is used once.
        let mut seen = std::collections::BTreeSet::new();
        lines.extend(fill.into_iter().filter(|line| !line.starts_with('x') || seen.insert(line[..2].to_owned())));
        lines.push(format!("spec:\n  volumes:\n  - name: data\n    claim: {quote}pvc{quote}  # here"));
        let patch = lines.join("\n") + "\n";
        let file = file(&patch, indent, &block, crlf, &after);
        let there = if added { change("spec.selector.role", &value) } else { change("spec.volumes.[name=data].claim", &value) };
        let edited = edit_patch(&file, 0, std::slice::from_ref(&there)).unwrap();

        // Inside it is what the patch alone becomes, and outside nothing changed.
        let documents = yaml::parse(&file).unwrap();
        let inner = Embedded::find(&documents, &file, 0).unwrap().text.to_owned();
        let documents = yaml::parse(edited.text()).unwrap();
        let alone = edit(&inner, std::slice::from_ref(&there)).unwrap();
        prop_assert_eq!(Embedded::find(&documents, edited.text(), 0).unwrap().text, alone.text());
        let newline = if crlf { "\r\n" } else { "\n" };
        let keeps_the_end = edited.text().ends_with(&after.replace('\n', newline));
        prop_assert!(keeps_the_end);
        prop_assert!(!crlf || !edited.text().replace("\r\n", "").contains('\n'));

        // Twice is once.
        let again = edit_patch(edited.text(), 0, &[there]).unwrap();
        prop_assert!(again.splices().is_empty());
        if !added {
            let back = edit_patch(edited.text(), 0, &[change("spec.volumes.[name=data].claim", "pvc")]).unwrap();
            prop_assert_eq!(back.text(), file);
        }
    }
}
