//! The API server, the Secret or the right to read it is missing: the server runs, says so, and heals by itself.

use super::scene::{Cluster, wait_for_health};
use crate::support::scene::ready;

#[test]
fn the_api_server_may_die_and_come_back() {
    let mut cluster = Cluster::start();
    let pod = cluster.pod();
    let server = ready(pod.server);
    cluster.plane.stop_api();
    wait_for_health(&server, "cluster-unreachable");
    // The last copy stays in use, also for new connections.
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/api/health").json["status"], "degraded");
    cluster.sshd.kill_sessions();
    assert_eq!(server.promote("sonarr").commit(), cluster.scene.repository.tip());
    cluster.plane.start_api();
    wait_for_health(&server, "");
    // It is followed again, and not only reachable.
    cluster.plane.admin(["delete", "secret", "flux-system", "-n", "flux-system"]);
    wait_for_health(&server, "secret-not-found");
    assert_eq!(server.demote("sonarr").commit(), cluster.scene.repository.tip());
    cluster.write_ssh_secret();
    wait_for_health(&server, "");
}

#[test]
fn a_start_without_the_api_server_the_right_or_the_secret_heals_step_by_step() {
    let mut cluster = Cluster::without_secret();
    cluster.plane.admin(["delete", "rolebinding", "failover-api-git-secret", "-n", "flux-system"]);
    // The token must be there before, as in a pod.
    let mut pod = cluster.pod();
    pod.server.kill();
    cluster.plane.stop_api();
    pod.restart(&cluster);
    let problem = wait_for_health(&pod.server, "cluster-unreachable");
    assert!(problem["hint"].as_str().unwrap().contains("network policy"), "{problem}");
    assert_eq!(pod.server.get("/livez").status, 200);
    pod.server.get("/readyz").assert_problem(502, "cluster-unreachable");
    pod.server.promote("sonarr").assert_problem(502, "cluster-unreachable");

    cluster.plane.start_api();
    let problem = wait_for_health(&pod.server, "secret-forbidden");
    let hint = problem["hint"].as_str().unwrap();
    assert!(
        hint.contains("Role in namespace flux-system") && hint.contains("resourceNames [flux-system]"),
        "{hint}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(super::control_plane::ACCOUNT), "{detail}");

    cluster.plane.admin(["apply", "-k", super::scene::base().to_str().unwrap()]);
    wait_for_health(&pod.server, "secret-not-found");
    cluster.write_secret(&[("username", "nobody")]);
    let problem = wait_for_health(&pod.server, "secret-unusable");
    assert!(problem["detail"].as_str().unwrap().contains("no identity and no known_hosts"), "{problem}");
    cluster.write_ssh_secret();
    wait_for_health(&pod.server, "");
    assert_eq!(pod.server.promote("sonarr").commit(), cluster.scene.repository.tip());
}

#[test]
fn a_token_that_is_no_longer_good_is_told_of_and_the_next_one_used() {
    let cluster = Cluster::start();
    let pod = cluster.pod();
    wait_for_health(&pod.server, "");
    // All its tokens end with the account.
    cluster.plane.admin(["delete", "serviceaccount", "failover-api", "-n", "failover-api"]);
    wait_for_health(&pod.server, "cluster-token-rejected");
    assert_eq!(pod.server.promote("sonarr").commit(), cluster.scene.repository.tip());
    cluster.plane.admin(["apply", "-k", super::scene::base().to_str().unwrap()]);
    pod.renew_token(&cluster.plane);
    wait_for_health(&pod.server, "");
}
