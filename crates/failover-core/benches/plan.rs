//! What it costs to decide: plans for 1, 50 and 500 services, and the reading of a large repository. See
//! docs/benchmarks.md.
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures, and panics rather than report wrong ones"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use failover_core::check;
use failover_core::config::{self, Config};
use failover_core::intent::Intent;
use failover_core::name::{BlobId, BranchName, CommitId, OperationId, RepoPath, Revision, Role, ServiceName};
use failover_core::plan::{Plan, plan};
use failover_core::render::unified_diff;
use failover_core::restraint::Restraints;
use failover_core::topology::ServiceState;
use failover_core::tree::{FileFacts, ListedFile, Listing, Source, Tree};
use jiff::Timestamp;

const SERVICES: usize = 500;
const NAMESPACES: usize = 10;
/// Files of the large repository.
const FILES: usize = 20_000;

fn main() {
    // `cargo test --all-targets` runs benchmarks too, unoptimized and to no purpose.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with: cargo bench -p failover-core --bench plan");
        return;
    }
    let config = config::parse(&services_yaml()).unwrap_or_else(|errors| panic!("{errors}"));
    println!("{SERVICES} services; medians in milliseconds\n");
    println!(
        "{:<38} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8}",
        "", "plan 1", "plan 50", "plan 500", "500 / 50", "states", "checks", "diff"
    );
    for (title, files) in [
        ("each in files of its own", each_alone(SERVICES, true)),
        ("the same, claims not in the repository", each_alone(SERVICES, false)),
        ("all in five large files", in_large_files(5)),
        ("all in one file", in_large_files(1)),
        (&*format!("each alone, among {FILES} files"), among_others(each_alone(SERVICES, true))),
        ("the same, claims elsewhere", among_others(each_alone(SERVICES, false))),
    ] {
        let tree = tree(&files, &config);
        let times = [1, 50, SERVICES].map(|count| {
            let intent = intent(count);
            let time = median(if count == SERVICES { 7 } else { 15 }, || {
                let plan = plan(&config, &intent, &tree, Timestamp::UNIX_EPOCH).unwrap();
                assert_eq!(plan.moves.len(), count);
                assert!(plan.moves.iter().all(|one| one.changes.len() == 2));
                plan
            });
            milliseconds(time)
        });
        let states: Vec<_> = config.services().map(|service| ServiceState::read(service, &tree)).collect();
        assert!(states.iter().all(|state| state.problems.is_empty()));
        let reading = median(5, || {
            config.services().map(|service| ServiceState::read(service, &tree)).collect::<Vec<_>>().len()
        });
        let checking = median(5, || {
            states.iter().map(|state| check::findings(state, Role::Backup, &tree).len()).sum::<usize>()
        });
        let whole: Plan = plan(&config, &intent(SERVICES), &tree, Timestamp::UNIX_EPOCH).unwrap();
        let diff = median(3, || unified_diff(&whole).len());
        println!(
            "{title:<38} {:>8.2} {:>8.2} {:>8.2} {:>9.1} {:>9.2} {:>8.2} {:>8.2}",
            times[0],
            times[1],
            times[2],
            times[2] / times[1],
            milliseconds(reading),
            milliseconds(checking),
            milliseconds(diff),
        );
    }

    let files = among_others(each_alone(SERVICES, true));
    println!("\n{} files; medians in milliseconds\n", files.len());
    let facts = median(3, || facts(&files).len());
    let listed = facts_of(&files);
    let listing = median(5, || Listing::new(listed.clone()));
    let cloning = median(5, || listed.clone());
    let known = Listing::new(listed.clone());
    let needed = median(5, || known.needed(&config).len());
    for (title, time) in [
        ("read every file", facts),
        ("copy the list", cloning),
        ("copy and index it", listing),
        ("find what the config needs", needed),
    ] {
        println!("{title:<38} {:>8.2}", milliseconds(time));
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median<T>(rounds: usize, mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            let result = black_box(work());
            let time = start.elapsed();
            drop(result);
            time
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

type Files = BTreeMap<RepoPath, String>;

fn name(service: usize) -> String {
    format!("app-{service}")
}

fn namespace(service: usize) -> String {
    format!("team-{}", service % NAMESPACES)
}

fn services_yaml() -> String {
    let entry = |service| {
        let (name, namespace) = (name(service), namespace(service));
        format!(
            "  {name}:\n    namespace: {namespace}\n    deployment: {name}\n    volume_name: data\n    primary_pvc: pvc-{name}\n    \
             backup_pvc: pvc-{name}-backup\n    primary_node_label: primary\n    backup_node_label: backup\n"
        )
    };
    format!("services:\n{}", (0..SERVICES).map(entry).collect::<String>())
}

fn deployment(service: usize) -> String {
    let (name, namespace) = (name(service), namespace(service));
    format!(
        "---\n# {name}: on k3s-w1, or on k3s-w2 after a failover\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels: {{app.kubernetes.io/name: {name}}}\nspec:\n  replicas: 1\n  strategy:\n    type: Recreate\n  selector:\n    matchLabels:\n      \
         app.kubernetes.io/name: {name}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {name}\n      annotations:\n        \
         backup.velero.io/backup-volumes: data\n    spec:\n      nodeSelector:\n        role: primary  # k3s-w1\n      securityContext:\n        \
         runAsUser: 1000\n        runAsGroup: 1000\n        fsGroup: 1000\n      containers:\n        - name: {name}\n          \
         image: ghcr.io/home-operations/{name}:4.0.15  # renovate\n          ports:\n            - name: http\n              containerPort: 8989\n          \
         env:\n            - name: TZ\n              value: Europe/Berlin\n            - name: APP__AUTH\n              value: \"External\"\n          \
         resources:\n            requests: {{cpu: 10m, memory: 128Mi}}\n            limits:\n              memory: 1Gi\n          \
         livenessProbe:\n            httpGet: {{path: /ping, port: http}}\n            periodSeconds: 30\n          volumeMounts:\n            \
         - name: data\n              mountPath: /config\n            - name: media\n              mountPath: /media\n      volumes:\n        \
         - name: data\n          persistentVolumeClaim:\n            claimName: pvc-{name}  # the other side is pvc-{name}-backup\n        \
         - name: media\n          nfs:\n            server: nas.home.example\n            path: /volume1/media\n---\napiVersion: v1\nkind: Service\nmetadata:\n  \
         name: {name}\n  namespace: {namespace}\nspec:\n  selector:\n    app.kubernetes.io/name: {name}\n  ports:\n    - name: http\n      port: 8989\n"
    )
}

fn claims(service: usize) -> String {
    let (name, namespace) = (name(service), namespace(service));
    let claim = |suffix: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: pvc-{name}{suffix}\n  namespace: {namespace}\nspec:\n  \
             accessModes: [ReadWriteOnce]\n  storageClassName: local-path\n  resources:\n    requests:\n      storage: 10Gi\n"
        )
    };
    claim("") + &claim("-backup")
}

/// A folder with a kustomization for each service, one above for each namespace, and a Flux build of all.
fn each_alone(services: usize, with_claims: bool) -> Files {
    let mut files = Files::new();
    let mut add = |path: String, text: String| files.insert(RepoPath::new(path).unwrap(), text);
    for service in 0..services {
        let folder = format!("apps/{}/{}", namespace(service), name(service));
        add(format!("{folder}/deployment.yaml"), deployment(service));
        let mut kustomization = "resources:\n  - deployment.yaml\n".to_owned();
        if with_claims {
            add(format!("{folder}/claims.yaml"), claims(service));
            kustomization += "  - claims.yaml\n";
        }
        add(format!("{folder}/kustomization.yaml"), kustomization);
    }
    for team in 0..NAMESPACES {
        let apps = (0..services).filter(|service| service % NAMESPACES == team);
        let list: String = apps.map(|service| format!("  - {}\n", name(service))).collect();
        add(format!("apps/team-{team}/kustomization.yaml"), format!("resources:\n{list}"));
    }
    add(
        "clusters/home/apps.yaml".to_owned(),
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: apps\n  namespace: flux-system\nspec:\n  \
         path: ./apps\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
            .to_owned(),
    );
    files
}

fn in_large_files(count: usize) -> Files {
    let text = |file| {
        let services = (0..SERVICES).filter(move |service| service % count == file);
        services.map(|service| deployment(service) + &claims(service)).collect::<String>()
    };
    (0..count).map(|file| (RepoPath::new(format!("apps/all-{file}.yaml")).unwrap(), text(file))).collect()
}

/// With apps that never move, until there are [`FILES`] files.
fn among_others(mut files: Files) -> Files {
    let missing = FILES - files.len();
    for other in 0..missing {
        let (number, kind) = (other / 4, other % 4);
        let folder = format!("others/group-{}/tool-{number}", number % 100);
        let (file, text) = match kind {
            0 => ("deployment.yaml", deployment(SERVICES + number)),
            1 => ("claims.yaml", claims(SERVICES + number)),
            2 => {
                ("kustomization.yaml", "resources: [deployment.yaml, claims.yaml, config.yaml]\n".to_owned())
            }
            _ => (
                "config.yaml",
                format!(
                    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tool-{number}\n  namespace: tools\ndata:\n  level: info\n"
                ),
            ),
        };
        files.insert(RepoPath::new(format!("{folder}/{file}")).unwrap(), text);
    }
    files
}

fn blob(number: usize) -> BlobId {
    BlobId::new(format!("{number:040x}")).unwrap()
}

fn facts(files: &Files) -> Vec<FileFacts> {
    files.iter().map(|(path, text)| FileFacts::read(path.file_name(), text.as_bytes())).collect()
}

fn facts_of(files: &Files) -> BTreeMap<RepoPath, ListedFile> {
    let listed = files.keys().cloned().zip(facts(files)).enumerate();
    listed
        .map(|(number, (path, facts))| (path, ListedFile { blob: blob(number), facts: Arc::new(facts) }))
        .collect()
}

fn tree(files: &Files, config: &Config) -> Tree {
    let listing = Listing::new(facts_of(files));
    let needed = listing.needed(config);
    let sources = needed.into_iter().map(|path| {
        let source = Source::new(files[&path].as_str());
        source.documents().unwrap();
        (path, Arc::new(source))
    });
    let sources = sources.collect();
    let revision =
        Revision { branch: BranchName::new("main").unwrap(), commit: CommitId::new("0".repeat(40)).unwrap() };
    Tree { revision, listing: Arc::new(listing), sources, restraints: Restraints::default() }
}

fn intent(count: usize) -> Intent {
    let services = (0..count).map(|service| ServiceName::new(name(service)).unwrap()).collect();
    Intent {
        services,
        to: Role::Backup,
        partial: false,
        reason: None,
        requested_by: None,
        expect: None,
        alarm_began: None,
        force: BTreeSet::new(),
        operation: OperationId::new("bench").unwrap(),
        idempotency_key: None,
    }
}
