//! Three servers and a foreign committer on one branch, while connections are cut, the server is frozen and hooks
//! dawdle. Afterwards the branch itself is the witness.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::api::{Reply, Server};
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, ready};
use crate::support::sshd::SshServer;

/// Moves that are asked for, all servers together; `FAILOVER_CHAOS_MOVES` asks for more.
const MOVES: usize = 60;
const SERVICES: [&str; 3] = ["radarr", "readarr", "sonarr"];

struct Asked {
    key: String,
    reply: Reply,
}

#[test]
fn nothing_is_lost_and_nothing_happens_twice_in_chaos() {
    let moves =
        std::env::var("FAILOVER_CHAOS_MOVES").ok().and_then(|text| text.parse().ok()).unwrap_or(MOVES);
    let scene = Scene::new(&SERVICES);
    // One push in five takes its time before or after it lands.
    let dawdle = "#!/bin/sh\n[ $(($$ % 5)) -ne 0 ] || sleep 0.4\n";
    scene.repository.install_hook("pre-receive", dawdle);
    scene.repository.install_hook("post-receive", dawdle);
    let sshd = SshServer::start_new();
    let servers = [(); 3].map(|()| ready(Server::start(scene.ssh(&sshd))));
    let (asked, foreign, over) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let askers: Vec<_> = servers
            .iter()
            .enumerate()
            .map(|(number, server)| {
                let asked = &asked;
                scope.spawn(move || ask(server, number, moves / 3, asked))
            })
            .collect();
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                let path = format!("notes/{number}.md");
                foreign.lock().unwrap().push(scene.repository.commit_foreign(&path, b"note", "Note"));
                number += 1;
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        scope.spawn(|| {
            let mut rounds = 0_u64;
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(150 + rounds % 7 * 90));
                rounds += 1;
                if rounds.is_multiple_of(5) {
                    sshd.freeze();
                    std::thread::sleep(Duration::from_millis(400));
                    sshd.thaw();
                } else {
                    sshd.kill_sessions();
                }
            }
        });
        for asker in askers {
            asker.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    let (asked, foreign) = (asked.into_inner().unwrap(), foreign.into_inner().unwrap());
    assert_eq!(asked.len(), moves / 3 * 3);
    // What is still in doubt becomes certain when it is asked again, with the same key, in peace.
    let asked: Vec<Asked> = asked.into_iter().map(|one| settle(&servers[0], one)).collect();
    audit(&scene, &asked, &foreign);
}

fn path_of(key: &str) -> String {
    let number: usize = key.rsplit('-').next().unwrap().parse().unwrap();
    let verb = if number.is_multiple_of(2) { "promote" } else { "demote" };
    format!("/api/failover/{}/{verb}", SERVICES[number % SERVICES.len()])
}

fn ask(server: &Server, number: usize, moves: usize, asked: &Mutex<Vec<Asked>>) {
    for round in 0..moves {
        let key = format!("chaos-{number}-{}", round * 3 + number);
        let reply = server.post(&path_of(&key), "", &[("idempotency-key", &key)]);
        asked.lock().unwrap().push(Asked { key, reply });
    }
}

fn settle(server: &Server, one: Asked) -> Asked {
    if one.reply.json["code"] != "outcome-unknown" {
        return one;
    }
    let path = path_of(&one.key);
    let reply = server.post(&path, "", &[("idempotency-key", &one.key)]);
    assert_eq!(reply.status, 200, "{} within {PATIENCE:?}: {}", one.key, reply.text);
    Asked { reply, ..one }
}

/// Reads the branch with Git alone.
fn audit(scene: &Scene, asked: &[Asked], foreign: &[String]) {
    let log = scene.repository.log("%H");
    let commits: HashSet<&str> = log.lines().collect();
    let messages = scene.repository.log("%B");
    let (mut changed, mut failed) = (0, 0);
    for Asked { key, reply } in asked {
        let times = messages.matches(&format!("Idempotency-Key: {key}\n")).count();
        match (reply.status, reply.json["changed"].as_bool()) {
            (200, Some(true)) => {
                changed += 1;
                assert_eq!(times, 1, "{key}: {}", reply.text);
                assert!(commits.contains(reply.commit()), "{key}: {}", reply.text);
            }
            (200, _) => assert_eq!(times, 0, "{key}: {}", reply.text),
            (status, _) => {
                failed += 1;
                assert!(status >= 500, "{key}: {}", reply.text);
                assert_eq!(times, 0, "{key} is said to have failed: {}", reply.text);
            }
        }
    }
    assert!(
        changed * 3 > asked.len(),
        "only {changed} of {} moves changed anything, {failed} failed",
        asked.len()
    );
    assert!(
        !foreign.is_empty() && foreign.iter().all(|id| commits.contains(id.as_str())),
        "a foreign commit is lost"
    );
    assert_eq!(commits.len(), 1 + changed + foreign.len(), "a commit that nobody was told of");
    let operations: Vec<&str> = messages.lines().filter(|line| line.starts_with("Operation-Id: ")).collect();
    assert_eq!(
        operations.iter().collect::<HashSet<_>>().len(),
        operations.len(),
        "an operation is there twice"
    );
    assert!(scene.repository.is_linear());
    scene.repository.fsck().unwrap();
}
