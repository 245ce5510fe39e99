//! When to stop.

use tokio_util::sync::CancellationToken;

/// Cancelled by Ctrl-C or by the signal that asks a container to stop.
pub(super) fn stop_signal() -> Result<CancellationToken, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be received: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
        interrupt.recv().await;
        leave_now();
    });
    Ok(stop)
}

/// Somebody pressed Ctrl-C twice and does not want to wait for what is under way.
#[expect(clippy::exit, reason = "that is what was asked for")]
fn leave_now() -> ! {
    std::process::exit(130)
}
