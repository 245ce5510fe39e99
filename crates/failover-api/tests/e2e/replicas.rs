//! Two pods of the Deployment: there is no leader, and the branch is the lock.

use std::thread;

use super::scene::Cluster;
use crate::support::scene::{moved, ready};

#[test]
fn one_replica_is_killed_and_the_other_serves_and_moves() {
    let cluster = Cluster::start();
    let (mut first, second) = (cluster.pod(), cluster.pod());
    let second = ready(second.server);
    first.server = ready(first.server);
    assert_eq!(first.server.promote("sonarr").commit(), cluster.scene.repository.tip());
    first.server.kill();
    // It knows by asking the branch, not the other one.
    let again = second.promote("sonarr");
    assert_eq!((again.status, &again.json["changed"]), (200, &false.into()), "{}", again.text);
    assert_eq!(again.json["commit"], cluster.scene.repository.tip());
    assert_eq!(second.promote("radarr").commit(), cluster.scene.repository.tip());
    assert_eq!(second.demote("sonarr").commit(), cluster.scene.repository.tip());
    assert_eq!(cluster.scene.repository.commit_count(), 4);
}

#[test]
fn both_move_at_once_and_there_is_one_commit() {
    let cluster = Cluster::start();
    let pods = [cluster.pod(), cluster.pod()];
    for pod in &pods {
        crate::support::process::poll("ready", crate::support::process::PATIENCE, || {
            let reply = pod.server.get("/readyz");
            if reply.status == 200 { Ok(()) } else { Err(reply.text) }
        });
    }
    let asked = pods.each_ref().map(|pod| {
        let client = pod.server.client();
        thread::spawn(move || {
            client.try_request("POST", "/api/failover/sonarr/promote", "", &[]).unwrap().json
        })
    });
    let answers = asked.map(|answer| answer.join().unwrap());
    let changed: Vec<_> = answers.iter().filter(|answer| answer["changed"] == true).collect();
    assert_eq!(changed.len(), 1, "{answers:?}");
    // Both tell of the same commit.
    for answer in &answers {
        assert_eq!(answer["commit"], cluster.scene.repository.tip(), "{answers:?}");
    }
    assert_eq!(cluster.scene.repository.commit_count(), 2);
    assert_eq!(cluster.scene.text("sonarr"), moved("sonarr"));
    cluster.scene.repository.fsck().unwrap();
}
