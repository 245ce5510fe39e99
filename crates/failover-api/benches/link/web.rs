//! Moves in a repository behind a web server.

use std::net::SocketAddr;
use std::time::Duration;

use crate::flows::{Flow, LEVELS, timed};
use crate::support::api::Server;
use crate::support::https::HttpsServer;
use crate::support::proxy::Proxy;
use crate::support::scene::{Scene, ready};
use crate::support::secret::Secret;

/// A line to one repository behind the web server.
pub(crate) struct WebLine {
    _proxy: Proxy,
    /// The repository's address through the line.
    pub(crate) url: String,
}

impl WebLine {
    pub(crate) fn new(https: &HttpsServer, round_trip: Duration, scene: &Scene) -> Self {
        let url = https.url(scene.repository.path());
        let (authority, path) = url.trim_start_matches("https://").split_once('/').unwrap();
        let address: SocketAddr = authority.parse().unwrap();
        let proxy = Proxy::with_round_trip(address, round_trip);
        let url = format!("https://{}/{path}", proxy.address());
        Self { _proxy: proxy, url }
    }
}

/// A running server that knows the repository by `https://`, asked over HTTP.
pub(crate) struct OursOverHttps {
    scene: Scene,
    server: Server,
    service: String,
    at_backup: bool,
    _line: WebLine,
    _secret: Secret,
}

impl OursOverHttps {
    pub(crate) fn new(scene: Scene, line: WebLine, https: &HttpsServer, service: &str) -> Self {
        let secret = Secret::new(https.secret());
        let server = ready(Server::start_logging(LEVELS, scene.with_secret(&line.url, &secret)));
        Self { scene, server, service: service.to_owned(), at_backup: false, _line: line, _secret: secret }
    }
}

impl Flow for OursOverHttps {
    fn go(&mut self) -> Duration {
        let (reply, time) = timed(|| {
            if self.at_backup {
                self.server.demote(&self.service)
            } else {
                self.server.promote(&self.service)
            }
        });
        assert_eq!(self.scene.repository.tip(), reply.commit());
        self.at_backup = !self.at_backup;
        time
    }

    fn scene(&self) -> &Scene {
        &self.scene
    }
}

/// Every push to the repository came by itself, one POST without a question before it, and all over one connection.
pub(crate) fn assert_pooled(https: &HttpsServer, scene: &Scene, pushes: usize) {
    let path = scene.repository.path().to_str().unwrap();
    let log = https.access_log();
    let own = log.iter().filter(|line| line.contains(path));
    let own: Vec<Vec<&str>> = own.map(|line| line.split(' ').collect()).collect();
    let posts: Vec<usize> = (0..own.len()).filter(|at| own[*at][3].ends_with("/git-receive-pack")).collect();
    assert_eq!(posts.len(), pushes, "{log:#?}");
    assert_eq!(posts[pushes - 1] - posts[0], pushes - 1, "{log:#?}");
    assert!(posts.iter().all(|at| own[*at][1] == own[posts[0]][1]), "{log:#?}");
}
