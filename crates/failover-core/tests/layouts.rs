//! Each folder in `layouts/` is a repository as people lay theirs out. What a scan proposes for it passes the look that
//! CI takes, and moves there and back byte for byte.
//!
//! `UPDATE_LAYOUTS=1 cargo test -p failover-core --test layouts` writes the expected proposals anew; read what changed.

#![expect(clippy::disallowed_methods, reason = "a test reads its folders")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use failover_core::audit::{Level, audit};
use failover_core::config;
use failover_core::intent::{Intent, Selection};
use failover_core::name::{BlobId, BranchName, CommitId, OperationId, RepoPath, Revision, Role};
use failover_core::plan::plan;
use failover_core::restraint::Restraints;
use failover_core::scan::scan;
use failover_core::topology::{Active, ServiceState};
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};
use jiff::Timestamp;

type Files = BTreeMap<RepoPath, String>;

fn read_folder(folder: &Path) -> Files {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(RepoPath::new(name).unwrap(), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn tree(files: &Files) -> Tree {
    let blob = BlobId::new("0".repeat(40)).unwrap();
    let listed = files.iter().map(|(path, text)| {
        let facts = Arc::new(FileFacts::read(path.file_name(), text.as_bytes()));
        (path.clone(), ListedFile { blob: blob.clone(), facts })
    });
    let sources = files.iter().map(|(path, text)| (path.clone(), Arc::new(Source::new(text.as_str()))));
    let commit = CommitId::new("0".repeat(40)).unwrap();
    Tree {
        revision: Revision { branch: BranchName::new("main").unwrap(), commit },
        sources: sources.collect(),
        listing: Arc::new(Listing::new(listed.collect())),
        restraints: Restraints::default(),
    }
}

fn intent(to: Role) -> Intent {
    Intent {
        services: Selection::All,
        to,
        partial: false,
        reason: None,
        requested_by: None,
        expect: None,
        alarm_began: None,
        force: BTreeSet::new(),
        operation: OperationId::new("one").unwrap(),
        idempotency_key: None,
    }
}

#[test]
fn every_layout_is_scanned_checked_and_moved_there_and_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts");
    let mut layouts: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    layouts.sort();
    assert!(layouts.len() >= 10, "only {} layouts were found", layouts.len());
    let mut wrong = Vec::new();
    for layout in &layouts {
        if let Err(why) = run(layout) {
            wrong.push(format!("{}: {why}", layout.file_name().unwrap().to_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn run(layout: &Path) -> Result<(), String> {
    let original = read_folder(&layout.join("repo"));
    let proposal = scan(&tree(&original));
    let expected = layout.join("services.yaml");
    if std::env::var_os("UPDATE_LAYOUTS").is_some() {
        std::fs::write(&expected, &proposal.text).unwrap();
    }
    let known = std::fs::read_to_string(&expected).unwrap_or_default();
    if proposal.text != known {
        return Err(format!("expected\n{known}\nproposed\n{}", proposal.text));
    }
    if !proposal.left_out.is_empty() || proposal.services.is_empty() {
        return Err(format!("{:?} is left out", proposal.left_out));
    }
    let config = config::parse(&proposal.text).map_err(|errors| errors.to_string())?;
    let errors = |files: &Files| {
        let notices = audit(&config, &tree(files));
        let bad: Vec<_> = notices.into_iter().filter(|notice| notice.level == Level::Error).collect();
        if bad.is_empty() { Ok(()) } else { Err(format!("{bad:#?}")) }
    };
    errors(&original)?;
    let active = |files: &Files| {
        let tree = tree(files);
        let states: Vec<_> =
            config.services().map(|service| ServiceState::read(service, &tree).active()).collect();
        states
    };
    let (there, back) = match active(&original)[0] {
        Active::Primary => (Role::Backup, Role::Primary),
        Active::Backup => (Role::Primary, Role::Backup),
        other @ (Active::Mixed | Active::Unknown) => return Err(format!("it is {other}")),
    };
    let mut files = original.clone();
    for to in [there, back] {
        let plan = plan(&config, &intent(to), &tree(&files), Timestamp::UNIX_EPOCH)
            .map_err(|rejection| format!("{rejection:#?}"))?;
        if plan.is_empty() || !plan.blocked_by.is_empty() {
            return Err(format!("{:#?} {:?}", plan.blocked_by, plan.moves));
        }
        files.extend(plan.files.into_iter().map(|file| (file.path, file.after)));
        assert_eq!(
            BTreeSet::from_iter(active(&files).iter().map(|active| active.as_str()).collect::<Vec<_>>()),
            BTreeSet::from([to.as_str()])
        );
        // At the other node the config must hold against the repository just as well.
        errors(&files)?;
        if to == there && files == original {
            return Err("nothing changed".to_owned());
        }
    }
    if files == original { Ok(()) } else { Err("the way back is not byte for byte".to_owned()) }
}
