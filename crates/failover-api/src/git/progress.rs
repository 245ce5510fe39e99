//! How a long transfer is told from one that hangs, and when it is too much.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

/// A transfer in which nothing came for this long is given up.
const STALL_LIMIT: Duration = Duration::from_secs(15);
/// One with more bytes than this is no branch of manifests, and would be held in memory.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// How much came so far, and whether it is over.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    /// Tells whoever computes that nobody waits any more.
    pub(super) over: AtomicBool,
}

impl Progress {
    /// Waits for `work` as long as bytes come, until `deadline`; `None` when it was given up, and may still run.
    pub(super) async fn wait<T>(
        &self,
        mut work: JoinHandle<T>,
        deadline: Instant,
    ) -> Option<Result<T, JoinError>> {
        let mut seen = 0;
        loop {
            let pause = deadline.min(Instant::now() + STALL_LIMIT);
            if let Ok(done) = tokio::time::timeout_at(pause, &mut work).await {
                return Some(done);
            }
            let now = self.bytes.load(Ordering::Relaxed);
            if now == seen || Instant::now() >= deadline {
                self.over.store(true, Ordering::Relaxed);
                return None;
            }
            seen = now;
        }
    }

    fn add(&self, count: usize) -> std::io::Result<()> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let before = self.bytes.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) > MAX_BYTES {
            return Err(std::io::Error::other(
                "the branch has more than 512 MiB, which is no branch of manifests",
            ));
        }
        if self.over.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("nobody waits for it any more"));
        }
        Ok(())
    }
}

/// A reader whose bytes are counted.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.add(count)?;
        Ok(count)
    }
}
