//! Signed commits, as Git itself verifies them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::api::{Reply, Server};
use crate::support::git::{Repository, git};
use crate::support::hosts::{Host, Kind};
use crate::support::process::{feed, run, said};
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, ready};

/// Keys of every kind, and the file of those that are trusted.
struct Keys {
    folder: TempDir,
}

const RSA: &[&str] = &["-t", "rsa", "-b", "2048"];
const ED25519: &[&str] = &["-t", "ed25519"];

impl Keys {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key of this kind, and trusts it.
    fn generate(&self, name: &str, kind: &[&str], passphrase: &str) -> PathBuf {
        let path = self.file(name);
        run(Command::new("ssh-keygen")
            .args(["-q", "-C", name, "-N", passphrase])
            .args(kind)
            .arg("-f")
            .arg(&path));
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        std::fs::write(self.file("allowed"), format!("failover-api@cluster.local {public}")).unwrap();
        path
    }

    /// What `git verify-commit` says to the commit.
    fn verify(&self, repository: &Repository, commit: &str) -> Output {
        let allowed = format!("gpg.ssh.allowedSignersFile={}", self.file("allowed").display());
        let mut verify = git(repository.path());
        verify.args(["-c", "gpg.format=ssh", "-c", &allowed, "verify-commit", commit]);
        verify.output().unwrap()
    }
}

fn signed_with(mut arguments: Vec<std::ffi::OsString>, key: &Path) -> Server {
    arguments.extend(["--signing-key".as_ref(), key.as_os_str()].map(OsStr::to_owned));
    ready(Server::start(arguments))
}

/// The commit with another subject and the same signature.
fn doctored(repository: &Repository, commit: &str) -> String {
    let text = run(git(repository.path()).args(["cat-file", "commit", commit])).stdout;
    let text = String::from_utf8(text).unwrap().replace("to backup node", "to another node");
    assert!(text.contains("to another node"), "{text}");
    let id =
        feed(git(repository.path()).args(["hash-object", "-w", "-t", "commit", "--stdin"]), text.as_bytes());
    String::from_utf8(id.stdout).unwrap().trim_end().to_owned()
}

fn assert_signing_failed(scene: &Scene, key: &Path, reply: &Reply) {
    reply.assert_problem(503, "signing-failed");
    assert!(reply.json["detail"].as_str().unwrap().contains(key.to_str().unwrap()), "{}", reply.text);
    assert!(reply.json["hint"].as_str().unwrap().contains("--signing-key"), "{}", reply.text);
    assert_eq!(scene.repository.commit_count(), 1);
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn git_verifies_the_signature_of_each_key_and_hash_and_of_nothing_else() {
    let keys = Keys::new();
    for (name, kind) in [
        ("ed25519", ED25519),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
    ] {
        let key = keys.generate(name, kind, "");
        let files = || [(manifest_path("sonarr"), manifest("sonarr"))];
        for repository in [Repository::new(files()), Repository::new_sha256(files())] {
            let scene = Scene::with(repository, &config(&["sonarr"]));
            let server = signed_with(scene.local(), &key);
            let commit = server.promote("sonarr").commit().to_owned();
            assert_eq!((scene.repository.tip(), scene.text("sonarr")), (commit.clone(), moved("sonarr")));
            let good = keys.verify(&scene.repository, &commit);
            assert!(
                good.status.success() && said(&good).contains("Good \"git\" signature"),
                "{name}: {}",
                said(&good)
            );
            let bad = keys.verify(&scene.repository, &doctored(&scene.repository, &commit));
            assert!(!bad.status.success(), "{name}: {}", said(&bad));
            let back = server.demote("sonarr").commit().to_owned();
            assert!(keys.verify(&scene.repository, &back).status.success(), "{name}");
            scene.repository.fsck().unwrap();
            // The signature is no part of the message: history reads it as it reads any other.
            let history = server.get("/api/history?service=sonarr").json;
            assert_eq!(history["history"].as_array().unwrap().len(), 2, "{history}");
        }
    }
}

#[test]
fn a_commit_signed_by_another_key_is_not_verified() {
    let keys = Keys::new();
    let key = keys.generate("ours", ED25519, "");
    let scene = Scene::new(&["sonarr"]);
    let server = signed_with(scene.local(), &key);
    let commit = server.promote("sonarr").commit().to_owned();
    keys.generate("theirs", ED25519, "");
    let verified = keys.verify(&scene.repository, &commit);
    assert!(!verified.status.success(), "{}", said(&verified));
}

#[test]
fn a_key_that_cannot_sign_stops_the_move_until_its_file_is_replaced() {
    let keys = Keys::new();
    let good = keys.generate("good", ED25519, "");
    let rsa = keys.generate("rsa", RSA, "");
    let encrypted = keys.generate("encrypted", ED25519, "correct horse");
    let folder = keys.file("folder");
    std::fs::create_dir(&folder).unwrap();
    let garbage = keys.file("garbage");
    std::fs::write(&garbage, b"-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\xff\n").unwrap();
    let public = good.with_extension("pub");
    let truncated = keys.file("truncated");
    let text = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&truncated, &text[..text.len() / 2]).unwrap();

    let scene = Scene::new(&["sonarr"]);
    let key = keys.file("mounted");
    let server = signed_with(scene.local(), &key);
    // Known before anybody needs it.
    let health = server.get("/api/health");
    assert_eq!(health.json["problems"][0]["code"], "signing-failed", "{}", health.text);
    assert!(server.log().iter().any(|line| line.contains("nothing can be committed")));
    assert_signing_failed(&scene, &key, &server.promote("sonarr"));
    for bad in [&rsa, &encrypted, &garbage, &public, &truncated] {
        std::fs::copy(bad, keys.file("new")).unwrap();
        std::fs::rename(keys.file("new"), &key).unwrap();
        assert_signing_failed(&scene, &key, &server.promote("sonarr"));
    }
    // Reads and dry runs need no key.
    assert_eq!(server.get("/api/failover/sonarr/promote?dry-run=true").json["changed"], true);

    let mut said = server.log().join("\n");
    said.push_str(&server.promote("sonarr").text);
    said.push_str(&server.get("/api/health").text);
    for file in [&rsa, &encrypted, &good] {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!said.contains(line), "a line of a private key was shown");
        }
    }

    std::fs::copy(&good, keys.file("new")).unwrap();
    std::fs::rename(keys.file("new"), &key).unwrap();
    let public = std::fs::read_to_string(good.with_extension("pub")).unwrap();
    std::fs::write(keys.file("allowed"), format!("failover-api@cluster.local {public}")).unwrap();
    let commit = server.promote("sonarr").commit().to_owned();
    assert!(keys.verify(&scene.repository, &commit).status.success());
    assert_eq!(scene.repository.commit_count(), 2);
}

/// Secrets lose their last newline, or gain carriage returns, on their way into a cluster.
#[test]
fn a_key_whose_line_ends_were_spoilt_on_the_way_still_signs() {
    let keys = Keys::new();
    let key = keys.generate("key", ED25519, "");
    let text = std::fs::read_to_string(&key).unwrap();
    for spoilt in [text.trim_end().to_owned(), text.replace('\n', "\r\n"), format!("{text}\n")] {
        std::fs::write(&key, spoilt).unwrap();
        let scene = Scene::new(&["sonarr"]);
        let commit = signed_with(scene.local(), &key).promote("sonarr").commit().to_owned();
        assert!(keys.verify(&scene.repository, &commit).status.success());
    }
}

fn a_signed_commit_is_taken_and_a_lost_race_is_signed_again(kind: Kind) {
    let keys = Keys::new();
    let key = keys.generate("key", ED25519, "");
    let (scene, host) = (Scene::new(&["sonarr"]), Host::start_new(kind));
    let server = signed_with(host.arguments(&scene), &key);
    scene.repository.commit_foreign("README.md", b"hello", "Unrelated");
    let commit = server.promote("sonarr").commit().to_owned();
    assert_eq!(scene.repository.tip(), commit);
    assert!(keys.verify(&scene.repository, &commit).status.success());
    scene.repository.fsck().unwrap();
}

on_hosts! {
    a_signed_commit_is_taken_and_a_lost_race_is_signed_again: ssh https jgit_ssh;
}
