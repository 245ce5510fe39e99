//! The command line: what is wrong with it is said before anything starts.

use std::process::Command;

fn failing(arguments: &[&str], words: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?}: {said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn wrong_flags_are_refused_with_the_way_out() {
    failing(&["serve"], "--repo");
    failing(&["serve", "--repo", "/nowhere/at/all"], "cannot be opened");
    failing(&["serve", "--repo", "git://host/x"], "ssh://");
    failing(&["serve", "--repo", "https://hunter2@host/x"], "username");
    failing(&["serve", "--repo", "ssh://git:hunter2@host/x"], "password");
    failing(&["serve", "--repo", "ssh://git@host/x"], "--ssh-key");
    failing(&["serve", "--repo", "/", "--poll", "0s"], "between 1s and 1h");
    failing(&["serve", "--repo", "/", "--poll", "soon"], "30s");
    failing(&["serve", "--repo", "/", "--branch=-x"], "branch");
    failing(&["serve", "--repo", "/", "--root", "../x"], "path");
    failing(&["serve", "--repo", "/", "--author", "nobody"], "Name <email>");
    failing(&["serve", "--repo", "/", "--listen", "8080"], "--listen");
    failing(&["sevre"], "serve");
    failing(&["serve", "https//hunter2@host/x"], "unexpected argument '…'");
    failing(&["serve", "--repo", "https//hunter2@host/x"], "no local path");
    failing(&["serve", "--repo", "hunter2://host/x"], "ssh://");
    failing(&["serve", "--repo", "/", "--branch", "https://hunter2@host/x"], "'--branch <BRANCH>'");
    failing(&["serve", "--repo", "/", "--listen=https://hunter2@host/x"], "'--listen <ADDRESS:PORT>'");
    failing(&["serve", "--rpeo=https://hunter2@host/x"], "--repo");
    failing(&["serve", "--repo", "/", "--poll", "ghp_hunter2hunter2hunter2"], "30s");
    failing(&["https://hunter2@host/x"], "unrecognized subcommand '…'");
}
