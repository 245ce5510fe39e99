//! Hosts with manners of their own: nothing that they say may be taken for success, and nothing must break.

use std::fs;

use crate::support::api::{Reply, Server};
use crate::support::git::Repository;
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::{Scene, ask, config, manifest, manifest_path, moved, ready};
use crate::support::sshd::SshServer;

/// What stands before Git's programs: a few words to speak its protocol with, and the manner of the moment.
const PROGRAM: &str = r#"
id=$(git --git-dir="$1" rev-parse refs/heads/main)
# One packet.
pkt() { printf '%04x%s' $((${#1} + 4)) "$1"; }
# Where the branch is, and what can be done: the words.
first() { printf '%04x%s refs/heads/main\000%s\n' $((${#id} + ${#1} + 22)) "$id" "$1"; }
advertise() { first "$1"; printf 0000; }
# Hears a request with its pack; for one that wants nothing, that is all.
hear() {
  length=$(head -c 4)
  case $length in ''|0000) exit 0 ;; esac
  echo request >>"$HOME/requests"
  head -c $((0x$length)) >/dev/null
  cat >/dev/null
}
[ ! -e "$HOME/manner" ] || . "$HOME/manner"
"#;

/// A host whose manners change as a test wants them to.
struct OddHost {
    sshd: SshServer,
}

impl OddHost {
    fn start_new() -> Self {
        let script = |service: &str| {
            format!(
                "#!/bin/sh\nservice={service}\necho $service >>\"$HOME/sessions\"\n{PROGRAM}exec git {service} \"$1\"\n"
            )
        };
        Self { sshd: SshServer::start_with(script) }
    }

    /// From the next session on.
    fn behave(&self, manner: &str) {
        fs::write(self.sshd.file("manner.new"), manner).unwrap();
        fs::rename(self.sshd.file("manner.new"), self.sshd.file("manner")).unwrap();
    }

    /// The same for those who push.
    fn behave_to_pushes(&self, manner: &str) {
        self.behave(&format!("if [ $service = receive-pack ]; then\n{manner}\nfi\n"));
    }

    /// The same for those who fetch.
    fn behave_to_fetches(&self, manner: &str) {
        self.behave(&format!("if [ $service = upload-pack ]; then\n{manner}\nfi\n"));
    }

    fn behave_well(&self) {
        self.behave("");
    }

    fn sessions(&self) -> usize {
        fs::read_to_string(self.sshd.file("sessions")).unwrap_or_default().lines().count()
    }

    fn serve(&self, scene: &Scene) -> Server {
        Server::start(scene.ssh(&self.sshd))
    }

    /// A server that fetches without having asked for the branch's name by another session of the kind.
    fn serve_branch(&self, scene: &Scene) -> Server {
        let branch = ["--branch".into(), "main".into()];
        Server::start(scene.ssh(&self.sshd).into_iter().chain(branch))
    }
}

fn assert_detail(reply: &Reply, words: &str) {
    assert!(reply.json["detail"].as_str().unwrap().contains(words), "{}", reply.text);
}

/// The server cannot read its repository, and says so in these words.
fn assert_waits(server: &Server, code: &str, words: &str) {
    let health = server.wait_until("/api/health", |reply| reply.json["status"] == "unavailable", PATIENCE);
    let problem = &health.json["problems"][0];
    assert_eq!(problem["code"], code, "{}", health.text);
    assert!(problem["detail"].as_str().unwrap().contains(words), "{}", health.text);
    server.promote("sonarr").assert_problem(502, code);
}

#[test]
fn what_comes_in_place_of_the_branches_is_quoted_and_harms_nobody() {
    for (manner, code, words) in [
        // A shell that greets even those who only run a command.
        ("echo 'Welcome to git.example.org!'", "remote-failed", "Welcome to git.example.org!"),
        ("echo; echo 'Last login: today'", "remote-failed", "Last login: today"),
        ("printf '\\001\\002\\377'", "remote-failed", ""),
        ("first report-status; yes \"003a$id refs/heads/a\"", "remote-failed", "more than"),
        ("yes; exit", "remote-failed", ""),
        ("first report-status; exit 0", "remote-failed", ""),
        ("pkt 'ERR the repository is being moved'; exit 1", "remote-failed", "is being moved"),
        ("echo 'fatal: disk on fire' >&2; exit 128", "remote-failed", "disk on fire"),
        ("pkt 'hello'; printf 0000; exit", "remote-failed", ""),
        ("kill -9 $$", "remote-failed", ""),
    ] {
        let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
        host.behave(manner);
        let server = host.serve(&scene);
        assert_waits(&server, code, words);
        assert_eq!(server.get("/livez").status, 200);
        host.behave_well();
        assert_eq!(server.promote("sonarr").commit(), scene.repository.tip(), "{manner}");
        assert_eq!(scene.repository.commit_count(), 2);
    }
}

/// A scene whose first fetch is of many packets.
fn large_scene() -> Scene {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
    let files = [(manifest_path("sonarr"), manifest("sonarr").into_bytes()), ("noise".to_owned(), noise)];
    Scene::with(Repository::new(files), &config(&["sonarr"]))
}

#[test]
fn a_fetch_in_which_nothing_more_comes_is_given_up_and_made_again() {
    let (scene, host) = (large_scene(), OddHost::start_new());
    // It keeps its end open, and so would whoever waits for that end.
    host.behave_to_fetches(
        "git upload-pack \"$1\" | { stdbuf -o0 head -c 300000; touch \"$HOME/stuck\"; sleep 600; }; exit",
    );
    let server = host.serve_branch(&scene);
    let stuck = |reply: &Reply| {
        reply.json["problems"][0]["code"] == "remote-timeout" && reply.json["status"] == "unavailable"
    };
    server.wait_until("/api/health", stuck, PATIENCE);
    assert!(host.sshd.file("stuck").exists());
    host.behave_well();
    assert_eq!(ready(server).promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_fetch_that_takes_its_time_arrives() {
    let (scene, host) = (large_scene(), OddHost::start_new());
    // Longer in all than nothing at all may take.
    let pieces =
        "for piece in 1 2 3 4; do stdbuf -o0 head -c 200000; echo >>\"$HOME/pieces\"; sleep 5; done; cat";
    host.behave_to_fetches(&format!("git upload-pack \"$1\" | {{ {pieces}; }}; exit"));
    let server = ready(host.serve_branch(&scene));
    // At once, and not in a second try.
    assert_eq!(fs::read_to_string(host.sshd.file("pieces")).unwrap().lines().count(), 4);
    host.behave_well();
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_host_that_sends_without_end_is_not_listened_to_without_end() {
    let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
    let manner = r#"
# Passes one request on.
request() {
  while length=$(head -c 4); do
    printf %s "$length"
    case $length in ''|0000) return ;; 0001) ;; *) head -c $((0x$length - 4)) ;; esac
  done
}
git upload-pack --advertise-refs --stateless-rpc "$1"
request | git upload-pack --stateless-rpc "$1"
request >/dev/null
# What is said to people, for ever.
words() { printf 'fff0\002'; head -c 65514 /dev/zero | tr '\0' .; printf '\n'; }
for i in 1 2 3 4 5 6 7 8; do words; done >"$HOME/words"
pkt 'packfile
'
while cat "$HOME/words" && echo >>"$HOME/sent"; do :; done
exit"#;
    host.behave_to_fetches(manner);
    let server = host.serve_branch(&scene);
    assert_waits(&server, "remote-failed", "more than 512 MiB");
    assert!(server.memory().peak < 200 << 20, "{} bytes in memory", server.memory().peak);
    host.behave_well();
    assert_eq!(ready(server).promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_host_that_would_not_report_is_not_pushed_to() {
    let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
    host.behave_to_pushes("advertise 'atomic ofs-delta'; hear; exit");
    let server = ready(host.serve(&scene));
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-refused");
    assert_detail(&reply, "report-status");
    assert!(!host.sshd.file("requests").exists());
}

/// None of these says that the branch moved, and none says that it did not: the branch is asked until it is known.
#[test]
fn nothing_but_a_report_on_the_branch_is_believed() {
    for manner in [
        // It speaks of another branch.
        "advertise 'report-status atomic'; hear; pkt 'unpack ok'; pkt 'ok refs/heads/main2'; printf 0000; exit",
        "advertise 'report-status atomic'; hear; pkt 'unpack ok'; printf 0000; exit",
        // It does not say whether it took the pack, or that it did not.
        "advertise 'report-status atomic'; hear; pkt 'ok refs/heads/main'; printf 0000; exit",
        "advertise 'report-status atomic'; hear; pkt 'unpack disk full'; pkt 'ok refs/heads/main'; printf 0000; exit",
        // It gives up, or breaks off.
        "advertise 'report-status atomic side-band-64k'; hear; printf '0019\\003fatal: out of memory'; exit",
        "advertise 'report-status atomic'; hear; pkt 'unpack ok'; pkt 'ok refs/heads/main'; exit",
        "advertise 'report-status atomic'; hear; exit",
        "advertise 'report-status atomic'; hear; kill -9 $$",
        // It says something else altogether.
        "advertise 'report-status atomic'; hear; yes | head -c 100000; exit",
        "advertise 'report-status atomic side-band-64k'; hear; yes \"$(printf '0007\\002x')\"; exit",
        "advertise 'report-status atomic'; hear; pkt 'unpack ok'; pkt 'ok refs/heads/main'; pkt 'ng refs/heads/main no'; printf 0000; exit",
        // It says that the branch moved, which it did not; such hosts are known by what they do not offer.
        "advertise 'report-status'; hear; pkt 'unpack ok'; pkt 'ok refs/heads/main'; printf 0000; exit",
        "advertise 'report-status delete-refs side-band-64k quiet ofs-delta'; hear; printf '0030\\001%s0000' \"$(pkt 'unpack ok')$(pkt 'ok refs/heads/main')\"; printf 0000; exit",
    ] {
        let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
        let before = scene.repository.tip();
        host.behave_to_pushes(manner);
        let server = ready(host.serve(&scene));
        let caller = ask(&server, "/api/failover/sonarr/promote");
        // It does not give up after the first time, nor with another commit.
        let pushes = || {
            let events = server.log();
            let ended = events.iter().filter(|line| line.contains("push ended"));
            ended.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
        };
        let pushes = poll("it was tried twice", PATIENCE, || {
            let pushes = pushes();
            if pushes.len() > 1 { Ok(pushes) } else { Err(server.log().join("\n")) }
        });
        for push in &pushes {
            assert_eq!(
                (&push["outcome"], &push["commit"]),
                (&"unknown".into(), &pushes[0]["commit"]),
                "{manner}"
            );
        }
        assert_eq!(scene.repository.tip(), before);
        assert!(!caller.is_finished(), "{manner}: {}", caller.join().unwrap());
        host.behave_well();
        let answer = caller.join().unwrap();
        assert_eq!(
            (&answer["changed"], &answer["commit"]),
            (&true.into(), &pushes[0]["commit"]),
            "{manner}: {answer}"
        );
        assert_eq!(
            (scene.repository.tip(), scene.text("sonarr")),
            (answer["commit"].as_str().unwrap().to_owned(), moved("sonarr"))
        );
        assert_eq!(scene.repository.commit_count(), 2);
    }
}

#[test]
fn a_reason_in_any_words_is_quoted_and_tells_a_decision_from_a_failure() {
    let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
    let before = scene.repository.tip();
    for (reason, code, quoted) in [
        ("TF401028: the reference is locked by somebody", "remote-failed", "TF401028"),
        ("Internal Server Error", "remote-failed", "Internal Server Error"),
        ("\\033[31mno\\033[0m", "remote-failed", "no"),
        ("", "remote-failed", "failed to take the push"),
        ("missing necessary objects", "remote-failed", "missing necessary objects"),
        ("GH006: Protected branch update failed: protected branch", "remote-refused", "GH006"),
        ("You are not allowed to push code", "remote-refused", "not allowed"),
        ("deny updating a hidden ref", "remote-refused", "hidden ref"),
        ("deploy key is read-only", "remote-refused", "read-only"),
    ] {
        host.behave_to_pushes(&format!(
            "advertise 'report-status atomic'; hear; pkt 'unpack ok'; pkt \"ng refs/heads/main $(printf '{reason}')\"; printf 0000; exit"
        ));
        let server = ready(host.serve(&scene));
        let reply = server.promote("sonarr");
        reply.assert_problem(502, code);
        assert_detail(&reply, quoted);
        assert!(!reply.text.contains('\u{1b}') && !reply.text.contains("u001b"), "{}", reply.text);
        assert_eq!(scene.repository.tip(), before, "{reason}");
    }
    host.behave_to_pushes(
        "advertise 'report-status atomic'; hear; pkt 'unpack index-pack abnormal exit'; pkt 'ng refs/heads/main unpacker error'; printf 0000; exit",
    );
    let server = ready(host.serve(&scene));
    let reply = server.promote("sonarr");
    reply.assert_problem(502, "remote-failed");
    assert_detail(&reply, "index-pack abnormal exit");
    host.behave_well();
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
}

#[test]
fn a_host_that_ends_idle_sessions_soon_is_not_besieged() {
    for manner in ["timeout 1 git receive-pack \"$1\"; exit", "advertise 'report-status atomic'; exit"] {
        let (scene, host) = (Scene::new(&["sonarr"]), OddHost::start_new());
        host.behave_to_pushes(manner);
        let mut arguments = scene.ssh(&host.sshd);
        arguments.extend(["--poll".into(), "30s".into()]);
        // The flag that was given first does not count.
        let first = arguments.iter().position(|argument| argument == "--poll").unwrap();
        arguments.drain(first..first + 2);
        let server = ready(Server::start(arguments));
        // The only way to see that somebody does not ask is to let time pass; on a slow machine they ask even less.
        std::thread::sleep(std::time::Duration::from_secs(8));
        let sessions = host.sessions();
        assert!((2..=12).contains(&sessions), "{manner}: {sessions} sessions");
        assert_eq!(server.get("/readyz").status, 200);
        assert_eq!(server.get("/api/health").json["status"], "ok");
        if manner.starts_with("timeout") {
            assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
            assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
        }
    }
}
