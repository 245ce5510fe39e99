//! The command line as people and scripts use it: a cleared environment, and what it said.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The program in a folder, with nothing of this machine in its environment but the way to other programs.
pub(crate) struct Cli {
    folder: PathBuf,
    variables: Vec<(String, String)>,
    /// What is replaced in transcripts because it differs from run to run.
    names: Vec<(String, String)>,
    transcript: String,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// The command ended like this.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// What was said beside the output does not hold these words.
    #[track_caller]
    pub(crate) fn silent_of(self, words: &str) -> Self {
        assert!(!self.stderr.contains(words), "{words:?} is in: {}", self.stderr);
        self
    }

    /// What was said beside the output holds these words.
    #[track_caller]
    pub(crate) fn told(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not in: {}", self.stderr);
        self
    }
}

impl Cli {
    /// Commands run in this folder, as Alice.
    pub(crate) fn new(folder: &Path) -> Self {
        let variables = [("USER", "alice"), ("HOME", "/nonexistent"), ("LC_ALL", "C"), ("TZ", "UTC")];
        Self {
            folder: folder.to_owned(),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            names: Vec::new(),
            transcript: String::new(),
        }
    }

    /// The same with a variable in the environment.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_str().unwrap().to_owned();
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value));
        self
    }

    /// A text that transcripts show under another name.
    pub(crate) fn naming(mut self, text: impl Into<String>, name: &str) -> Self {
        self.names.push((text.into(), name.to_owned()));
        self
    }

    /// The command, ready to be started.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_failover-api")), arguments)
    }

    /// The same for another program.
    pub(crate) fn program<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.variables.iter().cloned()).current_dir(&self.folder).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Said {
        said(&mut self.command(arguments))
    }

    /// Runs it, and adds what was typed and said to the transcript.
    pub(crate) fn record(&mut self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        let quoted = |argument: &&str| {
            if argument.contains([' ', '\n']) { format!("'{argument}'") } else { (*argument).to_owned() }
        };
        let typed = arguments.iter().map(quoted).collect::<Vec<_>>().join(" ");
        let Said { code, stdout, stderr } = &said;
        // What is waited for is said after a second: a matter of the machine, and tested elsewhere.
        let told = stderr.lines().filter(|line| !line.ends_with(" …"));
        let stderr: String = told.map(|line| format!("! {line}\n")).collect();
        write!(self.transcript, "$ failover-api {typed}\n{stdout}{stderr}[{code}]\n\n").unwrap();
        said
    }

    /// The transcript is the one that is kept under this name. `UPDATE_TRANSCRIPTS=1` keeps the new one.
    #[track_caller]
    pub(crate) fn compare(&self, name: &str) {
        let named =
            self.names.iter().fold(self.transcript.clone(), |text, (old, new)| text.replace(old, new));
        let now = normal(&named);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &now).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        let line = kept.lines().zip(now.lines()).position(|(kept, now)| kept != now).map(|line| line + 1);
        let file = file.display();
        assert!(
            kept == now,
            "{file} differs at line {line:?}; UPDATE_TRANSCRIPTS=1 writes the new one:\n{now}"
        );
    }
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or_else(|| panic!("{command:?}: {}", output.status)),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A text without what differs from run to run: commits, times, ids, ages, this machine's name.
pub(crate) fn normal(text: &str) -> String {
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    let mut text = text.replace(&format!("alice@{host} "), "alice@laptop ");
    text = replaced(&text, is_id, 36, "OPERATION");
    for length in [64, 40, 12] {
        text = replaced(&text, is_hex, length, "COMMIT");
    }
    text = replaced(&text, is_time, 20, "2026-01-15 14:32:15Z");
    text = soon(&text);
    let lines = text.lines().map(|line| match line.split_once("view_age_seconds") {
        Some((before, after)) => {
            let colon = after.trim_start_matches(['"', ':', ' ']);
            let rest = colon.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}view_age_seconds{}0{rest}", &after[..after.len() - colon.len()])
        }
        None => line.to_owned(),
    });
    // A machine that has much to do takes seconds, says so, and shows what it saw seconds ago.
    let lines = lines.filter(|line| !(line.starts_with("! ") && line.ends_with(" …")));
    let lines = lines.map(|line| match line.split_once(", seen ") {
        Some((before, age)) if age.ends_with(" ago") => format!("{before}, seen now"),
        Some(_) | None => line,
    });
    lines.map(|line| line + "\n").collect()
}

/// What was seen some seconds ago was seen now.
fn soon(text: &str) -> String {
    let mut parts = text.split(", seen ");
    let mut new = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.strip_prefix(" s ago").filter(|_| rest.len() < part.len());
        new.push_str(", seen ");
        new.push_str(&rest.map_or_else(|| part.to_owned(), |rest| format!("now{rest}")));
    }
    new
}

fn is_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

fn is_id(c: char) -> bool {
    is_hex(c) || c == '-'
}

fn is_time(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z')
}

/// The text with each run of exactly so many such characters, digits among them, under another name.
fn replaced(text: &str, is_part: fn(char) -> bool, length: usize, name: &str) -> String {
    let mut new = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        new.push_str(&rest[..start]);
        let run = &rest[start..];
        let end = run.find(|c| !is_part(c)).unwrap_or(run.len());
        let alone = !new.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !run[end..].starts_with(|c: char| c.is_ascii_alphanumeric());
        let found = end == length && alone && run[..end].contains(|c: char| c.is_ascii_digit());
        new.push_str(if found { name } else { &run[..end] });
        rest = &run[end..];
    }
    new + rest
}
