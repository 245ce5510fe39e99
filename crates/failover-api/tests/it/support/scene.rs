//! A repository with services, a config for them, and servers that move them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::api::{Reply, Server};
use super::git::Repository;
use super::process::{PATIENCE, poll};
use super::sshd::SshServer;

/// Where the manifest of the service lies.
pub(crate) fn manifest_path(service: &str) -> String {
    format!("clusters/homelab/apps/media/{service}/deployment.yaml")
}

/// A Deployment at its primary node, with what an editor would spoil: comments, odd spaces, another document.
pub(crate) fn manifest(service: &str) -> String {
    format!(
        "# {service}: moved by failover-api\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name:   {service}\n  namespace: media\nspec:\n  \
         template:\n    spec:\n      nodeSelector: {{role: primary}}  # where its data is\n      volumes:\n        - name: {service}-data   # replicated\n          \
         persistentVolumeClaim:\n            claimName: 'pvc-{service}'\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {service}, namespace: media}}\n# no newline at the end"
    )
}

/// The same with a claim that is shared through an anchor, so that it cannot be edited.
pub(crate) fn shared(service: &str) -> String {
    manifest(service).replace(
        &format!("claimName: 'pvc-{service}'"),
        &format!("claimName: &claim pvc-{service}\n        - name: again\n          persistentVolumeClaim: {{claimName: *claim}}"),
    )
}

/// The config of these services.
pub(crate) fn config(services: &[&str]) -> String {
    let entry = |service: &&str| {
        format!(
            "  {service}:\n    namespace: media\n    deployment: {service}\n    volume_name: {service}-data\n    primary_pvc: pvc-{service}\n    \
             backup_pvc: pvc-{service}-backup\n    primary_node_label: primary\n    backup_node_label: backup\n"
        )
    };
    format!("services:\n{}", services.iter().map(entry).collect::<String>())
}

impl Repository {
    /// A manifest for each of these services.
    pub(crate) fn of(services: &[&str]) -> Self {
        Self::new(services.iter().map(|service| (manifest_path(service), manifest(service))))
    }
}

/// A repository on this machine and the config of its services.
pub(crate) struct Scene {
    pub(crate) repository: Repository,
    folder: TempDir,
}

impl Scene {
    /// One manifest for each service.
    pub(crate) fn new(services: &[&str]) -> Self {
        Self::with(Repository::of(services), &config(services))
    }

    /// Any repository and config.
    pub(crate) fn with(repository: Repository, config: &str) -> Self {
        let scene = Self { repository, folder: TempDir::new().unwrap() };
        std::fs::write(scene.config(), config).unwrap();
        scene
    }

    /// The config file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("services.yaml")
    }

    /// Arguments for a server on the repository's path.
    pub(crate) fn local(&self) -> Vec<OsString> {
        self.arguments(self.repository.path(), &[])
    }

    /// Arguments for a server that reaches the repository over SSH.
    pub(crate) fn ssh(&self, sshd: &SshServer) -> Vec<OsString> {
        self.ssh_with(&sshd.url(self.repository.path()), &sshd.key(), sshd)
    }

    /// The same with another URL or key.
    pub(crate) fn ssh_with(&self, url: &str, key: &Path, sshd: &SshServer) -> Vec<OsString> {
        let known_hosts = sshd.known_hosts();
        self.arguments(
            Path::new(url),
            &["--ssh-key".as_ref(), key.as_os_str(), "--known-hosts".as_ref(), known_hosts.as_os_str()],
        )
    }

    /// Arguments for a server on any repository, with more of its own.
    pub(crate) fn arguments(&self, repository: &Path, more: &[&std::ffi::OsStr]) -> Vec<OsString> {
        let config = self.config();
        let mut arguments = vec!["--repo".into(), repository.into(), "--config".into(), config.into()];
        // Long, so that a test decides when the remote is looked at.
        arguments.extend(["--poll", "1h"].map(OsString::from));
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        arguments
    }

    /// A server that has read the repository.
    pub(crate) fn serve(&self) -> Server {
        ready(Server::start(self.local()))
    }

    /// The service's manifest at the tip of the branch.
    pub(crate) fn text(&self, service: &str) -> String {
        String::from_utf8(self.repository.show(&format!("main:{}", manifest_path(service)))).unwrap()
    }
}

/// Waits until the server has read its repository.
pub(crate) fn ready(server: Server) -> Server {
    server.wait_until("/readyz", |reply| reply.status == 200, PATIENCE);
    server
}

/// The manifest of a service that is at its backup node.
pub(crate) fn moved(service: &str) -> String {
    manifest(service)
        .replace("{role: primary}", "{role: backup}")
        .replace(&format!("'pvc-{service}'"), &format!("'pvc-{service}-backup'"))
}

impl Server {
    pub(crate) fn promote(&self, service: &str) -> Reply {
        self.post(&format!("/api/failover/{service}/promote"), "", &[])
    }

    pub(crate) fn demote(&self, service: &str) -> Reply {
        self.post(&format!("/api/failover/{service}/demote"), "", &[])
    }

    pub(crate) fn status(&self, service: &str) -> Reply {
        self.get(&format!("/api/failover/{service}/status"))
    }
}

impl Reply {
    /// The commit of a move that changed something.
    pub(crate) fn commit(&self) -> &str {
        assert_eq!((self.status, self.json["changed"].as_bool()), (200, Some(true)), "{}", self.text);
        self.json["commit"].as_str().unwrap()
    }

    /// Everything was there already.
    pub(crate) fn assert_unchanged(&self) {
        assert_eq!((self.status, self.json["changed"].as_bool()), (200, Some(false)), "{}", self.text);
    }

    /// The answer is a problem document with this status and code.
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(
            self.json["request_id"].as_str(),
            self.headers["x-request-id"].to_str().ok(),
            "{}",
            self.text
        );
        assert!(self.json["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{}", self.text);
    }
}

/// Asks for a move on a thread of its own, patient enough for every deadline of the server.
pub(crate) fn ask(server: &Server, path: &str) -> std::thread::JoinHandle<serde_json::Value> {
    let url = server.url(path);
    std::thread::spawn(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE * 2))
            .build()
            .into();
        let answer = agent.post(&url).send_empty().unwrap().body_mut().read_to_string().unwrap();
        serde_json::from_str(&answer).unwrap()
    })
}

/// A pre-receive hook that says that it runs, and holds the push until it is told to go on.
pub(crate) struct Gate {
    folder: TempDir,
}

impl Gate {
    /// Holds the pushes to the scene's repository.
    pub(crate) fn install(scene: &Scene) -> Self {
        let gate = Self { folder: TempDir::new().unwrap() };
        let folder = gate.folder.path().display();
        let script = format!(
            "#!/bin/sh\ncd {folder}\ntouch begun\nwhile [ ! -e go ]; do\n  if [ -e refuse ]; then rm refuse; exit 1; fi\n  sleep 0.05\ndone\n"
        );
        scene.repository.install_hook("pre-receive", &script);
        gate
    }

    /// Waits until a push is held.
    pub(crate) fn wait(&self) {
        let begun = self.folder.path().join("begun");
        poll("the hook runs", PATIENCE, || begun.exists().then_some(()).ok_or_else(String::new));
    }

    /// Refuses the one push that is held.
    pub(crate) fn refuse(&self) {
        let refuse = self.folder.path().join("refuse");
        std::fs::write(&refuse, "").unwrap();
        poll("the push is refused", PATIENCE, || if refuse.exists() { Err(String::new()) } else { Ok(()) });
    }

    /// Lets pushes through.
    pub(crate) fn open(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }
}

/// The one folder in `parent`.
pub(crate) fn only_folder(parent: &Path) -> PathBuf {
    let paths = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}
