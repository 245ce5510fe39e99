//! The kit itself: a helper that cannot see a fault would make every test that uses it worthless.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::git::{Repository, git};
use crate::support::process::{run, said};
use crate::support::sshd::SshServer;

pub(crate) fn clone(server: &SshServer, url: &str, key: &Path) -> Output {
    let folder = TempDir::new().unwrap();
    git(folder.path())
        .env("GIT_SSH_COMMAND", server.ssh_command(key))
        .args(["clone", "-q", "--bare", url, "."])
        .output()
        .unwrap()
}

/// A repository with three commits and no merge.
pub(crate) fn sample() -> Repository {
    let repository = Repository::new([("apps/a.yaml", "a: 1\n"), ("README.md", "# a\n")]);
    repository.commit_foreign("apps/a.yaml", b"a: 2\r\n", "Second\n\nWhy: because\nOperation-Id: 7\n");
    repository.commit_foreign("apps/b.yaml", b"b: 1", "Third");
    repository
}

#[test]
fn git_reads_what_people_pushed() {
    let repository = sample();
    assert_eq!(repository.log("%s"), "Third\nSecond\nInitial commit");
    assert_eq!(repository.commit_count(), 3);
    assert_eq!(repository.show("main:apps/a.yaml"), b"a: 2\r\n");
    assert_eq!(repository.show("main~2:apps/a.yaml"), b"a: 1\n");
    assert_eq!(repository.tip(), repository.log("%H").lines().next().unwrap());
    let trailers = [("Why", "because"), ("Operation-Id", "7")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(repository.trailers("main~1"), trailers);
    assert!(repository.is_linear());
    repository.fsck().unwrap();
}

#[test]
fn git_imports_a_history() {
    let commit = |subject: &str, content: &str| {
        format!(
            "commit refs/heads/main\ncommitter Alice <alice@home.example> 1768478400 +0000\ndata {}\n{subject}\nM 100644 inline a\ndata {}\n{content}\n",
            subject.len(),
            content.len()
        )
    };
    let repository = Repository::import((commit("First", "1") + &commit("Second", "2")).as_bytes());
    assert_eq!(repository.log("%s"), "Second\nFirst");
    assert_eq!(repository.show("main:a"), b"2");
    repository.fsck().unwrap();
}

#[test]
fn git_people_rewrite_history() {
    let repository = sample();
    let third = repository.tip();
    repository.revert(&third);
    assert!(repository.log("%s").starts_with("Revert \"Third\"\n"));
    repository.amend("Changed my mind");
    assert!(repository.log("%s").starts_with("Changed my mind\nThird\n"));
    assert_eq!(repository.force_push_back(1), third);
    assert_eq!(repository.commit_count(), 3);
}

#[test]
fn git_linear_sees_a_merge() {
    let repository = sample();
    let tree = format!("{}^{{tree}}", repository.tip());
    let merge =
        run(git(repository.path()).args(["commit-tree", &tree, "-p", "main", "-p", "main~2", "-m", "Merge"]));
    let merge = String::from_utf8(merge.stdout).unwrap();
    run(git(repository.path()).args(["update-ref", "refs/heads/main", merge.trim_end()]));
    assert!(!repository.is_linear());
}

#[test]
fn git_fsck_sees_a_missing_object() {
    let repository = sample();
    let blob = run(git(repository.path()).args(["rev-parse", "main:apps/b.yaml"])).stdout;
    let (folder, file) = std::str::from_utf8(&blob).unwrap().trim_end().split_at(2);
    fs::remove_file(repository.path().join("objects").join(folder).join(file)).unwrap();
    assert!(repository.fsck().unwrap_err().contains("missing blob"));
}

#[test]
fn git_hook_refuses() {
    let repository = sample();
    let before = repository.tip();
    repository.install_hook("pre-receive", "#!/bin/sh\necho 'not on a Sunday'\nexit 1\n");
    let pushed = std::panic::catch_unwind(|| repository.commit_foreign("c", b"c", "Fourth"));
    let message = *pushed.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("remote: not on a Sunday"), "{message}");
    assert_eq!(repository.tip(), before);
}

#[test]
fn sshd_serves_the_key_and_the_host_key_that_are_known() {
    let repository = Repository::from_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/repo"));
    let mut server = SshServer::start_new();
    let url = server.url(repository.path());
    let cloned = clone(&server, &url, &server.key());
    assert!(cloned.status.success(), "{}\n{}", said(&cloned), server.log());
    assert!(server.log().contains("Accepted publickey"));

    let refused = clone(&server, &url, &server.wrong_key());
    assert!(said(&refused).contains("Permission denied (publickey)"), "{}", said(&refused));
    server.revoke_key();
    assert!(said(&clone(&server, &url, &server.key())).contains("Permission denied (publickey)"));
    server.authorize_key();

    server.rotate_host_key();
    assert!(said(&clone(&server, &url, &server.key())).contains("Host key verification failed"));
    server.pin_host_key();
    assert!(clone(&server, &url, &server.key()).status.success());
}

#[test]
fn sshd_serves_scp_style_addresses() {
    let repository = sample();
    let server = SshServer::start_new();
    let Some(url) = server.scp_url(repository.path()) else {
        println!("NOT TESTED: scp-style addresses need port 22, which is taken or not allowed to this user");
        return;
    };
    let cloned = clone(&server, &url, &server.key());
    assert!(cloned.status.success(), "{}\n{}", said(&cloned), server.log());
}

#[test]
fn sshd_stops_and_starts_again() {
    let repository = sample();
    let mut server = SshServer::start_new();
    let url = server.url(repository.path());
    server.stop();
    assert!(said(&clone(&server, &url, &server.key())).contains("Connection refused"));
    server.start();
    assert!(clone(&server, &url, &server.key()).status.success());
}

/// A client in a session that says `ready` and then repeats what it is sent.
pub(crate) struct Session(pub(crate) Child);

impl Session {
    pub(crate) fn open(server: &SshServer, address: &str) -> Self {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-i"])
            .arg(server.key());
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", server.known_hosts().display()));
        ssh.args([address, "echo ready; exec cat"]);
        let mut session =
            Self(ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        assert_eq!(session.receive(), "ready\n");
        session
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.0.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub(crate) fn receive(&mut self) -> String {
        let mut line = String::new();
        BufReader::with_capacity(1, self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn echo(&mut self, line: &str) -> String {
        self.send(line);
        self.receive()
    }
}

#[test]
fn sshd_cuts_connections_and_serves_new_ones() {
    let server = SshServer::start_new();
    let mut session = Session::open(&server, &server.url(Path::new("")));
    assert_eq!(session.echo("one\n"), "one\n");
    assert!(server.kill_sessions() > 0);
    assert!(!session.0.wait().unwrap().success());
    let mut second = Session::open(&server, &server.url(Path::new("")));
    assert_eq!(second.echo("two\n"), "two\n");
    drop(server);
    assert!(!second.0.wait().unwrap().success());
}

#[test]
fn sshd_freezes_and_thaws() {
    let server = SshServer::start_new();
    let mut session = Session::open(&server, &server.url(Path::new("")));
    server.freeze();
    session.send("late\n");
    server.thaw();
    assert_eq!(session.receive(), "late\n");
    server.kill_sessions();
    session.0.wait().unwrap();
}
