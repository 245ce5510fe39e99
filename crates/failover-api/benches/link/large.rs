//! What a large repository costs: 20,000 files and 50,000 commits.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{self, SERVICE};
use crate::floor::SshFloor;
use crate::flows::{Before, Flow, Ours, newest_message, timed};
use crate::line::Line;
use crate::samples::{Samples, Target};
use crate::support::git::Repository;
use crate::support::scene::{Scene, manifest};
use crate::support::sshd::SshServer;
use crate::{ROUNDS, WARM_UP_ROUNDS, print_memory};

const FILES: usize = 20_000;
const COMMITS: usize = 50_000;
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// The small repository's files among many others, and a history about those.
fn history() -> Vec<u8> {
    let mut files = cluster::files();
    let others = (FILES - files.len()) / 2;
    let folder = |number: usize| format!("others/group-{}/tool-{number}", number % 100);
    let text = |number: usize, version: usize| {
        format!("# version {version}\n{}", manifest(&format!("tool-{number}")))
    };
    for number in 0..others {
        files.insert(format!("{}/deployment.yaml", folder(number)), text(number, 0));
        files.insert(
            format!("{}/kustomization.yaml", folder(number)),
            "resources: [deployment.yaml]\n".to_owned(),
        );
    }
    files.insert("README.md".to_owned(), "A large homelab.\n".to_owned());
    assert!(files.len().abs_diff(FILES) <= 1);
    let mut stream = Vec::new();
    cluster::commit(&mut stream, COMMITS, "Initial commit", files);
    for number in 1..COMMITS {
        // Not in the order of the files.
        let tool = number * 7919 % others;
        let file = (format!("{}/deployment.yaml", folder(tool)), text(tool, number));
        cluster::commit(&mut stream, COMMITS - number, &format!("Update tool-{tool}"), [file]);
    }
    writeln!(stream, "done").unwrap();
    stream
}

pub(crate) fn run(targets: &mut Vec<Target>) -> Value {
    let stream = history();
    let sshd = SshServer::start_new();
    let scene = || {
        let scene = Scene::with(Repository::import(&stream), &cluster::config());
        let line = Line::new(&sshd, ROUND_TRIP, scene.repository.path());
        (scene, line)
    };
    let ((scene, line), (floor, floor_line)) = (scene(), scene());
    assert_eq!(scene.repository.commit_count(), COMMITS);
    let (mut ours, start) = timed(|| Ours::new(Before::Armed, scene, line, &sshd, SERVICE));
    let fresh = ours.memory();
    ours.go();
    let message = newest_message(ours.scene());
    let mut floor = SshFloor::new(floor, floor_line, vec![cluster::change()], message);
    let (mut moves, mut least) = (Samples::default(), Samples::default());
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        let (time, floor) = (ours.go(), floor.go());
        if round >= WARM_UP_ROUNDS {
            moves.add(time);
            least.add(floor);
        }
    }
    let last = ours.memory();
    let peak = ours.server.memory().peak;
    println!("\n{FILES} files, {COMMITS} commits, 20 ms");
    println!("{:<44} {:>9} {:>9} {:>9} {:>8}", "", "median ms", "min ms", "max ms", "samples");
    println!("{:<44} {}", "ours, armed", moves.columns());
    println!("{:<44} {}", "bare write and read", least.columns());
    println!("{:<44} {:>9.1}", "start until ready", start.as_secs_f64() * 1e3);
    print_memory("at the start", &fresh);
    print_memory("after the moves", &last);
    println!("{:<44} {peak} bytes", "the most that the server itself had");
    targets.push(Target::at_most(
        "large repository: ours armed / bare write and read, 20 ms",
        moves.median() / least.median(),
        1.3,
    ));
    let total = last.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64 / 1048576.;
    targets.push(Target::at_most("large repository: resident memory, MiB", total, 40.));
    json!({
        "files": FILES, "commits": COMMITS, "rtt_ms": 20, "start_ms": start.as_secs_f64() * 1e3,
        "ours_armed": moves.json(), "floor": least.json(),
        "memory_bytes": { "start": fresh, "after_moves": last, "server_peak": peak },
    })
}
