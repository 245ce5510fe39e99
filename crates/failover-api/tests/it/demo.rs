//! The demo as a newcomer runs it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::support::process::{PATIENCE, Pid, Signal, poll, signal};

struct Demo {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    temporary: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.arg("demo").args(arguments).env("TMPDIR", temporary.path()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(temporary.path().with_extension("log")).unwrap());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, temporary }
    }

    /// Reads on to the first line that holds `text`.
    fn read_to(&mut self, text: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return line;
            }
            line.clear();
        }
        panic!("the demo ended without saying {text:?}")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.temporary.path().with_extension("log"));
    }
}

#[test]
fn the_demo_moves_shows_and_removes() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = taken.local_addr().unwrap().port();
    drop(taken);
    let mut demo = Demo::start(&["--port", &free.to_string()]);
    demo.read_to("Ctrl-C");
    let post = |path: &str| {
        let mut answer = ureq::post(format!("http://127.0.0.1:{free}{path}")).send_empty().unwrap();
        serde_json::from_str::<serde_json::Value>(&answer.body_mut().read_to_string().unwrap()).unwrap()
    };
    for service in ["sonarr", "radarr", "jellyfin", "postgres"] {
        for (verb, role) in [("promote", "backup"), ("demote", "primary")] {
            let answer = post(&format!("/api/failover/{service}/{verb}"));
            assert_eq!(answer["changed"], true, "{answer}");
            let shown = demo.read_to("Automated failover");
            assert!(shown.contains(&format!("{service} to {role} node")), "{shown}");
        }
    }
    assert_eq!(std::fs::read_dir(demo.temporary.path()).unwrap().count(), 1);
    signal(Pid::from_child(&demo.child), Signal::INT);
    demo.read_to("everything is removed");
    let status = poll("the demo ends", PATIENCE, || demo.child.try_wait().unwrap().ok_or_else(String::new));
    assert!(status.success());
    assert_eq!(std::fs::read_dir(demo.temporary.path()).unwrap().count(), 0);
    // Whatever watches a file has ended before the file goes.
    assert_eq!(std::fs::read_to_string(demo.temporary.path().with_extension("log")).unwrap(), "");
}

#[test]
fn a_taken_port_is_said_and_another_one_taken() {
    // Whoever has the usual port, this test or another program, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    let mut demo = Demo::start(&[]);
    let line = demo.read_to("8080 is taken");
    let port: String =
        line.split("uses port ").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    demo.read_to("Ctrl-C");
    assert!(ureq::get(format!("http://127.0.0.1:{port}/readyz")).call().is_ok());
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_failover-api")).args(["demo", "--port", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--port"), "{output:?}");
}
