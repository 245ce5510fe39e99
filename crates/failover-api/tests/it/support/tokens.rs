//! Tokens, made as operators make them.

use std::process::Command;

use super::api::Server;
use super::process::run;
use super::scene::{Scene, ready};
use super::volume::Volume;

/// A token and its line for the token file.
pub(crate) struct Token {
    /// `Bearer` and the token.
    pub(crate) header: String,
    /// The token.
    pub(crate) secret: String,
    /// `NAME ROLE sha256:…`
    pub(crate) line: String,
}

impl Token {
    /// What `failover-api token NAME --role ROLE` prints.
    pub(crate) fn new(name: &str, role: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover-api"));
        let printed = run(command.env_clear().args(["token", name, "--role", role])).stdout;
        let printed = String::from_utf8(printed).unwrap();
        let (secret, line) = printed.trim_end().split_once('\n').unwrap();
        Self { header: format!("Bearer {secret}"), secret: secret.to_owned(), line: line.to_owned() }
    }

    /// The header that a call needs.
    pub(crate) fn headers(&self) -> [(&str, &str); 1] {
        [("authorization", &self.header)]
    }
}

/// A server whose moves need this token, and so do its reads if `closed`.
pub(crate) fn with_token(scene: &Scene, token: &Token, closed: bool) -> (Server, Volume) {
    let volume = Volume::new("tokens", &token.line);
    let mut arguments = scene.local();
    arguments.extend(["--token-file".into(), volume.file().into()]);
    arguments.extend(closed.then(|| "--require-token-for-reads".into()));
    (ready(Server::start(arguments)), volume)
}
