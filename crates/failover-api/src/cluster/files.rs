//! The copy of the Secret in files, where everything that reads `--git-secret-dir` finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::git::CacheFolder;

/// The keys of a Git Secret that Flux gives a meaning; nothing else is copied. `identity.pub` is none of them, and ssh would
/// believe it: where it is left from an earlier key, the host would be offered that one.
/// <https://fluxcd.io/flux/components/source/gitrepositories/#secret-reference>
const KEYS: [&str; 16] = [
    "identity",
    "known_hosts",
    "username",
    "password",
    "bearerToken",
    "ca.crt",
    "caFile",
    "tls.crt",
    "certFile",
    "tls.key",
    "keyFile",
    "githubAppID",
    "githubAppInstallationID",
    "githubAppInstallationOwner",
    "githubAppPrivateKey",
    "githubAppBaseURL",
];

/// What is in a Secret, by its keys: those that mean something to Git.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Values(pub(super) BTreeMap<&'static str, Vec<u8>>);

impl Values {
    /// Those of `data` that mean something.
    pub(super) fn of(mut data: BTreeMap<String, Vec<u8>>) -> Self {
        Self(KEYS.into_iter().filter_map(|key| Some((key, data.remove(key)?))).collect())
    }
}

/// A private folder of this process alone, removed with it.
#[derive(Debug)]
pub struct SecretCopy {
    folder: PathBuf,
    _parent: CacheFolder,
}

impl SecretCopy {
    /// An empty one below `parent`, or below the system's temporary folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn make(parent: Option<PathBuf>) -> io::Result<Self> {
        let parent = CacheFolder::make(parent)?;
        let folder = std::path::absolute(parent.path().join("git-secret"))?;
        let copy = Self { folder, _parent: parent };
        copy.prepare()?;
        Ok(copy)
    }

    /// The folder that holds a file for each key.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Makes the files what `values` are, each at once; returns the keys that changed. A file that is right stays as it is,
    /// since whoever logged in with it would have to do so again.
    pub(super) fn update(&self, values: &Values) -> io::Result<BTreeSet<String>> {
        self.prepare()?;
        let mut changed = BTreeSet::new();
        for (key, value) in &values.0 {
            let file = self.folder.join(key);
            if fs::read(&file).is_ok_and(|there| there == *value) {
                continue;
            }
            let mut whole = tempfile::NamedTempFile::new_in(&self.folder)?;
            whole.write_all(value)?;
            whole.as_file().set_permissions(Permissions::from_mode(0o400))?;
            whole.persist(&file).map_err(|error| error.error)?;
            changed.insert((*key).to_owned());
        }
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !values.0.contains_key(name.as_str()) {
                fs::remove_file(entry.path())?;
                changed.insert(name);
            }
        }
        Ok(changed)
    }

    /// Temporary folders get cleaned: ours may be gone.
    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn values(pairs: &[(&str, &str)]) -> Values {
        Values::of(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_files_become_what_the_secret_is_and_the_right_ones_stay() {
        let parent = tempfile::TempDir::new().unwrap();
        let copy = SecretCopy::make(Some(parent.path().to_owned())).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let inode = |key: &str| fs::metadata(copy.path().join(key)).unwrap().ino();
        let names = |changed: BTreeSet<String>| changed.into_iter().collect::<Vec<_>>().join(" ");

        let first = values(&[("identity", "a"), ("known_hosts", "b"), ("../escape", "c"), ("other", "d")]);
        assert_eq!(names(copy.update(&first).unwrap()), "identity known_hosts");
        assert_eq!((mode(copy.path()), mode(&copy.path().join("identity"))), (0o700, 0o400));
        assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 2);
        let known_hosts = inode("known_hosts");
        assert_eq!(names(copy.update(&first).unwrap()), "");

        let second = values(&[("identity", "A"), ("known_hosts", "b"), ("password", "p")]);
        assert_eq!(names(copy.update(&second).unwrap()), "identity password");
        assert_eq!(fs::read(copy.path().join("identity")).unwrap(), b"A");
        assert_eq!(inode("known_hosts"), known_hosts);
        assert_eq!(
            names(copy.update(&values(&[("identity", "A"), ("known_hosts", "b")])).unwrap()),
            "password"
        );
        assert_eq!(fs::read_dir(copy.path()).unwrap().count(), 2);

        fs::remove_dir_all(copy.path()).unwrap();
        assert_eq!(names(copy.update(&first).unwrap()), "identity known_hosts");
        let folder = copy.path().to_owned();
        drop(copy);
        assert!(!folder.exists());
    }
}
