//! The Git engine: a warm local mirror, and the one remote branch that is the product's database and lock.

mod command;
mod error;
mod mirror;
mod porcelain;
mod remote;
mod repository;
mod ssh;
mod tree_edit;
mod url;

pub use error::RemoteError;
pub use mirror::{Author, Mirror, MirrorError};
pub use porcelain::PushOutcome;
pub use repository::{FETCH_LIMIT, Repository, Settings};
pub use ssh::{SshSettings, run_as_ssh_if_asked};
pub use url::{RemoteUrl, UrlError};
