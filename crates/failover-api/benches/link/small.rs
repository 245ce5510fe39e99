//! A small repository, at each distance.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{self, COMMITS, SERVICE};
use crate::floor::{HttpsFloor, SshFloor};
use crate::flows::{Before, CloneEach, Flow, Ours, WarmGit, new_objects, newest_message, timed};
use crate::line::Line;
use crate::samples::{Samples, Target};
use crate::support::api::Server;
use crate::support::git::Repository;
use crate::support::https::{Access, HttpsServer};
use crate::support::scene::{Scene, ready};
use crate::support::sshd::SshServer;
use crate::web::{OursOverHttps, WebLine, assert_pooled};
use crate::{ROUNDS, WARM_UP_ROUNDS, milliseconds, print_memory};

const ROUND_TRIPS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(80)];
/// Where the server starts and its memory are looked at.
const MIDDLE: usize = 1;

/// The rows of one distance, in their order.
const ROWS: [(&str, &str); 8] = [
    ("clone_each", "clone, edit, commit, push"),
    ("warm_git", "git, warm clone and connection"),
    ("ours_cold", "ours, every connection lost"),
    ("ours_overtaken", "ours, somebody else has pushed"),
    ("ours_armed", "ours, armed"),
    ("floor", "bare write and read"),
    ("ours_https", "ours over HTTPS"),
    ("floor_https", "bare POST over HTTPS"),
];

struct Row {
    key: &'static str,
    samples: Samples,
    flow: Box<dyn Flow>,
    moves: usize,
}

pub(crate) fn run(targets: &mut Vec<Target>) -> Value {
    let stream = cluster::history(&cluster::files());
    let scene = || Scene::with(Repository::import(&stream), &cluster::config());
    let (sshd, https) = (SshServer::start_new(), HttpsServer::start_new(Access::Open));
    let message = example(&scene());
    // All lines first: the file that pins the host key is watched by our servers.
    let lines = ROUND_TRIPS.map(|round_trip| {
        [(); 7].map(|()| {
            let scene = scene();
            let line = Line::new(&sshd, round_trip, scene.repository.path());
            (scene, line)
        })
    });
    let mut start = Samples::default();
    let mut measured = None;
    let mut distances: Vec<Vec<Row>> = Vec::new();
    for (at, lines) in lines.into_iter().enumerate() {
        let round_trip = ROUND_TRIPS[at];
        let [clone, warm, cold, overtaken, armed, floor, starts] = lines;
        let change = cluster::change();
        let ours = |before, (scene, line)| -> Ours { Ours::new(before, scene, line, &sshd, SERVICE) };
        if at == MIDDLE {
            let (scene, line) = starts;
            for _ in 0..ROUNDS {
                let arguments = scene.ssh_with(&line.url, &sshd.key(), &sshd);
                let (mut server, time) = timed(|| ready(Server::start(arguments)));
                start.add(time);
                assert!(server.terminate().success());
            }
            measured = Some(ours(Before::Armed, (scene, line)));
        }
        let web = [(); 2].map(|()| {
            let scene = scene();
            let line = WebLine::new(&https, round_trip, &scene);
            (scene, line)
        });
        let [(web_scene, web_line), (web_floor, web_floor_line)] = web;
        let authority = std::fs::read(https.file("ca.crt")).unwrap();
        let flows: [Box<dyn Flow>; 8] = [
            Box::new(CloneEach { scene: clone.0, line: clone.1, change: change.clone(), at_backup: false }),
            Box::new(WarmGit::new(warm.0, warm.1, change.clone())),
            Box::new(ours(Before::Cold, cold)),
            Box::new(ours(Before::Overtaken, overtaken)),
            Box::new(ours(Before::Armed, armed)),
            Box::new(SshFloor::new(floor.0, floor.1, vec![change.clone()], message.clone())),
            Box::new(OursOverHttps::new(web_scene, web_line, &https, SERVICE)),
            Box::new(HttpsFloor::new(web_floor, web_floor_line, &authority, vec![change], message.clone())),
        ];
        let rows = ROWS.into_iter().zip(flows);
        distances.push(
            rows.map(|((key, _), flow)| Row { key, samples: Samples::default(), flow, moves: 0 }).collect(),
        );
    }
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        for row in distances.iter_mut().flatten() {
            let time = row.flow.go();
            row.moves += 1;
            if round >= WARM_UP_ROUNDS {
                row.samples.add(time);
            }
        }
    }
    let mut measured = measured.unwrap();
    for _ in 0..WARM_UP_ROUNDS + ROUNDS {
        measured.go();
    }
    let memory = measured.memory();
    distances.iter().flatten().for_each(|row| check(row, &https));
    report(&distances, &start, &memory, targets)
}

/// The message of a move, as our server writes it.
fn example(scene: &Scene) -> String {
    let server = scene.serve();
    server.promote(SERVICE).commit();
    server.wait_log("the commit is read", |event| event["message"] == "push ended");
    newest_message(scene)
}

/// Everything landed, each by itself, and what was sent is comparable.
fn check(row: &Row, https: &HttpsServer) {
    let repository = &row.flow.scene().repository;
    let commits = repository.commit_count() - COMMITS;
    let each = if row.key == "ours_overtaken" { 2 } else { 1 };
    if row.key == "ours_cold" {
        // Some were asked again; see there.
        assert!(commits >= row.moves);
    } else {
        assert_eq!(commits, each * row.moves, "{}", row.key);
    }
    assert!(repository.is_linear());
    repository.fsck().unwrap();
    // A commit, five folders, the root and the file.
    assert_eq!(new_objects(row.flow.scene()), 8, "{}", row.key);
    if row.key.ends_with("https") {
        assert_pooled(https, row.flow.scene(), row.moves);
    }
}

fn report(
    distances: &[Vec<Row>],
    start: &Samples,
    memory: &[(String, u64)],
    targets: &mut Vec<Target>,
) -> Value {
    println!("{} files, {COMMITS} commits at first; each row moves {SERVICE}", cluster::files().len());
    println!("{:<44} {:>9} {:>9} {:>9} {:>8}", "", "median ms", "min ms", "max ms", "samples");
    let mut json_rows = Vec::new();
    for (rows, round_trip) in distances.iter().zip(ROUND_TRIPS) {
        let round_trip = milliseconds(round_trip);
        for (row, (key, title)) in rows.iter().zip(ROWS) {
            println!("{:<44} {}", format!("{round_trip:>2} ms  {title}"), row.samples.columns());
            json_rows.push(json!({ "flow": key, "rtt_ms": round_trip, "times": row.samples.json() }));
        }
        let median = |key| rows.iter().find(|row| row.key == key).unwrap().samples.median();
        let ratio = |one, other| median(one) / median(other);
        if round_trip > 0 {
            let what = format!("ours armed / bare write and read, {round_trip} ms");
            targets.push(Target::at_most(what, ratio("ours_armed", "floor"), 1.3));
            let what = format!("ours over HTTPS / bare POST, {round_trip} ms");
            targets.push(Target::at_most(what, ratio("ours_https", "floor_https"), 1.3));
        }
        if round_trip == 20 {
            let what = "clone for each move / ours armed, 20 ms";
            targets.push(Target::at_least(what, ratio("clone_each", "ours_armed"), 30.));
        }
    }
    println!("{:<44} {}", "20 ms  start until ready", start.columns());
    print_memory("after the moves", memory);
    targets.push(Target::at_most("start until ready at 20 ms, seconds", start.median() / 1e3, 2.));
    let total = memory.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64 / 1048576.;
    targets.push(Target::at_most("resident memory with its ssh, MiB", total, 40.));
    json!({ "rows": json_rows, "start": start.json(), "memory_bytes": memory })
}
