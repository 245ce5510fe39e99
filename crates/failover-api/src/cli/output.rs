//! The only place that prints.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use failover_core::code::Exit;

/// Values of arguments that are longer than this are not repeated: they may be a token in the wrong place.
const LONGEST_SHOWN: usize = 20;

/// Prints a line for the person at the terminal. A closed pipe is no reason to stop.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a text as it is.
pub(super) fn print(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "{text}");
    let _ = stdout.flush();
}

/// Prints a line beside the output, where it does not disturb whoever reads that.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a text beside the output, without ending the line.
pub(super) fn note_part(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}");
    let _ = stderr.flush();
}

/// Prints why the command cannot go on.
pub fn fail(message: &str) -> ExitCode {
    note(format_args!("error: {message}"));
    ExitCode::from(Exit::Problem.number())
}

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// What was asked for.
    Output,
    /// What is said beside it.
    Notes,
}

impl Stream {
    /// Whether a person looks at it.
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Output => std::io::stdout().is_terminal(),
            Self::Notes => std::io::stderr().is_terminal(),
        }
    }

    /// How texts there may look.
    pub(super) fn paint(self) -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Paint(self.is_terminal() && !unwanted && !dumb)
    }
}

/// Colours, where somebody sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint(bool);

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Unusual,
    Bad,
    Faint,
    Strong,
    Place,
}

impl Paint {
    /// The text in its tone.
    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Unusual => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Place => "36",
        };
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A text from elsewhere, so that it cannot steer a terminal: a commit's author may be named anything.
pub(super) fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Prints what is wrong with the command line, or the help that was asked for. What may hold a secret is not repeated.
pub(super) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe is no reason to fail.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let given = std::env::args_os().skip(1);
    let variables =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FAILOVER_API_"));
    let given: Vec<String> = given
        .chain(variables.map(|(_, value)| value))
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    note_part(veiled(error.render().to_string(), &given));
    ExitCode::from(Exit::Problem.number())
}

/// The text without the values among `given` that may hold a secret.
fn veiled(mut text: String, given: &[String]) -> String {
    let values = given.iter().flat_map(|word| {
        // The name of a flag is no secret, and a word that is one may be in the usage, too.
        let value = if word.starts_with("--") {
            word.split_once('=').map(|(_, value)| value)
        } else {
            Some(word.as_str())
        };
        let inline = word.split_once('=').map(|(_, value)| value);
        value.into_iter().chain(inline)
    });
    let mut values: Vec<&str> = values.filter(|value| is_doubtful(value)).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        text = text.replace(value, "…");
    }
    text
}

fn is_doubtful(value: &str) -> bool {
    value.chars().count() > LONGEST_SHOWN || value.contains(['@', '/']) && value.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for word in [
            "https://hunter2@host/x",
            "me@hunter2",
            "-xhttps://hunter2@host",
            "--repo=https://hunter2@host/x",
            "hunter2-hunter2-hunter2",
        ] {
            let value = word.split_once('=').map_or(word, |(_, value)| value);
            let text =
                veiled(format!("error: unexpected argument '{value}' found"), &["serve".into(), word.into()]);
            assert_eq!(text, "error: unexpected argument '…' found", "{word}");
        }
        let plain = "error: invalid value 'soon' for '--poll <DURATION>'";
        assert_eq!(veiled(plain.to_owned(), &["--poll".into(), "soon".into()]), plain);
    }
}
