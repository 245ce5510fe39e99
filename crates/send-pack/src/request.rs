//! The request that moves one branch from one commit to another, or not at all.

use crate::advertisement::Advertisement;
use crate::packet::{FLUSH, append};

/// A branch's move. The server compares `old` with the branch under the branch's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The branch's full name, `refs/heads/…`.
    pub reference: String,
    /// The commit, in hexadecimal digits, at which the branch must be.
    pub old: String,
    /// The commit at which it then is.
    pub new: String,
}

/// The server would not say what became of a push, so nothing may be pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Git remote does not report what becomes of a push (report-status)")]
pub struct NoReport;

/// What a server that made this advertisement is asked; a pack of the objects that it lacks must follow.
///
/// # Errors
/// The server would not report.
pub fn request(advertisement: &Advertisement, update: &Update, agent: &str) -> Result<Vec<u8>, NoReport> {
    let report = ["report-status-v2", "report-status"].into_iter().find(|name| advertisement.offers(name));
    let mut words = vec![report.ok_or(NoReport)?.to_owned()];
    words.extend(
        ["side-band-64k", "quiet"].into_iter().filter(|name| advertisement.offers(name)).map(str::to_owned),
    );
    if advertisement.offers("object-format") {
        words.push(format!("object-format={}", advertisement.format));
    }
    if advertisement.offers("agent") {
        words.push(format!("agent={agent}"));
    }
    let mut bytes = Vec::new();
    let command = format!("{} {} {}\0 {}", update.old, update.new, update.reference, words.join(" "));
    append(&mut bytes, &[command.as_bytes()]);
    bytes.extend_from_slice(FLUSH);
    Ok(bytes)
}
