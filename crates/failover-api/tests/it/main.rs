//! The integration tests of `failover-api`: one binary, real programs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so does what it is made of"
)]

use std::fs;
use std::path::Path;

mod support;

/// Makes a test `case::host` of each function `case` and each host after it, so that a failure has a name.
macro_rules! on_hosts {
    (@kind local) => { $crate::support::hosts::Kind::Local };
    (@kind ssh) => { $crate::support::hosts::Kind::Ssh };
    (@kind https) => { $crate::support::hosts::Kind::Https };
    (@kind jgit_ssh) => { $crate::support::hosts::Kind::JgitSsh };
    (@kind dulwich_ssh) => { $crate::support::hosts::Kind::DulwichSsh };
    (@kind dulwich_https) => { $crate::support::hosts::Kind::DulwichHttps };
    ($($case:ident: $($host:ident)+;)*) => {$(
        mod $case {$(
            #[test]
            fn $host() {
                super::$case(on_hosts!(@kind $host));
            }
        )+}
    )*};
}

mod docs;
mod docs_commands;
mod kit;
mod kit_audit;
mod kit_proxy;
mod kit_hosts;
mod auth;
mod batch;
mod branches;
mod built;
mod cache;
mod chaos;
mod check;
mod cli;
mod cli_clone;
mod cli_doctor;
mod cli_same;
mod cli_server;
mod cli_terminal;
mod cli_transcripts;
mod config;
mod dashboard;
mod dashboard_batch;
mod dashboard_browser;
mod dashboard_holds;
mod demo;
mod deploy;
mod deploy_guide;
mod doubt;
mod git_secret;
mod github_app;
mod hardening;
mod hints;
mod holds;
mod hosts;
mod https;
mod http;
mod large;
mod limits;
mod messages;
mod messages_told;
mod metrics;
mod moves;
mod notify;
mod odd_hosts;
mod operations;
mod secrets;
mod openapi;
mod signing;
mod ssh;
mod ssh_settings;
mod webhooks;

/// A file that nobody declares is never compiled: its tests would look as if they passed.
#[test]
fn every_file_is_a_module() {
    fn check(folder: &Path, parent: &Path) {
        // A folder of texts has none, and then no program in it either.
        let declarations = fs::read_to_string(parent).unwrap_or_default();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.is_dir() {
                check(&path, &path.join("mod.rs"));
            } else if path.extension().is_some_and(|e| e == "rs") && path != parent {
                let declared = declarations.lines().any(|line| {
                    line.strip_suffix(&format!("mod {name};")).is_some_and(|before| !before.contains("//"))
                });
                assert!(declared, "{} is not declared in {}", path.display(), parent.display());
            }
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    check(&folder, &folder.join("main.rs"));
}
