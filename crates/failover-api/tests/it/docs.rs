//! The documents say what the program does: their commands run, their examples parse, their tables are complete.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use failover_core::audit::Rule;
use failover_core::check::Check;
use failover_core::code::{Code, Exit};
use failover_core::notice::{self, Event, Notice};
use failover_core::{config, yaml};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::events::Events;
use crate::support::git::{Repository, git};
use crate::support::process::{Pid, Signal, run, signal};

/// A fenced block of a Markdown text.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document, with its path from the root.
pub(crate) fn documents() -> Vec<(String, String)> {
    let in_folder = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        names.filter(|name| name.ends_with(".md")).collect::<Vec<_>>()
    };
    let mut paths = in_folder("docs");
    paths.extend(in_folder("docs/runbooks"));
    paths.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deploy/README.md"].map(str::to_owned));
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new() })
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// The text under a heading, up to the next one of its level.
fn section<'a>(markdown: &'a str, heading: &str) -> &'a str {
    let start = markdown.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let text = &markdown[start + 1 + heading.len()..];
    let level = heading.split(' ').next().unwrap();
    &text[..text.find(&format!("\n{level} ")).unwrap_or(text.len())]
}

/// The rows of all tables whose first cell is code, as cells without backticks.
fn rows(markdown: &str) -> Vec<Vec<String>> {
    let rows = markdown.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches(['|', ' ']).split(" | ").map(|cell| cell.replace('`', "")).collect())
        .collect()
}

/// Everything between backticks on one line.
fn code_spans(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn docs_examples_parse() {
    let (mut configs, mut answers) = (0, 0);
    for (path, text) in documents() {
        for Block { language, text } in blocks(&text) {
            match language.as_str() {
                "yaml" => {
                    yaml::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                    if text.starts_with("services:") || text.starts_with("defaults:") {
                        config::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                        configs += 1;
                    }
                    if text.starts_with("notifications:") {
                        config::parse_notifications(&text)
                            .unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                        configs += 1;
                    }
                    if text.starts_with("receivers:") {
                        config::parse_receivers(&text)
                            .unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                        configs += 1;
                    }
                }
                "json" => {
                    let answer: Value =
                        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                    answers += usize::from(answer.is_object());
                }
                _ => {}
            }
        }
    }
    assert!(configs >= 4 && answers >= 3, "{configs} configs, {answers} answers");
}

#[test]
fn docs_values_of_notifications_are_all_values() {
    let text = read("docs/notifications.md");
    let example: Value =
        serde_json::from_str(&blocks(&text).into_iter().find(|block| block.language == "json").unwrap().text)
            .unwrap();
    let notice = Notice::example(Event::Moved, jiff::Timestamp::UNIX_EPOCH);
    let real: Value = serde_json::from_slice(&notice::json(&notice, 0, None).unwrap().1).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&example), keys(&real));
    let listed = rows(section(&text, "## What a webhook gets"));
    let listed: Vec<String> =
        listed.iter().flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
    let (mut listed, mut known) = (listed, keys(&real));
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
    let told: BTreeSet<String> = rows(section(&text, "## What is told"))
        .iter()
        .flat_map(|row| row[1].split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let events = Event::ALL.iter().filter(|event| event.occasion().is_some());
    let events: BTreeSet<String> =
        events.map(|event| serde_json::to_value(event).unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(told, events);
}

#[test]
fn docs_links_lead_somewhere() {
    for (path, text) in documents() {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            if !file.starts_with("https://") {
                let linked = if file.is_empty() { root().join(&path) } else { folder.join(file) };
                let bytes = fs::read(linked).unwrap_or_else(|error| panic!("{path}: {target}: {error}"));
                let linked = String::from_utf8_lossy(&bytes);
                let mut headings = linked.lines().filter(|line| line.starts_with('#'));
                // As web pages of Markdown name their headings: without punctuation.
                let is_meant = |line: &str| {
                    let text = line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
                    text.replace(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_'), "") == heading
                };
                assert!(heading.is_empty() || headings.any(is_meant), "{path}: {target} has no such heading");
            }
        }
    }
}

#[test]
fn docs_codes_are_all_codes() {
    let rows = rows(&read("docs/codes.md"));
    let documented: BTreeSet<String> = rows.iter().map(|row| row[..3].join(" ")).collect();
    let class = |code: &Code| json!(code.class()).as_str().unwrap().to_owned();
    let known = Code::ALL.iter().map(|code| format!("{code} {} {}", code.http_status(), class(code)));
    assert_eq!(documented, known.collect::<BTreeSet<_>>());
    assert_eq!(rows.len(), documented.len(), "a code is documented twice");
    assert!(rows.iter().all(|row| row.len() == 5 && row.iter().all(|cell| !cell.is_empty())));
}

#[test]
fn docs_checks_are_all_checks() {
    let text = read("docs/http.md");
    let documented: Vec<String> =
        rows(section(&text, "## Checks")).into_iter().map(|row| row[0].clone()).collect();
    let known = Check::ALL.map(|check| check.as_str().to_owned());
    assert_eq!(BTreeSet::from_iter(documented), BTreeSet::from(known));
}

#[test]
fn docs_rules_are_all_rules() {
    let text = read("docs/check.md");
    let documented: Vec<String> =
        rows(section(&text, "## check")).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, Rule::OWN.map(|rule| rule.as_str().to_owned()));
}

#[test]
fn docs_flags_are_all_flags() {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    let help = String::from_utf8(run(serve.args(["serve", "--help"]).env_clear()).stdout).unwrap();
    let after = |text: &str, opening: &str| {
        let rest = text.split_once(opening)?.1;
        Some(rest[..rest.find(']')?].trim_matches('"').to_owned())
    };
    let mut flags = BTreeSet::new();
    let readme = read("README.md");
    let documented = rows(section(&readme, "## Your own repository"));
    for option in help.split("\n      --").skip(1) {
        let flag = format!("--{}", option.split([' ', '\n']).next().unwrap());
        let row = documented.iter().find(|row| row[0] == flag).unwrap_or_else(|| panic!("{flag} is missing"));
        // A value that may hold a secret is not shown, nor is the sign before it.
        let variable = after(option, "[env: ").map(|variable| variable.trim_end_matches('=').to_owned());
        assert_eq!(Some(row[1].clone()), variable, "{flag}");
        if let Some(default) = after(option, "[default: ") {
            assert_eq!(row[2], default, "{flag}");
        }
        flags.insert(flag);
    }
    assert_eq!(documented.into_iter().map(|row| row[0].clone()).collect::<BTreeSet<_>>(), flags);
}

#[test]
fn docs_modules_are_all_modules() {
    let text = read("ARCHITECTURE.md");
    let documented: Vec<String> =
        rows(section(&text, "## Map")).into_iter().map(|row| row[0].clone()).collect();
    let declared = ["failover-core", "send-pack", "failover-api"].iter().flat_map(|name| {
        let modules = read(&format!("crates/{name}/src/lib.rs"));
        let modules = modules.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        [(*name).to_owned()].into_iter().chain(modules.map(str::to_owned)).collect::<Vec<_>>()
    });
    assert_eq!(documented, declared.collect::<Vec<_>>());
}

#[test]
fn docs_steps_in_the_log_are_all_steps() {
    let text = read("docs/logs.md");
    let documented = rows(section(&text, "## The steps of a move"));
    let documented: BTreeSet<String> = documented.into_iter().map(|row| row[0].clone()).collect();
    let tracked = read("crates/failover-api/src/operations/tracked.rs");
    let written = tracked.split("tracing::").skip(1).map(|call| {
        let call = call.split(");").next().unwrap();
        assert!(call.contains("operation_id, request_id, step = "), "{call}");
        call.rsplit('"').nth(1).unwrap().to_owned()
    });
    let mut written: BTreeSet<String> = written.collect();
    // The one event that is no step: it tells a push that nobody heard of from one that never began.
    assert!(read("crates/failover-api/src/pipeline/writer.rs").contains("\"push begins\");"));
    written.insert("push begins".to_owned());
    assert_eq!(documented, written);
}

#[test]
fn docs_routes_are_all_routes() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let repository = Repository::from_folder(&demo.join("repo"));
    let config = demo.join("services.yaml");
    let cache = TempDir::new().unwrap();
    let server = Server::start([
        "--repo".as_ref(),
        repository.path(),
        "--config".as_ref(),
        config.as_path(),
        "--cache-dir".as_ref(),
        cache.path(),
    ]);
    let text = read("docs/http.md") + &read("README.md");
    let routes: BTreeSet<(&str, &str)> = code_spans(&text)
        .filter_map(|span| span.split_once(' '))
        .filter(|(method, path)| matches!(*method, "GET" | "POST" | "DELETE") && path.starts_with('/'))
        .collect();
    server.wait_until("/readyz", |reply| reply.status == 200, crate::support::process::PATIENCE);
    let moved = server.promote("sonarr").json;
    for (method, path) in &routes {
        if *path == "/api/events" {
            let head = Events::follow(&server).head;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            continue;
        }
        let (body, headers): (_, &[_]) = match *path {
            "/api/failover" => (r#"{"all": true, "to": "backup"}"#, &[("content-type", "application/json")]),
            "/api/holds" if *method == "POST" => (
                r#"{"services": ["sonarr"], "reason": "x", "dry-run": true}"#,
                &[("content-type", "application/json")],
            ),
            _ => ("", &[]),
        };
        let query = if *method == "DELETE" { "?all=true" } else { "" };
        let path = format!("{path}{query}")
            .replace("{service}", "sonarr")
            .replace("{file}", "dashboard.css")
            .replace("{id}", moved["operation_id"].as_str().unwrap());
        let reply = server.request(method, &path, body, headers);
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text);
    }
    let documented: BTreeSet<&str> = routes.iter().map(|(_, path)| path.split('?').next().unwrap()).collect();
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let served = document["paths"].as_object().unwrap().keys().map(String::as_str);
    // Pages are for people, and no part of the API's description.
    let pages = read("crates/failover-api/src/web/routes.rs");
    let pages = pages.split(".route(").skip(1).map(|call| call.split('"').nth(1).unwrap());
    let served: BTreeSet<&str> = served.chain(pages).collect();
    assert_eq!(documented, served);
}

#[test]
fn docs_first_screen_has_the_two_commands() {
    let readme = read("README.md");
    let shown = blocks(&readme);
    for (block, command) in shown.iter().zip(["cargo run --release -- demo\n", "./scripts/test\n"]) {
        assert_eq!((&*block.language, &*block.text), ("sh", command));
    }
    let lines = readme.lines().enumerate().filter(|(_, line)| line.starts_with("```"));
    let last = lines.take(4).last().unwrap().0;
    assert!(last < 24, "the commands are not on the first screen but up to line {last}");
    let mode = fs::metadata(root().join("scripts/test")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "scripts/test is not executable");
}

/// Where the documents say that the demo listens.
const DOCUMENTED: &str = "127.0.0.1:8080";

/// A running `failover-api demo`.
pub(crate) struct Demo {
    child: Child,
    address: String,
    repository: PathBuf,
    /// The curl lines that it shows, with the address of the documents.
    proposed: Vec<String>,
    /// Where the demo makes its own temporary folder.
    _temporary: TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let temporary = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("TMPDIR", temporary.path()).args(["demo", "--port", "0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let shown: Vec<String> = lines.by_ref().take_while(|line| !line.contains("Ctrl-C")).collect();
        // The demo goes on to show commits.
        std::thread::spawn(move || lines.for_each(drop));
        let find = |label: &str| {
            let value = shown.iter().find_map(|line| line.trim().strip_prefix(label));
            value.unwrap_or_else(|| panic!("no {label} in {shown:?}")).trim().to_owned()
        };
        let address = find("server ").trim_start_matches("http://").to_owned();
        let proposed = shown.iter().map(|line| line.trim()).filter(|line| line.starts_with("curl "));
        let proposed = proposed.map(|line| line.replace(&address, DOCUMENTED)).collect();
        Self { repository: find("repository ").into(), address, proposed, child, _temporary: temporary }
    }

    /// Runs a script of the documents, with the address that this demo has, and returns what it prints.
    pub(crate) fn bash(&self, script: &str, folder: &Path) -> String {
        assert!(script.contains(DOCUMENTED), "{script}");
        let script = script.replace(DOCUMENTED, &self.address);
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &script]).current_dir(folder).env_clear();
        command.envs(git(folder).get_envs().filter_map(|(name, value)| Some((name, value?))));
        String::from_utf8(run(&mut command).stdout).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        signal(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn docs_curl_lines_work_in_the_demo() {
    let demo = Demo::start();
    let readme = read("README.md");
    let lines: Vec<&str> =
        section(&readme, "## Try it").lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines, demo.proposed, "the demo proposes other lines");
    let folder = TempDir::new().unwrap();
    for line in &lines {
        let answer = demo.bash(line, folder.path());
        let json: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert!(json.is_object() || answer.starts_with("diff --git "), "{line}\n{answer}");
        assert_eq!(json.get("code"), None, "{line}\n{answer}");
        if line.contains("-X POST") {
            assert_eq!(json["changed"], true, "{line}\n{answer}");
        }
    }
    // The commits are those that the README shows.
    let subjects = run(git(&demo.repository).args(["log", "--format=%s", "main"])).stdout;
    let subjects = String::from_utf8(subjects).unwrap();
    let moves: Vec<&str> = subjects.lines().filter(|line| line.starts_with("Automated failover")).collect();
    assert_eq!(
        moves,
        ["Automated failover: sonarr to primary node", "Automated failover: sonarr to backup node"]
    );
    assert!(readme.contains(moves[1]), "the README shows another message");
}

#[test]
fn docs_patch_by_hand_reaches_the_repository() {
    let demo = Demo::start();
    let folder = TempDir::new().unwrap();
    run(git(folder.path()).arg("clone").arg("-q").arg(&demo.repository).arg("."));
    let readme = read("README.md");
    let steps = blocks(section(&readme, "## When the Git host is down"));
    demo.bash(&steps[0].text, folder.path());
    let subject = run(git(&demo.repository).args(["log", "-1", "--format=%s", "main"])).stdout;
    assert_eq!(String::from_utf8(subject).unwrap(), "Automated failover: radarr to backup node\n");
}

/// The long flags that a command's help shows, but for `--help`.
fn flags_of(command: &str) -> BTreeSet<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    let help = String::from_utf8(run(program.args([command, "--help"]).env_clear()).stdout).unwrap();
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let long = if line.starts_with("--") { line } else { line.strip_prefix('-')?.split_once(", ")?.1 };
        long.starts_with("--").then(|| long.split([' ', '\n']).next().unwrap().to_owned())
    });
    options.filter(|flag| flag != "--help").collect()
}

#[test]
fn docs_commands_and_their_flags_are_all() {
    let text = read("docs/cli.md");
    let flags = |section: &str| -> BTreeSet<String> {
        let cells = rows(section).into_iter().map(|row| row[0].clone());
        let names = cells.flat_map(|cell| cell.split(", ").map(str::to_owned).collect::<Vec<_>>());
        names.filter(|name| name.starts_with("--")).collect()
    };
    let shared = flags(section(&text, "## Where to look"));
    let moving = flags(section(&text, "## Moving"));
    for command in
        ["services", "status", "holds", "history", "promote", "demote", "hold", "release", "doctor"]
    {
        let own = match command {
            "promote" | "demote" => moving.clone(),
            "doctor" => flags(section(&text, "## `doctor`")),
            other => flags(section(&text, &format!("### `{other}`"))),
        };
        assert_eq!(own.union(&shared).cloned().collect::<BTreeSet<_>>(), flags_of(command), "{command}");
    }
    let first = &text[..text.find("\n## ").unwrap()];
    let documented: BTreeSet<String> = rows(first).into_iter().map(|row| row[0].clone()).collect();
    let mut program = Command::new(env!("CARGO_BIN_EXE_failover-api"));
    let help = String::from_utf8(run(program.arg("--help").env_clear()).stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands = listed.lines().map(|line| line.split_whitespace().next().unwrap().to_owned());
    let commands: BTreeSet<String> = commands.filter(|command| command != "help").collect();
    assert_eq!(documented, commands);
}

#[test]
fn docs_exit_codes_are_all_exit_codes() {
    let text = read("docs/codes.md");
    let lines = section(&text, "## Exit codes").lines().filter(|line| line.starts_with("| ")).skip(2);
    let documented: Vec<String> = lines.map(str::to_owned).collect();
    let known = Exit::ALL.map(|(exit, meaning)| format!("| {} | {meaning} |", exit.number()));
    assert_eq!(documented, known);
}
