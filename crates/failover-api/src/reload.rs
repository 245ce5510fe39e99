//! Files that are read again when they change: a config, a list of tokens, a list with files of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

/// How often a file is looked at. A mounted ConfigMap or Secret changes by a swap of symbolic links, which reading
/// by path always follows and file notifications often miss.
const INTERVAL: Duration = Duration::from_secs(1);
/// A file with more bytes than this is not read; what is written in one is held to a tighter limit where it is parsed.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What is known of a file and of those that it names, kept up to date with them.
pub trait Followed: Send + Sync + 'static {
    /// What one version of the file says.
    type Found: Send + 'static;

    /// Judges one version of the file: its text, or why there is none. Files that it names are read through `others`,
    /// and followed from then on. Runs on a thread of its own.
    fn judge(path: &Path, text: Result<&str, &str>, others: &mut Files) -> Self::Found;

    /// Takes what a version says into what is known.
    fn take(&mut self, found: Self::Found, path: &Path);
}

/// Files as they were when they were read. They may be secrets, so they have no way to be shown.
#[derive(Clone, Default)]
pub struct Files(BTreeMap<PathBuf, Result<Vec<u8>, String>>);

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Files {
    /// The file's bytes; the same ones each time.
    ///
    /// # Errors
    /// Why it cannot be read; its path is not repeated.
    pub fn read(&mut self, path: &Path) -> Result<&[u8], &str> {
        let known = self.0.entry(path.to_owned()).or_insert_with(|| read(path));
        known.as_deref().map_err(String::as_str)
    }

    /// Whether nothing was read, or all is still as it was read.
    fn are_current(&self) -> bool {
        self.0.iter().all(|(path, known)| read(path) == *known)
    }
}

/// Reads `path` now and keeps looking at it, and at the files that it names, in the background for as long as somebody
/// has the answer. Each version is judged once.
#[must_use]
pub fn follow<F: Followed>(path: PathBuf, mut known: F) -> watch::Receiver<F> {
    let mut reader = Reader { path, seen: None };
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
                    let mut files = Files::default();
                    let _ = files.read(&path);
                    let reason = "reading it ended abnormally; please report the file";
                    let found = F::judge(&path, Err(reason), &mut files);
                    reader.seen = Some(files);
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
    /// What the last version was made of, so that it is judged once.
    seen: Option<Files>,
}

impl Reader {
    /// What the file says; `None` when it and all that it names are as they were.
    fn look<F: Followed>(&mut self) -> Option<F::Found> {
        if self.seen.as_ref().is_some_and(Files::are_current) {
            return None;
        }
        let mut files = Files::default();
        let text = text(&mut files, &self.path);
        let judged = F::judge(&self.path, text.as_deref().map_err(String::as_str), &mut files);
        self.seen = Some(files);
        Some(judged)
    }
}

/// What a file says now, for who does not follow it.
#[must_use]
pub fn look<F: Followed>(path: &Path) -> F::Found {
    let mut files = Files::default();
    let text = text(&mut files, path);
    F::judge(path, text.as_deref().map_err(String::as_str), &mut files)
}

fn text(files: &mut Files, path: &Path) -> Result<String, String> {
    utf8(files.read(path)?.to_owned())
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
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// A file's text.
///
/// # Errors
/// As [`read_file`], or it is not UTF-8; the text is not repeated.
pub fn read_text(path: &Path) -> Result<String, String> {
    utf8(read(path)?)
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, MAX_FILE).map_err(|error| error.to_string())
}
