//! The local copy is a cache: whatever happens to it, what is answered and committed is right.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::api::Server;
use crate::support::git::Repository;
use crate::support::hosts::{Host, Kind};
use crate::support::process::{is_root, run};
use crate::support::scene::{Scene, config, manifest, manifest_path, moved, only_folder, ready};

/// A repository with a history that is longer than a copy of it reaches, and files that a pack keeps as deltas.
fn long_history() -> Repository {
    let data = |text: &str| format!("data {}\n{text}\n", text.len());
    let mut stream = String::new();
    for number in 0..260 {
        stream += "commit refs/heads/main\n";
        stream += &format!("committer Alice <alice@home.example> {} +0000\n", 1_768_478_400 + number);
        stream += &data(&format!("Change {number}"));
        if number == 0 {
            for service in ["radarr", "sonarr"] {
                stream +=
                    &format!("M 100644 inline {}\n{}", manifest_path(service), data(&manifest(service)));
            }
        }
        stream += &format!(
            "M 100644 inline notes/{}.yaml\n{}",
            number % 20,
            data(&format!("a: {number}\n").repeat(30))
        );
    }
    Repository::import(stream.as_bytes())
}

/// A server whose local copy can be spoilt.
struct Spoilt<'a> {
    scene: &'a Scene,
    cache: TempDir,
    server: Server,
}

impl<'a> Spoilt<'a> {
    fn serve(scene: &'a Scene, host: &Host) -> Self {
        let cache = TempDir::new().unwrap();
        let mut arguments: Vec<OsString> = host.arguments(scene);
        arguments.extend(["--cache-dir".into(), cache.path().into()]);
        let server = ready(Server::start(arguments));
        Self { scene, cache, server }
    }

    fn mirror(&self) -> PathBuf {
        only_folder(&only_folder(self.cache.path()))
    }

    /// The files of the mirror whose name ends like this.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let mut pending = vec![self.mirror()];
        let mut found = Vec::new();
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else if path.to_str().unwrap().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found
    }
}

fn each(files: Vec<PathBuf>, spoil: impl Fn(&Path)) {
    assert!(!files.is_empty());
    for file in files {
        // Packs are not to be written to.
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        spoil(&file);
    }
}

/// Puts another file in its place: what has been mapped into memory goes on as long as it is.
fn replace(file: &Path, bytes: &[u8]) {
    let new = file.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, file).unwrap();
}

fn truncate(file: &Path) {
    let bytes = fs::read(file).unwrap();
    replace(file, &bytes[..bytes.len() / 2]);
}

/// Turns one bit in every part of the file.
fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let step = (bytes.len() / 50).max(1);
    bytes.iter_mut().skip(step / 2).step_by(step).for_each(|byte| *byte ^= 0x10);
    // In place, as rotting memory does it: what is mapped changes too.
    fs::File::options().write(true).open(file).unwrap().write_all(&bytes).unwrap();
}

/// One way in which the local copy is spoilt.
type Spoil = (&'static str, fn(&Spoilt<'_>));

const WAYS: &[Spoil] = &[
    ("pack truncated", |s| each(s.files(".pack"), truncate)),
    ("pack emptied", |s| each(s.files(".pack"), |file| replace(file, b""))),
    ("pack gone", |s| each(s.files(".pack"), |file| fs::remove_file(file).unwrap())),
    ("pack with turned bits", |s| each(s.files(".pack"), flip)),
    ("index gone", |s| each(s.files(".idx"), |file| fs::remove_file(file).unwrap())),
    ("index truncated", |s| each(s.files(".idx"), truncate)),
    ("index with turned bits", |s| each(s.files(".idx"), flip)),
    ("shallow gone", |s| fs::remove_file(s.mirror().join("shallow")).unwrap()),
    ("shallow garbage", |s| fs::write(s.mirror().join("shallow"), "who knows\n").unwrap()),
    ("shallow empty", |s| fs::write(s.mirror().join("shallow"), "").unwrap()),
    ("refs empty", |s| each(s.files("refs/heads/main"), |file| fs::write(file, "").unwrap())),
    ("refs gone", |s| fs::remove_dir_all(s.mirror().join("refs")).unwrap()),
    ("refs garbage", |s| each(s.files("refs/heads/main"), |file| fs::write(file, "garbage\n").unwrap())),
    ("refs elsewhere", |s| each(s.files("refs/heads/main"), |file| fs::write(file, "1".repeat(40)).unwrap())),
    ("HEAD gone", |s| fs::remove_file(s.mirror().join("HEAD")).unwrap()),
    ("HEAD garbage", |s| fs::write(s.mirror().join("HEAD"), "\0\0").unwrap()),
    ("config garbage", |s| fs::write(s.mirror().join("config"), "[[[").unwrap()),
    ("config gone", |s| fs::remove_file(s.mirror().join("config")).unwrap()),
    ("locks left", |s| {
        for lock in ["HEAD.lock", "shallow.lock", "packed-refs.lock", "config.lock", "refs/heads/main.lock"] {
            fs::write(s.mirror().join(lock), "").unwrap();
        }
    }),
    ("objects are a file", |s| {
        fs::remove_dir_all(s.mirror().join("objects")).unwrap();
        fs::write(s.mirror().join("objects"), "").unwrap();
    }),
    ("everything gone", |s| fs::remove_dir_all(only_folder(s.cache.path())).unwrap()),
    ("a file where the mirror was", |s| {
        let mirror = s.mirror();
        fs::remove_dir_all(&mirror).unwrap();
        fs::write(&mirror, "").unwrap();
    }),
];

/// What must hold afterwards: the next look and the next moves are right, whether or not the branch has moved.
fn assert_recovers(Spoilt { scene, server, .. }: &Spoilt<'_>, way: &str, parent: &str) {
    let at_backup = scene.text("sonarr") == moved("sonarr");
    let turn = || if at_backup { server.demote("sonarr") } else { server.promote("sonarr") };
    let reply = turn();
    let said = format!("{way}: {}\n{}", reply.text, server.log().join("\n"));
    assert_eq!((reply.status, reply.json["changed"].as_bool()), (200, Some(true)), "{said}");
    assert_eq!(reply.json["commit"], scene.repository.tip().as_str(), "{said}");
    assert_eq!(scene.repository.log("%P").lines().next(), Some(parent), "{said}");
    let expected = if at_backup { manifest("sonarr") } else { moved("sonarr") };
    assert_eq!(scene.text("sonarr"), expected, "{said}");
    // A look, a move of a file that nobody has touched since, and one on top of what others did meanwhile.
    let unchanged = turn();
    assert_eq!(
        (unchanged.status, unchanged.json["changed"].as_bool()),
        (200, Some(false)),
        "{way}: {}",
        unchanged.text
    );
    server.promote("radarr").commit();
    scene.repository.commit_foreign("README.md", parent.as_bytes(), way);
    server.demote("radarr").commit();
    assert_eq!(
        (scene.text("radarr"), scene.repository.tip()),
        (
            manifest("radarr"),
            server.get("/api/services").json["revision"]
                .as_str()
                .unwrap()
                .trim_start_matches("main@sha1:")
                .to_owned()
        ),
        "{way}"
    );
    let history = server.get("/api/history?limit=4");
    assert!(history.text.contains(reply.json["commit"].as_str().unwrap()), "{way}: {}", history.text);
    assert_eq!(server.get("/api/health").json["status"], "ok", "{way}");
    let defect = |line: &String| line.contains("panicked") || line.contains("ended abnormally");
    assert!(!server.log().iter().any(defect), "{way}: {}", server.log().join("\n"));
}

fn a_spoilt_local_copy_is_made_anew(kind: Kind) {
    let scene = Scene::with(long_history(), &config(&["radarr", "sonarr"]));
    let host = Host::start_new(kind);
    for (way, spoil) in WAYS {
        // A connection makes no difference to a copy that need not be renewed.
        for foreign in [false, true].into_iter().filter(|foreign| *foreign || kind == Kind::Local) {
            let spoilt = Spoilt::serve(&scene, &host);
            spoil(&spoilt);
            if foreign {
                scene.repository.commit_foreign("README.md", format!("{way}\n").as_bytes(), way);
            }
            let parent = scene.repository.tip();
            assert_recovers(&spoilt, way, &parent);
        }
    }
    scene.repository.fsck().unwrap();
    assert!(scene.repository.is_linear());
}

on_hosts! {
    a_spoilt_local_copy_is_made_anew: local ssh;
}

/// A small disk in memory, unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = TempDir::new().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()));
        Self(folder)
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.path().join("ballast")).unwrap();
        let mut size = 1 << 20;
        while size > 0 {
            if file.write_all(&vec![b'x'; size]).is_err() {
                size /= 2;
            }
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever still uses it keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn a_full_disk_is_named_and_stops_only_what_needs_it(kind: Kind) {
    if !is_root("a disk that is full") {
        return;
    }
    let disk = SmallDisk::mount();
    let scene = Scene::new(&["radarr", "sonarr"]);
    let host = Host::start_new(kind);
    let mut arguments: Vec<OsString> = host.arguments(&scene);
    arguments.extend(["--cache-dir".into(), disk.0.path().join("cache").into()]);
    let server = ready(Server::start(arguments.clone()));
    disk.fill();
    // Everything that these moves need is here, and what they make need not be kept.
    assert_eq!(server.promote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), moved("sonarr"));
    // What somebody else did must be fetched.
    let incompressible: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
    let foreign = scene.repository.commit_foreign("photo.jpeg", &incompressible, "Unrelated");
    for _ in 0..2 {
        let reply = server.promote("radarr");
        reply.assert_problem(503, "cache-failed");
        assert!(reply.json["detail"].as_str().unwrap().contains("No space left"), "{}", reply.text);
        assert!(reply.json["hint"].as_str().unwrap().contains("--cache-dir"), "{}", reply.text);
        assert_eq!(scene.repository.tip(), foreign);
    }
    let health = server.get("/api/health");
    assert_eq!(
        (&health.json["status"], &health.json["problems"][0]["code"]),
        (&"degraded".into(), &"cache-failed".into())
    );
    // Reads go on from what was seen last, and so do dry runs.
    assert_eq!(server.status("radarr").json["active"], "primary");
    assert_eq!(server.get("/api/failover/radarr/promote?dry-run=true").json["changed"], true);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get("/api/history").status, 200);
    disk.empty();
    assert_eq!(server.promote("radarr").commit(), scene.repository.tip());
    assert_eq!(server.demote("sonarr").commit(), scene.repository.tip());
    assert_eq!(scene.text("sonarr"), manifest("sonarr"));
    assert_eq!(server.get("/api/health").json["status"], "ok");
    scene.repository.fsck().unwrap();
}

on_hosts! {
    a_full_disk_is_named_and_stops_only_what_needs_it: local ssh https;
}
