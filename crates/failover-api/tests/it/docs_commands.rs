//! The commands in the documents: the shell can read them, our program knows their flags, and what they ask a server for
//! is answered.

use std::collections::BTreeMap;
use std::process::Command;

use tempfile::TempDir;

use crate::docs::{Demo, blocks, documents};
use crate::support::process::run;

/// The shell scripts of a document.
fn scripts(markdown: &str) -> Vec<String> {
    blocks(markdown).into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect()
}

/// The commands of a script: lines, with those put together that a backslash or a pipe continues.
fn commands(script: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in script.lines() {
        let text = line.trim_end().trim_end_matches('\\');
        match commands.last_mut() {
            Some(last) if goes_on || line.trim_start().starts_with('|') => *last += text,
            _ => commands.push(text.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

#[test]
fn docs_commands_are_shell() {
    let folder = TempDir::new().unwrap();
    let mut scripts_read = 0;
    for (path, text) in documents() {
        for script in scripts(&text) {
            let file = folder.path().join("script");
            std::fs::write(&file, &script).unwrap();
            let read = Command::new("bash").arg("-n").arg(&file).output().unwrap();
            assert!(read.status.success(), "{path}: {}\n{script}", String::from_utf8_lossy(&read.stderr));
            scripts_read += 1;
        }
    }
    assert!(scripts_read > 40, "only {scripts_read} scripts were found");
}

#[test]
fn docs_commands_use_flags_that_there_are() {
    let help = |command: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        let output = run(program.args(command.split(' ')).arg("--help").env_clear());
        String::from_utf8(output.stdout).unwrap()
    };
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in documents() {
        for command in scripts(&text).iter().flat_map(|script| commands(script)) {
            let mut words = command.split_whitespace();
            if !words
                .next()
                .is_some_and(|program| program == "failover-api" || program.ends_with("/failover-api"))
            {
                continue;
            }
            let mut name = words.next().unwrap_or_else(|| panic!("{path}: {command}")).to_owned();
            if name == "notify" {
                // The one command that has commands of its own.
                name = format!("{name} {}", words.next().unwrap());
            }
            let known = helps.entry(name.clone()).or_insert_with(|| help(&name));
            for flag in words.take_while(|word| *word != "|").filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap();
                assert!(
                    known.contains(&format!("{flag} ")) || known.contains(&format!("{flag}\n")),
                    "{path}: {command}: no {flag}"
                );
            }
        }
    }
    assert!(helps.contains_key("serve"), "{helps:?}");
}

/// What a server says to a question that nobody should ask.
const MISTAKES: [&str; 8] = [
    "route-not-found",
    "method-not-allowed",
    "invalid-request",
    "invalid-body",
    "not-acceptable",
    "cross-origin",
    "service-not-found",
    "unsupported-media-type",
];

#[test]
fn docs_questions_are_answered() {
    let demo = Demo::start();
    let folder = TempDir::new().unwrap();
    let all = documents();
    let runbooks = &all.iter().find(|(path, _)| path == "docs/runbooks/README.md").unwrap().1;
    let function = runbooks.lines().find(|line| line.starts_with("api() {")).unwrap();
    let mut asked = 0;
    for (path, text) in &all {
        // The README's own are a story, told by another test.
        if path == "README.md" {
            continue;
        }
        for command in scripts(text).iter().flat_map(|script| commands(script)) {
            let is_ours = command.starts_with("curl ") && command.contains("127.0.0.1:8080");
            if !is_ours && !command.starts_with("api ") {
                continue;
            }
            let answer = demo.bash(&format!("TOKEN=none\n{function}\n{command}"), folder.path());
            let mistake = MISTAKES.iter().find(|code| answer.contains(&format!("{code}\"")));
            assert_eq!(mistake, None, "{path}: {command}\n{answer}");
            asked += 1;
        }
    }
    assert!(asked > 20, "only {asked} questions were asked");
}
