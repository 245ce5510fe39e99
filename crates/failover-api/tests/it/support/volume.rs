//! A mounted ConfigMap or Secret, changed as the kubelet changes it.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

/// A volume laid out by the kubelet: the file is a link through `..data`, which is swapped by a rename.
pub(crate) struct Volume {
    folder: TempDir,
    key: &'static str,
    versions: usize,
}

impl Volume {
    /// A volume with this one key.
    pub(crate) fn new(key: &'static str, text: &str) -> Self {
        let mut volume = Self { folder: TempDir::new().unwrap(), key, versions: 0 };
        volume.publish(Some(text));
        symlink(format!("..data/{key}"), volume.file()).unwrap();
        volume
    }

    /// The key's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join(self.key)
    }

    /// Swaps in a new version of the volume; without a text the key has gone.
    pub(crate) fn publish(&mut self, text: Option<&str>) {
        let folder = self.folder.path();
        self.versions += 1;
        let version = format!("..version_{}", self.versions);
        std::fs::create_dir(folder.join(&version)).unwrap();
        if let Some(text) = text {
            std::fs::write(folder.join(&version).join(self.key), text).unwrap();
        }
        symlink(&version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if self.versions > 1 {
            std::fs::remove_dir_all(folder.join(format!("..version_{}", self.versions - 1))).unwrap();
        }
    }
}
