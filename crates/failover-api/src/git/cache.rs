//! The folder that holds this process's mirror and connection, and what killed processes left behind.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const PREFIX: &str = "failover-cache-";
const LOCK: &str = "lock";
const GUARD: &str = "failover-cache.lock";

/// A folder of this process alone, removed when dropped.
#[derive(Debug)]
pub struct CacheFolder {
    folder: TempDir,
    /// Held as long as the process lives, however it ends.
    _lock: File,
}

impl CacheFolder {
    /// Makes a folder below `parent`, and removes those whose process is gone: in memory-backed storage they would
    /// count as memory for as long as the pod lives.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn make(parent: Option<PathBuf>) -> std::io::Result<Self> {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&parent)?;
        // A folder that another server makes at this moment must not be taken for one that was left.
        let guard = File::options().create(true).append(true).open(parent.join(GUARD));
        let guard = guard.ok().filter(locks_soon);
        if guard.is_some() {
            for entry in std::fs::read_dir(&parent)?.flatten() {
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    remove_if_left(&entry.path());
                }
            }
        }
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let lock = File::create_new(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder, which only this user can read.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether the lock is ours within a second; whoever else holds it must not keep this server from starting.
fn locks_soon(file: &File) -> bool {
    (0..100).any(|_| {
        file.try_lock().is_ok() || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            false
        }
    })
}

fn remove_if_left(folder: &Path) {
    // Without the file the folder is somebody else's.
    let Ok(lock) = File::open(folder.join(LOCK)) else { return };
    if lock.try_lock().is_ok() {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => tracing::info!(folder = %folder.display(), "removed what a killed server left behind"),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "a killed server's folder stays")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_without_a_process_are_removed() {
        let parent = TempDir::new().unwrap();
        let make = || CacheFolder::make(Some(parent.path().to_owned())).unwrap();
        let alive = make();
        let left = parent.path().join("failover-cache-left");
        let young = parent.path().join("failover-cache-young");
        let foreign = parent.path().join("else");
        for folder in [&left, &young, &foreign] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(left.join(LOCK), "").unwrap();
        std::fs::write(foreign.join(LOCK), "").unwrap();
        let second = make();
        assert!(!left.exists() && young.exists() && foreign.exists());
        assert!(alive.path().exists() && second.path().exists());
        let gone = second.path().to_owned();
        drop(second);
        assert!(!gone.exists());
    }
}
