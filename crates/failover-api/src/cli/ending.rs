//! How a command ends that does not end well.

use failover_core::check::Verdict;
use failover_core::code::{Code, Exit, named};
use serde::Deserialize;

use super::output::{Stream, Tone, note, plain};
use super::program;
use crate::http::Reply;

/// Why a command stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// For a reason that is told in a line, and perhaps what to do.
    Said { exit: Exit, message: String, hint: Option<String> },
    /// An answer said no.
    Answered(Reply),
    /// Everything was said already.
    Quiet(Exit),
}

impl Stop {
    /// The command line or a file is wrong.
    pub(super) fn problem(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Problem, message: message.into(), hint: None }
    }

    /// The world said no.
    pub(super) fn failure(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Failure, message: message.into(), hint: Some(hint.into()) }
    }
}

/// The members of a problem document that people are shown.
#[derive(Debug, Deserialize)]
struct Document {
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    problems: Vec<Listed>,
    #[serde(default)]
    findings: Vec<Finding>,
    operation_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    code: String,
    detail: String,
    hint: String,
    service: Option<String>,
    file: Option<String>,
    line: Option<usize>,
}

/// A check's verdict as an answer has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Finding {
    pub(super) check: String,
    pub(super) verdict: String,
    pub(super) service: String,
    pub(super) detail: String,
}

impl Finding {
    /// Whether the check stops a move that does not override it.
    pub(super) fn blocks(&self) -> bool {
        serde_json::to_value(Verdict::Block).is_ok_and(|block| block == self.verdict.as_str())
    }
}

impl Stop {
    /// Tells why, and answers how the command ends.
    pub(super) fn tell(self) -> Exit {
        let paint = Stream::Notes.paint();
        let error = |text: &str| note(format_args!("{} {}", paint.tone(Tone::Bad, "error:"), plain(text)));
        let hint = |text: &str| note(format_args!("{} {}", paint.tone(Tone::Place, "hint:"), plain(text)));
        match self {
            Self::Quiet(exit) => exit,
            Self::Said { exit, message, hint: next } => {
                for line in message.lines() {
                    error(line);
                }
                if let Some(next) = next {
                    hint(&next);
                }
                exit
            }
            Self::Answered(reply) => {
                let Ok(document) = serde_json::from_str::<Document>(&reply.text) else {
                    error(&format!("the answer has status {} and is no problem document", reply.status));
                    hint("check that the address is that of a failover-api server");
                    return Exit::Failure;
                };
                document.tell(&error, &hint);
                document.exit(reply.status)
            }
        }
    }
}

impl Document {
    fn tell(&self, error: &dyn Fn(&str), hint: &dyn Fn(&str)) {
        match self.problems.as_slice() {
            [one] if one.service.as_ref().is_some_and(|service| !self.detail.contains(service.as_str())) => {
                let service = one.service.as_deref().unwrap_or_default();
                error(&format!("{service}: {} ({})", self.detail, self.code));
            }
            [] | [_] => error(&format!("{} ({})", self.detail, self.code)),
            many => {
                for one in many {
                    let line = one.line.map(|line| format!(":{line}")).unwrap_or_default();
                    let place = one.file.as_ref().map(|file| format!("{file}{line}: ")).unwrap_or_default();
                    let text = format!("{place}{} ({})", one.detail, one.code);
                    error(
                        &one.service.as_ref().map_or_else(|| text.clone(), |service| named(service, &text)),
                    );
                    if one.hint != self.hint {
                        hint(&in_commands(&one.hint));
                    }
                }
            }
        }
        let first = self.findings.first().map(|finding| &finding.service);
        let several = self.findings.iter().any(|finding| Some(&finding.service) != first);
        for finding in self.findings.iter().filter(|finding| !finding.blocks()) {
            let Finding { check, verdict, service, detail } = finding;
            let service = if several { format!(" ({service})") } else { String::new() };
            note(plain(&format!("  {verdict} {check}{service}: {detail}")));
        }
        hint(&in_commands(&self.hint));
        if let Some(operation) = &self.operation_id {
            hint(&format!("the operation is {operation}"));
        }
    }

    /// A code that this version does not know ends as its status says.
    fn exit(&self, status: u16) -> Exit {
        match Code::from_name(&self.code) {
            Some(code) => code.exit(),
            None if matches!(status, 409 | 412 | 423) => Exit::Refusal,
            None if (400..500).contains(&status) => Exit::Problem,
            // A newer server may have more ways not to know.
            None if matches!(status, 500 | 504) => Exit::Unknown,
            None => Exit::Failure,
        }
    }
}

/// Whether an answer is a problem document.
pub(super) fn is_problem(reply: &Reply) -> bool {
    serde_json::from_str::<Document>(&reply.text).is_ok()
}

/// A hint of the HTTP interface in the words of the command line.
fn in_commands(hint: &str) -> String {
    let name = program::name();
    let words = [
        ("GET /api/services lists", format!("`{name} services` lists")),
        ("GET /api/history", format!("`{name} history`")),
        ("GET /api/health", format!("`{name} doctor`")),
        ("with the same Idempotency-Key", "with the same --idempotency-key".to_owned()),
        ("a new Idempotency-Key", "a new --idempotency-key".to_owned()),
        ("ask again with force=", "ask again with --force ".to_owned()),
        (
            "GET …?dry-run=true with Accept: text/x-patch gives",
            "`--dry-run -o patch` through a server that runs gives".to_owned(),
        ),
    ];
    words.into_iter().fold(hint.to_owned(), |hint, (http, command)| hint.replace(http, &command))
}
