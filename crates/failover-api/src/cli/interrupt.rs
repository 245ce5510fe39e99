//! Ctrl-C: at once where nothing is under way, and with the truth where something is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use failover_core::code::Exit;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ending::Stop;
use super::output::note;

/// Whether a move, hold or release is under way that cannot be taken back.
#[derive(Debug, Clone, Default)]
pub(super) struct Moving(Arc<AtomicBool>);

impl Moving {
    /// Does `work`, during which the first Ctrl-C does not end the program.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let done = work.await;
        self.0.store(false, Ordering::Relaxed);
        done
    }

    fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The signals that ask this program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs a command to its end, or until it is interrupted.
pub(super) async fn unless_interrupted(
    command: impl Future<Output = Result<Exit, Stop>>,
    moving: &Moving,
) -> Result<Exit, Stop> {
    let listen =
        |kind| signal(kind).map_err(|error| Stop::problem(format!("signals cannot be received: {error}")));
    let mut signals =
        Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? };
    tokio::pin!(command);
    let mut asked = false;
    loop {
        tokio::select! {
            biased;
            ended = &mut command => return ended,
            () = signals.next() => {
                if !moving.is_under_way() {
                    note("\ninterrupted; nothing was committed");
                    return Err(Stop::Quiet(Exit::Interrupted));
                }
                if asked {
                    note("\ninterrupted; it is not known whether the commit landed, see the history before you ask again");
                    return Err(Stop::Quiet(Exit::Unknown));
                }
                asked = true;
                note("\nthe commit is under way and cannot be taken back; finding out what becomes of it (Ctrl-C again leaves without knowing)");
            }
        }
    }
}
