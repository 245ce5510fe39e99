//! The least that a push can take: bytes that are ready go out on a connection that is open, and the report comes back.

use std::fs;
use std::io::{Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use send_pack::ObjectFormat;
use send_pack::advertisement::{Advertisement, AdvertisementReader};
use send_pack::pack::{ObjectKind, pack};
use send_pack::report::{BranchReport, Report, ReportReader};
use send_pack::request::{Update, request};
use tempfile::TempDir;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::cluster::Change;
use crate::flows::{Flow, head};
use crate::line::{Line, Master};
use crate::support::git::{BRANCH, git};
use crate::support::process::{feed, run};
use crate::support::scene::Scene;
use crate::web::WebLine;

const AGENT: &str = "git/link-bench";

/// Who makes commits like ours, ahead of time and with Git's own hands.
struct Author {
    folder: TempDir,
    changes: Vec<Change>,
    /// As long as ours are.
    message: String,
    at_backup: bool,
}

impl Author {
    fn new(scene: &Scene, changes: Vec<Change>, message: String) -> Self {
        let folder = TempDir::new().unwrap();
        run(git(folder.path()).args(["clone", "-q", "--template="]).arg(scene.repository.path()).arg("."));
        Self { folder, changes, message, at_backup: false }
    }

    /// Everything that must be sent for the next commit.
    fn next(&mut self, advertisement: &Advertisement) -> (Update, Vec<u8>) {
        let folder = self.folder.path();
        self.at_backup = !self.at_backup;
        for change in &self.changes {
            fs::write(folder.join(&change.path), change.to(self.at_backup)).unwrap();
        }
        let old = head(folder);
        run(git(folder).args(["commit", "-q", "-a", "-m", &self.message]));
        let update = Update { reference: format!("refs/heads/{BRANCH}"), old, new: head(folder) };
        let mut bytes = request(advertisement, &update, AGENT).unwrap();
        let listing = run(git(folder).args(["rev-list", "--objects", "--no-object-names", "HEAD~1..HEAD"]));
        let objects = feed(git(folder).args(["cat-file", "--batch"]), &listing.stdout).stdout;
        let objects = taken_apart(&objects);
        let objects = objects.iter().map(|(kind, data)| (*kind, *data));
        bytes.extend_from_slice(&pack(objects, ObjectFormat::Sha1).unwrap());
        (update, bytes)
    }
}

/// What `git cat-file --batch` says: `<id> <kind> <size>`, a newline, the content, a newline.
fn taken_apart(mut text: &[u8]) -> Vec<(ObjectKind, &[u8])> {
    let mut objects = Vec::new();
    while !text.is_empty() {
        let end = text.iter().position(|byte| *byte == b'\n').unwrap();
        let words: Vec<&str> = std::str::from_utf8(&text[..end]).unwrap().split(' ').collect();
        let kind = match words[1] {
            "commit" => ObjectKind::Commit,
            "tree" => ObjectKind::Tree,
            other => {
                assert_eq!(other, "blob");
                ObjectKind::Blob
            }
        };
        let size: usize = words[2].parse().unwrap();
        objects.push((kind, &text[end + 1..end + 1 + size]));
        text = &text[end + 2 + size..];
    }
    objects
}

/// Reads until the report is complete.
fn read_report(from: &mut impl Read, update: &Update) -> Report {
    let mut reader = ReportReader::new(update, true);
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap();
        assert!(count > 0, "the report broke off; {}", reader.words());
        if let Some(report) = reader.feed(&buffer[..count]).unwrap() {
            return report;
        }
    }
}

fn assert_moved(scene: &Scene, report: &Report, update: &Update) {
    assert_eq!(*report, Report { unpack_error: None, branch: BranchReport::Moved });
    assert_eq!(scene.repository.tip(), update.new);
}

/// Over SSH: `git-receive-pack` was started ahead on a shared connection, and has said where the branch is.
pub(crate) struct SshFloor {
    scene: Scene,
    /// Before the line, so that it does not complain of its end.
    master: Master,
    line: Line,
    author: Author,
    open: Option<(Child, Advertisement)>,
}

impl SshFloor {
    pub(crate) fn new(scene: Scene, line: Line, changes: Vec<Change>, message: String) -> Self {
        let author = Author::new(&scene, changes, message);
        let master = Master::start(&line);
        let mut floor = Self { scene, line, master, author, open: None };
        floor.open();
        floor
    }

    fn open(&mut self) {
        let mut child = self.master.open(&self.line, "git-receive-pack");
        let mut reader = AdvertisementReader::new(&format!("refs/heads/{BRANCH}"), None);
        let mut buffer = [0; 16 * 1024];
        let advertisement = loop {
            let count = child.stdout.as_mut().unwrap().read(&mut buffer).unwrap();
            assert!(count > 0, "no advertisement");
            if let Some(advertisement) = reader.feed(&buffer[..count]).unwrap() {
                break advertisement;
            }
        };
        self.open = Some((child, advertisement));
    }
}

impl Flow for SshFloor {
    fn go(&mut self) -> Duration {
        self.master.assert_open();
        let (mut child, advertisement) = self.open.take().unwrap();
        let (update, bytes) = self.author.next(&advertisement);
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let begun = Instant::now();
        stdin.write_all(&bytes).unwrap();
        stdin.flush().unwrap();
        let report = read_report(&mut stdout, &update);
        let time = begun.elapsed();
        assert_moved(&self.scene, &report, &update);
        drop(stdin);
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
        self.open();
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

impl Drop for SshFloor {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.open.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Over HTTPS: one POST on a connection that has been used before.
pub(crate) struct HttpsFloor {
    scene: Scene,
    line: WebLine,
    author: Author,
    agent: Agent,
    advertisement: Advertisement,
}

impl HttpsFloor {
    pub(crate) fn new(
        scene: Scene,
        line: WebLine,
        authority: &[u8],
        changes: Vec<Change>,
        message: String,
    ) -> Self {
        let author = Author::new(&scene, changes, message);
        let authority = Certificate::from_pem(authority).unwrap();
        let tls = TlsConfig::builder().root_certs(RootCerts::from([authority])).build();
        let config = Agent::config_builder().tls_config(tls).proxy(None).user_agent(AGENT);
        let agent: Agent = config.max_idle_age(Duration::from_secs(600)).build().into();
        let answer = agent.get(format!("{}/info/refs?service=git-receive-pack", line.url)).call().unwrap();
        let bytes = answer.into_body().read_to_vec().unwrap();
        let mut reader = AdvertisementReader::new(&format!("refs/heads/{BRANCH}"), Some("git-receive-pack"));
        let advertisement = reader.feed(&bytes).unwrap().unwrap();
        Self { scene, line, author, agent, advertisement }
    }
}

impl Flow for HttpsFloor {
    fn go(&mut self) -> Duration {
        let (update, bytes) = self.author.next(&self.advertisement);
        let begun = Instant::now();
        let post = self.agent.post(format!("{}/git-receive-pack", self.line.url));
        let post = post.header("content-type", "application/x-git-receive-pack-request");
        let mut body = post.send(&bytes[..]).unwrap().into_body().into_reader();
        let report = read_report(&mut body, &update);
        let time = begun.elapsed();
        // To its end, so that the connection can be used again.
        std::io::copy(&mut body, &mut std::io::sink()).unwrap();
        assert_moved(&self.scene, &report, &update);
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}
