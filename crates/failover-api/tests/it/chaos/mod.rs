//! Servers that are killed, lines that break, a host that freezes, people who commit to the same branch and rewrite
//! it. Every call is asked again with its key until it is settled, and then Git's record of the branch is the witness.
//!
//! `FAILOVER_CHAOS_MOVES` and `FAILOVER_CHAOS_SECONDS` say how much and how long, and `FAILOVER_CHAOS_SEED` repeats the
//! choices of a run, though not the moments at which they meet.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::api::Server;
use crate::support::audit::{Ledger, audit};
use crate::support::proxy::Proxy;
use crate::support::scene::{Scene, ready};
use crate::support::sshd::SshServer;

mod host;
mod replica;
mod people;
mod caller;
mod report;

use caller::{Caller, ask};
use host::{Host, Local, Web};
use people::Person;
use replica::{End, Pace, Replica};
use report::{Summary, evidence};

/// Moves that are asked for, by all callers together.
const MOVES: usize = 200;
/// No move is begun later.
const SECONDS: u64 = 300;
const CALLERS: usize = 4;
const SERVICES: [&str; 4] = ["lidarr", "radarr", "readarr", "sonarr"];

#[test]
fn nothing_is_lost_and_nothing_happens_twice_over_ssh() {
    chaos(&SshServer::start_new());
}

#[test]
fn nothing_is_lost_and_nothing_happens_twice_over_https() {
    chaos(&Web::start_new());
}

#[test]
fn nothing_is_lost_and_nothing_happens_twice_on_one_machine() {
    chaos(&Local::new());
}

/// A number from the environment.
fn number<N: std::str::FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[expect(
    clippy::print_stdout,
    reason = "the test of this, which is called with several hosts, reports what it did"
)]
fn chaos(host: &dyn Host) {
    let seed = number("FAILOVER_CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("FAILOVER_CHAOS_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let moves = number("FAILOVER_CHAOS_MOVES").unwrap_or(MOVES);
    let time = Duration::from_secs(number("FAILOVER_CHAOS_SECONDS").unwrap_or(SECONDS));
    let scene = Scene::new(&SERVICES);
    // Before or after a push lands, one in five takes its time, and one in ten loses its connection.
    let hang_up = host.hang_up();
    let hook = format!(
        "#!/bin/sh\ncase $(($$ % 20)) in\n0 | 5 | 10 | 15) sleep 0.4 ;;\n1 | 2)\n{hang_up}\n;;\nesac\nexit 0\n"
    );
    scene.repository.install_hook("pre-receive", &hook);
    scene.repository.install_hook("post-receive", &hook);
    let replicas = [(); 3].map(|()| Replica::new(host, &scene));
    let (ledger, pace) = (Mutex::new(Ledger::default()), Pace::default());
    let (begun, asked) = (Instant::now(), AtomicUsize::new(0));
    let next = &|| Some(asked.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < moves);
    let misbehaved = std::thread::scope(|scope| {
        let (ledger, pace, replicas, end) = (&ledger, &pace, &replicas, End(&pace));
        for replica in replicas {
            let random = random.fork();
            scope.spawn(move || replica.run(host, pace, random));
        }
        let lives = [Person::take_notes, Person::tag_images, Person::rewrite];
        for (name, live) in ["Alice", "Bob", "Carol"].into_iter().zip(lives) {
            let (person, random) = (Person::new(name, &scene.repository, ledger), random.fork());
            scope.spawn(move || live(person, pace, random));
        }
        let trouble = random.fork();
        let trouble = scope.spawn(move || make_trouble(host, replicas, pace, trouble));
        let callers = [(); CALLERS].map(|()| {
            let mut caller = Caller { replicas, pace, random: random.fork() };
            scope.spawn(move || {
                while let Some(number) = next().filter(|_| begun.elapsed() < time) {
                    let call = caller.carry_out(number);
                    ledger.lock().unwrap().calls.push(call);
                    pace.moved();
                }
            })
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        drop(end);
        trouble.join().unwrap()
    });
    let elapsed = begun.elapsed().as_secs();
    let mut ledger = ledger.into_inner().unwrap();
    let mut logs = settle_in_peace(host, &scene, &mut ledger);
    let summary = Summary { ledger: &ledger, replicas: &replicas, misbehaved: &misbehaved };
    println!("chaos: {summary}; {elapsed} s");
    logs.extend(replicas.iter().flat_map(|replica| replica.kept().log));
    let repository = scene.repository.path();
    let objections = audit(repository, &ledger);
    objections.iter().for_each(|objection| println!("{}", evidence(objection, repository, &ledger, &logs)));
    assert!(objections.is_empty(), "{objections:?}");
    let done = ledger.calls.len();
    // How many there were says how busy the machine was. Where nothing gets through, no caller has many.
    assert!(done >= moves.min(CALLERS * 5), "only {done} moves in {elapsed} s: {summary}");
    assert!(summary.changed() * 3 > done, "too few of the moves changed anything: {summary}");
}

/// Breaks lines, and lets the host misbehave; says how often it did in each way.
fn make_trouble(
    host: &dyn Host,
    replicas: &[Replica],
    pace: &Pace,
    mut random: Rng,
) -> BTreeMap<&'static str, usize> {
    let mut misbehaved = BTreeMap::new();
    while !pace.after_moves(1, &mut random) {
        if random.u8(0..10) == 0 {
            *misbehaved.entry(host.misbehave(&mut random)).or_default() += 1;
        } else {
            replicas[random.usize(..replicas.len())].spoil(&mut random);
        }
    }
    misbehaved
}

/// Asks what is still open once more, by a line that holds; after that nothing is under way. Returns what was logged.
fn settle_in_peace(host: &dyn Host, scene: &Scene, ledger: &mut Ledger) -> Vec<String> {
    let proxy = Proxy::start(host.address());
    let mut server = ready(Server::start(host.arguments(scene, &proxy)));
    for call in ledger.calls.iter_mut().filter(|call| !call.is_settled()) {
        call.answers.extend(ask(&server.client(), call));
        call.span.1 = Instant::now();
    }
    assert!(server.terminate().success());
    host.wait_idle();
    server.log()
}
