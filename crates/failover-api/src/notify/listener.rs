//! What the engine must know of those that it tells.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use failover_core::config::ConfigErrors;
use failover_core::name::ObjectName;

use super::delivery::{NotTold, Request};
use crate::metrics::{Deliveries, Metrics};
use crate::reload::Files;

/// Somebody who is told, as they can be reached now. Shown by name alone: everything else may be secret.
pub(super) trait Listener: fmt::Debug + Clone + PartialEq + Send + Sync + 'static {
    /// What they are told.
    type News: fmt::Debug + Send + Sync + 'static;

    /// What one is called.
    const ONE: &'static str;
    /// What several are called; also the key of the file that lists them.
    const MANY: &'static str;
    /// What happens to news that come while others wait.
    const QUEUE: Queue;
    /// How long one piece of news is told for, from when it happened.
    const LIMIT: Duration;
    /// The longest pause between two tries.
    const LONGEST_PAUSE: Duration;

    /// Reads the file that lists them, and the files that it names, which lie in `folder` unless they are given otherwise.
    ///
    /// # Errors
    /// Everything that is wrong with the list. One whose own file cannot be read is in [`Listener::trouble`] instead.
    fn parse(text: &str, folder: &Path, files: &mut Files) -> Result<Vec<Self>, ConfigErrors>;

    /// Its name, unique in its list.
    fn name(&self) -> &ObjectName;

    /// Why it cannot be told; holds no secret.
    fn trouble(&self) -> Option<&str>;

    /// What is odd about it, though it can be told.
    fn warning(&self) -> Option<&'static str> {
        None
    }

    /// The request that tells it. `missed` earlier news may not have arrived.
    ///
    /// # Errors
    /// It cannot be made.
    fn request(&self, news: &Self::News, missed: u64) -> Result<Request, NotTold>;

    /// What a status that is no yes most likely means; follows "it answered 404".
    fn meaning(status: u16) -> &'static str;

    /// Where it is counted what became of news.
    fn counted(metrics: &Metrics) -> &Deliveries;

    /// Takes down how telling one of these news goes.
    fn progress(news: &Self::News, name: &ObjectName, progress: Progress<'_>);
}

/// What happens to news that come while others wait for the same listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// The newest takes the place of what is not told yet.
    Newest,
    /// Each is told, in order; when so many wait, the oldest is dropped.
    InOrder(usize),
}

/// How telling goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress<'a> {
    /// `told`, `retrying`, `failed`, `superseded` or `dropped`.
    pub(super) outcome: &'static str,
    /// How many requests were made.
    pub(super) tries: u32,
    /// Why it is not told yet, or never will be.
    pub(super) detail: &'a str,
    /// Since it happened.
    pub(super) milliseconds: u64,
}
