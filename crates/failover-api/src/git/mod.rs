//! The Git engine: a warm local mirror, and the one remote branch that is the product's database and lock.

mod url;
mod error;
mod command;
mod ssh;
mod porcelain;
mod objects;
mod tree_edit;
mod cache;
mod mirror;
mod remote;
mod repository;

pub use error::RemoteError;
pub use mirror::{Author, Mirror};
pub use objects::MirrorError;
pub use porcelain::PushOutcome;
pub use repository::{FETCH_LIMIT, Repository, Settings};
pub use ssh::{SshSettings, run_as_ssh_if_asked};
pub use url::{RemoteUrl, UrlError};
