//! Edits arbitrary patches that stand in arbitrary kustomizations: right, or refused.

#![no_main]

use failover_core::field::{FieldPath, Insert, Value};
use failover_core::manifest::{Change, Embedded, edit, edit_patch};
use failover_core::yaml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, bool, &str, &str)| {
    let (indent, block, crlf, before, patch) = input;
    let indent = " ".repeat(usize::from(indent % 8) + 3);
    let block = ["|", "|-", "|+"][usize::from(block) % 3];
    let lines: String = patch.split('\n').map(|line| format!("{indent}{line}\n")).collect();
    let file = format!("{before}\npatches:\n- patch: {block}\n{lines}  target: {{kind: A}}\n");
    let file = if crlf { file.replace('\n', "\r\n") } else { file };
    let Ok(documents) = yaml::parse(&file) else { return };
    let Some(inner) = Embedded::find(&documents, &file, 0).map(|embedded| embedded.text.to_owned()) else { return };
    for path in ["a", "a.b", "spec.nodeSelector.role", "[path=/a].value"] {
        let Ok(path) = FieldPath::parse(path) else { return };
        let value = Value::String("pvc-b".to_owned());
        let change = Change { document: 0, path, value, insert: Insert::LastTwoKeys };
        let Ok(edited) = edit_patch(&file, 0, std::slice::from_ref(&change)) else { continue };
        let documents = yaml::parse(edited.text()).expect("the result is readable");
        let read = Embedded::find(&documents, edited.text(), 0).expect("the patch is there").text;
        let alone = edit(&inner, std::slice::from_ref(&change)).expect("the patch alone is edited, too");
        assert_eq!(read, alone.text());
        let again = edit_patch(edited.text(), 0, &[change]).expect("a second edit");
        assert!(again.splices().is_empty(), "a second edit changes something");
    }
});
