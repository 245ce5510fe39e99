//! Processes as the kernel lists them: programs under test start programs of their own.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use rustix::process::{Pid, Signal};

/// Longer than anything here takes on a busy machine; only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Sends the signal; a process that is already gone is no error.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let _ = rustix::process::kill_process(pid, signal);
}

/// The process and everything below it, parents first.
pub(crate) fn tree(root: Pid) -> Vec<Pid> {
    let all: Vec<(Pid, Pid)> = every().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        found.extend(all.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// Every process that was started with `variable` (`NAME=value`) in its environment.
pub(crate) fn with_environment(variable: &str) -> impl Iterator<Item = Pid> {
    // An empty entry is in every environment, and what is found here is killed.
    assert!(
        variable.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty()),
        "{variable:?}"
    );
    every().filter(move |pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    })
}

/// The program's name, empty when the process is gone.
pub(crate) fn name(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The command line with spaces between its words, empty when the process is gone.
pub(crate) fn command_line(pid: Pid) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// Whether the tests run as root; what needs that says so where they do not.
#[expect(clippy::print_stderr, reason = "whoever reads the tests' output must know what they did not test")]
pub(crate) fn is_root(needed_for: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("NOT TESTED, since only root can do it: {needed_for}");
    }
    root
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: u64,
    /// The most since the start.
    pub(crate) peak: u64,
}

/// Resident memory of a running process, as the kernel counts it.
pub(crate) fn memory(pid: Pid) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let bytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    Memory { now: bytes("VmRSS:"), peak: bytes("VmHWM:") }
}

fn every() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

/// The process runs no code until it is continued.
pub(crate) fn is_still(pid: Pid) -> bool {
    stat(pid).is_none_or(|(state, _)| state == "T") || is_over(pid)
}

/// The process has ended; whether its parent has noticed does not matter.
pub(crate) fn is_over(pid: Pid) -> bool {
    stat(pid).is_none_or(|(state, _)| state == "Z" || state == "X")
}

fn parent(pid: Pid) -> Option<Pid> {
    Pid::from_raw(stat(pid)?.1.parse().ok()?)
}

/// State and parent.
fn stat(pid: Pid) -> Option<(String, String)> {
    // `pid (name) state parent …`, and the name may hold spaces and parentheses.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
    Some((fields.next()?, fields.next()?))
}

/// Runs the program to its end; anything but success fails the test with what it said.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    output
}

/// The same for a program that reads `input`.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output
}

/// Writes a file that can be run.
pub(crate) fn install_script(path: &Path, script: &str) {
    // Written by a child: a descriptor of ours, inherited by a fork at the wrong moment, would keep it from running.
    feed(Command::new("install").args(["-m", "755", "/dev/stdin"]).arg(path), script.as_bytes());
}

/// What a program printed, for messages.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Asks again until there is an answer; for conditions that announce themselves by no event.
pub(crate) fn poll<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + deadline;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) => assert!(Instant::now() < end, "{what}: not within {deadline:?}; last seen: {last}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}
