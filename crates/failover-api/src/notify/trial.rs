//! Whether messages arrive, tried without a server.

use std::path::Path;

use failover_core::name::ObjectName;
use failover_core::notice::{Event, Notice};

use super::delivery;
use super::listed::{ListProblem, Listed};
use super::listener::Listener as _;
use super::messenger::{Message, Messenger};
use crate::clock;
use crate::reload;

/// What became of a test message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The notification's name.
    pub name: ObjectName,
    /// Why it did not arrive.
    pub failed: Option<String>,
}

/// Sends a test message to each notification of the file, or to those of these names. Tries once. Blocks.
///
/// # Errors
/// The file is wrong.
pub fn try_out(path: &Path, wanted: &[ObjectName]) -> Result<Vec<Tried>, ListProblem> {
    let messengers = reload::look::<Listed<Messenger>>(path)?;
    let message = Message { notice: Notice::example(Event::Test, clock::now()), tracked: None };
    let named = messengers.iter().filter(|one| wanted.is_empty() || wanted.contains(one.name()));
    let tried = named.map(|one| {
        let told = one.request(&message, 0).and_then(|request| delivery::post(&request, Messenger::meaning));
        Tried { name: one.name().clone(), failed: told.err().map(|failed| failed.detail) }
    });
    Ok(tried.collect())
}
