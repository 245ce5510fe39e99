//! Asks the person at the terminal.

use std::io::{IsTerminal as _, stdin};

use tokio::sync::oneshot;

use super::ending::Stop;
use super::output::{Stream, note, note_part};

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    stdin().is_terminal() && Stream::Notes.is_terminal()
}

/// Whether the person says yes. Anything else is no, the end of the input too.
pub(super) async fn confirmed(question: &str) -> Result<bool, Stop> {
    note_part(format_args!("{question} [y/N] "));
    let (sender, answer) = oneshot::channel();
    // A thread that nobody waits for at the end: Ctrl-C ends the program although it still reads.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = stdin().read_line(&mut line).map(|_| line);
        // Nobody wants it any more after Ctrl-C.
        let _ = sender.send(read);
    });
    let unreadable = |error: &dyn std::fmt::Display| {
        Stop::problem(format!("the answer cannot be read: {error}; nothing was committed"))
    };
    let line = answer.await.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))?;
    if line.is_empty() {
        note("");
    }
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
