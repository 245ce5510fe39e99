//! What a move says it does, held against what `kustomize build` makes of the repository before and after it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::deployment::{documents, kustomize};
use crate::support::git::git;
use crate::support::process::run;

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: sonarr, namespace: media, labels: {app: sonarr}}
spec:
  replicas: 1
  selector: {matchLabels: {app: sonarr}}
  template:
    metadata: {labels: {app: sonarr}}
    spec:
      nodeSelector:
        role: primary
      containers: [{name: sonarr, image: x}]
      volumes:
        - name: config
          emptyDir: {}
        - name: data
          persistentVolumeClaim:
            claimName: pvc-sonarr
";

/// The fields in their short form, in the manifest that the search finds or in the one that `path` names.
fn short(path: &str) -> String {
    let path = if path.is_empty() { String::new() } else { format!(", path: {path}") };
    format!(
        "services:\n  sonarr: {{namespace: media, deployment: sonarr, volume_name: data, primary_pvc: pvc-sonarr, backup_pvc: pvc-sonarr-backup, primary_node_label: primary, backup_node_label: backup{path}}}\n"
    )
}

/// The fields as operations of a patch.
fn operations(path: &str) -> String {
    let setting = |pointer: &str, primary: &str, backup: &str| {
        format!(
            "      - {{target: {{kind: Deployment, name: sonarr, path: {path}}}, field: '[path={pointer}].value', primary: {primary}, backup: {backup}}}\n"
        )
    };
    let node = setting("/spec/template/spec/nodeSelector/role", "primary", "backup");
    let claim = setting(
        "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName",
        "pvc-sonarr",
        "pvc-sonarr-backup",
    );
    format!("services:\n  sonarr:\n    namespace: media\n    settings:\n{node}{claim}")
}

/// What is expected of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is made, and the build moves.
    Moves,
    /// It is refused with this code or check; when it is made all the same, the build does not move as a whole.
    Refuses(&'static str),
}

/// A name, the kustomization over the base, and more files.
type Case = (&'static str, String, Vec<(&'static str, String)>);

struct Repo {
    folder: TempDir,
    build: &'static str,
}

impl Repo {
    /// A repository of these files, whose folder `build` is what is applied. The base is there unless a file takes its
    /// place.
    fn new(build: &'static str, files: &[(&str, &str)], config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let base = [
            ("base/deployment.yaml", DEPLOYMENT),
            ("base/kustomization.yaml", "resources: [deployment.yaml]\n"),
        ];
        for (path, text) in base.iter().chain(files) {
            let path = folder.path().join("repo").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(folder.path().join("services.yaml"), config).unwrap();
        let repo = Self { folder, build };
        run(git(&repo.path()).args(["init", "-q", "-b", "main"]));
        run(git(&repo.path()).args(["add", "-A"]));
        run(git(&repo.path()).args(["commit", "-q", "-m", "all"]));
        repo
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("repo")
    }

    /// Where the app of the build runs, and with which claim.
    fn built(&self) -> Vec<(String, String, String)> {
        let mut build = Command::new(kustomize());
        // As Flux builds.
        build.args(["build", "--load-restrictor", "LoadRestrictionsNone"]).arg(self.path().join(self.build));
        let built = String::from_utf8(run(&mut build).stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let deployments = documents(&built);
        deployments
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .map(|object| {
                let pod = &object["spec"]["template"]["spec"];
                let volumes = pod["volumes"].as_array().unwrap();
                let data = volumes.iter().find(|volume| volume["name"] == "data").unwrap();
                (
                    format!(
                        "{}/{}",
                        text(&object["metadata"]["namespace"]),
                        text(&object["metadata"]["name"])
                    ),
                    text(&pod["nodeSelector"]["role"]),
                    text(&data["persistentVolumeClaim"]["claimName"]),
                )
            })
            .collect()
    }

    fn promote(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        let repo = self.path();
        command.env_clear().envs(git(&repo).get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(&repo).args(["promote", "sonarr", "--repo", ".", "--config"]);
        command.arg(Path::new("../services.yaml")).args(["--yes", "-o", "json"]).args(arguments);
        command.output().unwrap()
    }
}

const PRIMARY: (&str, &str) = ("primary", "pvc-sonarr");
const BACKUP: (&str, &str) = ("backup", "pvc-sonarr-backup");

/// Everything else of the build stays as it is.
fn check(name: &str, expected: Expected, build: &'static str, files: &[(&str, &str)], config: &str) {
    let repo = Repo::new(build, files, config);
    let own = |builds: &[(String, String, String)]| {
        let own = builds
            .iter()
            .find(|(name, ..)| name == "media/sonarr")
            .unwrap_or_else(|| panic!("{name}: {builds:?}"));
        (own.1.clone(), own.2.clone())
    };
    let others = |builds: Vec<(String, String, String)>| {
        builds.into_iter().filter(|(name, ..)| name != "media/sonarr").collect::<Vec<_>>()
    };
    let before = repo.built();
    let output = repo.promote(&[]);
    let said = format!("{name}: {}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    match expected {
        Expected::Moves => {
            assert!(output.status.success(), "{said}");
            assert!(!said.contains("kustomize-patch"), "{said}");
            let after = repo.built();
            assert_eq!(own(&before), (PRIMARY.0.to_owned(), PRIMARY.1.to_owned()), "{said}");
            assert_eq!(own(&after), (BACKUP.0.to_owned(), BACKUP.1.to_owned()), "{said}");
            assert_eq!(others(before), others(after), "{said}");
        }
        Expected::Refuses(why) => {
            assert!(!output.status.success() && said.contains(why), "{said}");
            assert_eq!(repo.built(), before, "{said}");
            // It is no false alarm.
            let forced = repo.promote(&["--force", why]);
            if forced.status.success() {
                let after = repo.built();
                let is_whole = own(&after) == (BACKUP.0.to_owned(), BACKUP.1.to_owned());
                assert!(!is_whole || others(before) != others(after.clone()), "{name}: {after:?}");
            }
        }
    }
}

/// A kustomization over the base, with its namespace as the base has it.
fn over(more: &str) -> String {
    format!("resources: [../base]\n{more}")
}

const OPERATIONS: &str = "- op: replace
  path: /spec/template/spec/nodeSelector/role
  value: primary
- op: replace
  path: /spec/template/spec/volumes/1/persistentVolumeClaim/claimName
  value: pvc-sonarr
";
const MERGE: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: sonarr, namespace: media}
spec:
  template:
    spec:
      nodeSelector: {role: primary}
      volumes: [{name: data, persistentVolumeClaim: {claimName: pvc-sonarr}}]
";

/// Merging items into a list would put them first, where the operations count by position.
const EARLY: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: sonarr, namespace: media}
spec: {template: {spec: {nodeSelector: {role: other}}}}
";

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

#[test]
fn what_is_set_again_on_the_way_blocks() {
    let blocks = Expected::Refuses("kustomize-patch");
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let target = "target: {kind: Deployment, name: sonarr}";
    let cases: Vec<Case> = vec![
        (
            "operations in a file",
            over(&format!("patches: [{{path: pin.yaml, {target}}}]\n")),
            vec![("over/pin.yaml", OPERATIONS.to_owned())],
        ),
        (
            "operations in a file of any name, chosen by an expression",
            over("patches: [{path: pin.yaml, target: {name: 'son.*'}}]\n"),
            vec![("over/pin.yaml", "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/nodeSelector/role\", \"value\": \"primary\"}]".to_owned())],
        ),
        (
            "operations in the kustomization, for every Deployment",
            over("patches:\n- target: {kind: Deployment}\n  patch: |-\n    - {op: add, path: /spec/template/spec/nodeSelector, value: {role: primary}}\n"),
            vec![],
        ),
        (
            "operations on one line",
            over(&format!("patches:\n- {{{target}, patch: '[{{\"op\": \"replace\", \"path\": \"/spec/template/spec/nodeSelector/role\", \"value\": \"primary\"}}]'}}\n")),
            vec![],
        ),
        (
            "chosen by a label",
            over(&format!("patches:\n- target: {{labelSelector: app=sonarr}}\n  patch: |-\n{}", indented(OPERATIONS, 4))),
            vec![],
        ),
        ("a merge in a file", over("patches: [{path: pin.yaml}]\n"), vec![("over/pin.yaml", MERGE.to_owned())]),
        (
            "a merge in a file whose target decides",
            over(&format!("patches: [{{path: pin.yaml, {target}}}]\n")),
            vec![("over/pin.yaml", MERGE.replace("name: sonarr,", "name: whatever,"))],
        ),
        (
            "a merge in the kustomization",
            over(&format!("patches:\n- patch: |-\n{}", indented(MERGE, 4))),
            vec![],
        ),
        (
            "the old list of merges",
            over("patchesStrategicMerge: [pin.yaml]\n"),
            vec![("over/pin.yaml", MERGE.to_owned())],
        ),
        (
            "the old list of merges, as text",
            over(&format!("patchesStrategicMerge:\n- |-\n{}", indented(MERGE, 2))),
            vec![],
        ),
        (
            "the old list of operations",
            over("patchesJson6902: [{target: {group: apps, version: v1, kind: Deployment, name: sonarr, namespace: media}, path: pin.yaml}]\n"),
            vec![("over/pin.yaml", OPERATIONS.to_owned())],
        ),
        (
            "a component",
            over("components: [../pin]\n"),
            vec![("pin/kustomization.yaml", format!("{component}patches:\n- patch: |-\n{}", indented(MERGE, 4)))],
        ),
        (
            "a component of a component",
            over("components: [../outer]\n"),
            vec![
                ("outer/kustomization.yaml", format!("{component}components: [../pin]\n")),
                ("pin/kustomization.yaml", format!("{component}patches:\n- {{path: pin.yaml, {target}}}\n")),
                ("pin/pin.yaml", OPERATIONS.to_owned()),
            ],
        ),
        (
            "a transformer",
            over("transformers: [pin.yaml]\n"),
            vec![("over/pin.yaml", format!("apiVersion: builtin\nkind: PatchTransformer\nmetadata: {{name: pin}}\n{target}\npatch: |-\n{}", indented(OPERATIONS, 2)))],
        ),
        (
            "a transformer as text",
            over(&format!("transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {{name: pin}}\n  {target}\n  patch: |-\n{}", indented(OPERATIONS, 4))),
            vec![],
        ),
        (
            "replacements in a file",
            "resources: [../base, where.yaml]\nreplacements: [{path: pin.yaml}]\n".to_owned(),
            vec![
                ("over/where.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: where}\ndata: {node: primary}\n".to_owned()),
                ("over/pin.yaml", "source: {kind: ConfigMap, name: where, fieldPath: data.node}\ntargets: [{select: {kind: Deployment}, fieldPaths: [spec.template.spec.nodeSelector.role]}]\n".to_owned()),
            ],
        ),
        (
            "replacements in the kustomization",
            "resources: [../base, where.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: where, fieldPath: data.claim}\n  targets: [{select: {name: sonarr}, fieldPaths: [spec.template.spec.volumes.1.persistentVolumeClaim.claimName]}]\n".to_owned(),
            vec![("over/where.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: where}\ndata: {claim: pvc-sonarr}\n".to_owned())],
        ),
    ];
    for (name, top, files) in cases {
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        files.push(("over/kustomization.yaml", &top));
        check(name, blocks, "over", &files, &short(""));
    }
}

#[test]
fn what_sets_something_else_does_not_block() {
    let cases: Vec<Case> = vec![
        (
            "another field",
            over("patches:\n- target: {kind: Deployment}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/replicas\", \"value\": 2}]'\n"),
            vec![],
        ),
        (
            "another label and another volume",
            over("patches: [{path: pin.yaml}]\n"),
            vec![("over/pin.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sonarr, namespace: media}\nspec: {template: {spec: {nodeSelector: {disk: ssd}, volumes: [{name: more, emptyDir: {}}]}}}\n".to_owned())],
        ),
        (
            "another object",
            over("patches: [{target: {kind: StatefulSet}, patch: '[{\"op\": \"remove\", \"path\": \"/spec/template/spec/nodeSelector\"}]'}, {target: {name: 'sonar'}, patch: '[{\"op\": \"remove\", \"path\": \"/spec\"}]'}]\n"),
            vec![],
        ),
        (
            "an item of a list at another position",
            over("patches:\n- target: {kind: Deployment}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/template/spec/volumes/0/emptyDir\", \"value\": {\"medium\": \"Memory\"}}, {\"op\": \"add\", \"path\": \"/spec/template/spec/volumes/-\", \"value\": {\"name\": \"last\", \"emptyDir\": {}}}]'\n"),
            vec![],
        ),
        (
            "replicas and labels",
            over("replicas: [{name: sonarr, count: 2}]\nlabels: [{pairs: {a: b}}]\nnamePrefix: ''\n"),
            vec![],
        ),
    ];
    for (name, top, files) in cases {
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        files.push(("over/kustomization.yaml", &top));
        check(name, Expected::Moves, "over", &files, &short(""));
    }
}

#[test]
fn a_patch_is_a_place_for_settings_where_it_has_the_last_word() {
    let target = "target: {kind: Deployment, name: sonarr}";
    let inline = over(&format!("patches:\n- {target}\n  patch: |-\n{}", indented(OPERATIONS, 4)));
    let here = operations("over/kustomization.yaml");
    let top = ("over/kustomization.yaml", inline.as_str());
    check("operations in the kustomization", Expected::Moves, "over", &[top], &here);

    let by_file = over(&format!("patches: [{{path: pin.yaml, {target}}}]\n"));
    let files = [("over/kustomization.yaml", by_file.as_str()), ("over/pin.yaml", OPERATIONS)];
    check("operations in a file", Expected::Moves, "over", &files, &operations("over/pin.yaml"));

    // As most write it: the object gets its namespace from the kustomization, and the patch names none.
    let bare = DEPLOYMENT.replace(", namespace: media", "");
    let merge = MERGE.replace(", namespace: media", "");
    let files = [
        ("base/deployment.yaml", bare.as_str()),
        ("over/kustomization.yaml", "namespace: media\nresources: [../base]\npatches: [{path: pin.yaml}]\n"),
        ("over/pin.yaml", &merge),
    ];
    check("a merge in a file", Expected::Moves, "over", &files, &short("over/pin.yaml"));
    check("a folder with a patch in it", Expected::Moves, "over", &files, &short("over"));

    // Once more behind it, in the same kustomization and in one around it.
    let later = format!("{inline}- path: late.yaml\n");
    let files = [("over/kustomization.yaml", later.as_str()), ("over/late.yaml", MERGE)];
    check("a later patch", Expected::Refuses("kustomize-patch"), "over", &files, &here);
    let around = format!("resources: [../over]\npatches:\n- patch: |-\n{}", indented(MERGE, 4));
    let files = [("over/kustomization.yaml", inline.as_str()), ("top/kustomization.yaml", &around)];
    check("a patch around it", Expected::Refuses("kustomize-patch"), "top", &files, &here);
    // What comes before it is what it sets.
    let before =
        over(&format!("patches:\n- path: early.yaml\n- {target}\n  patch: |-\n{}", indented(OPERATIONS, 4)));
    let files = [("over/kustomization.yaml", before.as_str()), ("over/early.yaml", EARLY)];
    check("an earlier patch", Expected::Moves, "over", &files, &here);
}

#[test]
fn a_patch_that_reaches_more_or_nothing_is_refused() {
    let target = "target: {kind: Deployment, name: sonarr}";
    let component = format!(
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- {target}\n  patch: |-\n{}",
        indented(OPERATIONS, 4)
    );
    let other = DEPLOYMENT.replace("namespace: media", "namespace: test");
    let files = [
        ("test/deployment.yaml", other.as_str()),
        ("test/kustomization.yaml", "resources: [deployment.yaml]\ncomponents: [../pin]\n"),
        ("over/kustomization.yaml", "resources: [../base]\ncomponents: [../pin]\n"),
        ("pin/kustomization.yaml", &component),
        ("kustomization.yaml", "resources: [over, test]\n"),
    ];
    let shared = Expected::Refuses("manifest-shared");
    check("a component of two namespaces", shared, ".", &files, &operations("pin/kustomization.yaml"));

    let bare = DEPLOYMENT.replace(", namespace: media", "");
    let merge = MERGE.replace(", namespace: media", "");
    let over = |namespace: &str| {
        format!("namespace: {namespace}\nresources: [../base]\npatches: [{{path: ../shared/pin.yaml}}]\n")
    };
    let (media, test) = (over("media"), over("test"));
    let files = [
        ("base/deployment.yaml", bare.as_str()),
        ("media/kustomization.yaml", media.as_str()),
        ("test/kustomization.yaml", &test),
        ("shared/pin.yaml", &merge),
        ("kustomization.yaml", "resources: [media, test]\n"),
    ];
    check("a file of two namespaces", shared, ".", &files, &short("shared/pin.yaml"));
    // A component's namespace is the object's, too.
    let files = [
        ("base/deployment.yaml", bare.as_str()),
        ("media/kustomization.yaml", "namespace: media\nresources: [../base]\n"),
        ("test/kustomization.yaml", "resources: [../base]\ncomponents: [../in-test]\n"),
        (
            "in-test/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamespace: test\n",
        ),
        ("kustomization.yaml", "resources: [media, test]\n"),
    ];
    check("a component that sets a namespace", shared, ".", &files, &short(""));

    let astray =
        format!("resources: [../base]\npatches:\n- {target}\n  patch: |-\n{}", indented(OPERATIONS, 4));
    let renamed = DEPLOYMENT.replace("name: sonarr, namespace", "name: radarr, namespace");
    let files = [
        ("base/deployment.yaml", renamed.as_str()),
        ("base/other.yaml", DEPLOYMENT),
        ("over/kustomization.yaml", &astray),
        ("kustomization.yaml", "resources: [over, base/other.yaml]\n"),
    ];
    let nothing = Expected::Refuses("manifest-not-found");
    check("a patch of nothing", nothing, ".", &files, &operations("over/kustomization.yaml"));

    let tested = astray.replacen("op: replace", "op: test", 1);
    let files = [("over/kustomization.yaml", tested.as_str())];
    let uneditable = Expected::Refuses("field-uneditable");
    check(
        "an operation that sets nothing",
        uneditable,
        "over",
        &files,
        &operations("over/kustomization.yaml"),
    );
}
