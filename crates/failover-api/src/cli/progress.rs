//! What is said while something takes longer than a moment.

use std::time::Duration;

use tokio::time::{Instant, interval_at};

use super::output::{Stream, note, note_part};

const MOMENT: Duration = Duration::from_secs(1);

/// Does `work`, and says what is waited for if it takes longer than a second: with the seconds for a person, once for a log.
pub(super) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let started = Instant::now();
    let mut ticks = interval_at(started + MOMENT, MOMENT);
    let person = Stream::Notes.is_terminal();
    let mut shown = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if shown && person {
                    note_part("\r\x1b[K");
                }
                return done;
            }
            _ = ticks.tick() => {
                if person {
                    note_part(format_args!("\r\x1b[K{what} … {} s", started.elapsed().as_secs()));
                } else if !shown {
                    note(format_args!("{what} …"));
                }
                shown = true;
            }
        }
    }
}
