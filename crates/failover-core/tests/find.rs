//! Manifests are found by what they are, with the namespace and name that their builds give them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use failover_core::code::Code;
use failover_core::config::Target;
use failover_core::name::{BlobId, Kind, Namespace, ObjectName, RepoPath};
use failover_core::tree::{FileFacts, ListedFile, Listing, Unbuilt};

fn listing(files: &[(&str, &str)]) -> Listing {
    let files = files.iter().map(|(path, text)| {
        let path = RepoPath::new(*path).unwrap();
        let facts = Arc::new(FileFacts::read(path.file_name(), text.as_bytes()));
        (path, ListedFile { blob: BlobId::new("0".repeat(40)).unwrap(), facts })
    });
    Listing::new(files.collect())
}

fn target(namespace: &str, name: &str) -> Target {
    Target {
        kind: Kind::new("Deployment").unwrap(),
        name: ObjectName::new(name).unwrap(),
        namespace: Namespace::new(namespace).unwrap(),
        path: None,
    }
}

fn within(path: &str) -> Target {
    Target { path: Some(RepoPath::new(path).unwrap()), ..target("media", "sonarr") }
}

const BARE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: sonarr\n";
const MEDIA: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sonarr, namespace: media}\n";

fn found(files: &[(&str, &str)], target: &Target) -> Result<String, Code> {
    listing(files)
        .find(target)
        .map(|found| format!("{}#{}", found.path, found.document))
        .map_err(|problem| problem.code)
}

#[test]
fn the_outermost_namespace_wins() {
    let files = [
        ("apps/kustomization.yaml", "namespace: outer\nresources: [media]\n"),
        ("apps/media/kustomization.yaml", "namespace: inner\nresources: [sonarr/deployment.yaml]\n"),
        ("apps/media/sonarr/deployment.yaml", MEDIA),
    ];
    assert_eq!(
        found(&files, &target("outer", "sonarr")).as_deref(),
        Ok("apps/media/sonarr/deployment.yaml#0")
    );
    assert_eq!(found(&files, &target("inner", "sonarr")), Err(Code::ManifestNotFound));
    assert_eq!(found(&files, &target("media", "sonarr")), Err(Code::ManifestNotFound));
}

#[test]
fn prefixes_and_suffixes_change_the_name() {
    let files = [
        ("a/kustomization.yml", "namespace: media\nnamePrefix: my-\nnameSuffix: -x\nresources: [./d.yaml]\n"),
        ("a/d.yaml", BARE),
    ];
    assert_eq!(found(&files, &target("media", "my-sonarr-x")).as_deref(), Ok("a/d.yaml#0"));
    assert_eq!(found(&files, &target("media", "sonarr")), Err(Code::ManifestNotFound));
}

#[test]
fn a_flux_build_of_a_plain_folder_covers_everything_below_it() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec: {path: ./apps/, targetNamespace: media}\n";
    let files = [("flux/apps.yaml", flux), ("apps/sub/deeper/d.yaml", BARE), ("elsewhere/d.yaml", BARE)];
    assert_eq!(found(&files, &target("media", "sonarr")).as_deref(), Ok("apps/sub/deeper/d.yaml#0"));
    assert_eq!(found(&files, &target("default", "sonarr")).as_deref(), Ok("elsewhere/d.yaml#0"));
}

#[test]
fn documents_are_counted_and_foreign_kinds_are_not_taken() {
    let many = format!("# first\n---\n---\n{BARE}---\n{MEDIA}");
    assert_eq!(found(&[("all.yaml", &many)], &target("media", "sonarr")).as_deref(), Ok("all.yaml#2"));
    let foreign = MEDIA.replace("apps/v1", "example.org/v1");
    assert_eq!(found(&[("x.yaml", &foreign)], &target("media", "sonarr")), Err(Code::ManifestNotFound));
}

#[test]
fn names_are_read_through_anchors_and_merge_keys() {
    let anchored = "x: &m {name: sonarr, namespace: media}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  <<: *m\n";
    assert_eq!(found(&[("x.yaml", anchored)], &target("media", "sonarr")).as_deref(), Ok("x.yaml#0"));
}

#[test]
fn two_matches_are_listed_and_a_path_decides() {
    let files = [("a/x.yaml", MEDIA), ("b/y.yaml", MEDIA)];
    let problem = listing(&files).find(&target("media", "sonarr")).unwrap_err();
    assert_eq!(problem.code, Code::ManifestAmbiguous);
    assert!(problem.detail.contains("a/x.yaml:1") && problem.detail.contains("b/y.yaml:1"), "{problem}");
    assert_eq!(found(&files, &within("b/y.yaml")).as_deref(), Ok("b/y.yaml#0"));
    assert_eq!(found(&files, &within("b")).as_deref(), Ok("b/y.yaml#0"));
    assert_eq!(found(&files, &within("c")), Err(Code::ManifestNotFound));
    let twice = format!("{MEDIA}---\n{MEDIA}");
    assert_eq!(found(&[("x.yaml", &twice)], &target("media", "sonarr")), Err(Code::ManifestAmbiguous));
}

#[test]
fn an_unreadable_file_matters_only_when_it_may_hold_the_manifest() {
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n";
    let files = [("chart/templates/d.yaml", template), ("a.yaml", MEDIA)];
    assert_eq!(found(&files, &target("media", "sonarr")).as_deref(), Ok("a.yaml#0"));
    let broken = format!("{MEDIA}  x: [\n").replace("{name: sonarr, namespace: media}", "\n  name: sonarr");
    assert_eq!(found(&[("a.yaml", &broken)], &target("media", "sonarr")), Err(Code::ManifestUnreadable));
    let listing = listing(&[("a.yaml", &broken), ("b.yaml", MEDIA)]);
    assert!(listing.find(&target("media", "sonarr")).is_ok());
    assert_eq!(listing.suspects(&target("media", "sonarr")).len(), 1);
}

#[test]
fn cycles_and_ways_out_of_the_repository_end() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b, ../../../etc, https://example.org/x, d.yaml]\n"),
        ("b/kustomization.yaml", "resources: [../a]\n"),
        ("c/kustomization.yaml", "namespace: media\nresources: [../a]\n"),
        ("a/d.yaml", BARE),
    ];
    assert_eq!(found(&files, &target("media", "sonarr")).as_deref(), Ok("a/d.yaml#0"));
}

#[test]
fn a_patch_file_is_no_manifest() {
    for patches in ["patches:\n  - path: patch.yaml\n", "patchesStrategicMerge: [patch.yaml]\n"] {
        let top = format!("namespace: media\nresources: [d.yaml]\n{patches}");
        let files = [("a/kustomization.yaml", top.as_str()), ("a/d.yaml", BARE), ("a/patch.yaml", MEDIA)];
        assert_eq!(found(&files, &target("media", "sonarr")).as_deref(), Ok("a/d.yaml#0"), "{patches}");
    }
}

const FLUX: &str =
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n";

#[test]
fn a_flux_build_of_another_source_says_nothing_about_this_repository() {
    let other = format!(
        "{FLUX}  path: ./\n  targetNamespace: podinfo\n  sourceRef: {{kind: OCIRepository, name: podinfo}}\n"
    );
    let own = format!(
        "{FLUX}  path: ./apps\n  targetNamespace: media\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n"
    );
    let files = [("flux/podinfo.yaml", other.as_str()), ("flux/apps.yaml", &own), ("apps/d.yaml", BARE)];
    assert_eq!(found(&files, &target("media", "sonarr")).as_deref(), Ok("apps/d.yaml#0"));
}

#[test]
fn what_flux_takes_with_a_whole_folder_is_one_build() {
    let flux = format!("{FLUX}  path: ./apps\n");
    let files = [
        ("flux.yaml", flux.as_str()),
        ("apps/media/kustomization.yaml", "resources: [d.yaml]\n"),
        ("apps/media/d.yaml", MEDIA),
    ];
    assert_eq!(listing(&files).find(&target("media", "sonarr")).unwrap().built_from, ["flux.yaml"]);
}

#[test]
fn a_flux_builds_prefix_is_part_of_the_name() {
    let build =
        |prefix: &str| format!("{FLUX}  path: ./apps\n  targetNamespace: media\n  namePrefix: {prefix}\n");
    let (a, b) = (build("a-"), build("b-"));
    let files = [("a.yaml", a.as_str()), ("b.yaml", &b), ("apps/d.yaml", BARE)];
    assert_eq!(found(&files, &target("media", "sonarr")), Err(Code::ManifestNotFound));
    assert_eq!(found(&files, &target("media", "a-sonarr")), Err(Code::ManifestShared));
    assert_eq!(found(&files[1..], &target("media", "b-sonarr")).as_deref(), Ok("apps/d.yaml#0"));
}

#[test]
fn an_item_of_a_list_counts_and_is_not_edited() {
    let list =
        format!("apiVersion: v1\nkind: List\nitems:\n  - {}", MEDIA.trim_end().replace('\n', "\n    "));
    assert_eq!(found(&[("list.yaml", &list)], &target("media", "sonarr")), Err(Code::FieldUneditable));
    assert_eq!(
        found(&[("list.yaml", &list), ("d.yaml", MEDIA)], &target("media", "sonarr")),
        Err(Code::ManifestAmbiguous)
    );
}

#[test]
fn a_file_that_its_kustomization_leaves_out_is_told_of() {
    let unlisted = |kustomization: &str| {
        let files = [("apps/kustomization.yaml", kustomization), ("apps/sonarr/d.yaml", MEDIA)];
        listing(&files).find(&target("media", "sonarr")).unwrap().unbuilt
    };
    assert_eq!(unlisted("resources: []\n"), Some(Unbuilt::LeftOut("apps".to_owned())));
    assert_eq!(unlisted("resources: [sonarr/d.yaml]\n"), None);
    let only = |files: &[(&str, &str)]| listing(files).find(&target("media", "sonarr")).unwrap().unbuilt;
    assert_eq!(only(&[("d.yaml", MEDIA)]), None);
    let (flux, sync) = (format!("{FLUX}  path: ./apps\n"), format!("{FLUX}  path: ./cluster\n"));
    let with = |file: &'static str| {
        only(&[("cluster/apps.yaml", &flux), ("cluster/flux-system/sync.yaml", &sync), (file, MEDIA)])
    };
    assert_eq!(with("archive/d.yaml"), Some(Unbuilt::Nowhere));
    assert_eq!(with("apps/d.yaml"), None);
    // Who applies the Flux Kustomization may apply anything.
    assert_eq!(only(&[("flux.yaml", &flux), ("archive/d.yaml", MEDIA)]), None);
    let top = ("cluster/kustomization.yaml", "resources: [flux-system]\n");
    let sub = ("cluster/flux-system/kustomization.yaml", "resources: [sync.yaml]\n");
    let files = [
        ("cluster/apps.yaml", flux.as_str()),
        ("cluster/flux-system/sync.yaml", &sync),
        top,
        sub,
        ("apps/d.yaml", MEDIA),
    ];
    let left_out = Unbuilt::NotApplied {
        file: RepoPath::new("cluster/apps.yaml").unwrap(),
        folder: "cluster".to_owned(),
    };
    assert_eq!(only(&files), Some(left_out));
}

#[test]
fn components_that_multiply_are_not_followed_to_their_end() {
    let component =
        |includes: usize| format!("kind: Component\ncomponents: [../c{includes}, ../c{includes}]\n");
    let names: Vec<String> = (0..20).map(|at| format!("c{at}/kustomization.yaml")).collect();
    let texts: Vec<String> = (0..20_usize)
        .map(|at| if at == 0 { "kind: Component\n".to_owned() } else { component(at - 1) })
        .collect();
    let mut files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("over/kustomization.yaml", "resources: [d.yaml]\ncomponents: [../c19]\n"));
    files.push(("over/d.yaml", MEDIA));
    assert_eq!(found(&files, &target("media", "sonarr")), Err(Code::ManifestShared));
}

/// Each of these took longer than anybody waits before what was seen was remembered.
#[test]
fn small_files_that_multiply_are_read_in_one_go() {
    let mut bomb = String::from("apiVersion: v1\nkind: ConfigMap\ndata:\n  x:\n    - &a0 {q: 1}\n");
    for level in 1..=8 {
        let aliases = vec![format!("*a{}", level - 1); 60].join(", ");
        bomb.push_str(&format!("    - &a{level} {{<<: [{aliases}]}}\n"));
    }
    bomb.push_str(&format!("metadata:\n  name: x\n  <<: [{}]\n", vec!["*a8"; 60].join(", ")));
    let wide = |folder: &str| format!("resources: [{}]\n", vec![format!("../{folder}"); 400].join(", "));
    let (a, b, c) = (wide("b"), wide("c"), format!("resources: [{}]\n", vec!["d.yaml"; 3000].join(", ")));
    let files = [
        ("bomb.yaml", bomb.as_str()),
        ("k/a/kustomization.yaml", &a),
        ("k/b/kustomization.yaml", &b),
        ("k/c/kustomization.yaml", &c),
        ("k/c/d.yaml", MEDIA),
    ];
    assert_eq!(found(&files, &target("media", "sonarr")), Err(Code::ManifestShared));
}

#[test]
fn a_folder_in_the_config_is_told_from_files_whose_names_begin_like_it() {
    for (files, expected) in [
        ([("apps-old/d.yaml", BARE), ("apps/d.yaml", MEDIA)], Ok("apps/d.yaml#0")),
        ([("apps-old/d.yaml", MEDIA), ("apps.yaml", MEDIA)], Err(Code::ManifestNotFound)),
    ] {
        assert_eq!(found(&files, &within("apps")).as_deref(), expected.as_deref());
    }
}

#[test]
fn a_renewed_listing_knows_what_a_new_one_knows() {
    let deployment = ("apps/media/d.yaml", BARE);
    let before = [
        ("apps/kustomization.yaml", "namespace: media\nresources: [media]\n"),
        ("apps/media/kustomization.yaml", "resources: [d.yaml]\n"),
        deployment,
    ];
    let old = listing(&before);
    let spec = format!("{BARE}spec: {{replicas: 1}}\n");
    let lower = format!("# moved\n{BARE}");
    let changes: [&[(&str, &str)]; 6] = [
        &before,
        &[before[0], before[1], ("apps/media/d.yaml", &spec)],
        &[before[0], before[1], ("apps/media/d.yaml", &lower)],
        &[("apps/kustomization.yaml", "namespace: tools\nresources: [media]\n"), before[1], deployment],
        &[before[1], deployment],
        &[before[0], before[1], ("apps/media/e.yaml", BARE)],
    ];
    let mut seen = Vec::new();
    for files in changes {
        let renewed = old.renew(listing(files).files().clone());
        let fresh = listing(files);
        for namespace in ["media", "tools", "default"] {
            let target = target(namespace, "sonarr");
            assert_eq!(renewed.find(&target), fresh.find(&target), "{files:?}");
            seen.push(renewed.find(&target).is_ok());
        }
        assert_eq!(renewed.counts(), fresh.counts());
    }
    assert_eq!(seen.iter().filter(|found| **found).count(), changes.len(), "{seen:?}");
}

#[test]
fn a_patch_is_about_what_its_target_says() {
    let body = "patch: |\n      kind: Deployment\n      metadata:\n        name: sonarr\n";
    let at = RepoPath::new("a/kustomization.yaml").unwrap();
    let wanted = Target { path: Some(at), ..target("media", "sonarr") };
    for (target, is_ours) in [
        ("", true),
        ("target: {kind: Deployment, name: sonarr}\n    ", true),
        // The namespace comes after the patches of the same kustomization.
        ("target: {kind: Deployment, name: sonarr, namespace: default}\n    ", true),
        ("target: {kind: Deployment, name: sonarr, namespace: media}\n    ", false),
        ("target: {kind: Deployment, name: other}\n    ", false),
        ("target: {kind: StatefulSet, name: sonarr}\n    ", false),
        ("target: {kind: Deployment, name: sonarr, namespace: other}\n    ", false),
        ("target: {kind: Deployment}\n    ", false),
        ("target: {kind: Deployment, name: sonarr|other}\n    ", false),
        ("target: {kind: Deployment, name: sonarr, labelSelector: a=b}\n    ", false),
    ] {
        let text = format!("namespace: media\nresources: [d.yaml]\npatches:\n  - {target}{body}");
        let listing = listing(&[("a/kustomization.yaml", text.as_str()), ("a/d.yaml", BARE)]);
        let found = listing.find(&wanted);
        assert_eq!(found.is_ok_and(|found| found.patch == Some(0)), is_ours, "{text}");
    }
}

#[test]
fn a_hint_names_an_object_once() {
    let files = [("apps/sonarr.yaml", MEDIA), ("other/more.yaml", BARE)];
    let problem = listing(&files).find(&within("other")).unwrap_err();
    assert_eq!(problem.hint.matches("media/sonarr").count(), 1, "{}", problem.hint);
}
