//! The repository that is moved in: a homelab's manifests and their history.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::git::BRANCH;
use crate::support::process::run;

/// Commits before the first move.
pub(crate) const COMMITS: usize = 500;
/// Copies of the demo's cluster, each with namespaces of its own.
const CLUSTERS: usize = 4;
/// Apps that never move, and that the history is about.
const CHARTS: usize = 33;

/// The service that moves.
pub(crate) const SERVICE: &str = "sonarr";
const MANIFEST: &str = "clusters/homelab/apps/media/sonarr/deployment.yaml";

/// A file at the primary and at the backup node.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) primary: String,
    pub(crate) backup: String,
}

impl Change {
    /// The file's text at this node.
    pub(crate) fn to(&self, backup: bool) -> &str {
        if backup { &self.backup } else { &self.primary }
    }
}

/// What a move of the service changes.
pub(crate) fn change() -> Change {
    let primary = files().remove(MANIFEST).unwrap();
    let backup = primary
        // A comment follows both values.
        .replace("role: primary ", "role: backup ")
        .replace("claimName: pvc-sonarr ", "claimName: pvc-sonarr-backup ");
    assert_ne!(primary, backup);
    Change { path: MANIFEST.to_owned(), primary, backup }
}

/// The files of the first commit.
pub(crate) fn files() -> BTreeMap<String, String> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/repo");
    let listing = run(Command::new("find").arg(&demo).args(["-type", "f"])).stdout;
    let mut files = BTreeMap::new();
    for path in String::from_utf8(listing).unwrap().lines() {
        let content = fs::read_to_string(path).unwrap();
        let path = Path::new(path).strip_prefix(&demo).unwrap().to_str().unwrap();
        for cluster in 0..CLUSTERS {
            files.insert(in_cluster(cluster, path), in_cluster(cluster, &content));
        }
    }
    files.extend((0..CHARTS).map(|chart| (chart_path(chart), chart_text(chart, 0))));
    files
}

/// The demo's config once for each cluster, with the services numbered.
pub(crate) fn config() -> String {
    let demo = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/services.yaml")).unwrap();
    let mut config = "services:\n".to_owned();
    for cluster in 0..CLUSTERS {
        for line in demo.lines().skip(1) {
            let name = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'));
            match name.filter(|_| cluster > 0) {
                Some(name) => config += &format!("  {name}-{cluster}:\n"),
                None => config += &format!("{}\n", in_cluster(cluster, line)),
            }
        }
    }
    config
}

/// A path or text of the demo, moved to a cluster with other namespaces; the first cluster is the demo's own.
fn in_cluster(cluster: usize, text: &str) -> String {
    if cluster == 0 {
        return text.to_owned();
    }
    let text = text.replace("clusters/homelab", &format!("clusters/site-{cluster}"));
    let text = text.replace("media", &format!("media-{cluster}"));
    text.replace("databases", &format!("databases-{cluster}"))
}

fn chart_path(chart: usize) -> String {
    format!("clusters/homelab/apps/tools/tool-{chart}/helmrelease.yaml")
}

/// A Helm release that is like the many others in a homelab.
fn chart_text(chart: usize, version: usize) -> String {
    let name = format!("tool-{chart}");
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: {name}\n  namespace: tools\nspec:\n  interval: 30m\n  chart:\n    \
         spec:\n      chart: app-template\n      version: 4.{version}.0\n      sourceRef:\n        kind: HelmRepository\n        name: bjw-s\n  values:\n    \
         controllers:\n      {name}:\n        containers:\n          app:\n            image:\n              repository: ghcr.io/home-operations/{name}\n              \
         tag: 1.{version}.{chart}  # renovate\n            env:\n              TZ: Europe/Berlin\n            resources:\n              requests: {{cpu: 10m, memory: 64Mi}}\n    \
         service:\n      app:\n        controller: {name}\n        ports:\n          http:\n            port: {}\n    persistence:\n      config:\n        \
         existingClaim: pvc-{name}\n",
        8000 + chart
    )
}

/// The files, and then one new chart version for each commit, as a stream for `git fast-import`.
pub(crate) fn history(files: &BTreeMap<String, String>) -> Vec<u8> {
    let mut stream = Vec::new();
    commit(&mut stream, 0, "Initial commit", files.iter().map(|(path, text)| (path.clone(), text.clone())));
    for number in 1..COMMITS {
        let (chart, version) = (number % CHARTS, number / CHARTS + 1);
        let message = format!("chore(deps): update tool-{chart} to 4.{version}.0");
        commit(&mut stream, number, &message, [(chart_path(chart), chart_text(chart, version))]);
    }
    stream
}

pub(crate) fn commit(
    stream: &mut Vec<u8>,
    number: usize,
    message: &str,
    files: impl IntoIterator<Item = (String, String)>,
) {
    // An hour apart, until shortly before the kit's people begin.
    let time = 1_768_478_400 - 3600 * (COMMITS - number);
    write!(
        stream,
        "commit refs/heads/{BRANCH}\ncommitter renovate <bot@renovate.example> {time} +0000\ndata {}\n{message}\n",
        message.len()
    )
    .unwrap();
    for (path, text) in files {
        write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
    }
}
