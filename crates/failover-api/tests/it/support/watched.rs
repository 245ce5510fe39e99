//! A server at its most talkative, and all that it shows.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use ureq::Agent;

use super::process::{self, PATIENCE, Pid, Signal, feed, poll, signal};

/// A secret that is easily found again.
pub(crate) fn canary(name: &str) -> String {
    format!("canary-{name}-5up3rs3cr3t")
}

/// A server at its most talkative, and everything that it and its children have shown.
pub(crate) struct Watched {
    child: Child,
    agent: Agent,
    address: String,
    shown: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watched {
    pub(crate) fn start(format: &str, environment: &[(&str, &str)], arguments: &[OsString]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("FAILOVER_API_LOG", "trace").envs(environment.iter().copied());
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", format]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let (shown, stop) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicBool::new(false)));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = thread::spawn({
            let shown = Arc::clone(&shown);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *shown.lock().unwrap() += &format!("{line}\n");
                }
            }
        });
        let pid = Pid::from_child(&child);
        let arguments = thread::spawn({
            let (shown, stop) = (Arc::clone(&shown), Arc::clone(&stop));
            move || {
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    for line in process::tree(pid).into_iter().map(process::command_line) {
                        if seen.insert(line.clone()) {
                            *shown.lock().unwrap() += &format!("process: {line}\n");
                        }
                    }
                }
            }
        });
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE * 2))
            .build()
            .into();
        let address = poll("it listens", PATIENCE, || {
            let text = shown.lock().unwrap().clone();
            let line = text.lines().find(|line| line.contains("listening")).ok_or(text.clone())?;
            let port = line.split("127.0.0.1:").nth(1).unwrap();
            Ok(format!("http://127.0.0.1:{}", port.split(|c: char| !c.is_ascii_digit()).next().unwrap()))
        });
        Self { child, agent, address, shown, stop, threads: vec![log, arguments] }
    }

    /// Asks, and keeps the answer with everything else that was shown.
    pub(crate) fn ask(&self, method: &str, path: &str) -> String {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        let request = request.header("authorization", format!("Bearer {}", canary("caller")));
        let mut answer = match method {
            "GET" => self.agent.run(request.body(()).unwrap()).unwrap(),
            _ => self.agent.run(request.body("").unwrap()).unwrap(),
        };
        let text = answer.body_mut().read_to_string().unwrap();
        let route = path.split('?').next().unwrap();
        *self.shown.lock().unwrap() += &format!("{method} {route}: {:?}\n{text}\n", answer.headers());
        text
    }

    /// Asks until health has a problem in these words.
    pub(crate) fn wait_problem(&self, words: &str) {
        poll(words, PATIENCE, || {
            let health: Value = serde_json::from_str(&self.ask("GET", "/api/health")).unwrap();
            let problems = health["problems"].to_string();
            if problems.contains(words) { Ok(()) } else { Err(problems) }
        });
    }

    /// Asks for everything, ends the server, and holds what was shown against the secrets.
    pub(crate) fn assert_kept(mut self, secrets: &[&str]) {
        for path in [
            "/api/services",
            "/api/failover/sonarr/status",
            "/api/failover/sonarr/promote?dry-run=true",
            "/api/history",
            "/api/operations",
            "/api/health",
            "/readyz",
            "/metrics",
        ] {
            self.ask("GET", path);
        }
        self.ask("POST", &format!("/api/failover/sonarr/promote?token={}", canary("caller")));
        self.ask("POST", "/api/failover/sonarr/promote");
        self.ask("POST", "/api/failover/sonarr/demote");
        self.stop.store(true, Ordering::Relaxed);
        signal(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().unwrap();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        let shown = self.shown.lock().unwrap().clone();
        assert!(shown.contains("process: ") && shown.contains("listening") && shown.contains("GET /metrics"));
        assert_none(&shown, secrets);
        assert_none(&shown, &[&canary("caller")]);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let tree = process::tree(Pid::from_child(&self.child));
        tree.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        let _ = self.child.wait();
    }
}

/// The secret as it is, and as HTTP or an address would carry it.
fn forms(secret: &str) -> Vec<String> {
    let base64 = |text: &str| {
        let encoded = feed(Command::new("openssl").args(["base64", "-A"]), text.as_bytes()).stdout;
        // What comes before it in a longer text shifts it, and its ends are mixed with what is beside it.
        let encoded = String::from_utf8(encoded).unwrap();
        encoded[4..encoded.len() - 8].to_owned()
    };
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let shifted = ["", "x", "xx"].map(|before| base64(&format!("{before}{secret}")));
    [secret.to_owned(), hex].into_iter().chain(shifted).collect()
}

pub(crate) fn assert_none(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        for form in forms(secret) {
            if let Some(at) = shown.find(&form) {
                let from = shown[..at].rfind('\n').map_or(0, |start| start + 1);
                let to = shown[at..].find('\n').map_or(shown.len(), |end| at + end);
                panic!("{secret} was shown as {form}:\n{}", &shown[from..to]);
            }
        }
    }
}
