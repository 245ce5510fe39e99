//! A name for the user that ssh runs as. OpenSSH refuses to work for a uid that has no entry in `/etc/passwd`, and a
//! platform may give a container any uid. `nss_wrapper` is a library that reads the entry from another file.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const PASSWD: &str = "/etc/passwd";
/// Found by the dynamic linker. Where it is missing ssh starts without it, and says that the user has no name.
const LIBRARY: &str = "libnss_wrapper.so";

/// The files that name our user, for one that has no name.
#[derive(Debug, Clone)]
pub(super) struct SshUser {
    passwd: PathBuf,
    group: PathBuf,
    passwd_line: String,
    group_line: String,
}

impl SshUser {
    /// `None` for a user with an entry. The files will be in `folder`.
    pub(super) fn if_unnamed(folder: &Path) -> Option<Self> {
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        // Without the file nobody has an entry.
        let known = std::fs::read_to_string(PASSWD).unwrap_or_default();
        (!has_entry(&known, user)).then(|| Self {
            passwd: folder.join("passwd"),
            group: folder.join("group"),
            passwd_line: format!("failover-api:x:{user}:{group}::/nonexistent:/nonexistent\n"),
            group_line: format!("failover-api:x:{group}:\n"),
        })
    }

    /// Writes the files where they are missing or not what they must be.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        put(&self.passwd, &self.passwd_line)?;
        put(&self.group, &self.group_line)
    }

    /// What ssh must see to find them.
    pub(super) fn environment(&self) -> [(&'static str, OsString); 3] {
        [
            ("LD_PRELOAD", LIBRARY.into()),
            ("NSS_WRAPPER_PASSWD", self.passwd.clone().into()),
            ("NSS_WRAPPER_GROUP", self.group.clone().into()),
        ]
    }
}

fn has_entry(passwd: &str, user: u32) -> bool {
    passwd.lines().any(|line| line.split(':').nth(2) == Some(user.to_string().as_str()))
}

/// Makes the file be this text: temporary folders get cleaned, and a full disk leaves an empty file.
pub(super) fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|written| written == text.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    whole.write_all(text.as_bytes())?;
    whole.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::has_entry;

    #[test]
    fn an_entry_is_found_by_its_uid_alone() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# 1000\n1000:x:77:1000::/:/1000\n";
        assert!(has_entry(passwd, 0) && has_entry(passwd, 77));
        assert!(!has_entry(passwd, 1000) && !has_entry("", 0));
    }
}
