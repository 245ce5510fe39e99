//! The server as the Deployment runs it: uid 1000, which has no name, no capability and nothing to write to but `/tmp`.
//!
//! `FAILOVER_TEST_ROOT=folder` runs it in the unpacked image instead of this machine's own files, as `scripts/image` does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::process::{self, Pid};
use crate::support::scene::{Scene, moved, ready};
use crate::support::sshd::SshServer;

/// Who is in `/etc/passwd` there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passwd {
    /// Only root, so that uid 1000 has no name.
    RootAlone,
    /// Whoever the root file system says.
    AsItIs,
}

/// A server in that setting, ready, and what it was given.
struct Hardened {
    server: Server,
    scene: Scene,
    sshd: SshServer,
    _material: TempDir,
}

/// The unpacked image that is to be tested.
fn image() -> Option<PathBuf> {
    std::env::var_os("FAILOVER_TEST_ROOT").map(|folder| PathBuf::from(folder).canonicalize().unwrap())
}

fn start(passwd: Passwd) -> Hardened {
    assert!(
        geteuid().is_root(),
        "this test makes a mount namespace and drops to uid 1000, which only root can do: run it as root, or leave it out with `scripts/test -- --skip hardening`"
    );
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let material = TempDir::new().unwrap();
    let copy = |from: &Path, to: &str| {
        let to = material.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    copy(&scene.config(), "services/services.yaml");
    copy(&sshd.key(), "git/identity");
    copy(&sshd.known_hosts(), "git/known_hosts");
    process::run(std::process::Command::new("chmod").arg("440").arg(material.path().join("git/identity")));
    let (root, place, program) = match image() {
        Some(root) => (root, "/etc/failover-api", "/usr/bin/failover-api".to_owned()),
        None => {
            copy(Path::new(env!("CARGO_BIN_EXE_failover-api")), "failover-api");
            ("/".into(), "/srv", "/srv/failover-api".to_owned())
        }
    };
    let names = material.path().join("passwd");
    fs::write(&names, "root:x:0:0:root:/root:/bin/sh\n").unwrap();

    let mut unshare = std::process::Command::new("unshare");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/hardened.py");
    unshare.args(["--mount", "/usr/bin/python3"]).arg(script).arg(root).arg(place).arg(material.path());
    unshare.arg(match passwd {
        Passwd::RootAlone => names.as_os_str(),
        Passwd::AsItIs => "".as_ref(),
    });
    unshare.arg(program);
    let url = sshd.url(scene.repository.path());
    let config = format!("{place}/services/services.yaml");
    let secret = format!("{place}/git");
    let arguments = ["--repo", &url, "--config", &config, "--git-secret-dir", &secret, "--poll", "1h"];
    let server = ready(Server::start_program(unshare, "info", arguments.map(OsString::from)));
    Hardened { server, scene, sshd, _material: material }
}

/// The server's own process and those that it started.
fn processes(server: &Server) -> Vec<Pid> {
    process::tree(server.pid())
}

/// What the kernel says of a process; `None` when it has ended.
fn status(pid: Pid) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn field(status: &str, field: &str) -> String {
    let value = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    value
        .unwrap_or_else(|| panic!("no {field} in:\n{status}"))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a file can be made there, seen by the process and asked by root, whom no permission holds back.
fn write(pid: Pid, folder: &str) -> Result<(), ErrorKind> {
    let file = format!("/proc/{pid}/root{folder}/written-by-a-test");
    fs::write(&file, "").map_err(|error| error.kind())?;
    fs::remove_file(file).unwrap();
    Ok(())
}

/// The file system as the process sees it.
fn file_system(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
}

/// The folders at the top of the file system that the process sees.
fn top_folders(pid: Pid) -> BTreeSet<String> {
    let entries = fs::read_dir(file_system(pid)).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| format!("/{}", entry.file_name().to_str().unwrap())).collect()
}

/// The setting is what it is said to be: otherwise a move in it would prove nothing.
fn assert_hardened(server: &Server, passwd: Passwd) {
    let mut seen = BTreeSet::new();
    for pid in processes(server) {
        let Some(status) = status(pid) else { continue };
        let name = field(&status, "Name");
        for ids in ["Uid", "Gid"] {
            assert_eq!(field(&status, ids), "1000 1000 1000 1000", "{ids} of {name}");
        }
        assert_eq!(field(&status, "Groups"), "");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(&status, set), "0000000000000000", "{set} of {name}");
        }
        assert_eq!(field(&status, "NoNewPrivs"), "1");
        seen.insert(name);
    }
    assert!(seen.contains("failover-api") && seen.contains("ssh"), "{seen:?}");

    let pid = server.pid();
    let named = fs::read_to_string(file_system(pid).join("etc/passwd")).unwrap();
    let has_name = named.lines().any(|line| line.split(':').nth(2) == Some("1000"));
    assert!(passwd == Passwd::AsItIs || !has_name, "uid 1000 has a name:\n{named}");
    let mut folders = top_folders(pid);
    folders.extend(["", "/etc", "/usr/bin"].map(str::to_owned));
    let writable: Vec<_> = folders
        .into_iter()
        .filter(|folder| match write(pid, folder) {
            Ok(()) => true,
            Err(ErrorKind::ReadOnlyFilesystem) => false,
            // It takes no files from anybody.
            Err(ErrorKind::NotFound) if folder == "/proc" => false,
            Err(other) => panic!("{folder}: {other}"),
        })
        .collect();
    assert_eq!(writable, ["/tmp"]);
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let writable = mounts.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        let (point, options) = (fields[4], fields[5]);
        (!options.split(',').any(|option| option == "ro")).then_some(point)
    });
    assert_eq!(writable.collect::<Vec<_>>(), ["/tmp"]);
}

#[expect(clippy::print_stderr, reason = "whoever sets the Deployment's limits needs the figure")]
fn tell_memory(server: &Server) {
    let of = |pid: Pid| (process::name(pid), process::memory(pid));
    let mut total = 0;
    for (name, memory) in processes(server).into_iter().map(of) {
        total += memory.now;
        eprintln!("resident memory of {name}: {} KiB, at most {} KiB", memory.now / 1024, memory.peak / 1024);
    }
    eprintln!("resident memory in all: {} KiB", total / 1024);
}

/// There and back, while the setting holds.
fn moves_and_returns(passwd: Passwd) {
    let Hardened { mut server, scene, sshd, .. } = start(passwd);
    assert_hardened(&server, passwd);
    let before = scene.text("sonarr");
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), before);
    assert_hardened(&server, passwd);
    tell_memory(&server);
    assert!(server.terminate().success());
    drop(sshd);
}

#[test]
fn a_move_over_ssh_needs_no_name_no_right_and_no_place_but_tmp() {
    moves_and_returns(Passwd::RootAlone);
}

#[test]
fn a_move_over_ssh_works_with_the_names_that_are_there() {
    moves_and_returns(Passwd::AsItIs);
}
