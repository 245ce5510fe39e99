//! Callers with tokens of the cluster.

use super::scene::{Cluster, base, wait_for_health};
use crate::support::api::Server;
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::ready;

fn promote(server: &Server, service: &str, token: &str) -> crate::support::api::Reply {
    let header = format!("Bearer {token}");
    server.post(&format!("/api/failover/{service}/promote"), "", &[("authorization", &header)])
}

#[test]
fn tokens_of_the_cluster_are_reviewed_and_its_roles_decide() {
    let mut cluster = Cluster::start();
    cluster.plane.admin(["create", "namespace", "media"]);
    let token = |account: &str| {
        cluster.plane.admin(["create", "serviceaccount", account, "-n", "media"]);
        cluster.plane.admin(["create", "token", account, "-n", "media"]).trim().to_owned()
    };
    let (operator, reader, nobody) = (token("night"), token("panel"), token("other"));
    let component = base().join("../components/kubernetes-auth");
    cluster.plane.admin(["apply", "-f", component.join("callers.yaml").to_str().unwrap()]);
    for (role, account) in [("failover-api-operator", "night"), ("failover-api-reader", "panel")] {
        let (role, account) = (format!("--clusterrole={role}"), format!("--serviceaccount=media:{account}"));
        cluster.plane.admin([
            "create",
            "clusterrolebinding",
            &account[17..].replace(':', "-"),
            &role,
            &account,
        ]);
    }
    let pod = cluster.pod_with(&["--kubernetes-auth", "--require-token-for-reads"]);
    let server = ready(pod.server);

    // Nobody is let in as long as the server may not ask.
    promote(&server, "sonarr", &operator).assert_problem(503, "authentication-unavailable");
    let problem = wait_for_health(&server, "authentication-unavailable");
    assert!(problem["hint"].as_str().unwrap().contains("system:auth-delegator"), "{problem}");
    cluster.plane.admin(["apply", "-f", component.join("auth-delegator.yaml").to_str().unwrap()]);
    let moved = poll("the right is in force", PATIENCE, || {
        let reply = promote(&server, "sonarr", &operator);
        if reply.status == 503 { Err(reply.text) } else { Ok(reply) }
    });
    assert_eq!(moved.commit(), cluster.scene.repository.tip());
    let message = cluster.scene.repository.log("%B");
    assert!(message.contains("Requested-By: system:serviceaccount:media:night"), "{message}");
    wait_for_health(&server, "");

    promote(&server, "radarr", &reader).assert_problem(403, "role-too-small");
    promote(&server, "radarr", &nobody).assert_problem(403, "role-too-small");
    promote(&server, "radarr", "fo_made-up").assert_problem(401, "token-unknown");
    let read = |token: &str| {
        let header = format!("Bearer {token}");
        server.request("GET", "/api/services", "", &[("authorization", &header)])
    };
    assert_eq!((read(&reader).status, read(&operator).status), (200, 200));
    // What every account of a cluster may do to the API server is no right here.
    read(&nobody).assert_problem(403, "role-too-small");

    // An account that is gone is known for half a minute at most.
    cluster.plane.admin(["delete", "serviceaccount", "night", "-n", "media"]);
    poll("its token ends", PATIENCE, || {
        let reply = promote(&server, "sonarr", &operator);
        if reply.json["code"] == "token-unknown" { Ok(()) } else { Err(reply.text) }
    });

    cluster.plane.stop_api();
    promote(&server, "radarr", "never-seen").assert_problem(503, "authentication-unavailable");
    // Tokens of the file need nobody's word.
    assert_eq!(server.promote("radarr").commit(), cluster.scene.repository.tip());
    for line in server.log() {
        let shown = [&operator, &reader, &nobody].into_iter().find(|token| line.contains(token.as_str()));
        assert_eq!(shown, None, "{line}");
    }
}
