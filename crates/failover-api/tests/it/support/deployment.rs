//! `deploy/` as Kustomize builds it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::run;

pub(crate) const COMPONENTS: [&str; 7] = [
    "image-automation",
    "ingress-traefik",
    "kubernetes-auth",
    "notifications",
    "prometheus",
    "receiver",
    "signing",
];
pub(crate) const NAME: &str = "failover-api";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Kustomize, as `scripts/test` installs it, or the machine's own.
pub(crate) fn kustomize() -> PathBuf {
    let ours = root().join("target/tools/bin/kustomize");
    if ours.exists() { ours } else { "kustomize".into() }
}

/// What the kubelet and the API server get of a folder.
#[derive(Debug)]
pub(crate) struct Build(pub(crate) Vec<Value>);

pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    yaml_serde::Deserializer::from_str(yaml).map(|document| Value::deserialize(document).unwrap()).collect()
}

pub(crate) fn build(folder: &Path) -> Build {
    Build(documents(
        &String::from_utf8(run(Command::new(kustomize()).arg("build").arg(folder)).stdout).unwrap(),
    ))
}

pub(crate) fn base() -> Build {
    build(&root().join("deploy/base"))
}

pub(crate) fn overlay() -> Build {
    build(&root().join("deploy/overlays/homelab"))
}

/// The overlay of somebody who has read it and wants all that stands there as a comment.
pub(crate) fn overlay_with_everything() -> Build {
    let folder = TempDir::new().unwrap();
    run(Command::new("cp").arg("-r").arg(root().join("deploy")).arg(folder.path()));
    let overlay = folder.path().join("deploy/overlays/homelab");
    let file = overlay.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let mut uncommented = 0;
    let lines = text.lines().map(|line| {
        let meant =
            ["# components:", "#   - ../../components/", "  # - target:", "  #   patch:", "  #     - {op:"];
        if meant.iter().any(|start| line.starts_with(start)) {
            uncommented += 1;
            line.replacen("# ", "", 1) + "\n"
        } else {
            line.to_owned() + "\n"
        }
    });
    let text: String = lines.collect();
    assert_eq!(uncommented, 6, "{text}");
    fs::write(file, text).unwrap();
    build(&overlay)
}

/// The base with these components.
pub(crate) fn with(components: &[&str]) -> Build {
    // Kustomize takes no absolute paths.
    let folder = TempDir::new_in(root().join("target")).unwrap();
    let components: Vec<_> =
        components.iter().map(|name| format!("../../deploy/components/{name}")).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../deploy/base"],
        "components": components,
    });
    fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string()).unwrap();
    build(folder.path())
}

/// Every build that the folder offers, with a name for messages.
pub(crate) fn builds() -> Vec<(String, Build)> {
    let folders = fs::read_dir(root().join("deploy/components")).unwrap();
    let mut found: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, COMPONENTS);
    let mut builds: Vec<_> = COMPONENTS.iter().map(|name| ((*name).to_owned(), with(&[name]))).collect();
    builds.push(("base".into(), base()));
    builds.push(("every component".into(), with(&COMPONENTS)));
    builds.push(("overlay".into(), overlay()));
    builds.push(("overlay with everything".into(), overlay_with_everything()));
    builds
}

impl Build {
    pub(crate) fn all<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let kind = kind.to_owned();
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The only object of its kind.
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.all(kind).collect();
        let [object] = found[..] else { panic!("{} objects of kind {kind}", found.len()) };
        object
    }

    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        let mut found = self.all(kind).filter(|object| object["metadata"]["name"] == name);
        found.next().unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    pub(crate) fn pod(&self) -> &Value {
        &self.only("Deployment")["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Value {
        let containers = self.pod()["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        assert!(self.pod().get("initContainers").is_none());
        &containers[0]
    }

    /// The variables of the container.
    pub(crate) fn environment(&self) -> BTreeMap<&str, &str> {
        let variables = list(&self.container()["env"]);
        variables.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

/// Bytes of a quantity such as `64Mi`.
pub(crate) fn mebibytes(value: &Value) -> u64 {
    text(value).strip_suffix("Mi").unwrap().parse().unwrap()
}
