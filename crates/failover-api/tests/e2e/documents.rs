//! The `kubectl` commands in the documents have flags and forms that kubectl knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::control_plane::tool;

/// Every other program does nothing, and kubectl reads its arguments and shows its help. Its plugin is this program, whose
/// commands are held against it elsewhere.
const STAGE: &str = r#"
set -o pipefail
kubectl() { [ "${1-}" = failover ] && return; "$KUBECTL" "$@" --help > /dev/null || { echo "kubectl $*" >> "$WRONG"; }; echo >> "$SEEN"; }
command_not_found_handle() { :; }
kill() { :; }
api() { :; }
PATH=
"#;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect::<Vec<_>>()
    };
    let mut documents = [in_folder("docs"), in_folder("docs/runbooks")].concat();
    documents.extend(["README.md", "deploy/README.md"].map(|name| root.join(name)));
    documents
}

#[test]
fn kubectl_knows_the_commands_of_the_documents() {
    let folder = TempDir::new().unwrap();
    let (wrong, seen) = (folder.path().join("wrong"), folder.path().join("seen"));
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        // Also those in tables and in the text.
        let blocks = text.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
        let spans = text
            .lines()
            .filter(|line| !line.starts_with("```"))
            .flat_map(|line| line.split('`').skip(1).step_by(2));
        let scripts = blocks.chain(spans.filter(|span| span.starts_with("kubectl ")));
        for script in scripts.filter(|script| script.contains("kubectl ")) {
            let mut bash = Command::new("bash");
            bash.arg("-c").arg(format!("{STAGE}{script}")).current_dir(folder.path()).env_clear();
            bash.env("KUBECTL", tool("kubectl")).env("HOME", folder.path());
            let run = bash.env("WRONG", &wrong).env("SEEN", &seen).output().unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            let mistakes = fs::read_to_string(&wrong).unwrap_or_default();
            assert_eq!(mistakes, "", "{}: {said}\n{script}", document.display());
        }
    }
    let seen = fs::read_to_string(seen).unwrap().lines().count();
    assert!(seen > 40, "only {seen} commands were found");
}
