//! The Secret in the forms that Flux knows, and as it changes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use super::scene::{Cluster, wait_for_health};
use crate::support::api::Server;
use crate::support::https::{Access, HttpsServer};
use crate::support::process::run;
use crate::support::scene::{moved, ready};

#[test]
fn a_rotated_key_is_followed_without_a_restart() {
    let cluster = Cluster::start();
    let pod = cluster.pod();
    let server = ready(pod.server);
    assert_eq!(server.promote("sonarr").commit(), cluster.scene.repository.tip());
    // The host is told of the new key first, as hosts with one key for a repository want it.
    let key = cluster.sshd.file("new_key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&key));
    fs::copy(key.with_extension("pub"), cluster.sshd.file("authorized_keys")).unwrap();
    assert!(cluster.sshd.kill_sessions() > 0);
    wait_for_health(&server, "ssh-key-rejected");
    server.demote("sonarr").assert_problem(502, "ssh-key-rejected");
    // What is left of the old public key does not matter to Flux, and so not here.
    fs::rename(&key, cluster.sshd.key()).unwrap();
    cluster.write_ssh_secret();
    wait_for_health(&server, "");
    assert_eq!(server.promote("radarr").commit(), cluster.scene.repository.tip());
    assert_eq!(cluster.scene.text("radarr"), moved("radarr"));
}

#[test]
fn a_key_with_a_passphrase_and_one_in_the_form_that_flux_makes_are_used() {
    let cluster = Cluster::without_secret();
    let known_hosts = fs::read_to_string(cluster.sshd.known_hosts()).unwrap();
    let key = cluster.sshd.file("locked_key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "correct horse", "-f"]).arg(&key));
    fs::copy(key.with_extension("pub"), cluster.sshd.file("authorized_keys")).unwrap();
    let locked = |password: &str| {
        let identity = fs::read_to_string(&key).unwrap();
        cluster.write_secret(&[
            ("identity", identity.trim_end().to_owned()),
            ("known_hosts", known_hosts.clone()),
            ("password", password.to_owned()),
        ]);
    };
    locked("canary-wrong");
    let pod = cluster.pod();
    let problem = wait_for_health(&pod.server, "secret-unusable");
    assert!(problem["detail"].as_str().unwrap().contains("password does not open identity"), "{problem}");
    pod.server.get("/readyz").assert_problem(502, "secret-unusable");
    locked("correct horse");
    wait_for_health(&pod.server, "");
    assert_eq!(pod.server.promote("sonarr").commit(), cluster.scene.repository.tip());

    let pkcs8 = cluster.sshd.file("pkcs8");
    run(Command::new("openssl").args(["genpkey", "-algorithm", "ED25519", "-out"]).arg(&pkcs8));
    // The right password was copied with the same words.
    let seen = pod.server.log().len();
    cluster.write_secret(&[("identity", fs::read_to_string(&pkcs8).unwrap()), ("known_hosts", known_hosts)]);
    // Its public half, which OpenSSH can say once the server has rewritten the key.
    let copied = pod.server.next_log(seen, Duration::from_secs(60), |event| {
        event["message"] == "the Secret was copied" && event["changed"] == "identity password"
    });
    let copied = copied.expect("the key is copied within a minute");
    assert_eq!(copied["secret"], "flux-system/flux-system");
    let public =
        run(Command::new("ssh-keygen").arg("-y").arg("-f").arg(pod.copies()[0].join("identity"))).stdout;
    fs::write(cluster.sshd.file("authorized_keys"), public).unwrap();
    assert!(cluster.sshd.kill_sessions() > 0);
    wait_for_health(&pod.server, "");
    assert_eq!(pod.server.promote("radarr").commit(), cluster.scene.repository.tip());
    for line in pod.server.log() {
        let shown =
            ["PRIVATE KEY", "correct horse", "canary-wrong"].into_iter().find(|secret| line.contains(secret));
        assert_eq!(shown, None, "{line}");
    }
}

#[test]
fn every_form_for_https_is_used_and_its_rotation_followed() {
    let cluster = Cluster::without_secret();
    for access in [Access::Basic, Access::Bearer, Access::ClientCertificate] {
        let https = HttpsServer::start_new(access);
        cluster.write_secret(&https.secret());
        let pod = cluster.pod_for(&https.url(cluster.scene.repository.path()));
        wait_for_health(&pod.server, "");
        assert_eq!(pod.server.promote("sonarr").commit(), cluster.scene.repository.tip(), "{access:?}");
        // Keys of an earlier form are gone, and would be taken for this one's.
        let keys: BTreeSet<_> = https.secret().into_iter().map(|(key, _)| key.to_owned()).collect();
        let copied = fs::read_dir(&pod.copies()[0])
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(copied.collect::<BTreeSet<_>>(), keys, "{access:?}");
        cluster.write_secret(&https.wrong_secret());
        pod.server.wait_log("a change", |event| event["message"] == "the Secret was copied");
        wait_for_health(&pod.server, "credentials-rejected");
        cluster.write_secret(&https.secret());
        wait_for_health(&pod.server, "");
        assert_eq!(pod.server.demote("sonarr").commit(), cluster.scene.repository.tip(), "{access:?}");
    }
}

#[test]
fn the_copy_is_private_and_does_not_outlive_the_server() {
    let cluster = Cluster::start();
    let mut pod = cluster.pod();
    wait_for_health(&pod.server, "");
    let copies = pod.copies();
    assert_eq!(copies.len(), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(copies[0].parent().unwrap()), mode(&copies[0])), (0o700, 0o700));
    assert_eq!(mode(&copies[0].join("identity")), 0o400);
    assert!(pod.server.terminate().success());
    assert!(pod.copies().is_empty(), "{:?}", pod.copies());
    // One that is killed removes nothing; the next one does.
    pod.restart(&cluster);
    wait_for_health(&pod.server, "");
    let left = pod.copies();
    pod.server.kill();
    assert_eq!(pod.copies(), left);
    pod.restart(&cluster);
    wait_for_health(&pod.server, "");
    assert!(pod.copies().len() == 1 && pod.copies() != left, "{:?}", pod.copies());
}

#[test]
fn outside_a_pod_the_kubeconfig_says_whom_to_ask_and_as_whom() {
    let cluster = Cluster::start();
    let mut program = Command::new("env");
    program.arg(env!("CARGO_BIN_EXE_failover-api"));
    let mut arguments = cluster.arguments(&cluster.ssh_url());
    arguments.extend(["--git-secret", "flux-system/flux-system"].map(OsString::from));
    let server = Server::start_program(program, "info", &arguments);
    let problem = wait_for_health(&server, "cluster-not-configured");
    assert!(problem["hint"].as_str().unwrap().contains("KUBECONFIG"), "{problem}");
    drop(server);
    let mut program = Command::new("env");
    program.arg(format!("KUBECONFIG={}", cluster.plane.account_kubeconfig().display()));
    program.arg(env!("CARGO_BIN_EXE_failover-api"));
    let server = Server::start_program(program, "info", &arguments).authorized(cluster.authorization());
    let server = ready(server);
    assert_eq!(server.promote("sonarr").commit(), cluster.scene.repository.tip());
}
