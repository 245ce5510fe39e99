//! Modules are declared in their order, and each uses only those above it: data flows one way.

#![expect(clippy::disallowed_methods, reason = "a test reads the sources")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules that a `lib.rs` or `mod.rs` declares, in their order.
fn declared(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let names = text.lines().filter_map(|line| {
        line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    });
    names.collect()
}

/// The first parts of all paths in `text` that start with `root::`, braces included.
fn used(text: &str, root: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices(&format!("{root}::")) {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + root.len() + 2..];
        let name =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => {
                let end = group.find('}').unwrap();
                names.extend(group[..end].split(',').map(|part| name(part.trim())));
            }
            None => names.push(name(rest)),
        }
    }
    names
}

/// What each module below `order` uses against the order, as sentences.
fn breaches(order: &[String], folder: &Path, root: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for (index, module) in order.iter().enumerate() {
        let below = folder.join(module);
        let files = if below.is_dir() { sources(&below) } else { vec![folder.join(format!("{module}.rs"))] };
        for file in files.iter().filter(|_| root == "crate" || !below.is_dir()) {
            for name in used(&std::fs::read_to_string(file).unwrap(), root) {
                if order.iter().position(|other| *other == name).is_some_and(|other| other > index) {
                    breaches
                        .push(format!("{} uses {root}::{name}, which is declared below it", file.display()));
                }
            }
        }
    }
    breaches
}

#[test]
fn every_module_uses_only_those_above_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut wrong = Vec::new();
    for name in ["failover-core", "send-pack", "failover-api"] {
        let src = crates.join(name).join("src");
        let order = declared(&src.join("lib.rs"));
        assert!(order.len() >= 5, "{name} declares {order:?}");
        wrong.extend(breaches(&order, &src, "crate"));
        for module in &order {
            let list = src.join(module).join("mod.rs");
            if list.exists() {
                let inner = declared(&list);
                assert!(!inner.is_empty(), "{} declares nothing", list.display());
                wrong.extend(breaches(&inner, &src.join(module), "super"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_http_interface_and_the_pages_know_the_pipeline_and_never_git() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("failover-api/src");
    for file in ["http", "web"].iter().flat_map(|module| sources(&src.join(module))) {
        let names = used(&std::fs::read_to_string(&file).unwrap(), "crate");
        assert!(!names.iter().any(|name| name == "git"), "{} uses crate::git", file.display());
    }
}

#[test]
fn the_search_for_uses_finds_them() {
    assert_eq!(used("use crate::git::{A, B};\nlet x = crate::view::y();", "crate"), ["git", "view"]);
    assert_eq!(used("use super::{guard, health};", "super"), ["guard", "health"]);
    assert!(used("not_crate::git::x; super::crate::x", "crate").is_empty());
}
