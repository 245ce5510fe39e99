//! The server as a pod runs it: in the environment of a container, with the files of its ServiceAccount.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::control_plane::ControlPlane;
use super::scene::Cluster;
use crate::support::api::Server;

/// Where the kubelet mounts them; `/var/run` is a link to `/run`.
const PLACE: &str = "/run/secrets/kubernetes.io/serviceaccount";

/// A running server, and what the kubelet would keep in its token's folder.
pub(crate) struct Pod {
    pub(crate) server: Server,
    account: TempDir,
    cache: TempDir,
}

impl Pod {
    /// Runs with the environment of the Deployment's container, as far as that means the same here, and these arguments.
    pub(crate) fn start(cluster: &Cluster, mut arguments: Vec<OsString>) -> Self {
        let plane = &cluster.plane;
        let account = TempDir::new().unwrap();
        fs::copy(plane.authority(), account.path().join("ca.crt")).unwrap();
        fs::write(account.path().join("namespace"), "failover-api").unwrap();
        write_token(account.path(), &plane.token());
        let cache = TempDir::new().unwrap();
        arguments.extend(["--cache-dir".into(), cache.path().into()]);
        Self { server: launch(cluster, arguments, account.path()), account, cache }
    }

    /// The folders in `--cache-dir` that hold a copy of the Secret.
    pub(crate) fn copies(&self) -> Vec<PathBuf> {
        let folders =
            fs::read_dir(self.cache.path()).unwrap().map(|entry| entry.unwrap().path().join("git-secret"));
        folders.filter(|folder| folder.exists()).collect()
    }

    /// Runs again as before, after its end.
    pub(crate) fn restart(&mut self, cluster: &Cluster) {
        let mut arguments = cluster.arguments(&cluster.ssh_url());
        arguments.extend(["--cache-dir".into(), self.cache.path().into()]);
        self.server = launch(cluster, arguments, self.account.path());
    }

    /// Renews the token, as the kubelet does.
    pub(crate) fn renew_token(&self, plane: &ControlPlane) {
        write_token(self.account.path(), &plane.token());
    }
}

fn launch(cluster: &Cluster, arguments: Vec<OsString>, account: &Path) -> Server {
    let mut unshare = Command::new("unshare");
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p {PLACE} && mount --bind \"$1\" {PLACE} && shift && exec env \"$@\""
    );
    unshare.args(["--mount", "sh", "-euc", &script, "sh"]).arg(account);
    for (name, value) in cluster.environment() {
        unshare.arg(format!("{name}={value}"));
    }
    unshare
        .arg("KUBERNETES_SERVICE_HOST=127.0.0.1")
        .arg(format!("KUBERNETES_SERVICE_PORT={}", cluster.plane.port()));
    unshare.arg(env!("CARGO_BIN_EXE_failover-api"));
    Server::start_program(unshare, "info,kube_client=trace", arguments).authorized(cluster.authorization())
}

/// All at once, through a link, as the kubelet does.
fn write_token(folder: &Path, token: &str) {
    let version = folder.join(format!("..{}", token.len() + fs::read_dir(folder).unwrap().count()));
    fs::create_dir(&version).unwrap();
    fs::write(version.join("token"), token).unwrap();
    symlink(version.file_name().unwrap(), folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if fs::symlink_metadata(folder.join("token")).is_err() {
        symlink("..data/token", folder.join("token")).unwrap();
    }
}
