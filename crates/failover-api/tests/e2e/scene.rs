//! A cluster with `deploy/` applied, a Git host, and servers that run as the Deployment's pods.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::control_plane::ControlPlane;
use super::pod::Pod;
use crate::support::api::{Reply, Server};
use crate::support::process::{PATIENCE, poll};
use crate::support::scene::Scene;
use crate::support::sshd::SshServer;
use crate::support::tokens::Token;

/// See the module.
pub(crate) struct Cluster {
    pub(crate) plane: ControlPlane,
    pub(crate) scene: Scene,
    pub(crate) sshd: SshServer,
    /// The variables of the Deployment's container.
    environment: Vec<(String, String)>,
    /// Of somebody who may move services.
    token: Token,
    tokens: TempDir,
}

/// The folder of the base.
pub(crate) fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/base").canonicalize().unwrap()
}

/// A kustomization of the base with these components.
pub(crate) fn overlay(components: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    // Kustomize takes no absolute path, but goes up as far as it must.
    let up = "../".repeat(folder.path().canonicalize().unwrap().components().count() - 1);
    let deploy = format!("{up}{}", base().parent().unwrap().strip_prefix("/").unwrap().display());
    let mut overlay = format!("resources:\n  - {deploy}/base\ncomponents:\n");
    for component in components {
        overlay += &format!("  - {deploy}/components/{component}\n");
    }
    fs::write(folder.path().join("kustomization.yaml"), overlay).unwrap();
    folder
}

impl Cluster {
    /// With the Secret that Flux has.
    pub(crate) fn start() -> Self {
        Self::start_with(Scene::new(&["sonarr", "radarr"]))
    }

    /// The same for any repository.
    pub(crate) fn start_with(scene: Scene) -> Self {
        let cluster = Self::bare(scene);
        cluster.write_ssh_secret();
        cluster
    }

    /// Everything but the Secret.
    pub(crate) fn without_secret() -> Self {
        Self::bare(Scene::new(&["sonarr", "radarr"]))
    }

    fn bare(scene: Scene) -> Self {
        let plane = ControlPlane::start();
        plane.admin(["create", "namespace", "flux-system"]);
        plane.admin(["apply", "-k", base().to_str().unwrap()]);
        let deployment = plane.object(["get", "deployment", "failover-api", "-n", "failover-api"]);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let variables = container["env"].as_array().unwrap().iter();
        let environment = variables.map(|variable| {
            let text = |key: &str| variable[key].as_str().unwrap().to_owned();
            (text("name"), text("value"))
        });
        let environment = environment.collect();
        let (token, tokens) = (Token::new("alice", "operate"), TempDir::new().unwrap());
        fs::write(tokens.path().join("tokens"), &token.line).unwrap();
        Self { plane, scene, sshd: SshServer::start_new(), environment, token, tokens }
    }

    /// The Secret as `flux create secret git` makes it.
    pub(crate) fn write_ssh_secret(&self) {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        self.write_secret(&[
            ("identity", read(self.sshd.key())),
            ("identity.pub", read(self.sshd.file("client_key.pub"))),
            ("known_hosts", read(self.sshd.known_hosts())),
        ]);
    }

    /// The Secret with these keys and no other.
    pub(crate) fn write_secret<B: AsRef<[u8]>>(&self, values: &[(&str, B)]) {
        let values: serde_json::Map<_, _> =
            values.iter().map(|(key, value)| ((*key).to_owned(), encoded(value).into())).collect();
        self.plane.apply(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "flux-system", "namespace": "flux-system"},
            "data": values,
        }));
    }

    /// The repository's address for SSH.
    pub(crate) fn ssh_url(&self) -> String {
        self.sshd.url(self.scene.repository.path())
    }

    /// The variables of the Deployment's container.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// What has another place on this machine than in the container.
    pub(crate) fn arguments(&self, url: &str) -> Vec<OsString> {
        let (config, tokens) = (self.scene.config(), self.tokens.path().join("tokens"));
        let pairs: [(&str, &OsStr); 4] = [
            ("--repo", url.as_ref()),
            ("--config", config.as_ref()),
            ("--token-file", tokens.as_ref()),
            ("--poll", "1s".as_ref()),
        ];
        pairs.into_iter().flat_map(|(flag, value)| [flag.into(), value.to_owned()]).collect()
    }

    /// The `Authorization` of somebody who may move services.
    pub(crate) fn authorization(&self) -> &str {
        &self.token.header
    }

    /// A pod of the Deployment.
    pub(crate) fn pod(&self) -> Pod {
        self.pod_for(&self.ssh_url())
    }

    /// The same with more flags.
    pub(crate) fn pod_with(&self, flags: &[&str]) -> Pod {
        let mut arguments = self.arguments(&self.ssh_url());
        arguments.extend(flags.iter().map(OsString::from));
        Pod::start(self, arguments)
    }

    /// The same for another address of the repository.
    pub(crate) fn pod_for(&self, url: &str) -> Pod {
        Pod::start(self, self.arguments(url))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Waits until the server's health has a problem of this code, or no problem at all when it is empty.
pub(crate) fn wait_for_health(server: &Server, code: &str) -> Value {
    poll(&format!("health says {code:?}"), PATIENCE, || {
        let health: Reply = server.get("/api/health");
        let problems = health.json["problems"].as_array().unwrap().clone();
        let found = problems.iter().find(|problem| problem["code"] == code).cloned();
        match found {
            None if code.is_empty() && problems.is_empty() => Ok(Value::Null),
            Some(problem) => Ok(problem),
            None => Err(format!("{}\n{}", health.text, server.log().join("\n"))),
        }
    })
}
