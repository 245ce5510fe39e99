//! The only place that prints.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use failover_core::code::Class;

/// Values of arguments that are longer than this are not repeated: they may be a token in the wrong place.
const LONGEST_SHOWN: usize = 20;

/// Prints a line for the person at the terminal. A closed pipe is no reason to stop.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints why the command cannot go on.
pub fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "error: {message}");
    ExitCode::from(Class::Problem.exit_code())
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
    let _ = write!(std::io::stderr().lock(), "{}", veiled(error.render().to_string(), &given));
    ExitCode::from(Class::Problem.exit_code())
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
