//! Files that are read again when they change: a config, a list of tokens.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

/// How often a file is looked at. A mounted ConfigMap or Secret changes by a swap of symbolic links, which reading
/// by path always follows and file notifications often miss.
const INTERVAL: Duration = Duration::from_secs(1);
/// Kubernetes takes no ConfigMap or Secret that is larger than a quarter of this.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What is known of a file, kept up to date with it.
pub trait Followed: Send + Sync + 'static {
    /// What one version of the file says.
    type Found: Send + 'static;

    /// Judges one version of the file: its text, or why there is none. Runs on a thread of its own.
    fn judge(path: &Path, text: Result<&str, &str>) -> Self::Found;

    /// Takes what a version says into what is known.
    fn take(&mut self, found: Self::Found, path: &Path);
}

/// Reads `path` now and keeps looking at it in the background for as long as somebody has the answer. Each version
/// is judged once.
#[must_use]
pub fn follow<F: Followed>(path: PathBuf, mut known: F) -> watch::Receiver<F> {
    let mut reader = Reader { path, last: None };
    if let Some(found) = reader.look::<F>() {
        known.take(found, &reader.path);
    }
    let (sender, receiver) = watch::channel(known);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sender.is_closed() {
            ticks.tick().await;
            // Read on a thread of its own: a mounted file can hang, and a defect must not end the watching.
            let (path, mut looking) = (reader.path.clone(), reader.clone());
            let found = tokio::task::spawn_blocking(move || {
                let found = looking.look::<F>();
                (looking, found)
            });
            match found.await {
                Ok((looked, Some(found))) => {
                    reader = looked;
                    sender.send_modify(|known| known.take(found, &path));
                }
                Ok((_, None)) => {}
                Err(error) => {
                    tracing::error!(%error, file = %path.display(), "reading a file ended abnormally");
                    reader.last = read(&path).into();
                    let found = F::judge(&path, Err("reading it ended abnormally; please report the file"));
                    sender.send_modify(|known| known.take(found, &path));
                }
            }
        }
    });
    receiver
}

#[derive(Debug, Clone)]
struct Reader {
    path: PathBuf,
    /// What the last look found, so that a version is judged once.
    last: Option<Result<String, String>>,
}

impl Reader {
    /// What the file says; `None` when it is as it was.
    fn look<F: Followed>(&mut self) -> Option<F::Found> {
        let found = read(&self.path);
        if self.last.as_ref() == Some(&found) {
            return None;
        }
        let judged = F::judge(&self.path, found.as_deref().map_err(String::as_str));
        self.last = Some(found);
        Some(judged)
    }
}

/// A file's bytes. What is no file is refused: a pipe would be waited for, and nobody writes into it.
///
/// # Errors
/// It cannot be read, is no file, or has more than `limit` bytes.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = read_file(path, MAX_FILE).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}
