//! How SSH is set up: the operator's own configuration, jump hosts, key files, users, and what changes under way.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::https::{Access, HttpsServer};
use crate::support::process::{self, PATIENCE, is_root, poll};
use crate::support::scene::{Scene, manifest, moved, only_folder, ready};
use crate::support::secret::Secret;
use crate::support::sshd::SshServer;

/// A server whose way to the repository is described by an operator's own file, and flags beside it.
fn serve_with(scene: &Scene, url: &str, config: &Path, more: &[&OsStr]) -> Server {
    let mut all = vec!["--ssh-config".as_ref(), config.as_os_str()];
    all.extend(more);
    Server::start(scene.arguments(Path::new(url), &all))
}

/// A file with a configuration for OpenSSH.
fn written(folder: &TempDir, text: &str) -> PathBuf {
    let file = folder.path().join("operators_config");
    fs::write(&file, text).unwrap();
    file
}

fn assert_waits(server: &Server, code: &str) {
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    assert_eq!(health.json["problems"][0]["code"], code, "{}\n{}", health.text, server.log().join("\n"));
}

#[test]
fn a_repository_behind_a_jump_host_is_reached_with_the_operators_configuration_alone() {
    let scene = Scene::new(&["sonarr"]);
    let (jump, sshd) = (SshServer::start_new(), SshServer::start_new());
    let folder = TempDir::new().unwrap();
    // The name of the target means nothing here: only the jump host makes something of it.
    let config = written(
        &folder,
        &format!(
            "Host jump\n  HostName 127.0.0.1\n  Port {}\n  User {user}\n  IdentityFile {}\n  HostKeyAlias jump\n\
             Host git.internal\n  HostName localhost\n  Port {}\n  User {user}\n  IdentityFile {}\n  ProxyJump jump\n  HostKeyAlias target\n\
             Host *\n  UserKnownHostsFile {}\n",
            jump.address().port(),
            jump.key().display(),
            sshd.address().port(),
            sshd.key().display(),
            folder.path().join("hosts").display(),
            user = sshd.user(),
        ),
    );
    let key = |sshd: &SshServer| fs::read_to_string(sshd.file("host_key.pub")).unwrap();
    let pin = |target: &SshServer| {
        let hosts = format!("jump {}target {}", key(&jump), key(target));
        fs::write(folder.path().join("hosts"), hosts).unwrap();
    };
    pin(&sshd);
    let url = format!("ssh://git.internal{}", scene.repository.path().display());
    let server = ready(serve_with(&scene, &url, &config, &[]));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    assert!(jump.log().contains("Accepted publickey") && sshd.log().contains("Accepted publickey"));
    drop(server);
    // The jump host's key is checked, and so is the one behind it.
    pin(&jump);
    assert_waits(&serve_with(&scene, &url, &config, &[]), "host-key-changed");
    fs::write(folder.path().join("hosts"), format!("target {}", key(&sshd))).unwrap();
    assert_waits(&serve_with(&scene, &url, &config, &[]), "host-key-unknown");
}

#[test]
fn an_operators_configuration_cannot_make_an_unknown_host_known() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let folder = TempDir::new().unwrap();
    let hosts = folder.path().join("hosts");
    let url = sshd.url(scene.repository.path());
    let (key, known) = (sshd.key(), sshd.known_hosts());
    let flags: [&OsStr; 4] = ["--ssh-key".as_ref(), key.as_ref(), "--known-hosts".as_ref(), hosts.as_ref()];
    for loose in [
        "StrictHostKeyChecking no".to_owned(),
        "Host *\n  StrictHostKeyChecking accept-new".to_owned(),
        "Match all\n  StrictHostKeyChecking off".to_owned(),
        "NoHostAuthenticationForLocalhost yes".to_owned(),
        format!("UserKnownHostsFile {}", known.display()),
        format!("GlobalKnownHostsFile {}", known.display()),
        format!("KnownHostsCommand /bin/cat {}", known.display()),
    ] {
        let config = written(&folder, &format!("{loose}\n"));
        fs::write(&hosts, "").unwrap();
        let server = serve_with(&scene, &url, &config, &flags);
        assert_waits(&server, "host-key-unknown");
        server.promote("sonarr").assert_problem(502, "host-key-unknown");
        assert_eq!(scene.repository.commit_count(), 1, "{loose}");
        assert_eq!(fs::read_to_string(&hosts).unwrap(), "", "{loose}");
        // It was nothing else that kept it out.
        fs::copy(&known, &hosts).unwrap();
        drop(ready(server));
    }
}

#[test]
fn the_private_key_alone_counts_whatever_public_key_lies_beside_it() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let read = |file: PathBuf| fs::read(file).unwrap();
    // A Secret of which `identity` was changed and `identity.pub` was forgotten.
    let files = |key: PathBuf, public: PathBuf| {
        let known = read(sshd.known_hosts());
        [("identity", read(key)), ("identity.pub", read(public)), ("known_hosts", known)]
    };
    let stale = sshd.wrong_key().with_extension("pub");
    let secret = Secret::new(files(sshd.key(), stale.clone()));
    let url = sshd.url(scene.repository.path());
    let server = ready(Server::start(scene.with_secret(&url, &secret)));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    drop(server);
    // The other way round it is the private key that is not let in.
    let secret = Secret::new(files(sshd.wrong_key(), sshd.key().with_extension("pub")));
    assert_waits(&Server::start(scene.with_secret(&url, &secret)), "ssh-key-rejected");

    // A file named by a flag, and the name in what is said of it.
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("deploy-key");
    fs::copy(sshd.key(), &key).unwrap();
    fs::copy(stale, key.with_extension("pub")).unwrap();
    let server = ready(Server::start(scene.ssh_with(&url, &key, &sshd)));
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    drop(server);
    fs::write(&key, "no key\n").unwrap();
    let server = Server::start(scene.ssh_with(&url, &key, &sshd));
    assert_waits(&server, "ssh-key-unusable");
    let detail = server.get("/api/health").text;
    assert!(detail.contains(key.to_str().unwrap()), "{detail}");
}

#[test]
fn a_certificate_beside_the_key_is_shown_to_the_host() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let mut keygen = std::process::Command::new("ssh-keygen");
    keygen.args(["-q", "-I", "failover-api", "-n", sshd.user(), "-s"]);
    process::run(keygen.arg(sshd.wrong_key()).arg(sshd.key().with_extension("pub")));
    // Only who was certified by the other key is let in.
    let authority = fs::read_to_string(sshd.wrong_key().with_extension("pub")).unwrap();
    fs::write(sshd.file("authorized_keys"), format!("cert-authority {authority}")).unwrap();
    let server = ready(Server::start(scene.ssh(&sshd)));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    fs::remove_file(sshd.file("client_key-cert.pub")).unwrap();
    drop(server);
    assert_waits(&Server::start(scene.ssh(&sshd)), "ssh-key-rejected");
}

#[test]
fn a_configuration_of_our_own_that_was_spoilt_is_written_again() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let cache = TempDir::new().unwrap();
    let mut arguments = scene.ssh(&sshd);
    arguments.extend(["--cache-dir".into(), cache.path().into()]);
    let server = ready(Server::start(arguments));
    // As a full disk leaves it: without a word of what must hold.
    fs::write(only_folder(cache.path()).join("ssh_config"), "").unwrap();
    assert!(sshd.kill_sessions() > 0);
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
}

#[test]
fn a_socket_that_a_killed_master_left_does_not_keep_connections_cold() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let server = ready(Server::start(scene.ssh(&sshd)));
    let logins = || sshd.log().matches("Accepted publickey").count();
    let warm = || {
        poll("a move logs in no more", PATIENCE, || {
            let before = logins();
            server.promote("sonarr");
            server.demote("sonarr");
            if logins() == before { Ok(()) } else { Err(format!("{} logins", logins())) }
        });
    };
    warm();
    assert_eq!(server.kill_children(|command| command.contains("ControlMaster=yes")), 1);
    server.promote("sonarr").commit();
    server.demote("sonarr").commit();
    warm();
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
}

#[test]
fn a_killed_server_leaves_no_ssh_behind_and_the_next_one_cleans_up() {
    let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
    let cache = TempDir::new().unwrap();
    let mut arguments = scene.ssh(&sshd);
    arguments.extend(["--cache-dir".into(), cache.path().into()]);
    let mut server = ready(Server::start(arguments.clone()));
    server.promote("sonarr").commit();
    let left = only_folder(cache.path());
    let children = server.kill_alone();
    assert!(!children.is_empty());
    poll("what the server started has ended", PATIENCE, || {
        let alive: Vec<_> = children.iter().filter(|pid| !process::is_over(**pid)).collect();
        if alive.is_empty() { Ok(()) } else { Err(format!("{alive:?}")) }
    });
    assert!(left.exists());
    let server = ready(Server::start(arguments));
    assert!(!left.exists(), "the dead server's folder is still there");
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
}

/// A uid that no file of users knows.
const NOBODY_KNOWS: (u32, u32) = (54321, 54321);
/// `nobody` and its group.
const NOBODY: (u32, u32) = (65534, 65534);

/// The files of a Secret as they are mounted, each of this owner, group and mode, and with a config that anybody may read.
fn opened(scene: &Scene, secret: &Secret, owner: (u32, u32), mode: u32) {
    let everybody = Permissions::from_mode(0o755);
    for folder in [scene.config().parent().unwrap(), secret.path()] {
        fs::set_permissions(folder, everybody.clone()).unwrap();
    }
    for name in ["identity", "known_hosts", "ca.crt", "username", "password"] {
        let file = secret.file(name);
        if file.exists() {
            chown(&file, Some(owner.0), Some(owner.1)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[test]
fn a_user_without_an_entry_needs_none_for_https_and_for_ssh_the_library_that_names_it() {
    if !is_root("a user without an entry in /etc/passwd") {
        return;
    }
    let scene = Scene::new(&["sonarr"]);
    let cache = TempDir::new().unwrap();
    chown(cache.path(), Some(NOBODY_KNOWS.0), None).unwrap();
    let at = |mut arguments: Vec<OsString>| {
        arguments.extend(["--cache-dir".into(), cache.path().into()]);
        arguments
    };
    let sshd = SshServer::start_new();
    let secret = Secret::new(sshd.secret());
    opened(&scene, &secret, NOBODY_KNOWS, 0o400);
    let ssh = at(scene.with_secret(&sshd.url(scene.repository.path()), &secret));
    let server = Server::start_nameless(NOBODY_KNOWS, &ssh);
    assert_waits(&server, "ssh-user-unknown");
    let health = server.get("/api/health");
    let hint = health.json["problems"][0]["hint"].as_str().unwrap();
    assert!(
        ["libnss-wrapper", "/etc/passwd", "https://"].iter().all(|way| hint.contains(way)),
        "{}",
        health.text
    );
    server.promote("sonarr").assert_problem(502, "ssh-user-unknown");
    assert_eq!(scene.repository.commit_count(), 1);
    drop(server);
    let server = ready(Server::start_as(NOBODY_KNOWS, &ssh));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    drop(server);

    let https = HttpsServer::start_new(Access::Basic);
    let secret = Secret::new(https.secret());
    opened(&scene, &secret, NOBODY_KNOWS, 0o400);
    let url = https.url(scene.repository.path());
    let server = ready(Server::start_as(NOBODY_KNOWS, at(scene.with_secret(&url, &secret))));
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_key_file_is_taken_as_kubernetes_mounts_it_and_refused_when_others_may_read_it() {
    if !is_root("key files of other users") {
        return;
    }
    let (user, group) = NOBODY;
    for (owner, mode, works) in [
        // What fsGroup and defaultMode 0440 give.
        ((0, group), 0o440, true),
        ((user, group), 0o400, true),
        ((user, group), 0o440, false),
        ((0, 0), 0o400, false),
        ((user, group), 0o444, false),
    ] {
        let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
        let cache = TempDir::new().unwrap();
        chown(cache.path(), Some(user), None).unwrap();
        let secret = Secret::new(sshd.secret());
        opened(&scene, &secret, owner, mode);
        fs::set_permissions(secret.file("known_hosts"), Permissions::from_mode(0o444)).unwrap();
        let mut arguments = scene.with_secret(&sshd.url(scene.repository.path()), &secret);
        arguments.extend(["--cache-dir".into(), cache.path().into()]);
        let server = Server::start_as(NOBODY, arguments);
        if works {
            assert_eq!(
                ready(server).promote("sonarr").commit(),
                scene.repository.tip(),
                "{owner:?} {mode:o}"
            );
        } else {
            assert_waits(&server, "ssh-key-unusable");
            let health = server.get("/api/health");
            let hint = health.json["problems"][0]["hint"].as_str().unwrap();
            assert!(hint.contains("0400") && hint.contains("0440"), "{}", health.text);
            // Once the file is as it must be, nobody has to restart anything.
            opened(&scene, &secret, (user, group), 0o400);
            assert_eq!(
                ready(server).promote("sonarr").commit(),
                scene.repository.tip(),
                "{owner:?} {mode:o}"
            );
        }
    }
}

/// A conversation that is kept for the next push was begun with the files of that time. What they say now counts, from
/// the moment at which they say it, whether or not commands share a connection.
#[test]
fn nothing_is_pushed_over_a_connection_that_the_files_of_now_would_not_allow() {
    let parent = TempDir::new().unwrap();
    // The second is too long for the socket of a shared connection.
    for cache in [parent.path().join("short"), parent.path().join("long".repeat(20))] {
        let (scene, sshd) = (Scene::new(&["sonarr"]), SshServer::start_new());
        let secret = Secret::new(sshd.secret());
        let mut arguments = scene.with_secret(&sshd.url(scene.repository.path()), &secret);
        arguments.extend(["--cache-dir".into(), cache.clone().into()]);
        let server = ready(Server::start(arguments));
        server.promote("sonarr").commit();
        // The server is at rest: what it keeps for the next push is there.
        poll("a conversation is kept", PATIENCE, || {
            let kept = server.children(|command| command.contains("git-receive-pack"));
            if kept == 1 { Ok(()) } else { Err(format!("{kept}")) }
        });
        let [identity, hosts] = <[_; 2]>::try_from(sshd.secret()).unwrap();
        secret.replace([identity.clone(), ("known_hosts", Vec::new())]);
        server.demote("sonarr").assert_problem(502, "host-key-unknown");
        secret.replace([identity, hosts.clone()]);
        assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
        let stranger = fs::read(sshd.wrong_key()).unwrap();
        secret.replace([("identity", stranger), hosts]);
        server.promote("sonarr").assert_problem(502, "ssh-key-rejected");
        assert_eq!((scene.repository.commit_count(), scene.text("sonarr")), (3, manifest("sonarr")));
    }
}
