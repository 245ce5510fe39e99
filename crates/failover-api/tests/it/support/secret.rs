//! Credentials in a folder, as the kubelet mounts a Secret.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::git::git;

/// Files named as Flux names them: `username` and `password`, `bearerToken`, `ca.crt`, `tls.crt` and `tls.key`,
/// `identity` and `known_hosts`.
pub(crate) struct Secret {
    folder: TempDir,
    version: AtomicU32,
}

impl Secret {
    /// A Secret with these files, given as (name, content).
    pub(crate) fn new<B: AsRef<[u8]>>(files: impl IntoIterator<Item = (&'static str, B)>) -> Self {
        let secret = Self { folder: TempDir::new().unwrap(), version: AtomicU32::new(0) };
        secret.replace(files);
        secret
    }

    /// All files change at once: each is a link through `..data`, and that is renamed into place.
    pub(crate) fn replace<B: AsRef<[u8]>>(&self, files: impl IntoIterator<Item = (&'static str, B)>) {
        let old = self.version.fetch_add(1, Ordering::Relaxed);
        let version = format!("..version-{}", old + 1);
        let folder = self.folder.path();
        fs::create_dir(folder.join(&version)).unwrap();
        let mut names = Vec::new();
        for (name, content) in files {
            let file = folder.join(&version).join(name);
            fs::write(&file, content).unwrap();
            // ssh takes no private key that others may read.
            fs::set_permissions(file, Permissions::from_mode(0o400)).unwrap();
            names.push(name);
        }
        symlink(&version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.starts_with("..") && !names.contains(&name.as_str()) {
                fs::remove_file(folder.join(name)).unwrap();
            }
        }
        for name in names {
            if fs::symlink_metadata(folder.join(name)).is_err() {
                symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
            }
        }
        let _ = fs::remove_dir_all(folder.join(format!("..version-{old}")));
    }

    /// The folder that holds the files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One file; it need not be there.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// `git` in `folder`, with these credentials and no other.
    pub(crate) fn git(&self, folder: &Path) -> Command {
        let mut git = git(folder);
        let files = ["username", "bearerToken", "ca.crt", "tls.crt", "identity"];
        for file in files.map(|name| self.file(name)).iter().filter(|file| file.exists()) {
            let path = file.display();
            match file.file_name().and_then(|name| name.to_str()) {
                Some("username") => {
                    let helper = format!(
                        "credential.helper=!echo username=\"$(cat '{path}')\"; echo password=\"$(cat '{}')\"; :",
                        self.file("password").display()
                    );
                    git.args(["-c", &helper]);
                }
                Some("bearerToken") => {
                    let token = fs::read_to_string(file).unwrap();
                    git.args(["-c", &format!("http.extraHeader=Authorization: Bearer {token}")]);
                }
                Some("ca.crt") => {
                    git.env("GIT_SSL_CAINFO", file);
                }
                Some("tls.crt") => {
                    git.env("GIT_SSL_CERT", file).env("GIT_SSL_KEY", self.file("tls.key"));
                }
                _ => {
                    git.env("GIT_SSH_COMMAND", ssh_command(file, &self.file("known_hosts")));
                }
            }
        }
        git
    }
}

/// What `GIT_SSH_COMMAND` must be for a Git that makes a new connection with this key each time.
pub(crate) fn ssh_command(key: &Path, known_hosts: &Path) -> String {
    format!(
        "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
         -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=5",
        key.display(),
        known_hosts.display(),
    )
}
