//! Tokens, made as operators make them.

use std::process::Command;

use super::process::run;

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
