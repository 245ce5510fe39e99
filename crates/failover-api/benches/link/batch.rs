//! Many services moved in one commit. The library is driven here, in this process.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use failover_api::git::{RemoteUrl, Repository, SecretFolder, Settings, SshSettings};
use failover_api::notify::Lists;
use failover_api::pipeline::{self, Moved, Observers, Pipeline};
use failover_api::{clock, source};
use failover_core::intent::{Intent, Selection};
use failover_core::name::{Role, ServiceName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::cluster::Change;
use crate::floor::SshFloor;
use crate::flows::{ARMED, Flow, LEVELS, newest_message};
use crate::line::Line;
use crate::samples::{Samples, Target};
use crate::support::git::Repository as Bare;
use crate::support::process::PATIENCE;
use crate::support::scene::{Scene, config, manifest, manifest_path, moved};
use crate::support::sshd::SshServer;
use crate::{ROUNDS, WARM_UP_ROUNDS};

const SERVICES: usize = 500;
const AT_ONCE: [usize; 3] = [1, 50, SERVICES];
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Hands on what is logged in this process.
struct Lines(Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Nobody listens at the end.
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Moves some of the services with a pipeline of its own.
struct Batch<'r> {
    scene: Scene,
    runtime: &'r Runtime,
    pipeline: Arc<Pipeline>,
    services: BTreeSet<ServiceName>,
    log: &'r Receiver<String>,
    at_backup: bool,
    _line: Line,
    _cache: TempDir,
}

impl<'r> Batch<'r> {
    fn new(
        names: &[String],
        scene: Scene,
        line: Line,
        sshd: &SshServer,
        runtime: &'r Runtime,
        log: &'r Receiver<String>,
    ) -> Self {
        let cache = TempDir::new().unwrap();
        let ssh = SshSettings {
            key: Some(sshd.key()),
            known_hosts: Some(sshd.known_hosts()),
            config: None,
            shim: std::env::current_exe().unwrap(),
        };
        let git = Settings {
            url: RemoteUrl::parse(&line.url).unwrap(),
            branch: None,
            ssh: Some(ssh),
            secret: SecretFolder(None),
            cache: Some(cache.path().to_owned()),
        };
        let settings = pipeline::Settings {
            author: "failover-api <failover-api@cluster.local>".parse().unwrap(),
            root: None,
            poll: Duration::from_secs(3600),
            signer: None,
            credentials: None,
        };
        let pipeline = runtime.block_on(async {
            let repository = Repository::new(git).unwrap();
            let pipeline = Pipeline::start(
                settings,
                repository,
                source::watch(scene.config()),
                Observers::start(Lists::default()),
            );
            let mut view = pipeline.view();
            tokio::time::timeout(PATIENCE, view.wait_for(Option::is_some)).await.unwrap().unwrap();
            pipeline
        });
        wait_armed(log);
        let services = names.iter().map(|name| ServiceName::new(name).unwrap()).collect();
        Self { scene, runtime, pipeline, services, log, at_backup: false, _line: line, _cache: cache }
    }
}

/// Waits for the one pipeline that has worked.
fn wait_armed(log: &Receiver<String>) {
    loop {
        let line = log.recv_timeout(PATIENCE).unwrap();
        assert!(!line.contains("ended the conversation"), "{line}");
        if line.contains(ARMED) {
            return;
        }
    }
}

impl Flow for Batch<'_> {
    fn go(&mut self) -> Duration {
        let intent = Intent {
            services: Selection::Named(self.services.clone()),
            to: if self.at_backup { Role::Primary } else { Role::Backup },
            partial: false,
            reason: None,
            requested_by: None,
            expect: None,
            alarm_began: None,
            force: BTreeSet::new(),
            operation: clock::new_operation().unwrap(),
            idempotency_key: None,
        };
        let begun = Instant::now();
        let moved = self.runtime.block_on(self.pipeline.carry_out(intent, None)).unwrap();
        let time = begun.elapsed();
        let Moved::Changed { committed, plan: Some(plan), view: Some(view), .. } = moved else {
            panic!("{moved:?}")
        };
        assert_eq!(plan.files.len(), self.services.len());
        assert_eq!(committed.commit().to_string(), self.scene.repository.tip());
        assert_eq!(view.tree.revision.commit, *committed.commit());
        wait_armed(self.log);
        self.at_backup = !self.at_backup;
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

pub(crate) fn run(targets: &mut Vec<Target>) -> Value {
    let (sender, log) = channel();
    let filter = EnvFilter::new(LEVELS.replace("info,", ""));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(Mutex::new(Lines(sender))).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build().unwrap();
    let names: Vec<String> = (0..SERVICES).map(|number| format!("app-{number}")).collect();
    let sshd = SshServer::start_new();
    let scene = || {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let files = names.iter().map(|name| (manifest_path(name), manifest(name)));
        let scene = Scene::with(Bare::new(files), &config(&names));
        let line = Line::new(&sshd, ROUND_TRIP, scene.repository.path());
        (scene, line)
    };
    // All lines first: each is pinned in the file that is watched by those that use it.
    let scenes = AT_ONCE.map(|_| (scene(), scene()));
    let mut rows = Vec::new();
    for (count, ((ours, line), (floor, floor_line))) in AT_ONCE.into_iter().zip(scenes) {
        let batch = Batch::new(&names[..count], ours, line, &sshd, &runtime, &log);
        rows.push((count, batch, Samples::default(), (floor, floor_line)));
    }
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|(count, mut batch, samples, (floor, line))| {
            batch.go();
            let message = newest_message(&batch.scene);
            let changes = names[..count].iter().map(|name| Change {
                path: manifest_path(name),
                primary: manifest(name),
                backup: moved(name),
            });
            let floor = SshFloor::new(floor, line, changes.collect(), message);
            (count, batch, samples, floor, Samples::default())
        })
        .collect();
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        for (_, batch, samples, floor, floor_samples) in &mut rows {
            let (time, least) = (batch.go(), floor.go());
            if round >= WARM_UP_ROUNDS {
                samples.add(time);
                floor_samples.add(least);
            }
        }
    }
    println!("\n{SERVICES} services in files of their own, moved in one commit, 20 ms, through the library");
    println!("{:<44} {:>9} {:>9} {:>9} {:>8}", "", "median ms", "min ms", "max ms", "samples");
    let one = rows[0].2.median();
    let mut json_rows = Vec::new();
    for (count, batch, samples, floor, floor_samples) in &rows {
        batch.scene.repository.fsck().unwrap();
        floor.scene().repository.fsck().unwrap();
        assert_eq!(batch.scene.repository.commit_count(), 2 + WARM_UP_ROUNDS + ROUNDS);
        println!("{:<44} {}", format!("{count} at once"), samples.columns());
        println!("{:<44} {}", format!("{count} at once, bare write and read"), floor_samples.columns());
        if *count > 1 {
            let what = format!("{count} services in one commit / one service, 20 ms");
            targets.push(Target::at_most(what, samples.median() / one, 2.));
        }
        json_rows.push(json!({ "services": count, "ours": samples.json(), "floor": floor_samples.json() }));
    }
    runtime.block_on(async {
        for (_, batch, ..) in &rows {
            batch.pipeline.shut_down(PATIENCE).await;
        }
    });
    json!(json_rows)
}
